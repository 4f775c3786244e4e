//! When the machine itself stood still: what happens then says nothing about the services.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How often the metronome ticks, and how late a tick may be.
const TICK: Duration = Duration::from_millis(10);
const LATE: Duration = Duration::from_millis(15);
/// What was held up arrives together for a while afterwards.
const AFTERMATH: f64 = 1.0;

/// From when to when something was held up, by the clock on the wall, in seconds.
pub(crate) type Disturbance = (f64, f64);

/// Ticks, and writes down where a tick came late: a processor that was given to others, a machine that was paused.
#[derive(Debug)]
pub(crate) struct Metronome {
    late: Arc<Mutex<Vec<Disturbance>>>,
    task: JoinHandle<()>,
}

impl Metronome {
    pub(crate) fn start() -> Self {
        let late: Arc<Mutex<Vec<Disturbance>>> = Arc::default();
        let task = tokio::spawn({
            let late = Arc::clone(&late);
            async move {
                loop {
                    let (began, from) = (Instant::now(), wall_clock());
                    sleep(TICK).await;
                    if began.elapsed() > TICK + LATE {
                        let mut late = late.lock().unwrap_or_else(PoisonError::into_inner);
                        late.push((from, wall_clock()));
                    }
                }
            }
        });
        Self { late, task }
    }

    /// Where ticks came late.
    pub(crate) fn stop(self) -> Vec<Disturbance> {
        self.task.abort();
        std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether nothing was held up between two moments.
pub(crate) fn is_calm(disturbances: &[Disturbance], from: f64, to: f64) -> bool {
    !disturbances
        .iter()
        .any(|&(began, ended)| began < to && from < ended + AFTERMATH)
}

/// Seconds since 1970, as the emulator's journal has them.
#[expect(
    clippy::disallowed_methods,
    reason = "what was done is compared with what other processes wrote down"
)]
pub(crate) fn wall_clock() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_a_disturbance_or_its_aftermath_is_not_calm() {
        let disturbances = [(10.0, 11.0)];
        assert!(is_calm(&disturbances, 8.0, 9.9));
        assert!(!is_calm(&disturbances, 9.5, 10.5));
        assert!(!is_calm(&disturbances, 11.5, 12.5));
        assert!(is_calm(&disturbances, 12.1, 13.0));
    }
}
