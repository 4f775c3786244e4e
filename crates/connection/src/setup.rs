//! What a connection is made of.

use std::time::Duration;

use service_kit::config::AmocrmConfig;

use crate::DeliveryConfig;

/// How long one request may take, unless the service says otherwise: amoCRM's gateway gives up before.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// How long nothing is sent after a block, unless the service says otherwise.
const BLOCK_PAUSE: Duration = Duration::from_mins(10);

/// Who connects, and to what.
///
/// ```
/// use connection::Setup;
/// use service_kit::config::{AmocrmConfig, Environment, Loader};
///
/// # fn main() -> Result<(), service_kit::config::ConfigErrors> {
/// let settings = Loader::new(Environment::from_pairs([("AMOCRM_PROXY", "")])).load()?;
/// let section: AmocrmConfig = settings.section(&mut settings.problems());
/// // One of several accounts, each with a token of its own; the rest is the same for all.
/// let amocrm = section
///     .of_account("acme.amocrm.ru")
///     .with_access_token("eyJ0eXAi…".into());
/// let setup = Setup::new("webhook-gateway", amocrm).named("acme");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Setup {
    pub(crate) service: &'static str,
    pub(crate) amocrm: AmocrmConfig,
    pub(crate) name: Option<String>,
    pub(crate) call_timeout: Duration,
    pub(crate) block_pause: Duration,
}

impl Setup {
    /// The connection of `service` to the account that these settings tell of.
    pub fn new(service: &'static str, amocrm: AmocrmConfig) -> Self {
        Self {
            service,
            amocrm,
            name: None,
            call_timeout: CALL_TIMEOUT,
            block_pause: BLOCK_PAUSE,
        }
    }

    /// One of several connections of this process, by this name: what is remembered about it (the account that gave
    /// consent, the refresh token that was taken over) is kept apart from what the others remember. The connection without
    /// a name is the one that all services on a database share.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How long requests may take, and how long a block is respected.
    #[must_use]
    pub fn times(mut self, times: &DeliveryConfig) -> Self {
        self.call_timeout = times.call_timeout();
        self.block_pause = times.block_pause();
        self
    }

    /// The settings' key of something that every connection remembers for itself.
    pub(crate) fn setting(&self, key: &str) -> String {
        match &self.name {
            None => key.to_owned(),
            Some(name) => format!("{key}/{name}"),
        }
    }
}
