//! `[alerts]`: whom to tell that something has to be looked at, and when.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::config::{Problems, Section, Variable};
use service_kit::egress::Guard;
use service_kit::mail::{Mailbox, SmtpConfig};
use service_kit::signature::SigningKeys;
use url::Url;

/// The section `[alerts]` with its comments, for services that have alerts.
pub const ALERT_DEFAULTS: &str = include_str!("../../alerts.default.toml");

/// Chat servers are often machines of the office.
pub(super) const ALLOW_PRIVATE: bool = true;

/// `[alerts]`.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    #[serde(default)]
    webhook_url: Option<SecretString>,
    #[serde(default)]
    webhook_secret: Option<SecretString>,
    #[serde(default)]
    email: Option<String>,
    window_minutes: u32,
    failures: u64,
    queue_minutes: u64,
    renewals: u64,
    check_seconds: u64,
}

impl fmt::Debug for AlertsConfig {
    /// Shows no addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertsConfig")
            .field("failures", &self.failures)
            .field("queue_minutes", &self.queue_minutes)
            .field("renewals", &self.renewals)
            .finish_non_exhaustive()
    }
}

/// How much is too much. 0: nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Within this time,
    pub(super) window: Duration,
    /// so many failed attempts,
    pub(super) failures: u64,
    /// or so many failed renewals;
    pub(super) renewals: u64,
    /// or a job that is due for so many minutes.
    pub(super) queue_minutes: u64,
}

impl AlertsConfig {
    /// Whether anybody is told.
    pub fn is_on(&self) -> bool {
        self.webhook_url.is_some() || self.email.is_some()
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            window: Duration::from_secs(u64::from(self.window_minutes) * 60),
            failures: self.failures,
            renewals: self.renewals,
            queue_minutes: self.queue_minutes,
        }
    }

    /// Growing figures have to be read several times within their window.
    pub(super) fn check_every(&self) -> Duration {
        let asked = Duration::from_secs(self.check_seconds.max(1));
        asked.min(self.limits().window / 4)
    }

    pub(super) fn webhook(&self) -> Option<Url> {
        self.checked_url()?.ok()
    }

    pub(super) fn keys(&self) -> Option<SigningKeys> {
        SigningKeys::parse(self.webhook_secret.as_ref()?).ok()
    }

    pub(super) fn email(&self) -> Option<String> {
        let mailbox: Mailbox = self.email.as_deref()?.trim().parse().ok()?;
        Some(mailbox.email.to_string())
    }

    /// Whether a webhook is posted to.
    pub(crate) fn posts(&self) -> bool {
        self.webhook_url.is_some()
    }

    /// Whether what is posted is signed.
    pub(crate) fn is_signed(&self) -> bool {
        self.keys().is_some()
    }

    /// Whether e-mails are sent.
    pub(crate) fn sends_email(&self) -> bool {
        self.email.is_some()
    }

    /// Whether anything is too much.
    pub(crate) fn has_limits(&self) -> bool {
        self.failures > 0 || self.renewals > 0 || self.queue_minutes > 0
    }

    /// An address alone is not enough for e-mails.
    pub fn check_smtp(&self, smtp: &SmtpConfig, problems: &mut Problems) {
        if self.email.is_some() {
            smtp.check_complete("ALERT_EMAIL is set", problems);
        }
    }

    /// The address is the operator's own and may lie in their network. Metadata services of clouds take no alerts.
    fn checked_url(&self) -> Option<Result<Url, String>> {
        let text = self.webhook_url.as_ref()?.expose_secret().trim();
        let checked = Url::parse(text)
            .map_err(|_| "is no address".to_owned())
            .and_then(
                |url| match Guard::default().check_url(&url, ALLOW_PRIVATE) {
                    Ok(()) => Ok(url),
                    Err(refused) => Err(format!("cannot be used: {refused}")),
                },
            );
        Some(checked)
    }
}

impl Section for AlertsConfig {
    const NAME: &'static str = "alerts";

    fn validate(&self, problems: &mut Problems) {
        if let Some(Err(wrong)) = self.checked_url() {
            problems.report("alerts.webhook_url", wrong);
        }
        if self.webhook_secret.is_some() && self.webhook_url.is_none() {
            problems.report(
                "alerts.webhook_url",
                "is unset while ALERT_WEBHOOK_SECRET is set",
            );
        }
        if self.webhook_secret.is_some() && self.keys().is_none() {
            problems.report("alerts.webhook_secret", "the value cannot be used");
        }
        if self.email.is_some() && self.email().is_none() {
            problems.report("alerts.email", "is no e-mail address");
        }
        problems.range("alerts.window_minutes", self.window_minutes, 1, 1_440);
        problems.range("alerts.failures", self.failures, 0, 1_000_000);
        problems.range("alerts.queue_minutes", self.queue_minutes, 0, 100_000);
        problems.range("alerts.renewals", self.renewals, 0, 1_000);
        problems.range("alerts.check_seconds", self.check_seconds, 1, 3_600);
    }
}

/// The variables of this section.
pub const ALERT_VARIABLES: &[Variable] = &[
    // Addresses of chat systems hold their key.
    Variable::secret(
        "ALERT_WEBHOOK_URL",
        "alerts.webhook_url",
        "an http(s) address",
        "https://hooks.example.com/alerts",
    ),
    Variable::secret(
        "ALERT_WEBHOOK_SECRET",
        "alerts.webhook_secret",
        "whsec_ and the Base64 of 24 to 64 bytes; while it is changed, several with spaces between",
        "(the output of: echo whsec_$(openssl rand -base64 32))",
    ),
    Variable::plain(
        "ALERT_EMAIL",
        "alerts.email",
        "an e-mail address",
        "admin@example.ru",
    ),
    Variable::plain(
        "ALERT_WINDOW_MINUTES",
        "alerts.window_minutes",
        "minutes from 1 to 1440",
        "15",
    ),
    Variable::plain(
        "ALERT_FAILURES",
        "alerts.failures",
        "a number from 0 (never) to 1000000",
        "10",
    ),
    Variable::plain(
        "ALERT_QUEUE_MINUTES",
        "alerts.queue_minutes",
        "minutes from 0 (never) to 100000",
        "15",
    ),
    Variable::plain(
        "ALERT_RENEWALS",
        "alerts.renewals",
        "a number from 0 (never) to 1000",
        "3",
    ),
    Variable::plain(
        "ALERT_CHECK_SECONDS",
        "alerts.check_seconds",
        "seconds from 1 to 3600",
        "15",
    ),
];
