//! Where events are published.

use secrecy::SecretString;
use serde::Deserialize;

use super::{Problems, Section};

/// `[events]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventsConfig {
    /// Address of a NATS server, which may hold a password.
    pub nats_url: Option<SecretString>,
}

impl Section for EventsConfig {
    const NAME: &'static str = "events";

    fn validate(&self, problems: &mut Problems) {
        use secrecy::ExposeSecret as _;
        let good = |url: &str| {
            url.split(',').all(|url| {
                url::Url::parse(url.trim())
                    .is_ok_and(|url| matches!(url.scheme(), "nats" | "tls" | "ws" | "wss"))
            })
        };
        if self
            .nats_url
            .as_ref()
            .is_some_and(|url| !good(url.expose_secret()))
        {
            problems.report("events.nats_url", "the value is no address of NATS");
        }
    }
}
