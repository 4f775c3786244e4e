//! The emulator's time: the real time plus an offset that tests move forward.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

/// Further than any token lives, and far from overflowing any sum of seconds.
const CENTURY_MS: i64 = 100 * 366 * 86_400 * 1000;

/// The clock every timestamp, expiry and retry of the emulator reads.
///
/// It runs on tokio's instant, so under tokio's paused test clock the CRM's time moves together with the test's own sleeps;
/// elsewhere that is the ordinary monotonic clock.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch_ms: i64,
    started: Instant,
    offset_ms: AtomicI64,
}

impl Clock {
    /// Starts a clock that is `offset_ms` ahead of the real time.
    pub(crate) fn start(offset_ms: i64) -> Self {
        Self {
            epoch_ms: system_time_ms(),
            started: Instant::now(),
            offset_ms: AtomicI64::new(offset_ms),
        }
    }

    /// Unix time in seconds.
    pub(crate) fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Unix time in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.epoch_ms
            .saturating_add(elapsed)
            .saturating_add(self.offset_ms())
    }

    /// Moves the clock forward for good.
    pub(crate) fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let _ = self
            .offset_ms
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |offset| {
                Some(offset.saturating_add(by).min(CENTURY_MS))
            });
    }

    /// Sets the clock back to an earlier offset.
    pub(crate) fn set_offset_ms(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::SeqCst);
    }

    /// How far ahead of the real time this clock is.
    pub(crate) fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::SeqCst)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the emulator's one reading of the system clock"
)]
fn system_time_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}
