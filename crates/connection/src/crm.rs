//! The connection to one account: which one we speak to, and with what right.

mod adopt;
mod build;
mod consent;
mod host;
mod standing;

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use amocrm_sdk::Client;
use amocrm_sdk::oauth::{Claims, Connection, Grant};
use chrono::{DateTime, Utc};
use service_kit::clock::SharedClock;
use service_kit::config::AmocrmConfig;
use store::Store;
use tokio::sync::Notify;

use self::adopt::Replaced;
use crate::{CrmError, Setup};

pub use self::consent::KeysProbe;
pub use self::standing::Standing;

/// Setting that remembers which account gave consent, when none is configured.
const ACCOUNT_SETTING: &str = "amocrm.account";
/// Setting with the numeric id of that account: webhooks of others are refused.
const ACCOUNT_ID_SETTING: &str = "amocrm.account_id";
/// Setting with the generation of the tokens that amoCRM refuses: other processes may not have asked since.
const REFUSED_SETTING: &str = "amocrm.refused_generation";

/// The connection to one account.
#[derive(Debug)]
pub struct Crm {
    setup: Setup,
    store: Store,
    clock: SharedClock,
    current: RwLock<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    linked: Option<Linked>,
    /// The grant that amoCRM refuses: nothing is sent until there is another.
    broken: Option<Broken>,
    /// The account's host, as it is stored.
    host: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken {
    obtained_at: Option<DateTime<Utc>>,
}

/// A client for an account.
#[derive(Debug, Clone)]
pub struct Linked {
    /// The account: its host when we first met it. Everything of ours is kept under this name, also after a rename.
    pub account: String,
    /// Its client.
    pub client: Client,
    /// When the tokens were received that were in force when this was given out; `None` for a long-lived token. A
    /// refusal tells of those, and not of what has been put in their place since.
    pub obtained_at: Option<DateTime<Utc>>,
}

impl Crm {
    /// The connection to one account. Nothing is asked or read before somebody needs it.
    pub fn new(setup: Setup, store: Store, clock: SharedClock) -> Self {
        Self {
            setup,
            store,
            clock,
            current: RwLock::default(),
            changed: Notify::new(),
        }
    }

    /// The client, if there is an account and a right to use it.
    pub async fn linked(&self) -> Result<Linked, CrmError> {
        if !self.is_configured() {
            return Err(CrmError::NotConfigured);
        }
        let mut linked = self.client().await?.ok_or(CrmError::NotConnected)?;
        if self.setup.amocrm.access_token().is_none() {
            let mut connection = linked.client.oauth().connection().await?;
            if connection.is_none() {
                // Whether it was we who took the configured token over, or another process in the same moment.
                self.adopt_configured(&linked).await?;
                connection = linked.client.oauth().connection().await?;
            }
            let connection = connection.ok_or(CrmError::NotConnected)?;
            self.notice(Some(&connection));
            self.keep_host(&linked).await;
            linked.obtained_at = Some(connection.obtained_at);
        }
        if self.with(|state| state.broken.is_some()) {
            return Err(CrmError::Refused);
        }
        Ok(linked)
    }

    /// Waits until the connection changes, or for this long; another process may have made it.
    pub async fn changed_within(&self, longest: Duration) {
        let _ = tokio::time::timeout(longest, self.changed.notified()).await;
    }

    /// Notes that amoCRM refuses the grant, so that nobody asks again before a person has done something. `false` if it
    /// is to be tried again: for a long-lived token, because nothing here would notice a new one, when another refresh
    /// token was configured, and when only an access token was refused.
    pub async fn note_refusal(&self, linked: &Linked, error: &CrmError) -> bool {
        metrics::counter!("amocrm_auth_failures_total").increment(1);
        if self.setup.amocrm.access_token().is_some() {
            tracing::error!(
                account.host = linked.account,
                "amoCRM refuses {}; make a new long-lived token and restart with it",
                self.token_name()
            );
            return false;
        }
        if !error.refuses_grant() {
            tracing::warn!(
                account.host = linked.account,
                "amoCRM refuses an access token; it is tried again with another"
            );
            return false;
        }
        match self.replace_refused(linked).await {
            Ok(Replaced::ByConfigured) => {
                tracing::warn!(
                    account.host = linked.account,
                    "amoCRM refuses the stored tokens; the configured refresh token takes their place"
                );
                return false;
            }
            Ok(Replaced::Already) => return false,
            Ok(Replaced::Not) => {}
            Err(error) => {
                tracing::warn!("the configured refresh token cannot be looked at: {error}");
            }
        }
        let obtained_at = linked.obtained_at;
        self.remember_refusal(linked).await;
        let news = self.with(|state| state.broken.replace(Broken { obtained_at }).is_none());
        if news {
            tracing::error!(
                account.host = linked.account,
                "amoCRM refuses our access; an administrator of the account has to open /api/auth/amo"
            );
        }
        true
    }

    /// The account, if it is known. Reads no tokens, so that leads are taken even when those cannot be read.
    pub async fn account_name(&self) -> Result<Option<String>, CrmError> {
        if let Some(linked) = self.with(|state| state.linked.clone()) {
            return Ok(Some(linked.account));
        }
        self.account().await
    }

    /// What addresses of the account's pages begin with.
    pub async fn site(&self) -> Result<Option<String>, CrmError> {
        if let Some(base) = self.setup.amocrm.base_url() {
            return Ok(Some(base.as_str().trim_end_matches('/').to_owned()));
        }
        let Some(account) = self.account_name().await? else {
            return Ok(None);
        };
        let host = self.host(&account).await?.unwrap_or(account);
        Ok(Some(format!("https://{host}")))
    }

    /// Exchanges the code of a grant for tokens and begins to use them.
    pub async fn connect(&self, grant: &Grant) -> Result<Linked, CrmError> {
        let given = self
            .setup
            .amocrm
            .domain()
            .unwrap_or_else(|| grant.account.clone());
        let account = self.first_name(given).await?;
        let host = self.host(&account).await?;
        let linked = self.build(&account, host.as_deref())?;
        let connection = linked.client.oauth().exchange_code(&grant.code).await?;
        self.store
            .meta()
            .put(&self.setup.setting(ACCOUNT_SETTING), &account)
            .await?;
        let id_setting = self.setup.setting(ACCOUNT_ID_SETTING);
        match connection.claims.and_then(|claims| claims.account_id) {
            Some(id) => self.store.meta().put(&id_setting, &id).await?,
            None => {
                self.store.meta().remove(&id_setting).await?;
            }
        }
        self.with(|state| {
            *state = State {
                linked: Some(linked.clone()),
                ..State::default()
            };
        });
        self.changed.notify_waiters();
        tracing::info!(account.host = account, "connected to amoCRM");
        Ok(linked)
    }

    /// Renews the tokens now.
    pub async fn renew(&self) -> Result<Connection, CrmError> {
        if !self.is_configured() {
            return Err(CrmError::NotConfigured);
        }
        let mut linked = self.client().await?.ok_or(CrmError::NotConnected)?;
        let before = linked.client.oauth().connection().await?;
        linked.obtained_at = before.map(|before| before.obtained_at);
        let renewed = linked.client.oauth().renew().await.map_err(CrmError::from);
        match &renewed {
            Ok(_) => {
                self.with(|state| state.broken = None);
                self.changed.notify_waiters();
            }
            Err(error) if error.refuses_grant() => {
                self.note_refusal(&linked, error).await;
            }
            Err(_) => {}
        }
        renewed
    }

    /// Forgets the tokens. Returns whether there were any.
    pub async fn disconnect(&self) -> Result<bool, CrmError> {
        let Some(linked) = self.client().await? else {
            return Ok(false);
        };
        let had = match self.setup.amocrm.access_token() {
            // A configured token cannot be forgotten, only removed from the configuration.
            Some(_) => false,
            None => linked.client.oauth().disconnect().await?,
        };
        self.with(|state| state.broken = None);
        self.changed.notify_waiters();
        Ok(had)
    }

    /// The account's number, as far as we know it.
    pub async fn account_id(&self) -> Result<Option<u64>, CrmError> {
        if let Some(id) = self
            .store
            .meta()
            .get(&self.setup.setting(ACCOUNT_ID_SETTING))
            .await?
        {
            return Ok(Some(id));
        }
        // Nobody gave consent here: a token was configured. It names its account.
        let claims = match self.setup.amocrm.access_token() {
            Some(token) => Claims::read(token),
            None => match self.client().await? {
                Some(linked) => linked.client.oauth().connection().await?,
                None => None,
            }
            .and_then(|connection| connection.claims),
        };
        Ok(claims.and_then(|claims| claims.account_id))
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// What is configured about the account.
    pub fn config(&self) -> &AmocrmConfig {
        &self.setup.amocrm
    }

    /// The service that is connected.
    pub fn service(&self) -> &'static str {
        self.setup.service
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What a person calls the configured token.
    fn token_name(&self) -> String {
        match &self.setup.name {
            None => "AMOCRM_ACCESS_TOKEN".to_owned(),
            Some(name) => format!("the access token of the account {name}"),
        }
    }

    fn is_configured(&self) -> bool {
        self.setup.amocrm.access_token().is_some() || self.setup.amocrm.credentials().is_some()
    }

    /// The client, if the account is known.
    async fn client(&self) -> Result<Option<Linked>, CrmError> {
        if let Some(linked) = self.with(|state| state.linked.clone()) {
            return Ok(Some(linked));
        }
        let Some(account) = self.account().await? else {
            return Ok(None);
        };
        let host = self.host(&account).await?;
        let linked = self.build(&account, host.as_deref())?;
        self.with(|state| state.linked = Some(linked.clone()));
        Ok(Some(linked))
    }

    /// The configured account, else the one that gave consent, else the host of the base URL.
    async fn account(&self) -> Result<Option<String>, CrmError> {
        if let Some(domain) = self.setup.amocrm.domain() {
            return Ok(Some(self.first_name(domain).await?));
        }
        if let Some(account) = self
            .store
            .meta()
            .get(&self.setup.setting(ACCOUNT_SETTING))
            .await?
        {
            return Ok(Some(account));
        }
        let brings_tokens = self.setup.amocrm.access_token().is_some()
            || self.setup.amocrm.refresh_token().is_some();
        Ok(self
            .setup
            .amocrm
            .base_url()
            .filter(|_| brings_tokens)
            .and_then(|url| url.host_str().map(str::to_owned)))
    }

    /// A grant other than the refused one, which another process may have received, deserves a try.
    fn notice(&self, connection: Option<&Connection>) {
        let obtained_at = connection.map(|connection| connection.obtained_at);
        self.with(|state| {
            if state
                .broken
                .as_ref()
                .is_some_and(|broken| broken.obtained_at != obtained_at)
            {
                state.broken = None;
            }
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.current.write().unwrap_or_else(PoisonError::into_inner))
    }
}
