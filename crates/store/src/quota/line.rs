//! The arithmetic of one row: GCRA with no burst but the slack of timers, a pause, and a clock that may have been set back.

use amocrm_sdk::quota::{PauseReason, Permit, TIMER_SLACK};

use super::punctual::LONGEST_LEAD;
use crate::clock::{duration, micros};

/// One row of the budget. All times are microseconds.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// When the next permit has its turn: the theoretical arrival time of GCRA.
    arrival_at: i64,
    /// The spacing the last permit was given with.
    spacing: i64,
    pause: Option<Pause>,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    from: i64,
    until: i64,
    reason: PauseReason,
}

impl Line {
    pub(super) fn new(
        arrival_at: i64,
        spacing: i64,
        paused_at: Option<i64>,
        paused_until: Option<i64>,
        reason: Option<&str>,
    ) -> Self {
        let pause = paused_at.zip(paused_until).map(|(from, until)| Pause {
            from,
            until,
            reason: if reason == Some(PauseReason::Blocked.as_str()) {
                PauseReason::Blocked
            } else {
                PauseReason::Throttled
            },
        });
        Self {
            arrival_at,
            spacing,
            pause,
        }
    }

    /// Repairs what a clock set back would break: the next permit is never further away than the spacing of the last
    /// one and the longest lead it may have been taken with, and a pause never longer than it was meant to be.
    pub(super) fn believe(&mut self, now: i64) {
        let furthest = now
            .saturating_add(micros(LONGEST_LEAD))
            .saturating_add(self.spacing)
            .saturating_add(micros(TIMER_SLACK));
        self.arrival_at = self.arrival_at.min(furthest);
        if let Some(pause) = &mut self.pause
            && pause.from > now
        {
            pause.until = now.saturating_add(pause.until.saturating_sub(pause.from));
            pause.from = now;
        }
    }

    /// Whoever asks a little before its turn need not wait: late sleepers make up for what they lost.
    pub(super) fn wait(&self, now: i64) -> i64 {
        let soonest = self.arrival_at.saturating_sub(micros(TIMER_SLACK));
        soonest.saturating_sub(now).max(0)
    }

    pub(super) fn take(&mut self, now: i64, spacing: i64) {
        self.arrival_at = self.arrival_at.max(now).saturating_add(spacing);
        self.spacing = spacing;
        if self.pause.is_some_and(|pause| pause.until <= now) {
            self.pause = None;
        }
    }

    /// A request left this late: what has yet to be given comes as much later.
    pub(super) fn push_back(&mut self, late: i64) {
        self.arrival_at = self.arrival_at.saturating_add(late);
    }

    pub(super) fn pause(&self, now: i64) -> Option<Permit> {
        self.pause
            .filter(|pause| pause.until > now)
            .map(|pause| Permit::Paused {
                reason: pause.reason,
                remaining: duration(pause.until - now),
            })
    }

    pub(super) fn begin_pause(&mut self, now: i64, length: i64, reason: PauseReason) {
        let until = now.saturating_add(length);
        let current = self.pause.filter(|pause| pause.until > now);
        self.pause = match (current, reason) {
            (Some(current), PauseReason::Throttled) if current.reason == PauseReason::Blocked => {
                Some(current)
            }
            (Some(current), _) => Some(Pause {
                from: now,
                until: until.max(current.until),
                reason,
            }),
            (None, _) => Some(Pause {
                from: now,
                until,
                reason,
            }),
        };
    }

    pub(super) fn end_pause(&mut self) {
        self.pause = None;
    }

    pub(super) fn arrival_at(&self) -> i64 {
        self.arrival_at
    }

    pub(super) fn spacing(&self) -> i64 {
        self.spacing
    }

    pub(super) fn stored_pause(&self) -> (Option<i64>, Option<i64>, Option<&'static str>) {
        match self.pause {
            Some(pause) => (
                Some(pause.from),
                Some(pause.until),
                Some(pause.reason.as_str()),
            ),
            None => (None, None, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::punctual::LONGEST_LATE;
    use super::*;

    const SECOND: i64 = 1_000_000;

    proptest! {
        /// Whatever the times of asking and the leads, `limit + 1` departures never fit into a second.
        #[test]
        fn no_sliding_second_exceeds_the_limit(
            limit in 1_i64..60,
            steps in prop::collection::vec((0_i64..200_000, 0..=micros(LONGEST_LEAD)), 1..400),
        ) {
            let spacing = (SECOND + micros(TIMER_SLACK)) / limit + 1;
            let mut line = Line::new(0, 0, None, None, None);
            let mut now = 1_700_000_000 * SECOND;
            let mut permits = Vec::new();
            for (step, lead) in steps {
                now += step;
                line.believe(now);
                let departure = now + lead;
                if line.wait(departure) == 0 {
                    line.take(departure, spacing);
                    permits.push(departure);
                }
            }
            let limit = usize::try_from(limit).unwrap();
            for window in permits.windows(limit + 1) {
                prop_assert!(window[limit] - window[0] > SECOND);
            }
        }

        /// Requests that leave late and push the schedule back never make `limit + 1` of them fit into a second.
        #[test]
        fn late_requests_do_not_exceed_the_limit(
            limit in 1_i64..60,
            steps in prop::collection::vec((0_i64..100_000, prop_oneof![3 => Just(0), 1 => 0..micros(LONGEST_LATE)]), 1..400),
        ) {
            let spacing = (SECOND + micros(TIMER_SLACK)) / limit + 1;
            let mut line = Line::new(0, 0, None, None, None);
            let mut now = 1_700_000_000 * SECOND;
            let (mut departures, mut under_way) = (Vec::new(), Vec::new());
            for (step, late) in steps {
                now += step;
                under_way.retain(|&(departure, late)| {
                    let is_under_way = departure > now;
                    if !is_under_way {
                        line.push_back(late);
                    }
                    is_under_way
                });
                line.believe(now);
                if line.wait(now) == 0 {
                    line.take(now, spacing);
                    departures.push(now + late);
                    under_way.push((now + late, late));
                }
            }
            departures.sort_unstable();
            let limit = usize::try_from(limit).unwrap();
            for window in departures.windows(limit + 1) {
                prop_assert!(window[limit] - window[0] > SECOND, "{} us", window[limit] - window[0]);
            }
        }

        /// A clock set back by any amount costs at most one spacing and a lead, and no more of a pause than was meant.
        #[test]
        fn a_clock_set_back_never_stops_the_budget(back in 0_i64..1_000_000 * SECOND, pause in 0_i64..100 * SECOND) {
            let now = 2_000_000_000 * SECOND;
            let mut line = Line::new(0, 0, None, None, None);
            line.take(now, 150_000);
            line.begin_pause(now, pause, PauseReason::Throttled);
            let then = now - back;
            line.believe(then);
            prop_assert!(line.wait(then) <= 150_000 + micros(LONGEST_LEAD));
            if let Some(Permit::Paused { remaining, .. }) = line.pause(then) {
                prop_assert!(remaining <= duration(pause));
            }
        }
    }

    #[test]
    fn a_weaker_pause_never_replaces_a_stronger_one() {
        let reason = |line: &Line, now| match line.pause(now) {
            Some(Permit::Paused { reason, remaining }) => Some((reason, remaining.as_micros())),
            _ => None,
        };
        let mut line = Line::new(0, 0, None, None, None);
        line.begin_pause(0, 100, PauseReason::Throttled);
        line.begin_pause(0, 10, PauseReason::Throttled);
        assert_eq!(reason(&line, 0), Some((PauseReason::Throttled, 100)));
        line.begin_pause(0, 50, PauseReason::Blocked);
        line.begin_pause(0, 500, PauseReason::Throttled);
        assert_eq!(reason(&line, 0), Some((PauseReason::Blocked, 100)));
        assert_eq!(reason(&line, 100), None);
    }
}
