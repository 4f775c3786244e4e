//! Time as a parameter.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Where "now" comes from: any function that tells the time.
///
/// ```
/// use store::Clock;
///
/// let clock = Clock::system();
/// let earlier = clock.now();
/// assert!(clock.now() >= earlier);
/// ```
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// A clock that asks `now`: a service's own clock, or the hands of a test.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The machine's clock, which never goes back.
    ///
    /// When somebody sets the machine's clock back, leases would last longer and schedules would stall by as much. So
    /// this clock goes on at its own pace until the machine's has caught up; a jump forward is believed.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else takes as a parameter"
    )]
    pub fn system() -> Self {
        let last = Mutex::new((Utc::now(), Instant::now()));
        Self::new(move || {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let (wall, steady) = (Utc::now(), Instant::now());
            let at_least = last.0 + steady.duration_since(last.1);
            let now = wall.max(at_least);
            *last = (now, steady);
            now
        })
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }

    /// The present instant as the tables hold it: microseconds since 1970.
    pub(crate) fn micros(&self) -> i64 {
        self.now().timestamp_micros()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// Whose clock times leases, schedules and the request budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeSource {
    /// On PostgreSQL the server's, so that hosts with different clocks agree; on SQLite, where all processes share a
    /// machine, the [`Clock`] of the options.
    #[default]
    Database,
    /// The [`Clock`] of the options on both. For tests that move time, or when one process is alone.
    Process,
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

pub(crate) fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

pub(crate) fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::UNIX_EPOCH)
}
