//! Renewal of single-use refresh tokens, by any number of tasks and processes at once.
//!
//! Single flight in the process → lease in the store → read again → exchange → **persist before use** → if the answer
//! was lost, send the same token again. A refusal is believed only after reading the store once more: another process
//! may have been first. The exchange runs in a task of its own, so a caller that gives up does not lose the new pair.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};

use super::endpoint::TokenEndpoint;
use super::{Claims, Lease, Saved, StoredTokens, TokenKey, TokenPair, TokenStore, not_connected};
use crate::client::Clock;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::layer::{Deadline, Endpoint};

/// A token is renewed ahead of time when this share of its life is over.
const RENEW_AT: f64 = 0.8;

/// A token this close to its end counts as expired: clocks differ, requests take time.
const LEEWAY: Duration = Duration::from_mins(1);

/// One exchange may take this long; the vendor's own client allows the same.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one process may hold the right to renew: it outlives every exchange that begins under it.
const LEASE_TTL: Duration = Duration::from_mins(1);

/// No new exchange begins when this much of the lease is over.
const LAST_EXCHANGE: Duration = Duration::from_secs(40);

/// Pause between looks at the store while another process renews.
const POLL: Duration = Duration::from_millis(100);

/// After a failed renewal ahead of time the token, still valid, is left alone this long.
const AHEAD_BACKOFF: Duration = Duration::from_secs(30);

/// After a refusal that is not about the token the token service is left alone this long.
const REFUSAL_BACKOFF: Duration = Duration::from_secs(30);

type Flight = Shared<BoxFuture<'static, Result<Arc<StoredTokens>>>>;

/// Keeps one grant fresh.
pub(crate) struct Renewer {
    key: TokenKey,
    store: Arc<dyn TokenStore>,
    tokens: TokenEndpoint,
    endpoint: Arc<Endpoint>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<StoredTokens>>,
    flight: Option<Flight>,
    /// Exchanged but not yet durable: it must be stored before it, or the token it replaced, is used.
    unsaved: Option<(TokenPair, u64)>,
    /// A refusal of the stored pair: repeated to every caller instead of asking amoCRM again.
    refused: Option<Refused>,
    ahead_not_before: Option<Instant>,
}

/// Why a generation cannot be renewed.
struct Refused {
    generation: u64,
    /// `None`: until the store has another pair.
    until: Option<Instant>,
    error: Error,
}

impl fmt::Debug for Renewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewer")
            .field("key", &self.key)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Renewer {
    pub(crate) fn new(
        key: TokenKey,
        store: Arc<dyn TokenStore>,
        wire: crate::layer::HttpService,
        credentials: super::Credentials,
        endpoint: Arc<Endpoint>,
        clock: Clock,
    ) -> Self {
        let tokens = TokenEndpoint {
            wire,
            credentials: Arc::new(credentials),
            clock: clock.clone(),
        };
        Self {
            key,
            store,
            tokens,
            endpoint,
            clock,
            state: Mutex::default(),
        }
    }

    fn state<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An access token that is believed to work.
    pub(crate) async fn access_token(
        self: &Arc<Self>,
        deadline: Option<Deadline>,
    ) -> Result<SecretString> {
        let now = self.clock.now();
        if let Some(current) = self.state(|state| state.current.clone())
            && !current.tokens.is_expired(now, LEEWAY)
        {
            if current.tokens.refresh().is_some() && current.tokens.is_past(now, RENEW_AT) {
                self.renew_ahead();
            }
            return Ok(current.tokens.access().clone());
        }
        let fresh = within(deadline, self.flight(None)).await?;
        Ok(fresh.tokens.access().clone())
    }

    /// Another access token than the one that amoCRM just refused.
    pub(crate) async fn replace(
        self: &Arc<Self>,
        rejected: &SecretString,
        deadline: Option<Deadline>,
    ) -> Result<SecretString> {
        let other = |stored: &StoredTokens| {
            stored.tokens.access().expose_secret() != rejected.expose_secret()
        };
        if let Some(current) = self
            .state(|state| state.current.clone())
            .filter(|current| other(current))
        {
            return Ok(current.tokens.access().clone());
        }
        // A flight that was already under way may have begun before the refusal and bring the refused token.
        for _ in 0..2 {
            let fresh = within(deadline, self.flight(Some(rejected.clone()))).await?;
            if other(&fresh) {
                return Ok(fresh.tokens.access().clone());
            }
        }
        Err(Error::new(
            ErrorKind::Unauthorized,
            Delivery::Answered,
            "amoCRM refuses an access token it has just given",
        ))
    }

    /// Renews in the background; the current token still works meanwhile.
    fn renew_ahead(self: &Arc<Self>) {
        let now = Instant::now();
        let due = self.state(|state| {
            let due = state.ahead_not_before.is_none_or(|at| at <= now) && state.flight.is_none();
            if due {
                state.ahead_not_before = Some(now + AHEAD_BACKOFF);
            }
            due
        });
        if due {
            // Started here, driven by its own task; a failure has been logged there.
            drop(self.flight(None));
        }
    }

    /// Joins the renewal that is under way, or starts one.
    fn flight(self: &Arc<Self>, rejected: Option<SecretString>) -> Flight {
        self.state(|state| {
            if let Some(flight) = &state.flight {
                return flight.clone();
            }
            let renewer = Arc::clone(self);
            let task = tokio::spawn(async move {
                let outcome = renewer.settle(rejected.as_ref()).await.map(Arc::new);
                renewer.state(|state| {
                    state.flight = None;
                    if let Ok(stored) = &outcome {
                        state.current = Some(Arc::clone(stored));
                    }
                });
                outcome
            });
            let flight = async move {
                task.await.unwrap_or_else(|_| {
                    Err(Error::new(
                        ErrorKind::Transport,
                        Delivery::Unknown,
                        "the renewal was interrupted",
                    ))
                })
            }
            .boxed()
            .shared();
            state.flight = Some(flight.clone());
            flight
        })
    }

    /// The whole procedure, until there is a usable pair or a reason why there is none.
    async fn settle(&self, rejected: Option<&SecretString>) -> Result<StoredTokens> {
        let until = Instant::now() + LEASE_TTL;
        loop {
            self.save_unsaved().await?;
            let stored = self.stored().await?.ok_or_else(not_connected)?;
            if self.is_good(&stored, rejected) {
                return Ok(stored);
            }
            if stored.tokens.refresh().is_none() {
                return Err(Error::new(
                    ErrorKind::Unauthorized,
                    Delivery::NotSent,
                    "the access token is expired or refused and has no refresh token",
                ));
            }
            if let Some(refusal) = self.refusal(stored.generation) {
                return Err(refusal);
            }
            let leased = self.store.lease(&self.key, LEASE_TTL).await;
            match leased
                .map_err(|error| Error::store("the renewal lease cannot be taken", error))?
            {
                Some(lease) => {
                    let outcome = self.renew_under_lease(rejected).await;
                    self.release(&lease).await;
                    return self.or_still_valid(outcome, &stored, rejected);
                }
                None if Instant::now() >= until => {
                    return Err(Error::new(
                        ErrorKind::Store,
                        Delivery::NotSent,
                        "another process holds the renewal lease",
                    ));
                }
                None => sleep(POLL.mul_f64(0.5 + fastrand::f64())).await,
            }
        }
    }

    fn is_good(&self, stored: &StoredTokens, rejected: Option<&SecretString>) -> bool {
        let now = self.clock.now();
        let refused = rejected
            .is_some_and(|token| token.expose_secret() == stored.tokens.access().expose_secret());
        // An expiry that the account's clock has and ours has not shows as a refusal, and a stored pair that differs
        // from the refused one is somebody's newer one.
        !refused
            && !stored.tokens.is_expired(now, LEEWAY)
            && (rejected.is_some() || !stored.tokens.is_past(now, RENEW_AT))
    }

    /// A renewal ahead of time that failed leaves a token that still works.
    fn or_still_valid(
        &self,
        outcome: Result<StoredTokens>,
        stored: &StoredTokens,
        rejected: Option<&SecretString>,
    ) -> Result<StoredTokens> {
        let error = match outcome {
            Ok(renewed) => {
                tracing::info!(
                    generation = renewed.generation,
                    "the access token is renewed"
                );
                return Ok(renewed);
            }
            Err(error) => error,
        };
        tracing::warn!(error = %error, "the access token could not be renewed");
        if rejected.is_none() && !stored.tokens.is_expired(self.clock.now(), LEEWAY) {
            return Ok(stored.clone());
        }
        Err(error)
    }

    async fn renew_under_lease(&self, rejected: Option<&SecretString>) -> Result<StoredTokens> {
        let last_start = Instant::now() + LAST_EXCHANGE;
        // Whoever held the lease before may have renewed between our look and our lease.
        let mut stored = self.stored().await?.ok_or_else(not_connected)?;
        let mut renamed = false;
        let mut pause = Duration::from_millis(250);
        loop {
            if self.is_good(&stored, rejected) {
                return Ok(stored);
            }
            let Some(refresh) = stored.tokens.refresh() else {
                return Err(needs_reconnect());
            };
            let error = match self.tokens.refresh(refresh, EXCHANGE_TIMEOUT).await {
                Ok(pair) => return self.keep(pair, stored.generation).await,
                Err(error) => error,
            };
            if refuses_token(&error) {
                let latest = self.stored().await?.ok_or_else(not_connected)?;
                if latest.generation != stored.generation {
                    stored = latest;
                    continue;
                }
                if !renamed && self.account_was_renamed(&stored).await {
                    renamed = true;
                    continue;
                }
                let error = error.with_kind(
                    ErrorKind::NeedsReconnect,
                    "amoCRM refused the refresh token",
                );
                return Err(self.remember_refusal(stored.generation, None, error));
            }
            // Connection and server trouble says nothing about the token: the same one is sent again, because the
            // old one works until the new pair is used.
            let repeatable = matches!(
                error.kind(),
                ErrorKind::Connect
                    | ErrorKind::Timeout
                    | ErrorKind::Transport
                    | ErrorKind::Server
                    | ErrorKind::Decode
            );
            if !repeatable && !error.is_transient() {
                // The integration's keys are wrong, or the tariff is: a person has to act, so ask seldom.
                return Err(self.remember_refusal(
                    stored.generation,
                    Some(Instant::now() + REFUSAL_BACKOFF),
                    error,
                ));
            }
            if !repeatable || Instant::now() + pause >= last_start {
                return Err(error);
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    fn refusal(&self, generation: u64) -> Option<Error> {
        self.state(|state| {
            let refused = state
                .refused
                .as_ref()
                .filter(|refused| refused.generation == generation)?;
            refused
                .until
                .is_none_or(|until| until > Instant::now())
                .then(|| refused.error.clone())
        })
    }

    fn remember_refusal(&self, generation: u64, until: Option<Instant>, error: Error) -> Error {
        self.state(|state| {
            state.refused = Some(Refused {
                generation,
                until,
                error: error.clone(),
            });
        });
        error
    }

    /// Asks where the account lives now; follows it when it moved.
    async fn account_was_renamed(&self, stored: &StoredTokens) -> bool {
        let Some(refresh) = stored.tokens.refresh() else {
            return false;
        };
        let api_domain = Claims::read(stored.tokens.access()).and_then(|claims| claims.api_domain);
        match self
            .tokens
            .current_domain(refresh, api_domain.as_deref(), EXCHANGE_TIMEOUT)
            .await
        {
            Ok(domain) if domain != self.endpoint.domain() => {
                tracing::info!(domain, "the account was renamed");
                self.endpoint.set_domain(domain);
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::debug!(%error, "the account's current host is unknown");
                false
            }
        }
    }

    /// Persists, then gives out.
    async fn keep(&self, pair: TokenPair, replaced: u64) -> Result<StoredTokens> {
        self.state(|state| state.unsaved = Some((pair, replaced)));
        let mut pause = Duration::from_millis(100);
        for _ in 0..5 {
            match self.save_unsaved().await {
                Ok(Some(stored)) => return Ok(stored),
                // Somebody's newer pair is in the store: theirs counts.
                Ok(None) => return self.stored().await?.ok_or_else(not_connected),
                Err(error) => tracing::warn!(%error, "the renewed tokens are not stored yet"),
            }
            sleep(pause).await;
            pause *= 2;
        }
        Err(Error::new(
            ErrorKind::Store,
            Delivery::Answered,
            "the renewed tokens could not be stored",
        ))
    }

    async fn save_unsaved(&self) -> Result<Option<StoredTokens>> {
        let Some((tokens, replaced)) = self.state(|state| state.unsaved.clone()) else {
            return Ok(None);
        };
        let saved = self.store.save(&self.key, &tokens, Some(replaced)).await;
        let saved =
            saved.map_err(|error| Error::store("the renewed tokens cannot be stored", error))?;
        self.state(|state| state.unsaved = None);
        Ok(match saved {
            Saved::Stored(generation) => Some(StoredTokens { tokens, generation }),
            Saved::Superseded => None,
        })
    }

    async fn release(&self, lease: &Lease) {
        if let Err(error) = self.store.release(&self.key, lease).await {
            tracing::debug!(%error, "the renewal lease is left to expire");
        }
    }

    pub(super) async fn stored(&self) -> Result<Option<StoredTokens>> {
        self.store
            .load(&self.key)
            .await
            .map_err(|error| Error::store("the stored tokens cannot be read", error))
    }

    pub(super) async fn exchange_code(&self, code: &SecretString) -> Result<TokenPair> {
        let pair = self.tokens.exchange_code(code, EXCHANGE_TIMEOUT).await?;
        self.adopt(pair).await
    }

    pub(super) async fn adopt(&self, pair: TokenPair) -> Result<TokenPair> {
        let saved = self.store.save(&self.key, &pair, None).await;
        let saved = saved.map_err(|error| Error::store("the tokens cannot be stored", error))?;
        if let Saved::Stored(generation) = saved {
            let stored = Arc::new(StoredTokens {
                tokens: pair.clone(),
                generation,
            });
            self.state(|state| {
                state.current = Some(stored);
                state.unsaved = None;
                state.refused = None;
            });
        }
        Ok(pair)
    }

    pub(super) async fn adopt_refresh_token(&self, refresh: &SecretString) -> Result<bool> {
        if self.stored().await?.is_some() {
            return Ok(false);
        }
        // An access token that has always been expired: the first call renews.
        let never = DateTime::UNIX_EPOCH;
        self.adopt(TokenPair::new("", Some(refresh.clone()), never, never))
            .await?;
        Ok(true)
    }

    pub(super) async fn renew_now(self: &Arc<Self>) -> Result<TokenPair> {
        let stored = self.stored().await?.ok_or_else(not_connected)?;
        let fresh = self.replace_stored(&stored).await?;
        Ok(fresh.tokens.clone())
    }

    async fn replace_stored(self: &Arc<Self>, stored: &StoredTokens) -> Result<Arc<StoredTokens>> {
        for _ in 0..2 {
            let fresh = self.flight(Some(stored.tokens.access().clone())).await?;
            if fresh.generation != stored.generation {
                return Ok(fresh);
            }
        }
        Err(needs_reconnect())
    }

    pub(super) async fn forget(&self) -> Result<bool> {
        let had = self.store.forget(&self.key).await;
        self.state(|state| {
            *state = State {
                flight: state.flight.take(),
                ..State::default()
            }
        });
        had.map_err(|error| Error::store("the stored tokens cannot be removed", error))
    }
}

/// Whether the answer is about the token itself. A block page, a 429 and trouble on the server are not, and an error
/// of the integration's keys is not cured by a new consent either.
fn refuses_token(error: &Error) -> bool {
    let hint = error
        .problem()
        .and_then(|problem| problem.hint())
        .unwrap_or_default()
        .to_lowercase();
    match error.kind() {
        ErrorKind::Unauthorized | ErrorKind::NotFound => true,
        ErrorKind::Rejected | ErrorKind::Validation => {
            hint.contains("token") || hint.contains("invalid account")
        }
        _ => false,
    }
}

fn needs_reconnect() -> Error {
    Error::new(
        ErrorKind::NeedsReconnect,
        Delivery::NotSent,
        "amoCRM refused the refresh token: an administrator has to connect the account again",
    )
}

/// Waits for a renewal, but not past the caller's deadline; the renewal itself goes on.
async fn within(deadline: Option<Deadline>, flight: Flight) -> Result<Arc<StoredTokens>> {
    match deadline {
        None => flight.await,
        Some(deadline) => tokio::time::timeout_at(deadline.0, flight)
            .await
            .unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::Deadline,
                    Delivery::NotSent,
                    "the deadline passed while the token was renewed",
                ))
            }),
    }
}
