//! The request budget: who may send now, and who waits.
//!
//! amoCRM allows 7 requests per second to one integration and 50 per second to one account
//! ([recommendations](https://www.amocrm.ru/developers/content/api/recommendations)); what exceeds it gets 429, and an
//! integration that keeps exceeding it is blocked with 403. Every request of the client, replays and token renewals
//! included, takes a permit here first.
//!
//! The one thing a newcomer gets wrong: a budget belongs to an integration **in an account**, not to a process. Two
//! processes of one integration need one shared [`Quota`] (the `store` crate has a database row for that);
//! [`MemoryQuota`] is right only when one process is alone.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::BoxError;

mod memory;

pub use self::memory::MemoryQuota;

/// Requests per second that amoCRM grants to one integration in one account.
///
/// Source: <https://www.amocrm.ru/developers/content/api/recommendations>. Paid packages raise it.
pub const DEFAULT_INTEGRATION_RPS: u32 = 7;

/// Requests per second that amoCRM grants to all integrations of one account together.
///
/// Source: <https://www.amocrm.ru/developers/content/api/recommendations>.
pub const DEFAULT_ACCOUNT_RPS: u32 = 50;

/// How much later than its permit a request may arrive without breaking the limit.
///
/// Permits are spaced so that `limit + 1` of them span one second **plus this allowance**: plain `1/7 s` spacing lets
/// eight requests into a closed second, and a request that the network delays lets in one more. The price is small: with
/// 20 ms, and [`TIMER_SLACK`], the default budget gives 6.85 requests per second, 97.8 % of the 7 that amoCRM allows. A line
/// with more jitter than that needs more of it.
pub const DEFAULT_JITTER_ALLOWANCE: Duration = Duration::from_millis(20);

/// How much earlier than its turn a permit is given, so that a budget is used to the full by tasks that wake up late.
///
/// Timers count milliseconds and a busy machine adds some. Permits follow a schedule: one that is taken late does not delay
/// those after it, and asking this much early is in time. Counted into [`Limits::spacing`], so no second gets one too many.
pub const TIMER_SLACK: Duration = Duration::from_millis(2);

/// The figures of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Requests per second of this integration. Default: [`DEFAULT_INTEGRATION_RPS`].
    pub integration_rps: u32,
    /// Requests per second of the whole account, shared with its other integrations. Default: [`DEFAULT_ACCOUNT_RPS`].
    pub account_rps: u32,
    /// See [`DEFAULT_JITTER_ALLOWANCE`].
    pub jitter_allowance: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            integration_rps: DEFAULT_INTEGRATION_RPS,
            account_rps: DEFAULT_ACCOUNT_RPS,
            jitter_allowance: DEFAULT_JITTER_ALLOWANCE,
        }
    }
}

impl Limits {
    /// The default limits with another rate for this integration.
    ///
    /// # Panics
    ///
    /// When `rps` is zero: a budget of nothing would wait for ever.
    pub fn per_integration(rps: u32) -> Self {
        assert!(rps > 0, "a budget needs at least one request per second");
        Self {
            integration_rps: rps,
            account_rps: DEFAULT_ACCOUNT_RPS.max(rps),
            ..Self::default()
        }
    }

    /// Sets the rate of the whole account.
    ///
    /// # Panics
    ///
    /// When `rps` is zero.
    #[must_use]
    pub fn account(mut self, rps: u32) -> Self {
        assert!(rps > 0, "a budget needs at least one request per second");
        self.account_rps = rps;
        self
    }

    /// The time from permit to permit of a budget of `rps` that keeps every sliding second within it: on this schedule,
    /// `rps + 1` requests span `1 s + jitter_allowance`, even if the last is [`TIMER_SLACK`] early.
    pub fn spacing(&self, rps: u32) -> Duration {
        (Duration::from_secs(1) + self.jitter_allowance + TIMER_SLACK) / rps.max(1)
            + Duration::from_micros(1)
    }

    /// Spacing of this integration's permits.
    pub fn integration_spacing(&self) -> Duration {
        self.spacing(self.integration_rps)
    }

    /// Spacing of the account's permits.
    pub fn account_spacing(&self) -> Duration {
        self.spacing(self.account_rps)
    }
}

/// The answer to "may I send now?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Yes: the permit is taken and must be used at once.
    Granted,
    /// Not yet: ask again after this long. Nothing is taken.
    Wait(Duration),
    /// A pause is in force: ask again after this long, if the caller can wait that long at all.
    Paused {
        /// Why nobody sends now.
        reason: PauseReason,
        /// How long the pause still lasts.
        remaining: Duration,
    },
}

/// Why a budget stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PauseReason {
    /// amoCRM answered 429: everybody waits, then goes on.
    Throttled,
    /// amoCRM answered 403 with a block page: requests fail at once until the pause ends.
    Blocked,
}

impl PauseReason {
    /// The word used in logs and tables: `throttled` or `blocked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Blocked => "blocked",
        }
    }
}

impl fmt::Display for PauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A shared request budget of one integration in one account.
///
/// Asking is "take, or wait this long". The client lets one task of the process ask while the others queue fairly
/// behind it, and asks again after every sleep, so a pause that begins meanwhile is always obeyed.
#[async_trait]
pub trait Quota: fmt::Debug + Send + Sync + 'static {
    /// Takes a permit, or says how long to wait before asking again.
    ///
    /// # Errors
    ///
    /// When the shared budget cannot be reached. The client then fails the call without sending it.
    async fn try_acquire(&self) -> Result<Permit, BoxError>;

    /// Lets nobody send for `duration`. A shorter pause never cuts a longer one, and a `Blocked` pause is not turned
    /// into a `Throttled` one while it lasts.
    ///
    /// # Errors
    ///
    /// When the shared budget cannot be reached.
    async fn pause(&self, duration: Duration, reason: PauseReason) -> Result<(), BoxError>;

    /// Ends a pause early, for instance after support has lifted a block.
    ///
    /// # Errors
    ///
    /// When the shared budget cannot be reached.
    async fn resume(&self) -> Result<(), BoxError>;
}
