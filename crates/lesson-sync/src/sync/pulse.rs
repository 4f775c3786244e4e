//! Whether this process has been at work all the time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Beats while it is told to; once it has missed its time it never beats again. A process that was frozen, or cut off
/// from its database, finds after waking that others may have its jobs.
#[derive(Debug)]
pub(super) struct Pulse {
    since: Instant,
    limit: Duration,
    /// Microseconds after `since`.
    last: AtomicU64,
    is_dead: AtomicBool,
}

impl Pulse {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            since: Instant::now(),
            limit,
            last: AtomicU64::new(0),
            is_dead: AtomicBool::new(false),
        }
    }

    /// Whether it was never late.
    pub(super) fn beats(&self) -> bool {
        let last = Duration::from_micros(self.last.load(Ordering::SeqCst));
        if self.since.elapsed().saturating_sub(last) > self.limit {
            self.is_dead.store(true, Ordering::SeqCst);
        }
        !self.is_dead.load(Ordering::SeqCst)
    }

    /// All was well at `asked_at`.
    pub(super) fn beat(&self, asked_at: Instant) {
        if self.beats() {
            let at = asked_at.saturating_duration_since(self.since);
            let at = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
            self.last.store(at, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pulse_that_was_late_once_is_gone() {
        let pulse = Pulse::new(Duration::from_secs(20));
        tokio::time::advance(Duration::from_secs(15)).await;
        pulse.beat(Instant::now());
        tokio::time::advance(Duration::from_secs(15)).await;
        assert!(pulse.beats());
        tokio::time::advance(Duration::from_secs(6)).await;
        pulse.beat(Instant::now());
        assert!(!pulse.beats());
    }
}
