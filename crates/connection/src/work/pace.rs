//! How fast, how often and how patiently a queue is worked on.

use std::time::Duration;

use crate::DeliveryConfig;

/// Pauses after failures that grow with each.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after the `attempt`-th failure: doubled each time up to the longest, with up to a fifth more, so that
    /// what failed together does not come back together.
    pub fn pause(&self, attempt: u32) -> Duration {
        let millis = |pause: Duration| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let doubled = millis(self.first).saturating_mul(1_u64 << attempt.saturating_sub(1).min(20));
        let pause = doubled.min(millis(self.longest));
        Duration::from_millis(pause.saturating_add(fastrand::u64(0..=pause / 5)))
    }
}

/// How a process works on its queue.
#[derive(Debug, Clone)]
pub struct Pace {
    hands: usize,
    backoff: Backoff,
    settle: Duration,
    lease: Duration,
    trust: Duration,
    renew_every: Duration,
}

impl Pace {
    /// One hand, retries from a second to a minute, and the leases of `times`.
    pub fn new(times: &DeliveryConfig) -> Self {
        Self {
            hands: 1,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_mins(1)),
            settle: times.call_timeout(),
            lease: times.lease(),
            trust: times.trust(),
            renew_every: times.renew_every(),
        }
    }

    /// How many jobs this process works on at once.
    #[must_use]
    pub fn hands(mut self, hands: usize) -> Self {
        self.hands = hands.max(1);
        self
    }

    /// The pauses after failures.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long after a request without an answer amoCRM may still be at work on it. Default: as long as one may take.
    #[must_use]
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    pub(super) fn pause(&self, attempt: u32) -> Duration {
        self.backoff.pause(attempt)
    }

    pub(super) fn all_hands(&self) -> usize {
        self.hands
    }

    pub(super) fn longest(&self) -> Duration {
        self.backoff.longest
    }

    pub(super) fn settling(&self) -> Duration {
        self.settle
    }

    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    pub(super) fn trust(&self) -> Duration {
        self.trust
    }

    pub(super) fn renew_every(&self) -> Duration {
        self.renew_every
    }
}
