//! Where tokens live between requests, and how several processes share them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::TokenPair;
use crate::BoxError;

/// Which grant a pair of tokens belongs to: one integration in one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenKey {
    /// The integration's `client_id`.
    pub client_id: String,
    /// The account, as the client was built with: `acme.amocrm.ru`. It stays the same when the account is renamed.
    pub account: String,
}

impl TokenKey {
    /// The grant of integration `client_id` in `account`.
    pub fn new(client_id: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            account: account.into(),
        }
    }
}

/// A stored pair and how many times it has been replaced.
#[derive(Debug, Clone)]
pub struct StoredTokens {
    /// The tokens.
    pub tokens: TokenPair,
    /// Grows by one with every save, and does not begin anew after [`TokenStore::forget`]; the witness of a
    /// compare-and-swap.
    pub generation: u64,
}

/// The right to renew, held by one process at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Grows with every lease granted for this key: it tells an old holder from a new one.
    pub fence: u64,
}

/// What became of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// The pair is durable and has this generation.
    Stored(u64),
    /// Somebody else saved first: read again and use theirs.
    Superseded,
}

/// Durable storage of token pairs.
///
/// A refresh token is spent by its first use, so the new pair must be durable **before** anyone uses it, and two
/// processes must not renew at once. The client does its part with [`lease`](Self::lease) and the generation of
/// [`save`](Self::save); an implementation keeps both promises across processes and restarts.
#[async_trait]
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// The current pair, if there is one.
    ///
    /// # Errors
    ///
    /// When the storage cannot be reached or the pair cannot be decrypted.
    async fn load(&self, key: &TokenKey) -> Result<Option<StoredTokens>, BoxError>;

    /// Replaces the pair, durably, if its generation still is `expected`.
    ///
    /// `None` replaces whatever is there: a new consent of the account's administrator beats an old grant.
    ///
    /// # Errors
    ///
    /// When the pair is not durable. The client keeps the pair in memory and tries again; it never uses a pair that
    /// is not stored.
    async fn save(
        &self,
        key: &TokenKey,
        tokens: &TokenPair,
        expected: Option<u64>,
    ) -> Result<Saved, BoxError>;

    /// Takes the right to renew for `ttl`; `None` if another process holds it.
    ///
    /// # Errors
    ///
    /// When the storage cannot be reached.
    async fn lease(&self, key: &TokenKey, ttl: Duration) -> Result<Option<Lease>, BoxError>;

    /// Gives the lease back early. A lease that has passed to somebody else is left alone.
    ///
    /// # Errors
    ///
    /// When the storage cannot be reached; the lease then ends by itself.
    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), BoxError>;

    /// Forgets the pair: the account was disconnected. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// When the storage cannot be reached.
    async fn forget(&self, key: &TokenKey) -> Result<bool, BoxError>;
}

/// Tokens in the memory of one process: for tests, scripts and long-lived tokens. A restart needs a new consent.
#[derive(Debug, Default)]
pub struct MemoryTokenStore {
    entries: Mutex<HashMap<TokenKey, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    stored: Option<TokenPair>,
    generation: u64,
    fence: u64,
    leased_until: Option<Instant>,
}

impl MemoryTokenStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, key: &TokenKey, f: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        f(entries.entry(key.clone()).or_default())
    }
}

#[async_trait]
impl TokenStore for MemoryTokenStore {
    async fn load(&self, key: &TokenKey) -> Result<Option<StoredTokens>, BoxError> {
        Ok(self.with(key, |entry| {
            let generation = entry.generation;
            entry
                .stored
                .clone()
                .map(|tokens| StoredTokens { tokens, generation })
        }))
    }

    async fn save(
        &self,
        key: &TokenKey,
        tokens: &TokenPair,
        expected: Option<u64>,
    ) -> Result<Saved, BoxError> {
        Ok(self.with(key, |entry| {
            if expected
                .is_some_and(|expected| entry.stored.is_none() || expected != entry.generation)
            {
                return Saved::Superseded;
            }
            entry.stored = Some(tokens.clone());
            entry.generation += 1;
            Saved::Stored(entry.generation)
        }))
    }

    async fn lease(&self, key: &TokenKey, ttl: Duration) -> Result<Option<Lease>, BoxError> {
        Ok(self.with(key, |entry| {
            let now = Instant::now();
            if entry.leased_until.is_some_and(|until| until > now) {
                return None;
            }
            entry.leased_until = Some(now + ttl);
            entry.fence += 1;
            Some(Lease { fence: entry.fence })
        }))
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), BoxError> {
        self.with(key, |entry| {
            if entry.fence == lease.fence {
                entry.leased_until = None;
            }
        });
        Ok(())
    }

    async fn forget(&self, key: &TokenKey) -> Result<bool, BoxError> {
        Ok(self.with(key, |entry| entry.stored.take().is_some()))
    }
}
