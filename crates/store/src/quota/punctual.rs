//! Whether a permit comes in time to be used.
//!
//! Between the reading of the time and the answer lies a commit, and it takes from a millisecond to a second, whatever the
//! disk and the neighbours do. A request sent by a permit that came 200 ms late would share its second with one too many.
//! Two things keep requests on the schedule: a permit is taken for a moment as far **ahead** as commits take here, of late,
//! and one that misses its moment all the same pushes back those that come after it, by as much. It costs the time that
//! was lost, not a 429.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The furthest ahead that a permit is taken. Where commits take longer than this the rows' lock, held until the commit,
/// is what spaces the requests, and every permit is used.
pub(super) const LONGEST_LEAD: Duration = Duration::from_secs(1);

/// A permit that is later than this would meet a second that is full already.
pub(super) const LONGEST_LATE: Duration = Duration::from_millis(900);

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

/// What a permit is worth when it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It is for now.
    InTime,
    /// It may be used, and was for a moment that is gone by this long.
    Late(Duration),
    /// It is not to be used.
    Expired,
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

    /// Waits for the moment of a permit that was taken `lead` ahead.
    pub(super) async fn departs(&self, lead: Duration, read: Read) -> Use {
        let committed = read.at.elapsed();
        tokio::time::sleep(lead.saturating_sub(committed)).await;
        let late = read.at.elapsed().saturating_sub(lead);
        self.lock()
            .judge(self.tolerance, lead, read.took, committed, late)
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    /// Learns from a permit, and says what it is worth.
    ///
    /// `committed` is how long its commit took from the reading of the time, `late` by how much it missed its moment.
    fn judge(
        &mut self,
        tolerance: Duration,
        lead: Duration,
        reading: Duration,
        committed: Duration,
        late: Duration,
    ) -> Use {
        // A time that was long on its way may be older than it looks.
        let late = late + reading.saturating_sub(self.reading);
        let is_in_time = late <= tolerance;
        // What is slow twice is slow here, and no sign of age.
        self.reading = if is_in_time {
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
        if is_in_time {
            Use::InTime
        } else if late <= LONGEST_LATE {
            Use::Late(late)
        } else if lead >= LONGEST_LEAD {
            Use::Late(LONGEST_LATE)
        } else {
            Use::Expired
        }
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

    proptest! {
        /// What leaves late says so, whatever commits and readings take.
        #[test]
        fn a_request_is_in_time_or_said_to_be_late(commits in prop::collection::vec((0_u64..50, 0_u64..3_000), 1..200)) {
            let mut figures = Figures { lead: Duration::ZERO, reading: Duration::MAX };
            for (reading, committed) in commits {
                let lead = figures.lead;
                let late = ms(committed).saturating_sub(lead);
                match figures.judge(TOLERANCE, lead, ms(reading), ms(committed), late) {
                    Use::InTime => prop_assert!(late <= TOLERANCE),
                    Use::Late(by) => prop_assert!(by >= late || lead == LONGEST_LEAD),
                    Use::Expired => prop_assert!(late + ms(reading) > LONGEST_LATE),
                }
            }
        }

        /// A database that is slow for good costs the first few permits and not the rest.
        #[test]
        fn steady_slowness_is_made_up_for(reading in 0_u64..2_000, committed in 0_u64..790) {
            let mut figures = Figures { lead: Duration::ZERO, reading: Duration::MAX };
            let used: Vec<_> = (0..50)
                .map(|_| {
                    let lead = figures.lead;
                    let late = ms(committed).saturating_sub(lead);
                    figures.judge(TOLERANCE, lead, ms(reading), ms(committed), late)
                })
                .collect();
            prop_assert!(used.iter().skip(2).all(|used| *used == Use::InTime), "{used:?}");
        }
    }

    #[test]
    fn a_database_that_takes_seconds_does_not_stop_everything() {
        let mut figures = Figures {
            lead: Duration::ZERO,
            reading: Duration::MAX,
        };
        let mut used = (0..5).map(|_| {
            let lead = figures.lead;
            let late = ms(3_000).saturating_sub(lead);
            figures.judge(TOLERANCE, lead, ms(1), ms(3_000), late)
        });
        assert_eq!(used.next(), Some(Use::Expired));
        assert!(used.all(|used| used == Use::Late(LONGEST_LATE)));
    }
}
