//! `[intake]`: pipeline, stages, deliveries.

use std::time::Duration;

use connection::{Backoff, DeliveryConfig};
use phonenumber::country::Id as Region;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::config::{AmocrmConfig, Problems, Section, ServerConfig, Variable};

use crate::lead::LeadStatus;
use crate::webhook_path::is_loopback;

/// How long storing a lead may take beside the wait for its delivery.
const STORING_MS: u64 = 1_000;

/// `[intake]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeConfig {
    /// The pipeline that deals are created in.
    pub pipeline: String,
    /// Name of a deal, with places for `{name}`, `{phone}`, `{email}` and `{id}`.
    pub deal_name: String,
    #[serde(default)]
    tags: Option<String>,
    phone_region: String,
    short_wait_ms: u64,
    /// How many leads this process delivers at once.
    pub workers: usize,
    retry_base_ms: u64,
    retry_max_ms: u64,
    settle_ms: u64,
    /// Last segment of the webhook's address.
    #[serde(default)]
    pub webhook_secret: Option<SecretString>,
    /// Names of the stages.
    pub stages: StageNames,
}

/// What the stages are called in the account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageNames {
    new: String,
    contacted: String,
    presentation: String,
    selection: String,
    reservation: String,
    deal: String,
    completed: String,
    lost: String,
}

/// The number of a stage that is configured by its number, for two stages of one name: `#60000002`, or the digits alone.
pub(crate) fn stage_number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.strip_prefix('#').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|id| is_number && *id > 0)
}

impl StageNames {
    /// The name of a status' stage.
    pub fn get(&self, status: LeadStatus) -> &str {
        match status {
            LeadStatus::New => &self.new,
            LeadStatus::Contacted => &self.contacted,
            LeadStatus::Presentation => &self.presentation,
            LeadStatus::Selection => &self.selection,
            LeadStatus::Reservation => &self.reservation,
            LeadStatus::Deal => &self.deal,
            LeadStatus::Completed => &self.completed,
            LeadStatus::Lost => &self.lost,
        }
    }
}

impl IntakeConfig {
    /// Tags of every deal.
    pub fn tags(&self) -> Vec<String> {
        self.tags
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Where a phone without a country code is from.
    pub fn phone_region(&self) -> Region {
        region(&self.phone_region).unwrap_or(Region::RU)
    }

    /// How long `POST /api/leads` waits for the delivery.
    pub fn short_wait(&self) -> Duration {
        Duration::from_millis(self.short_wait_ms)
    }

    /// How long after a request without an answer amoCRM may still be at work on it.
    pub fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }

    /// Refuses to wait for deliveries so long that the answer about a lead, which is stored by then, would be cut off:
    /// the visitor would send it again.
    pub(super) fn check_patience(&self, server: &ServerConfig, problems: &mut Problems) {
        let request_ms = server.request_timeout_ms;
        if request_ms > 0 && request_ms < self.short_wait_ms.saturating_add(STORING_MS) {
            problems.report(
                "intake.short_wait_ms",
                format!(
                    "{} leaves less than {STORING_MS} ms of SERVER_REQUEST_TIMEOUT_MS={request_ms} to store the lead",
                    self.short_wait_ms
                ),
            );
        }
    }

    /// Refuses to look for a deal while amoCRM may still be making it. Against an emulator of this machine anything goes.
    pub(super) fn check_settling(
        &self,
        delivery: &DeliveryConfig,
        amocrm: &AmocrmConfig,
        problems: &mut Problems,
    ) {
        let is_emulated = amocrm.base_url().is_some_and(|url| is_loopback(&url));
        let call_ms = delivery.call_timeout().as_millis();
        if !is_emulated && u128::from(self.settle_ms) < call_ms {
            problems.report(
                "intake.settle_ms",
                format!(
                    "{} is less than INTAKE_CALL_TIMEOUT_MS={call_ms}: a request may take so long, and a lead would be sent \
                     again while its deal is being made",
                    self.settle_ms
                ),
            );
        }
    }

    /// The pauses after failed deliveries.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(
            Duration::from_millis(self.retry_base_ms),
            Duration::from_millis(self.retry_max_ms),
        )
    }
}

impl Section for IntakeConfig {
    const NAME: &'static str = "intake";

    fn validate(&self, problems: &mut Problems) {
        for (key, value) in [
            ("intake.pipeline", &self.pipeline),
            ("intake.deal_name", &self.deal_name),
        ] {
            if value.trim().is_empty() {
                problems.report(key, "is empty");
            }
        }
        if region(&self.phone_region).is_none() {
            problems.report_value(
                "intake.phone_region",
                &self.phone_region,
                "is no country's code",
            );
        }
        problems.range("intake.short_wait_ms", self.short_wait_ms, 0, 20_000);
        problems.range("intake.workers", self.workers, 1, 256);
        problems.range("intake.retry_base_ms", self.retry_base_ms, 10, 600_000);
        problems.range(
            "intake.retry_max_ms",
            self.retry_max_ms,
            self.retry_base_ms,
            86_400_000,
        );
        problems.range("intake.settle_ms", self.settle_ms, 0, 600_000);
        if let Some(secret) = &self.webhook_secret {
            let secret = secret.expose_secret();
            let plain =
                |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
            if secret.len() < 16 || !secret.chars().all(plain) {
                problems.report("intake.webhook_secret", "the value cannot be used");
            }
        }
        let stages: Vec<_> = LeadStatus::ALL
            .into_iter()
            .map(|status| (status, self.stages.get(status).trim().to_lowercase()))
            .collect();
        for (index, (status, name)) in stages.iter().enumerate() {
            let key = format!("intake.stages.{status}");
            if name.is_empty() {
                problems.report(&key, "is empty");
            } else if stages[..index].iter().any(|(_, other)| other == name) {
                problems.report(&key, "is the name of two stages");
            }
        }
    }
}

fn region(text: &str) -> Option<Region> {
    text.trim().to_ascii_uppercase().parse().ok()
}

/// lead-intake's own variables.
pub const INTAKE_VARIABLES: &[Variable] = &[
    Variable::plain(
        "INTAKE_PIPELINE",
        "intake.pipeline",
        "the name of a pipeline",
        "Asia Deals",
    ),
    Variable::plain(
        "INTAKE_DEAL_NAME",
        "intake.deal_name",
        "a text with places for {name}, {phone}, {email} and {id}",
        "Заявка: {name}",
    ),
    Variable::plain(
        "INTAKE_TAGS",
        "intake.tags",
        "tags separated by commas",
        "site",
    ),
    Variable::plain(
        "INTAKE_PHONE_REGION",
        "intake.phone_region",
        "two letters of ISO 3166",
        "RU",
    ),
    Variable::plain(
        "INTAKE_SHORT_WAIT_MS",
        "intake.short_wait_ms",
        "milliseconds from 0 to 20000",
        "1500",
    ),
    Variable::plain(
        "INTAKE_WORKERS",
        "intake.workers",
        "a number from 1 to 256",
        "8",
    ),
    Variable::plain(
        "INTAKE_RETRY_BASE_MS",
        "intake.retry_base_ms",
        "milliseconds from 10 to 600000",
        "1000",
    ),
    Variable::plain(
        "INTAKE_RETRY_MAX_MS",
        "intake.retry_max_ms",
        "milliseconds from INTAKE_RETRY_BASE_MS to 86400000",
        "300000",
    ),
    Variable::plain(
        "INTAKE_SETTLE_MS",
        "intake.settle_ms",
        "milliseconds from INTAKE_CALL_TIMEOUT_MS to 600000",
        "20000",
    ),
    Variable::secret(
        "INTAKE_WEBHOOK_SECRET",
        "intake.webhook_secret",
        "at least 16 letters, digits, `-` or `_`",
        "(the output of: openssl rand -hex 16)",
    ),
    stage("INTAKE_STAGE_NEW", "intake.stages.new", "Новый лид"),
    stage(
        "INTAKE_STAGE_CONTACTED",
        "intake.stages.contacted",
        "Первичный контакт",
    ),
    stage(
        "INTAKE_STAGE_PRESENTATION",
        "intake.stages.presentation",
        "Презентация",
    ),
    stage(
        "INTAKE_STAGE_SELECTION",
        "intake.stages.selection",
        "Выбор объекта",
    ),
    stage(
        "INTAKE_STAGE_RESERVATION",
        "intake.stages.reservation",
        "Резервирование",
    ),
    stage("INTAKE_STAGE_DEAL", "intake.stages.deal", "Сделка"),
    stage(
        "INTAKE_STAGE_COMPLETED",
        "intake.stages.completed",
        "Завершено",
    ),
    stage(
        "INTAKE_STAGE_LOST",
        "intake.stages.lost",
        "Закрыто и не реализовано",
    ),
];

const fn stage(name: &'static str, key: &'static str, example: &'static str) -> Variable {
    Variable::plain(
        name,
        key,
        "the name of a stage of the pipeline, or its number: #60000002",
        example,
    )
}
