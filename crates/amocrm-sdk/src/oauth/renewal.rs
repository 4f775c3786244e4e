//! Renewal of single-use refresh tokens, by any number of tasks and processes at once.
//!
//! Single flight in the process → lease in the store → read again → exchange → **persist before use** → if the answer
//! was lost, send the same token again. A refusal is believed only after reading the store once more: another process
//! may have been first. Exchanges run in tasks of their own, so a caller that gives up does not lose the new pair.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};

use super::endpoint::TokenEndpoint;
use super::{
    Credentials, Lease, Saved, StoredTokens, TokenKey, TokenPair, TokenStore, not_connected,
};
use crate::client::Clock;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::layer::{Deadline, Endpoint, HttpService};
use crate::metrics::{Event, Meter, Outcome};

mod exchange;

/// A token is renewed ahead of time when this share of its life is over.
const RENEW_AT: f64 = 0.8;

/// A token this close to its end counts as expired: clocks differ, requests take time. Never more than a tenth of the
/// token's life, or a short-lived one would be renewed for every call.
const LEEWAY: Duration = Duration::from_mins(1);

/// One exchange may take this long; the vendor's own client allows the same.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one process may hold the right to renew: it outlives every exchange that begins under it.
const LEASE_TTL: Duration = Duration::from_mins(1);

/// Pause between looks at the store while another process renews.
const POLL: Duration = Duration::from_millis(100);

/// After a renewal ahead of time the token, still valid, is left alone this long.
const AHEAD_BACKOFF: Duration = Duration::from_secs(30);

/// A refusal is repeated to callers this long before amoCRM is asked again; doubled each time, up to the longest.
const REFUSAL_BACKOFF: Duration = Duration::from_secs(30);
const LONGEST_REFUSAL: Duration = Duration::from_mins(15);

type Flight = Shared<BoxFuture<'static, Result<Arc<StoredTokens>>>>;

/// Keeps one grant fresh.
pub(crate) struct Renewer {
    key: TokenKey,
    store: Arc<dyn TokenStore>,
    tokens: TokenEndpoint,
    endpoint: Arc<Endpoint>,
    clock: Clock,
    meter: Meter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Grows when the grant is replaced or forgotten: a renewal that began before must not bring it back.
    epoch: u64,
    current: Option<Arc<StoredTokens>>,
    flight: Option<Flight>,
    /// Exchanged but not yet durable: it must be stored before it, or the token it replaced, is used.
    unsaved: Option<Unsaved>,
    /// A refusal of the stored pair: repeated to every caller instead of asking amoCRM again.
    refused: Option<Refused>,
    ahead_not_before: Option<Instant>,
}

#[derive(Clone)]
struct Unsaved {
    pair: TokenPair,
    /// The generation it replaces; `None` for a new consent, which replaces any.
    replaces: Option<u64>,
}

/// Why a generation is not renewed for a while.
struct Refused {
    generation: u64,
    until: Instant,
    backoff: Duration,
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
        wire: HttpService,
        credentials: Credentials,
        endpoint: Arc<Endpoint>,
        clock: Clock,
        meter: Meter,
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
            meter,
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
            && !is_expired(&current.tokens, now)
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
        if let Some(current) = self
            .state(|state| state.current.clone())
            .filter(|current| !holds(&current.tokens, rejected))
        {
            return Ok(current.tokens.access().clone());
        }
        // A flight that was already under way may have begun before the refusal and bring the refused token.
        for _ in 0..2 {
            let fresh = within(deadline, self.flight(Some(rejected.clone()))).await?;
            if !holds(&fresh.tokens, rejected) {
                return Ok(fresh.tokens.access().clone());
            }
        }
        Err(refuses_fresh_tokens())
    }

    /// amoCRM refused even the token that replaced a refused one: no renewal cures that, so none is tried for a while.
    pub(crate) fn give_up_on(&self, token: &SecretString) {
        self.state(|state| {
            let current = state
                .current
                .as_ref()
                .filter(|current| holds(&current.tokens, token));
            if let Some(generation) = current.map(|current| current.generation) {
                state.refuse(generation, refuses_fresh_tokens());
            }
        });
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
            // Started here, driven by its own task; what fails is logged there.
            drop(self.flight(None));
        }
    }

    /// Joins the renewal that is under way, or starts one.
    fn flight(self: &Arc<Self>, rejected: Option<SecretString>) -> Flight {
        self.state(|state| {
            if let Some(flight) = &state.flight {
                return flight.clone();
            }
            let (renewer, epoch) = (Arc::clone(self), state.epoch);
            let task = tokio::spawn(async move {
                let outcome = renewer.settle(rejected.as_ref()).await.map(Arc::new);
                renewer.state(|state| state.land(epoch, &outcome));
                outcome
            });
            let renewer = Arc::clone(self);
            let flight = async move {
                task.await.unwrap_or_else(|_| {
                    // The store panicked, or the runtime is going down: the next caller starts anew.
                    renewer.state(|state| state.flight = None);
                    Err(Error::new(
                        ErrorKind::Store,
                        Delivery::NotSent,
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
    ///
    /// A pair that still works is better than any reason: it is given out whatever hinders its renewal.
    async fn settle(&self, rejected: Option<&SecretString>) -> Result<StoredTokens> {
        let started = Instant::now();
        loop {
            let saved = self.save_unsaved().await;
            let stored = self.stored().await?.ok_or_else(not_connected)?;
            if self.is_good(&stored, rejected) {
                return Ok(stored);
            }
            let step = match saved {
                Ok(_) => self.step(&stored, rejected, started).await,
                Err(error) => Err(error),
            };
            let still_works = rejected.is_none() && !is_expired(&stored.tokens, self.clock.now());
            match step {
                Ok(Some(renewed)) => return Ok(renewed),
                Err(error) if error.kind() == ErrorKind::NotConnected => return Err(error),
                Ok(None) | Err(_) if still_works => return Ok(stored),
                Ok(None) => sleep(POLL.mul_f64(0.5 + fastrand::f64())).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// One try to renew; `None` while another process is at it.
    async fn step(
        &self,
        stored: &StoredTokens,
        rejected: Option<&SecretString>,
        started: Instant,
    ) -> Result<Option<StoredTokens>> {
        if stored.tokens.refresh().is_none() {
            return Err(Error::new(
                ErrorKind::Unauthorized,
                Delivery::NotSent,
                "the access token is expired or refused and has no refresh token",
            ));
        }
        if let Some(refusal) = self.state(|state| state.refusal(stored.generation)) {
            return Err(refusal);
        }
        let asked = Instant::now();
        let lease = self.store.lease(&self.key, LEASE_TTL).await;
        let Some(lease) =
            lease.map_err(|error| Error::store("the renewal lease cannot be taken", error))?
        else {
            if started.elapsed() < LEASE_TTL {
                return Ok(None);
            }
            return Err(Error::new(
                ErrorKind::Store,
                Delivery::NotSent,
                "another process holds the renewal lease",
            ));
        };
        let outcome = self.renew_under_lease(rejected, asked).await;
        self.release(&lease).await;
        self.meter.record(|| Event::Renewal {
            outcome: outcome
                .as_ref()
                .map_or_else(Outcome::of_error, |_| Outcome::ok()),
            duration: asked.elapsed(),
        });
        match &outcome {
            Ok(renewed) => tracing::info!(
                generation = renewed.generation,
                "the access token is renewed"
            ),
            Err(error) => tracing::warn!(%error, "the access token could not be renewed"),
        }
        outcome.map(Some)
    }

    fn is_good(&self, stored: &StoredTokens, rejected: Option<&SecretString>) -> bool {
        let now = self.clock.now();
        match rejected {
            // A stored pair that differs from the refused one is somebody's newer one.
            Some(token) => !holds(&stored.tokens, token) && !is_expired(&stored.tokens, now),
            None => !is_expired(&stored.tokens, now) && !stored.tokens.is_past(now, RENEW_AT),
        }
    }

    /// Persists, then gives out.
    async fn keep(&self, pair: TokenPair, replaces: Option<u64>) -> Result<StoredTokens> {
        self.state(|state| state.unsaved = Some(Unsaved { pair, replaces }));
        let mut pause = Duration::from_millis(100);
        for _ in 0..5 {
            match self.save_unsaved().await {
                Ok(Some(stored)) => return Ok(stored),
                // Somebody's newer pair is in the store: theirs counts.
                Ok(None) => return self.stored().await?.ok_or_else(not_connected),
                Err(error) => tracing::warn!(%error, "the new tokens are not stored yet"),
            }
            sleep(pause).await;
            pause *= 2;
        }
        Err(Error::new(
            ErrorKind::Store,
            Delivery::Answered,
            "the new tokens could not be stored; they are kept in memory and stored before the next call",
        ))
    }

    async fn save_unsaved(&self) -> Result<Option<StoredTokens>> {
        let Some(Unsaved { pair, replaces }) = self.state(|state| state.unsaved.clone()) else {
            return Ok(None);
        };
        let saved = self.store.save(&self.key, &pair, replaces).await;
        let saved =
            saved.map_err(|error| Error::store("the new tokens cannot be stored", error))?;
        self.state(|state| state.unsaved = None);
        Ok(match saved {
            Saved::Stored(generation) => Some(StoredTokens {
                tokens: pair,
                generation,
            }),
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

    /// Exchange and storage in a task of their own: the code is spent even if the caller gives up.
    pub(super) async fn exchange_code(self: &Arc<Self>, code: &SecretString) -> Result<TokenPair> {
        let (renewer, code) = (Arc::clone(self), code.clone());
        let task = tokio::spawn(async move {
            let pair = renewer
                .tokens
                .exchange_code(&code, EXCHANGE_TIMEOUT)
                .await?;
            renewer.adopt(pair).await
        });
        task.await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Store,
                Delivery::Unknown,
                "the exchange of the code was interrupted",
            ))
        })
    }

    /// A new grant: it beats whatever is stored or under way.
    pub(super) async fn adopt(&self, pair: TokenPair) -> Result<TokenPair> {
        self.state(State::replace_grant);
        let stored = self.keep(pair, None).await?;
        let pair = stored.tokens.clone();
        self.state(|state| {
            state.replace_grant();
            state.current = Some(Arc::new(stored));
        });
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
        // Whoever asks for it by hand has perhaps mended what was refused.
        self.state(|state| state.refused = None);
        let stored = self.stored().await?.ok_or_else(not_connected)?;
        for _ in 0..2 {
            let fresh = self.flight(Some(stored.tokens.access().clone())).await?;
            if fresh.generation != stored.generation {
                return Ok(fresh.tokens.clone());
            }
        }
        Err(refuses_fresh_tokens())
    }

    pub(super) async fn forget(&self) -> Result<bool> {
        self.state(State::replace_grant);
        let had = self.store.forget(&self.key).await;
        had.map_err(|error| Error::store("the stored tokens cannot be removed", error))
    }
}

impl State {
    /// What a renewal brought.
    fn land(&mut self, epoch: u64, outcome: &Result<Arc<StoredTokens>>) {
        self.flight = None;
        match outcome {
            Ok(stored) if epoch == self.epoch => self.current = Some(Arc::clone(stored)),
            // Another process disconnected the account.
            Err(error) if error.kind() == ErrorKind::NotConnected => self.current = None,
            _ => {}
        }
    }

    fn replace_grant(&mut self) {
        let (epoch, flight) = (self.epoch + 1, self.flight.take());
        *self = Self {
            epoch,
            flight,
            ..Self::default()
        };
    }

    fn refusal(&self, generation: u64) -> Option<Error> {
        let refused = self
            .refused
            .as_ref()
            .filter(|refused| refused.generation == generation)?;
        (refused.until > Instant::now()).then(|| refused.error.clone())
    }

    fn refuse(&mut self, generation: u64, error: Error) {
        let before = self
            .refused
            .as_ref()
            .filter(|refused| refused.generation == generation);
        // Callers that were refused together are one refusal: each of them would double the pause.
        if before.is_some_and(|refused| refused.until > Instant::now()) {
            return;
        }
        let backoff = before.map_or(REFUSAL_BACKOFF, |refused| {
            (refused.backoff * 2).min(LONGEST_REFUSAL)
        });
        self.refused = Some(Refused {
            generation,
            until: Instant::now() + backoff,
            backoff,
            error,
        });
    }
}

fn is_expired(pair: &TokenPair, now: DateTime<Utc>) -> bool {
    let life = (pair.expires_at() - pair.obtained_at())
        .to_std()
        .unwrap_or_default();
    pair.is_expired(now, LEEWAY.min(life / 10))
}

fn holds(pair: &TokenPair, token: &SecretString) -> bool {
    pair.access().expose_secret() == token.expose_secret()
}

fn refuses_fresh_tokens() -> Error {
    Error::new(
        ErrorKind::Unauthorized,
        Delivery::NotSent,
        "amoCRM refuses an access token that it has just given",
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
