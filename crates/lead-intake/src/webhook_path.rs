//! The last segment of the webhook's address: all the proof there is, for amoCRM signs nothing.
//!
//! It is INTAKE_WEBHOOK_SECRET if that is set. Otherwise `lead-intake provision` makes one and tells it to amoCRM only:
//! here nothing but its hash is kept, which is enough to know it again.

use secrecy::{ExposeSecret as _, SecretString};
use service_kit::hex;
use sha2::{Digest as _, Sha256};
use store::{Store, StoreError};
use subtle::ConstantTimeEq as _;
use url::{Host, Url};

use crate::config::Config;

/// Setting with the hashes of the secrets that were made.
const SETTING: &str = "webhook.secret_hashes";
/// Bytes of a secret that is made.
const BYTES: usize = 16;

/// The path of webhooks, without the secret.
pub(crate) const WEBHOOK_PATH: &str = "/api/webhooks/amo";

/// Which addresses take webhooks.
#[derive(Debug, Clone)]
pub(crate) struct WebhookPath {
    configured: Option<SecretString>,
    /// Nobody but this machine can call, so the address without a secret works as well.
    is_private: bool,
    store: Store,
}

impl WebhookPath {
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        let is_private = config.server.is_loopback()
            && config
                .server
                .public_url()
                .is_none_or(|url| is_loopback(&url));
        Self {
            configured: config.intake.webhook_secret.clone(),
            is_private,
            store,
        }
    }

    /// Whether a webhook at the address with this last segment, or without one, is taken. The address without one is
    /// never open to others, not even before there is a secret: whoever posts there could move every deal.
    pub(crate) async fn admits(&self, given: Option<&str>) -> Result<bool, StoreError> {
        let Some(given) = given else {
            return Ok(self.configured.is_none() && self.is_private);
        };
        if let Some(secret) = &self.configured
            && bool::from(given.as_bytes().ct_eq(secret.expose_secret().as_bytes()))
        {
            return Ok(true);
        }
        self.is_made(given).await
    }

    /// The configured secret.
    pub(crate) fn configured(&self) -> Option<&SecretString> {
        self.configured.as_ref()
    }

    /// Whether there is an address that takes webhooks.
    pub(crate) async fn is_open(&self) -> Result<bool, StoreError> {
        Ok(self.is_private || self.configured.is_some() || self.has_made_one().await?)
    }

    /// Whether this is a secret that was made here.
    pub(crate) async fn is_made(&self, given: &str) -> Result<bool, StoreError> {
        let hash = hash(given);
        let known = self.hashes().await?;
        // The secret is long and random: which hash is met first tells nothing about it.
        Ok(known.contains(&hash))
    }

    /// Makes a secret. Of the older ones only `kept` go on being taken.
    pub(crate) async fn make(&self, kept: &[String]) -> anyhow::Result<SecretString> {
        let mut bytes = [0_u8; BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            anyhow::anyhow!("no random numbers for the webhook's address: {error}")
        })?;
        let secret = hex(&bytes);
        let mut hashes: Vec<_> = kept.iter().map(|secret| hash(secret)).collect();
        hashes.push(hash(&secret));
        // Before amoCRM hears of it, so that no webhook comes to a closed door.
        self.store.meta().put(SETTING, &hashes).await?;
        Ok(SecretString::from(secret))
    }

    async fn has_made_one(&self) -> Result<bool, StoreError> {
        Ok(!self.hashes().await?.is_empty())
    }

    async fn hashes(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.store.meta().get(SETTING).await?.unwrap_or_default())
    }
}

/// Whether only this machine is meant.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}
