//! Whether a permit comes in time to be used.
//!
//! Between the reading of the time and the answer lies a commit, and it takes from a millisecond to a second, whatever the
//! disk and the neighbours do. A request sent by a permit that came 200 ms late would share its second with one too many.
//! Two things keep requests on the schedule: a permit is taken for a moment as far **ahead** as commits take here, of late,
//! and one that misses its moment by more than a request may be late is thrown away. It costs a slot, not a 429.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The furthest ahead that a permit is taken. Where commits take longer than this the rows' lock, held until the commit,
/// is what spaces the requests, and every permit is used.
pub(super) const LONGEST_LEAD: Duration = Duration::from_secs(1);

/// When the budget's time was read, by this process's own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// When the time was there.
    at: Instant,
    /// How long asking for it took: the time is from somewhere within.
    took: Duration,
}

impl Read {
    pub(super) fn since(asked: Instant) -> Self {
        let at = Instant::now();
        Self {
            at,
            took: at.duration_since(asked),
        }
    }
}

/// How long granting takes here, of late.
#[derive(Debug)]
pub(super) struct Punctuality {
    /// How late a request may leave: half of what the schedule allows, the line has the other half.
    tolerance: Duration,
    figures: Mutex<Figures>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Figures {
    lead: Duration,
    /// How long reading the time takes when nothing holds it up.
    reading: Duration,
}

impl Punctuality {
    pub(super) fn new(jitter_allowance: Duration) -> Self {
        Self {
            tolerance: jitter_allowance / 2,
            figures: Mutex::new(Figures {
                lead: Duration::ZERO,
                reading: Duration::MAX,
            }),
        }
    }

    /// How far ahead to take the next permit.
    pub(super) fn lead(&self) -> Duration {
        self.lock().lead
    }

    /// Waits for the moment of a permit that was taken `lead` ahead. Says whether it is met.
    pub(super) async fn departs(&self, lead: Duration, read: Read) -> bool {
        let committed = read.at.elapsed();
        tokio::time::sleep(lead.saturating_sub(committed)).await;
        let late = read.at.elapsed().saturating_sub(lead);
        self.lock()
            .judge(self.tolerance, lead, read.took, committed, late)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    /// Learns from a permit, and says whether it may be used.
    ///
    /// `committed` is how long its commit took from the reading of the time, `late` by how much it missed its moment.
    fn judge(
        &mut self,
        tolerance: Duration,
        lead: Duration,
        reading: Duration,
        committed: Duration,
        late: Duration,
    ) -> bool {
        // A time that was long on its way may be older than it looks.
        let unsure = reading.saturating_sub(self.reading);
        let holds = unsure + late <= tolerance || lead >= LONGEST_LEAD;
        // What is slow twice is slow here, and no reason to be unsure.
        self.reading = if holds {
            self.reading.min(reading)
        } else {
            reading
        };
        let faded = self.lead * 7 / 8;
        self.lead = if committed > tolerance / 2 {
            faded.max(committed + committed / 4).min(LONGEST_LEAD)
        } else if faded > tolerance / 2 {
            faded
        } else {
            Duration::ZERO
        };
        holds
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOLERANCE: Duration = Duration::from_millis(10);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Lets commits of these lengths be judged, one after another. Says which permits were used, and when they left.
    fn judged(commits: impl IntoIterator<Item = (Duration, Duration)>) -> Vec<Option<Duration>> {
        let mut figures = Figures {
            lead: Duration::ZERO,
            reading: Duration::MAX,
        };
        commits
            .into_iter()
            .map(|(reading, committed)| {
                let lead = figures.lead;
                let late = committed.saturating_sub(lead);
                figures
                    .judge(TOLERANCE, lead, reading, committed, late)
                    .then_some(late)
            })
            .collect()
    }

    proptest! {
        /// Whatever commits and readings take, a request leaves within the tolerance of its moment, unless commits take
        /// a second.
        #[test]
        fn what_is_used_is_in_time(commits in prop::collection::vec((0_u64..50, 0_u64..790), 1..200)) {
            for late in judged(commits.into_iter().map(|(reading, committed)| (ms(reading), ms(committed)))).into_iter().flatten() {
                prop_assert!(late <= TOLERANCE);
            }
        }

        /// A database that is slow for good, however slow, costs the first few permits and not the rest.
        #[test]
        fn steady_slowness_costs_a_few_permits(reading in 0_u64..2_000, committed in 0_u64..10_000) {
            let used = judged(std::iter::repeat_n((ms(reading), ms(committed)), 50));
            prop_assert!(used.iter().skip(2).all(Option::is_some), "{used:?}");
        }
    }
}
