//! The accounts whose webhooks come here: their addresses, the connections to them, and our subscriptions there.

mod command;
mod enrich;
mod secret;
mod subscription;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amocrm_sdk::webhook::WebhookEvent;
use connection::{Crm, Setup};
use secrecy::SecretString;
use service_kit::clock::SharedClock;
use store::Store;

pub use self::command::{Choice, Status, Subscribe};
pub(crate) use self::command::{status, subscribe, unsubscribe};
pub(crate) use self::enrich::Enricher;
use self::secret::Address;
pub(crate) use self::subscription::{Standing, Subscription};
pub(crate) use self::watch::{Seen, keep, last_seen};
use crate::config::{AccountConfig, Config};

/// The path of webhooks, without the secret.
pub(crate) const WEBHOOK_PATH: &str = "/webhooks/amocrm";
/// The name under which requests are made.
const SERVICE: &str = "webhook-gateway";

/// An account: the address that its webhooks come to, and the connection to it.
pub(crate) struct Account {
    /// What it is called here.
    pub(crate) name: String,
    /// The connection. Webhooks are taken without one.
    pub(crate) crm: Arc<Crm>,
    /// What amoCRM is asked to send.
    pub(crate) events: Vec<WebhookEvent>,
    address: Address,
    store: Store,
    /// Its number; 0 as long as nobody knows it.
    id: AtomicU64,
}

/// All accounts. A clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Accounts(Arc<[Account]>);

impl Account {
    fn new(config: &AccountConfig, all: &Config, store: &Store, clock: &SharedClock) -> Self {
        let mut setup = Setup::new(SERVICE, config.amocrm.clone());
        if config.name != AccountConfig::ONLY {
            setup = setup.named(&config.name);
        }
        Self {
            name: config.name.clone(),
            crm: Arc::new(Crm::new(setup, store.clone(), Arc::clone(clock))),
            events: config
                .events
                .clone()
                .unwrap_or_else(|| all.gateway.subscribed_events()),
            address: Address::new(config.secret.as_ref(), store, &config.name),
            store: store.clone(),
            id: AtomicU64::new(config.account_id.unwrap_or_default()),
        }
    }

    /// The last segment of its address. `None`: there is no key to make one from.
    pub(crate) fn secret(&self) -> Option<&SecretString> {
        self.address.secret()
    }

    /// Whether this is the last segment of its address, now or before the encryption key was changed.
    pub(crate) fn is_at(&self, given: &str) -> bool {
        self.address.is(given, &self.store, &self.name)
    }

    /// Its number, as far as it is known.
    pub(crate) fn id(&self) -> Option<u64> {
        Some(self.id.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    /// Learns its number from the token or the grant, unless it is known.
    pub(crate) async fn learn_id(&self) {
        if self.id().is_none()
            && let Ok(Some(id)) = self.crm.account_id().await
        {
            self.id.store(id, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Accounts {
    pub(crate) fn new(config: &Config, store: &Store, clock: &SharedClock) -> Self {
        let accounts = config
            .accounts
            .iter()
            .map(|account| Account::new(account, config, store, clock));
        Self(accounts.collect())
    }

    /// The account whose address has this last segment. All secrets are compared, and each in the same time wherever the
    /// first difference is: how long it takes tells nothing.
    pub(crate) fn find(&self, given: &str) -> Option<&Account> {
        let mut found = None;
        for account in self.iter() {
            if account.is_at(given) {
                found = Some(account);
            }
        }
        found
    }

    /// The account of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Account> {
        self.iter().find(|account| account.name == name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.iter()
    }
}
