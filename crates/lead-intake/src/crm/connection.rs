//! Which account we speak to, and with what right.

use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use amocrm_sdk::oauth::{
    AuthorizeUrl, Callback, Claims, Connection, ConsentMode, Credentials, Grant, TokenKey,
};
use amocrm_sdk::quota::Limits;
use amocrm_sdk::{Client, ErrorKind};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::clock::SharedClock;
use service_kit::config::AmocrmConfig;
use sha2::{Digest as _, Sha256};
use store::Store;
use tokio::sync::Notify;
use url::Url;

use super::CrmError;

/// Setting that remembers which account gave consent, when none is configured.
const ACCOUNT_SETTING: &str = "amocrm.account";
/// Setting with the numeric id of that account: webhooks of others are refused.
const ACCOUNT_ID_SETTING: &str = "amocrm.account_id";

/// Setting with the hash of the `AMOCRM_REFRESH_TOKEN` that was taken over last.
const ADOPTED_SETTING: &str = "amocrm.adopted_refresh_token";

/// A whole call of a delivery with its retries; the lease of a job outlives it.
const CALL_DEADLINE: Duration = Duration::from_mins(1);
/// One attempt of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The connection to one account.
#[derive(Debug)]
pub(crate) struct Crm {
    config: AmocrmConfig,
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
    /// When the tokens in use were received.
    obtained_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken {
    obtained_at: Option<DateTime<Utc>>,
}

/// A client for an account.
#[derive(Debug, Clone)]
pub(crate) struct Linked {
    /// The account's host.
    pub(crate) account: String,
    /// Its client.
    pub(crate) client: Client,
}

/// How the connection is, without its secrets.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// Keys or a token are configured.
    pub(crate) configured: bool,
    /// The account, if it is known.
    pub(crate) account: Option<String>,
    /// A long-lived token is used.
    pub(crate) long_lived: bool,
    /// What is stored about the grant.
    pub(crate) connection: Option<Connection>,
    /// amoCRM refuses the grant.
    pub(crate) needs_reconnect: bool,
}

impl Standing {
    /// Whether requests can be made.
    pub(crate) fn connected(&self) -> bool {
        (self.long_lived || self.connection.is_some()) && !self.needs_reconnect
    }
}

impl Crm {
    pub(crate) fn new(config: AmocrmConfig, store: Store, clock: SharedClock) -> Self {
        Self {
            config,
            store,
            clock,
            current: RwLock::default(),
            changed: Notify::new(),
        }
    }

    /// The client, if there is an account and a right to use it.
    pub(crate) async fn linked(&self) -> Result<Linked, CrmError> {
        if !self.is_configured() {
            return Err(CrmError::NotConfigured);
        }
        let linked = self.client().await?.ok_or(CrmError::NotConnected)?;
        if self.config.access_token().is_none() {
            let connection = linked.client.oauth().connection().await?;
            if connection.is_none() && !self.adopt_configured(&linked).await? {
                return Err(CrmError::NotConnected);
            }
            self.notice(connection.as_ref());
        }
        if self.with(|state| state.broken.is_some()) {
            return Err(CrmError::Refused);
        }
        Ok(linked)
    }

    /// Waits until the connection changes, or for this long; another process may have made it.
    pub(crate) async fn changed_within(&self, longest: Duration) {
        let _ = tokio::time::timeout(longest, self.changed.notified()).await;
    }

    /// Notes that amoCRM refuses the grant, so that nobody asks again before a person has done something. `false` if it
    /// is to be tried again: for a long-lived token, because nothing here would notice a new one, and when another
    /// refresh token was configured.
    pub(crate) async fn note_refusal(&self, linked: &Linked) -> bool {
        metrics::counter!("amocrm_auth_failures_total").increment(1);
        if self.config.access_token().is_some() {
            tracing::error!(
                account.host = linked.account,
                "amoCRM refuses AMOCRM_ACCESS_TOKEN; make a new long-lived token and restart with it"
            );
            return false;
        }
        match self.replace_by_configured(linked).await {
            Ok(true) => {
                tracing::warn!(
                    account.host = linked.account,
                    "amoCRM refuses the stored tokens; AMOCRM_REFRESH_TOKEN takes their place"
                );
                return false;
            }
            Ok(false) => {}
            Err(error) => tracing::warn!("AMOCRM_REFRESH_TOKEN cannot be looked at: {error}"),
        }
        let obtained_at = match linked.client.oauth().connection().await {
            Ok(connection) => connection.map(|connection| connection.obtained_at),
            Err(_) => None,
        };
        let news = self.with(|state| state.broken.replace(Broken { obtained_at }).is_none());
        if news {
            tracing::error!(
                account.host = linked.account,
                "amoCRM refuses our access; an administrator of the account has to open /api/auth/amo"
            );
        }
        true
    }

    /// How the connection is.
    pub(crate) async fn standing(&self) -> Result<Standing, CrmError> {
        let long_lived = self.config.access_token().is_some();
        let linked = if self.is_configured() {
            self.client().await?
        } else {
            None
        };
        let connection = match &linked {
            Some(linked) if !long_lived => linked.client.oauth().connection().await?,
            _ => None,
        };
        if !long_lived {
            self.notice(connection.as_ref());
        }
        Ok(Standing {
            configured: self.is_configured(),
            account: linked.map(|linked| linked.account),
            long_lived,
            connection,
            needs_reconnect: self.with(|state| state.broken.is_some()),
        })
    }

    /// The account, if it is known. Reads no tokens, so that leads are taken even when those cannot be read.
    pub(crate) async fn account_name(&self) -> Result<Option<String>, CrmError> {
        if let Some(linked) = self.with(|state| state.linked.clone()) {
            return Ok(Some(linked.account));
        }
        self.account().await
    }

    /// What addresses of the account's pages begin with.
    pub(crate) async fn site(&self) -> Result<Option<String>, CrmError> {
        if let Some(base) = self.config.base_url() {
            return Ok(Some(base.as_str().trim_end_matches('/').to_owned()));
        }
        let account = self.account_name().await?;
        Ok(account.map(|account| format!("https://{account}")))
    }

    /// The page where an administrator gives consent.
    pub(crate) fn authorize_url(&self, state: &str) -> Result<Url, CrmError> {
        let credentials = self.credentials().ok_or(CrmError::NotConfigured)?;
        // The administrator's own tab is sent there and has to come back in it: no other window waits for this one.
        let mut url = AuthorizeUrl::new(credentials.client_id)
            .state(state)
            .mode(ConsentMode::PostMessage);
        let is_kommo = self
            .config
            .domain()
            .is_some_and(|domain| domain.ends_with(".kommo.com"));
        if let Some(base) = self.config.base_url() {
            url = url.base_url(base);
        } else if is_kommo {
            url = url.kommo();
        }
        Ok(url.build()?)
    }

    /// Reads the query of a request to the redirect URI. Where requests go to `AMOCRM_BASE_URL`, whatever the account's
    /// host, any host may have given consent: the client secret is not sent there.
    pub(crate) fn read_callback(&self, query: &str) -> amocrm_sdk::Result<Callback> {
        match self.config.base_url() {
            Some(_) => Callback::parse_for(query, |_| true),
            None => Callback::parse(query),
        }
    }

    /// Whether a grant of this account may be taken: the configured one, or any of the vendor's.
    pub(crate) fn accepts(&self, account: &str) -> Result<(), String> {
        match self.config.domain() {
            Some(domain) if domain != account && self.config.base_url().is_none() => Err(format!(
                "consent was given by {account}, but AMOCRM_DOMAIN is {domain}"
            )),
            _ => Ok(()),
        }
    }

    /// Exchanges the code of a grant for tokens and begins to use them.
    pub(crate) async fn connect(&self, grant: &Grant) -> Result<Linked, CrmError> {
        let account = self
            .config
            .domain()
            .unwrap_or_else(|| grant.account.clone());
        let linked = self.build(&account)?;
        let connection = linked.client.oauth().exchange_code(&grant.code).await?;
        self.store.meta().put(ACCOUNT_SETTING, &account).await?;
        match connection.claims.and_then(|claims| claims.account_id) {
            Some(id) => self.store.meta().put(ACCOUNT_ID_SETTING, &id).await?,
            None => {
                self.store.meta().remove(ACCOUNT_ID_SETTING).await?;
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
    pub(crate) async fn renew(&self) -> Result<Connection, CrmError> {
        if !self.is_configured() {
            return Err(CrmError::NotConfigured);
        }
        let linked = self.client().await?.ok_or(CrmError::NotConnected)?;
        let renewed = linked.client.oauth().renew().await;
        match &renewed {
            Ok(_) => {
                self.with(|state| state.broken = None);
                self.changed.notify_waiters();
            }
            Err(error) if error.kind() == ErrorKind::NeedsReconnect => {
                self.note_refusal(&linked).await;
            }
            Err(_) => {}
        }
        Ok(renewed?)
    }

    /// Forgets the tokens. Returns whether there were any.
    pub(crate) async fn disconnect(&self) -> Result<bool, CrmError> {
        let Some(linked) = self.client().await? else {
            return Ok(false);
        };
        let had = match self.config.access_token() {
            // A configured token cannot be forgotten, only removed from the configuration.
            Some(_) => false,
            None => linked.client.oauth().disconnect().await?,
        };
        self.with(|state| state.broken = None);
        self.changed.notify_waiters();
        Ok(had)
    }

    /// The keys of the integration.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        let keys = self.config.credentials()?;
        // `Url` writes an empty path as a slash; the registered address has to be met exactly.
        let redirect_uri = self.config.redirect_uri().unwrap_or_default();
        Some(Credentials::new(
            keys.client_id,
            keys.client_secret,
            redirect_uri,
        ))
    }

    /// The account's number, as far as we know it.
    pub(crate) async fn account_id(&self) -> Result<Option<u64>, CrmError> {
        if let Some(id) = self.store.meta().get(ACCOUNT_ID_SETTING).await? {
            return Ok(Some(id));
        }
        // Nobody gave consent here: a token was configured. It names its account.
        let claims = match self.config.access_token() {
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
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The database.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    fn is_configured(&self) -> bool {
        self.config.access_token().is_some() || self.config.credentials().is_some()
    }

    /// The client, if the account is known.
    async fn client(&self) -> Result<Option<Linked>, CrmError> {
        if let Some(linked) = self.with(|state| state.linked.clone()) {
            return Ok(Some(linked));
        }
        let Some(account) = self.account().await? else {
            return Ok(None);
        };
        let linked = self.build(&account)?;
        self.with(|state| state.linked = Some(linked.clone()));
        Ok(Some(linked))
    }

    /// The configured account, else the one that gave consent, else the host of the base URL.
    async fn account(&self) -> Result<Option<String>, CrmError> {
        if let Some(domain) = self.config.domain() {
            return Ok(Some(domain));
        }
        if let Some(account) = self.store.meta().get(ACCOUNT_SETTING).await? {
            return Ok(Some(account));
        }
        let brings_tokens =
            self.config.access_token().is_some() || self.config.refresh_token().is_some();
        Ok(self
            .config
            .base_url()
            .filter(|_| brings_tokens)
            .and_then(|url| url.host_str().map(str::to_owned)))
    }

    fn build(&self, account: &str) -> Result<Linked, CrmError> {
        let clock = Arc::clone(&self.clock);
        let limits =
            Limits::per_integration(self.config.integration_rps).account(self.config.account_rps);
        let client_id = match (self.config.access_token(), self.config.credentials()) {
            (None, Some(keys)) => keys.client_id,
            _ => "long-lived".to_owned(),
        };
        let key = TokenKey::new(client_id, account);
        let mut builder = Client::builder(account)
            .quota(Arc::new(self.store.quota(&key, &limits)))
            .timeout(CALL_TIMEOUT)
            .deadline(CALL_DEADLINE)
            .user_agent(concat!("lead-intake/", env!("CARGO_PKG_VERSION")))
            .clock(amocrm_sdk::Clock::new(move || clock.now()));
        if let Some(base) = self.config.base_url() {
            builder = builder.base_url(base);
        }
        if let Some(proxy) = self.config.proxy() {
            builder = builder.proxy(proxy.expose_secret());
        }
        builder = match (self.config.access_token(), self.credentials()) {
            (Some(token), _) => builder.long_lived_token(SecretString::from(token.expose_secret())),
            (None, Some(credentials)) => builder.oauth(credentials, Arc::new(self.store.tokens())),
            (None, None) => return Err(CrmError::NotConfigured),
        };
        Ok(Linked {
            account: account.to_owned(),
            client: builder.build()?,
        })
    }

    /// Takes over `AMOCRM_REFRESH_TOKEN` unless the database has tokens, or had this one: it was used up, or an
    /// administrator has disconnected the account since.
    async fn adopt_configured(&self, linked: &Linked) -> Result<bool, CrmError> {
        let Some((refresh, mark)) = self.unused_refresh_token().await? else {
            return Ok(false);
        };
        linked.client.oauth().adopt_refresh_token(refresh).await?;
        self.store.meta().put(ADOPTED_SETTING, &mark).await?;
        Ok(true)
    }

    /// Puts a refresh token that was configured later in the place of tokens that amoCRM refuses.
    async fn replace_by_configured(&self, linked: &Linked) -> Result<bool, CrmError> {
        if self.unused_refresh_token().await?.is_none() {
            return Ok(false);
        }
        linked.client.oauth().disconnect().await?;
        self.adopt_configured(linked).await
    }

    /// The configured refresh token, with what it is remembered by, if it was never taken over.
    async fn unused_refresh_token(&self) -> Result<Option<(&SecretString, String)>, CrmError> {
        let Some(refresh) = self.config.refresh_token() else {
            return Ok(None);
        };
        // A hash is no secret: the token is long and random.
        let mark = hex(&Sha256::digest(refresh.expose_secret()));
        let adopted: Option<String> = self.store.meta().get(ADOPTED_SETTING).await?;
        Ok((adopted.as_ref() != Some(&mark)).then_some((refresh, mark)))
    }

    /// Counts renewals, which happen by themselves and in any process; and a grant other than the refused one
    /// deserves a try.
    fn notice(&self, connection: Option<&Connection>) {
        let obtained_at = connection.map(|connection| connection.obtained_at);
        self.with(|state| {
            if state.obtained_at.is_some()
                && obtained_at.is_some()
                && state.obtained_at != obtained_at
            {
                metrics::counter!("amocrm_renewals_total").increment(1);
            }
            state.obtained_at = obtained_at.or(state.obtained_at);
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
