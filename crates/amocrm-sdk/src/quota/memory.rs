//! The budget of a process that is alone.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use governor::clock::{Clock as _, ReasonablyRealtime, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Spacing, RateLimiter};
use tokio::time::Instant;

use super::{Limits, PauseReason, Permit, Quota, TIMER_SLACK};
use crate::BoxError;
use crate::layer::from_now;

/// tokio's clock for `governor`, so that a paused test clock moves the budget too.
#[derive(Debug, Clone)]
struct TokioClock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TokioInstant(Instant);

impl governor::clock::Reference for TokioInstant {
    fn duration_since(&self, earlier: Self) -> governor::nanos::Nanos {
        self.0.saturating_duration_since(earlier.0).into()
    }

    fn saturating_sub(&self, duration: governor::nanos::Nanos) -> Self {
        Self(self.0.checked_sub(duration.into()).unwrap_or(self.0))
    }
}

impl std::ops::Add<governor::nanos::Nanos> for TokioInstant {
    type Output = Self;

    fn add(self, other: governor::nanos::Nanos) -> Self {
        Self(self.0 + Duration::from(other))
    }
}

impl governor::clock::Clock for TokioClock {
    type Instant = TokioInstant;

    fn now(&self) -> Self::Instant {
        TokioInstant(Instant::now())
    }
}

impl ReasonablyRealtime for TokioClock {}

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<TokioInstant>>;

/// The budget of one process: GCRA from the `governor` crate, with pauses on top.
#[derive(Debug)]
pub struct MemoryQuota {
    limiter: Limiter,
    cost: NonZeroU32,
    pause: Mutex<Option<Pause>>,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    reason: PauseReason,
}

impl MemoryQuota {
    /// A full budget with these limits.
    pub fn new(limits: &Limits) -> Self {
        // One process of one integration draws on both budgets with every request, so the tighter one is both.
        let spacing = limits.integration_spacing().max(limits.account_spacing());
        // A permit costs as many cells as make up the spacing, and one more cell may be there: that one is the slack.
        let cells = spacing.as_nanos().div_ceil(TIMER_SLACK.as_nanos());
        let cost = u32::try_from(cells).unwrap_or(u32::MAX - 1);
        let cost = NonZeroU32::new(cost).unwrap_or(NonZeroU32::MIN);
        let cell = spacing / cost.get() + Duration::from_nanos(1);
        Self {
            limiter: limiter(cell, cost.saturating_add(1)),
            cost,
            pause: Mutex::new(None),
        }
    }

    fn current_pause(&self) -> Option<Pause> {
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        if pause.is_some_and(|pause| pause.until <= Instant::now()) {
            *pause = None;
        }
        *pause
    }
}

fn limiter(cell: Duration, burst: NonZeroU32) -> Limiter {
    let spacing = Spacing::with_period(cell)
        .expect("a cell is never zero")
        .allow_burst(burst);
    RateLimiter::direct_with_clock(spacing, TokioClock)
}

#[async_trait]
impl Quota for MemoryQuota {
    async fn try_acquire(&self) -> Result<Permit, BoxError> {
        if let Some(pause) = self.current_pause() {
            let remaining = pause.until.saturating_duration_since(Instant::now());
            return Ok(Permit::Paused {
                reason: pause.reason,
                remaining,
            });
        }
        let now = TokioClock.now();
        let taken = self
            .limiter
            .check_n(self.cost)
            .expect("a burst has room for a permit");
        match taken {
            Ok(()) => Ok(Permit::Granted),
            Err(until) => Ok(Permit::Wait(
                until.earliest_possible().duration_since(now).into(),
            )),
        }
    }

    async fn pause(&self, duration: Duration, reason: PauseReason) -> Result<(), BoxError> {
        let wanted = Pause {
            until: from_now(duration),
            reason,
        };
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        let weaker = pause
            .filter(|current| current.until > Instant::now())
            .is_some_and(|current| match (current.reason, reason) {
                (PauseReason::Blocked, PauseReason::Throttled) => true,
                (PauseReason::Throttled, PauseReason::Blocked) => false,
                _ => current.until >= wanted.until,
            });
        if !weaker {
            let longest = pause.map_or(wanted.until, |current| current.until.max(wanted.until));
            *pause = Some(Pause {
                until: longest,
                ..wanted
            });
        }
        Ok(())
    }

    async fn resume(&self) -> Result<(), BoxError> {
        *self.pause.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}
