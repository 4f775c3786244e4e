//! How long a worker may rely on its claim.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::Linked;

/// The clock that goes on while the machine is suspended. `CLOCK_MONOTONIC`, which timers go by, does not on Linux.
#[cfg(any(target_os = "linux", target_os = "android"))]
const AWAKE_OR_ASLEEP: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const AWAKE_OR_ASLEEP: ClockId = ClockId::Monotonic;

/// A moment by the machine's own clocks. A virtual machine that its host has paused knows of it by neither, until
/// somebody sets the time of day: so both are asked, and the one that says more counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    running: Duration,
    time_of_day: Duration,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            running: duration(clock_gettime(AWAKE_OR_ASLEEP)),
            time_of_day: duration(clock_gettime(ClockId::Realtime)),
        }
    }

    /// How long ago `earlier` was, at least.
    fn since(self, earlier: Self) -> Duration {
        let running = self.running.saturating_sub(earlier.running);
        let time_of_day = self.time_of_day.saturating_sub(earlier.time_of_day);
        running.max(time_of_day)
    }
}

fn duration(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Ends by itself unless it is renewed, also while the process or its machine stands still: a worker that was frozen or
/// suspended past the end of its lease finds, before it sends anything, that it may not.
#[derive(Clone)]
pub(super) struct Trust {
    clock: fn() -> Moment,
    asked_at: Arc<Mutex<Moment>>,
    lasts: Duration,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("left", &self.left())
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// In a claim that was asked for at `asked_at`.
    pub(super) fn new(asked_at: Moment, lasts: Duration) -> Self {
        Self::by(Moment::now, asked_at, lasts)
    }

    fn by(clock: fn() -> Moment, asked_at: Moment, lasts: Duration) -> Self {
        Self {
            clock,
            asked_at: Arc::new(Mutex::new(asked_at)),
            lasts,
        }
    }

    /// The claim was renewed by a request made at `asked_at`.
    pub(super) fn renew(&self, asked_at: Moment) {
        *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner) = asked_at;
    }

    /// How long it still lasts.
    pub(super) fn left(&self) -> Duration {
        let asked_at = *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.lasts.saturating_sub((self.clock)().since(asked_at))
    }

    /// The same connection, through which nothing leaves once the trust has ended.
    pub(super) fn guard(&self, linked: &Linked) -> Linked {
        let trust = self.clone();
        Linked {
            client: linked.client.only_while(move || !trust.left().is_zero()),
            ..linked.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static NOW: Cell<Moment> = Cell::default();
    }

    fn advance(running: u64, time_of_day: u64) -> Moment {
        let before = NOW.get();
        NOW.set(Moment {
            running: before.running + Duration::from_secs(running),
            time_of_day: before.time_of_day + Duration::from_secs(time_of_day),
        });
        NOW.get()
    }

    fn trust() -> Trust {
        Trust::by(|| NOW.get(), NOW.get(), Duration::from_secs(20))
    }

    #[test]
    fn trust_ends_unless_it_is_renewed() {
        let trust = trust();
        trust.renew(advance(10, 10));
        advance(19, 19);
        assert_eq!(trust.left(), Duration::from_secs(1));
        advance(1, 1);
        assert!(trust.left().is_zero());
    }

    #[test]
    fn a_machine_that_slept_trusts_nothing() {
        let trust = trust();
        // Timers stood still; this clock did not.
        advance(600, 0);
        assert!(trust.left().is_zero());
    }

    #[test]
    fn a_machine_that_learns_from_the_time_of_day_that_it_was_paused_trusts_nothing() {
        let trust = trust();
        advance(1, 600);
        assert!(trust.left().is_zero());
    }

    #[test]
    fn a_time_of_day_that_is_set_back_prolongs_nothing() {
        advance(0, 1_000);
        let trust = trust();
        NOW.set(Moment {
            time_of_day: Duration::ZERO,
            ..advance(20, 0)
        });
        assert!(trust.left().is_zero());
    }

    #[test]
    fn the_clocks_of_this_machine_go() {
        let before = Moment::now();
        assert!(before.running > Duration::ZERO && before.time_of_day > before.running);
        assert!(Moment::now().since(before) < Duration::from_mins(1));
    }
}
