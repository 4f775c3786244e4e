//! OAuth 2.0 as amoCRM does it: consent, code exchange, renewal of single-use refresh tokens, disconnect.
//!
//! 1. Send an administrator to [`AuthorizeUrl`]; keep the `state` you put into it.
//! 2. amoCRM comes back to your redirect URI: read it with [`Callback::parse`], compare `state`.
//! 3. Build a client for [`Grant::account`] with your [`Credentials`] and a [`TokenStore`], and give it the code:
//!    [`OAuth::exchange_code`]. For a private integration's code, pasted from its settings page, start here.
//! 4. Use the client. It renews by itself: on 401, and ahead of time when 80 % of the token's life is over.
//!
//! The one thing a newcomer gets wrong: a refresh token works once, **globally**. Two processes that renew with their
//! own copies lose the access for good. Share one [`TokenStore`]; the client takes its lease, reads again, exchanges,
//! and uses the new pair only after it is stored.
//!
//! Source: <https://www.amocrm.ru/developers/content/oauth/step-by-step>.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::error::{Error, ErrorKind, Result};

mod authorize;
mod button;
mod callback;
mod claims;
mod disposable;
mod endpoint;
mod hook;
mod renewal;
mod store;
mod token;

pub use self::authorize::{AuthorizeUrl, ConsentMode};
pub use self::button::{ButtonColor, ConsentButton};
pub use self::callback::{Callback, Grant, Refusal};
pub use self::claims::Claims;
pub use self::disposable::{BotToken, TokenRefused, WidgetToken};
pub use self::hook::DisabledHook;
pub(crate) use self::renewal::Renewer;
pub use self::store::{Lease, MemoryTokenStore, Saved, StoredTokens, TokenKey, TokenStore};
pub use self::token::TokenPair;

/// The keys of an integration, from its settings page.
#[derive(Clone)]
pub struct Credentials {
    /// Integration id.
    pub client_id: String,
    /// Secret key.
    pub client_secret: SecretString,
    /// Redirect URI, exactly as registered: amoCRM compares it in both grants.
    pub redirect_uri: String,
}

impl Credentials {
    /// The keys of an integration.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<SecretString>,
        redirect_uri: impl Into<String>,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            redirect_uri: redirect_uri.into(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

/// The grant of a client: [`Client::oauth`](crate::Client::oauth).
#[derive(Debug, Clone)]
pub struct OAuth {
    renewer: Option<Arc<Renewer>>,
    long_lived: Option<SecretString>,
}

impl OAuth {
    pub(crate) fn new(renewer: Option<Arc<Renewer>>, long_lived: Option<SecretString>) -> Self {
        Self {
            renewer,
            long_lived,
        }
    }

    fn renewer(&self) -> Result<&Arc<Renewer>> {
        self.renewer.as_ref().ok_or_else(|| {
            Error::invalid_input(
                "this client has no OAuth credentials: build it with `ClientBuilder::oauth`",
            )
        })
    }

    /// Exchanges an authorization code (20 minutes, single use) for the first pair of tokens and stores it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`] with [`Problem::hint`](crate::Problem::hint) saying what is wrong: the code is expired
    /// or used, the secret or the redirect URI differs from the integration's.
    pub async fn exchange_code(&self, code: &SecretString) -> Result<Connection> {
        self.renewer()?
            .exchange_code(code)
            .await
            .map(|pair| Connection::of(&pair))
    }

    /// Stores a pair that was obtained elsewhere, replacing what is stored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] when it cannot be made durable.
    pub async fn adopt(&self, tokens: TokenPair) -> Result<Connection> {
        self.renewer()?
            .adopt(tokens)
            .await
            .map(|pair| Connection::of(&pair))
    }

    /// Takes over a bare refresh token, as configuration files hold it, unless the store already has a pair: the
    /// stored one is newer. Returns whether it was taken. The first call then renews with it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] when it cannot be made durable.
    pub async fn adopt_refresh_token(&self, refresh: &SecretString) -> Result<bool> {
        self.renewer()?.adopt_refresh_token(refresh).await
    }

    /// Renews now, whatever the age of the access token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NeedsReconnect`] when amoCRM refused the refresh token, [`ErrorKind::NotConnected`] when there is
    /// none.
    pub async fn renew(&self) -> Result<Connection> {
        self.renewer()?
            .renew_now()
            .await
            .map(|pair| Connection::of(&pair))
    }

    /// What is known about the connection, without asking amoCRM. `None`: not connected.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] when the store cannot be read.
    pub async fn connection(&self) -> Result<Option<Connection>> {
        if let Some(token) = &self.long_lived {
            return Ok(Some(Connection::long_lived(token)));
        }
        Ok(self
            .renewer()?
            .stored()
            .await?
            .map(|stored| Connection::of(&stored.tokens)))
    }

    /// Forgets the tokens. amoCRM has no call to revoke a grant: an administrator does that in the account's settings.
    /// Returns whether there were any.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] when the store cannot be written.
    pub async fn disconnect(&self) -> Result<bool> {
        self.renewer()?.forget().await
    }
}

/// A connection that works, without its secrets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Connection {
    /// When the access token was received.
    pub obtained_at: DateTime<Utc>,
    /// When the access token expires; it is renewed before.
    pub expires_at: DateTime<Utc>,
    /// Whether it renews itself. `false`: a long-lived token.
    pub renewable: bool,
    /// What the access token says about the account. `None` when it is not the JWT that amoCRM gives today.
    pub claims: Option<Claims>,
}

impl Connection {
    /// What a long-lived token says about itself; without claims it is taken to live for ever.
    fn long_lived(token: &SecretString) -> Self {
        let claims = Claims::read(token);
        let time = |read: fn(&Claims) -> Option<DateTime<Utc>>| claims.as_ref().and_then(read);
        Self {
            obtained_at: time(|claims| claims.issued_at).unwrap_or(DateTime::UNIX_EPOCH),
            expires_at: time(|claims| claims.expires_at).unwrap_or(DateTime::<Utc>::MAX_UTC),
            renewable: false,
            claims,
        }
    }

    fn of(pair: &TokenPair) -> Self {
        Self {
            obtained_at: pair.obtained_at(),
            expires_at: pair.expires_at(),
            renewable: pair.refresh().is_some(),
            claims: Claims::read(pair.access()),
        }
    }
}

fn not_connected() -> Error {
    Error::new(
        ErrorKind::NotConnected,
        crate::Delivery::NotSent,
        "there are no tokens for this account: an administrator has to connect it",
    )
}
