//! Access and refresh tokens.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

/// An access token with, usually, the refresh token that renews it.
///
/// `Debug` shows neither. A long-lived token is a pair without a refresh token: it cannot be renewed, only replaced by
/// an administrator of the account.
///
/// Source: <https://www.amocrm.ru/developers/content/oauth/step-by-step>.
#[derive(Clone)]
pub struct TokenPair {
    access: SecretString,
    refresh: Option<SecretString>,
    obtained_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl TokenPair {
    /// A pair as the token endpoint gave it at `obtained_at`, valid until `expires_at`.
    pub fn new(
        access: impl Into<SecretString>,
        refresh: Option<SecretString>,
        obtained_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Self {
        Self {
            access: access.into(),
            refresh,
            obtained_at,
            expires_at,
        }
    }

    /// The token that goes into `Authorization: Bearer …`.
    pub fn access(&self) -> &SecretString {
        &self.access
    }

    /// The single-use token that buys the next pair. `None` for long-lived tokens.
    pub fn refresh(&self) -> Option<&SecretString> {
        self.refresh.as_ref()
    }

    /// When this pair was received.
    pub fn obtained_at(&self) -> DateTime<Utc> {
        self.obtained_at
    }

    /// When amoCRM stops accepting the access token.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// Whether the access token is past its life, or within `leeway` of it.
    pub fn is_expired(&self, now: DateTime<Utc>, leeway: Duration) -> bool {
        let leeway = TimeDelta::from_std(leeway).unwrap_or(TimeDelta::MAX);
        self.expires_at
            .checked_sub_signed(leeway)
            .is_none_or(|limit| now >= limit)
    }

    /// Whether `share` (0.0 to 1.0) of the access token's life is over, which is when it is renewed ahead of time.
    pub fn is_past(&self, now: DateTime<Utc>, share: f64) -> bool {
        let life = (self.expires_at - self.obtained_at).num_milliseconds();
        let age = (now - self.obtained_at).num_milliseconds();
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of a token's life are far below 2^52"
        )]
        let past = age as f64 >= life as f64 * share;
        past
    }

    /// Whether both hold the same secrets, whatever their times.
    pub fn same_secrets(&self, other: &Self) -> bool {
        let refresh = |pair: &Self| {
            pair.refresh
                .as_ref()
                .map(|token| token.expose_secret().to_owned())
        };
        self.access.expose_secret() == other.access.expose_secret()
            && refresh(self) == refresh(other)
    }
}

impl fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPair")
            .field("refresh", &self.refresh.as_ref().map(|_| "[redacted]"))
            .field("obtained_at", &self.obtained_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
