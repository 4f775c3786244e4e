//! `[two_way]`: what managers do in amoCRM comes back: webhooks in, callbacks out.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::config::{Problems, Section, SecurityConfig, Variable};
use service_kit::egress::{Guard, Permissions};
use service_kit::signature::SigningKeys;
use url::Url;

/// The shortest secret of an address: shorter ones are guessed.
const SHORTEST_SECRET: usize = 16;
const PERMISSIONS: Permissions = Permissions {
    ports: "LESSON_CALLBACK_ALLOW_PRIVATE=true",
    private: "LESSON_CALLBACK_ALLOW_PRIVATE=true",
};

/// `[two_way]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwoWayConfig {
    #[serde(default)]
    webhook_secret: Option<SecretString>,
    #[serde(default)]
    gateway_secret: Option<SecretString>,
    #[serde(default)]
    callback_url: Option<SecretString>,
    #[serde(default)]
    callback_secret: Option<SecretString>,
    callback_allow_private: bool,
    callback_timeout_ms: u64,
    callback_patience_hours: u64,
}

/// Where the platform is told of managers' moves.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The address.
    pub url: Url,
    /// What signs.
    pub keys: SigningKeys,
}

impl TwoWayConfig {
    /// The last segment of the address that amoCRM posts to.
    pub fn webhook_secret(&self) -> Option<&SecretString> {
        self.webhook_secret.as_ref()
    }

    /// The keys of the webhook gateway's deliveries.
    pub fn gateway_keys(&self) -> Option<SigningKeys> {
        SigningKeys::parse(self.gateway_secret.as_ref()?).ok()
    }

    /// Whether moves of deals are heard of, in either way.
    pub fn hears(&self) -> bool {
        self.webhook_secret.is_some() || self.gateway_secret.is_some()
    }

    /// Where the platform is told, if it is.
    pub fn callback(&self) -> Option<Callback> {
        Some(Callback {
            url: Url::parse(self.callback_url.as_ref()?.expose_secret().trim()).ok()?,
            keys: SigningKeys::parse(self.callback_secret.as_ref()?).ok()?,
        })
    }

    /// Whether the callback may go to this machine or a private network.
    pub fn allow_private(&self) -> bool {
        self.callback_allow_private
    }

    /// How long the platform may take to answer.
    pub fn callback_timeout(&self) -> Duration {
        Duration::from_millis(self.callback_timeout_ms)
    }

    /// How long a callback is tried.
    pub fn callback_patience(&self) -> Duration {
        Duration::from_secs(self.callback_patience_hours.saturating_mul(3_600))
    }

    /// Says which addresses callbacks may go to.
    pub fn guard() -> Guard {
        Guard::default().permissions(PERMISSIONS)
    }

    /// Refuses one secret in two places: addresses end up in logs of proxies.
    pub(super) fn check_secrets(&self, security: &SecurityConfig, problems: &mut Problems) {
        if let Some(secret) = &self.webhook_secret
            && let Some(token) = security.token_like(secret.expose_secret())
        {
            problems.report(
                "two_way.webhook_secret",
                format!(
                    "is the same as {token}: addresses end up in logs of proxies and in amoCRM"
                ),
            );
        }
    }

    fn check_url(&self) -> Result<(), String> {
        let Some(url) = &self.callback_url else {
            return Ok(());
        };
        let url = Url::parse(url.expose_secret().trim());
        let url = url.map_err(|_| "is no address".to_owned())?;
        let checked = Self::guard().check_url(&url, self.callback_allow_private);
        checked.map_err(|refused| format!("cannot be used: {refused}"))
    }
}

impl Section for TwoWayConfig {
    const NAME: &'static str = "two_way";

    fn validate(&self, problems: &mut Problems) {
        if let Some(secret) = &self.webhook_secret {
            let secret = secret.expose_secret();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if secret.len() < SHORTEST_SECRET || !secret.bytes().all(is_plain) {
                problems.report("two_way.webhook_secret", "the value cannot be used");
            }
        }
        for (key, secret) in [
            ("two_way.gateway_secret", &self.gateway_secret),
            ("two_way.callback_secret", &self.callback_secret),
        ] {
            if let Some(secret) = secret
                && SigningKeys::parse(secret).is_err()
            {
                problems.report(key, "the value cannot be used");
            }
        }
        if let Err(wrong) = self.check_url() {
            problems.report("two_way.callback_url", wrong);
        }
        match (&self.callback_url, &self.callback_secret) {
            (Some(_), None) => problems.report(
                "two_way.callback_secret",
                "is unset while LESSON_CALLBACK_URL is set: the platform could not tell us from others",
            ),
            (None, Some(_)) => problems.report(
                "two_way.callback_url",
                "is unset while LESSON_CALLBACK_SECRET is set",
            ),
            _ => {}
        }
        problems.range(
            "two_way.callback_timeout_ms",
            self.callback_timeout_ms,
            500,
            15_000,
        );
        problems.range(
            "two_way.callback_patience_hours",
            self.callback_patience_hours,
            0,
            2_160,
        );
    }
}

/// Its variables.
pub const TWO_WAY_VARIABLES: &[Variable] = &[
    Variable::secret(
        "LESSON_WEBHOOK_SECRET",
        "two_way.webhook_secret",
        "at least 16 letters, digits, `-` or `_`",
        "(the output of: openssl rand -hex 16)",
    ),
    Variable::secret(
        "LESSON_GATEWAY_SECRET",
        "two_way.gateway_secret",
        "whsec_ and the Base64 of 24 to 64 bytes; while it is changed, several with spaces between",
        "(the output of: echo whsec_$(openssl rand -base64 32))",
    ),
    // Some platforms have a key in the address.
    Variable::secret(
        "LESSON_CALLBACK_URL",
        "two_way.callback_url",
        "an http(s) address",
        "https://platform.example.com/hooks/amocrm",
    ),
    Variable::secret(
        "LESSON_CALLBACK_SECRET",
        "two_way.callback_secret",
        "whsec_ and the Base64 of 24 to 64 bytes; while it is changed, several with spaces between",
        "(the output of: echo whsec_$(openssl rand -base64 32))",
    ),
    Variable::plain(
        "LESSON_CALLBACK_ALLOW_PRIVATE",
        "two_way.callback_allow_private",
        "true or false",
        "true",
    ),
    Variable::plain(
        "LESSON_CALLBACK_TIMEOUT_MS",
        "two_way.callback_timeout_ms",
        "milliseconds from 500 to 15000",
        "10000",
    ),
    Variable::plain(
        "LESSON_CALLBACK_PATIENCE_HOURS",
        "two_way.callback_patience_hours",
        "hours from 0 to 2160",
        "72",
    ),
];
