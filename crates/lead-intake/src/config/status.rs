//! `[status]`: keeping statuses in step with amoCRM.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use service_kit::config::{Problems, Section, Variable};
use service_kit::signature::SigningKeys;

/// A week: what was missed longer ago is found by a full run.
const MAX_MINUTES: u64 = 7 * 24 * 60;

/// `[status]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusConfig {
    reconcile_minutes: u64,
    #[serde(default)]
    gateway_secret: Option<SecretString>,
}

impl StatusConfig {
    /// How often to ask amoCRM for what webhooks missed; `None`: never by itself.
    pub fn reconcile_every(&self) -> Option<Duration> {
        (self.reconcile_minutes > 0)
            .then(|| Duration::from_secs(self.reconcile_minutes.saturating_mul(60)))
    }

    /// The keys of the webhook gateway's deliveries.
    pub fn gateway_keys(&self) -> Option<SigningKeys> {
        SigningKeys::parse(self.gateway_secret.as_ref()?).ok()
    }
}

impl Section for StatusConfig {
    const NAME: &'static str = "status";

    fn validate(&self, problems: &mut Problems) {
        problems.range(
            "status.reconcile_minutes",
            self.reconcile_minutes,
            0,
            MAX_MINUTES,
        );
        if let Some(secret) = &self.gateway_secret
            && SigningKeys::parse(secret).is_err()
        {
            problems.report("status.gateway_secret", "the value cannot be used");
        }
    }
}

/// Its variables.
pub const STATUS_VARIABLES: &[Variable] = &[
    Variable::plain(
        "INTAKE_RECONCILE_MINUTES",
        "status.reconcile_minutes",
        "minutes from 0 to 10080; 0 turns it off",
        "60",
    ),
    Variable::secret(
        "INTAKE_GATEWAY_SECRET",
        "status.gateway_secret",
        "whsec_ and the Base64 of 24 to 64 bytes; while it is changed, several with spaces between",
        "(the output of: echo whsec_$(openssl rand -base64 32))",
    ),
];
