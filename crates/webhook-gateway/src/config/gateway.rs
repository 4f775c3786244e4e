//! `[gateway]`: what is particular to this service.

use std::path::PathBuf;
use std::time::Duration;

use amocrm_sdk::webhook::WebhookEvent;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::clock::parse_span;
use service_kit::config::{Problems, Section, Variable};

/// Shortest secret of an address: short ones are guessed.
pub(crate) const MIN_SECRET: usize = 16;
/// All of amoCRM's repetitions of a webhook lie within 95 minutes (`01-auth-limits-webhooks.md` §6.9).
const SHORTEST_WINDOW: Duration = Duration::from_hours(2);
const LONGEST_WINDOW: Duration = Duration::from_hours(90 * 24);
/// Stands for every event that amoCRM documents.
const ALL: &str = "all";
/// Those events (`01-auth-limits-webhooks.md` §6.2), and incoming messages.
const DOCUMENTED: [WebhookEvent; 32] = [
    WebhookEvent::AddLead,
    WebhookEvent::UpdateLead,
    WebhookEvent::DeleteLead,
    WebhookEvent::RestoreLead,
    WebhookEvent::ResponsibleLead,
    WebhookEvent::StatusLead,
    WebhookEvent::NoteLead,
    WebhookEvent::AddContact,
    WebhookEvent::UpdateContact,
    WebhookEvent::DeleteContact,
    WebhookEvent::RestoreContact,
    WebhookEvent::ResponsibleContact,
    WebhookEvent::NoteContact,
    WebhookEvent::AddCompany,
    WebhookEvent::UpdateCompany,
    WebhookEvent::DeleteCompany,
    WebhookEvent::RestoreCompany,
    WebhookEvent::ResponsibleCompany,
    WebhookEvent::NoteCompany,
    WebhookEvent::AddCustomer,
    WebhookEvent::UpdateCustomer,
    WebhookEvent::DeleteCustomer,
    WebhookEvent::ResponsibleCustomer,
    WebhookEvent::NoteCustomer,
    WebhookEvent::AddTask,
    WebhookEvent::UpdateTask,
    WebhookEvent::DeleteTask,
    WebhookEvent::ResponsibleTask,
    WebhookEvent::AddTalk,
    WebhookEvent::UpdateTalk,
    WebhookEvent::AddChatTemplateReview,
    WebhookEvent::AddMessage,
];

/// `[gateway]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// The file with accounts and subscribers.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Last segment of the address that amoCRM posts to, for the account that `AMOCRM_*` name.
    #[serde(default)]
    pub webhook_secret: Option<SecretString>,
    dedup_window: String,
    events: String,
    watch_minutes: u32,
}

impl GatewayConfig {
    /// How long an event is remembered that tells when its entity changed.
    pub fn dedup_window(&self) -> Duration {
        parse_span(&self.dedup_window).unwrap_or(SHORTEST_WINDOW)
    }

    /// What amoCRM is asked to send.
    pub fn subscribed_events(&self) -> Vec<WebhookEvent> {
        read_events(&self.events).unwrap_or_default()
    }

    /// How often is looked whether amoCRM still sends; `None`: never.
    pub fn watch_every(&self) -> Option<Duration> {
        (self.watch_minutes > 0).then(|| Duration::from_mins(u64::from(self.watch_minutes)))
    }
}

impl Section for GatewayConfig {
    const NAME: &'static str = "gateway";

    fn validate(&self, problems: &mut Problems) {
        match parse_span(&self.dedup_window) {
            None => problems.report_value(
                "gateway.dedup_window",
                &self.dedup_window,
                "is no length of time",
            ),
            Some(window) if !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&window) => problems
                .report_value(
                    "gateway.dedup_window",
                    &self.dedup_window,
                    "is not between 2h, within which amoCRM repeats, and 90d",
                ),
            Some(_) => {}
        }
        if let Err(code) = read_events(&self.events) {
            problems.report_value("gateway.events", &code, "is no event of amoCRM");
        }
        problems.range("gateway.watch_minutes", self.watch_minutes, 0, 1_440);
        if let Some(secret) = &self.webhook_secret
            && let Err(wrong) = check_secret(secret.expose_secret())
        {
            problems.report("gateway.webhook_secret", format!("the value {wrong}"));
        }
    }
}

/// Whether a secret can be the last segment of an address, and cannot be guessed.
pub(crate) fn check_secret(secret: &str) -> Result<(), &'static str> {
    if secret.chars().count() < MIN_SECRET {
        return Err("is shorter than 16 characters");
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !secret.bytes().all(is_plain) {
        return Err("has other characters than letters, digits, `-`, `_` and `.`");
    }
    Ok(())
}

/// The events of a list with commas, or the code that amoCRM does not know.
pub(crate) fn read_events(text: &str) -> Result<Vec<WebhookEvent>, String> {
    let codes = || {
        text.split(',')
            .map(str::trim)
            .filter(|code| !code.is_empty())
    };
    if codes().any(|code| code.eq_ignore_ascii_case(ALL)) {
        return Ok(DOCUMENTED.to_vec());
    }
    let events: Vec<_> = codes()
        .map(|code| {
            let event = WebhookEvent::from(code);
            match event {
                WebhookEvent::Unknown(_) => Err(code.to_owned()),
                known => Ok(known),
            }
        })
        .collect::<Result<_, _>>()?;
    if events.is_empty() {
        return Err(text.to_owned());
    }
    Ok(events)
}

/// The variables of `[gateway]`.
pub const GATEWAY_VARIABLES: &[Variable] = &[
    Variable::plain(
        "GATEWAY_FILE",
        "gateway.file",
        "the path of a TOML file with [[account]] and [[subscriber]]",
        "gateway.toml",
    ),
    Variable::secret(
        "GATEWAY_WEBHOOK_SECRET",
        "gateway.webhook_secret",
        "at least 16 letters, digits, `-`, `_` or `.`",
        "(the output of: openssl rand -hex 24)",
    ),
    Variable::plain(
        "GATEWAY_DEDUP_WINDOW",
        "gateway.dedup_window",
        "a length of time from 2h to 90d, such as 36h or 7d",
        "7d",
    ),
    Variable::plain(
        "GATEWAY_EVENTS",
        "gateway.events",
        "codes of amoCRM's events separated by commas, or all",
        "add_lead, status_lead, update_lead",
    ),
    Variable::plain(
        "GATEWAY_WATCH_MINUTES",
        "gateway.watch_minutes",
        "minutes from 1 to 1440, or 0 for never",
        "5",
    ),
];
