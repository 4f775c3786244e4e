//! What is remembered between two looks, and what follows from a look: a rule without I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::config::Limits;

/// As many samples of growing figures are kept of a window.
const SAMPLES: u32 = 30;
/// As many messages wait at most for an endpoint that is down; the oldest go first.
const OUTBOX: usize = 50;
/// What waits for so long tells nobody anything.
const STALE: TimeDelta = TimeDelta::hours(24);

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rule {
    /// Attempts that failed.
    Failures,
    /// Work that is due and not done.
    Queue,
    /// Renewals of the tokens that failed, or an access that amoCRM refuses.
    Renewals,
}

impl Rule {
    pub(super) const ALL: [Self; 3] = [Self::Failures, Self::Queue, Self::Renewals];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Queue => "queue",
            Self::Renewals => "renewals",
        }
    }
}

/// What a look has found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readings {
    /// Failed attempts since ever.
    pub(super) failures: u64,
    /// Failed renewals since ever.
    pub(super) renewals: u64,
    /// amoCRM refuses the grant.
    pub(super) is_refused: bool,
    /// For how long the most overdue job has been due.
    pub(super) lag: Duration,
}

/// What is remembered. Stored as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    samples: Vec<Sample>,
    firing: BTreeMap<Rule, DateTime<Utc>>,
    /// Messages that somebody has still to be told, oldest first.
    outbox: Vec<Notice>,
    /// How the ways out have been lately.
    ways: BTreeMap<Way, Patience>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sample {
    at: DateTime<Utc>,
    failures: u64,
    renewals: u64,
}

/// A way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// `ALERT_WEBHOOK_URL`.
    Webhook,
    /// `ALERT_EMAIL`.
    Email,
}

impl Way {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
        }
    }
}

/// How patient we are with a way out that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Patience {
    tries: u32,
    next_at: DateTime<Utc>,
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Notice {
    /// The same however often it is sent.
    pub(super) id: String,
    pub(super) rule: Rule,
    /// It is over.
    pub(super) is_recovery: bool,
    /// amoCRM refuses the grant.
    pub(super) is_refused: bool,
    pub(super) value: u64,
    pub(super) limit: u64,
    /// When it began.
    pub(super) since: DateTime<Utc>,
    /// When this was found.
    pub(super) at: DateTime<Utc>,
    /// Who has not been told yet.
    pub(super) ways: Vec<Way>,
}

impl Memory {
    /// Takes note of a look, and puts what has changed into the outbox. Returns the same.
    pub(super) fn look(
        &mut self,
        service: &str,
        limits: &Limits,
        found: Readings,
        ways: &[Way],
        now: DateTime<Utc>,
    ) -> Vec<Notice> {
        self.sample(limits.window, found, now);
        let first = self.samples.first().copied();
        let grown = |of: fn(&Sample) -> u64, now: u64| {
            first.map_or(0, |first| now.saturating_sub(of(&first)))
        };
        let failures = grown(|it| it.failures, found.failures);
        let renewals = grown(|it| it.renewals, found.renewals);
        let minutes = found.lag.as_secs() / 60;
        let mut news = Vec::new();
        for (rule, value, limit, is_refused) in [
            (Rule::Failures, failures, limits.failures, false),
            (Rule::Queue, minutes, limits.queue_minutes, false),
            (Rule::Renewals, renewals, limits.renewals, found.is_refused),
        ] {
            let is_too_much = limit > 0 && (value >= limit || is_refused);
            // It is over when it is well below: what swings around its limit is told once.
            let is_over = limit == 0 || (value <= limit / 2 && !is_refused);
            let since = match self.firing.get(&rule).copied() {
                None if is_too_much => {
                    self.firing.insert(rule, now);
                    now
                }
                Some(since) if is_over => {
                    self.firing.remove(&rule);
                    since
                }
                _ => continue,
            };
            let is_recovery = is_over;
            let ending = if is_recovery { "recovered" } else { "fired" };
            let began = since.timestamp_micros();
            news.push(Notice {
                id: format!("alert_{service}_{}_{began}_{ending}", rule.as_str()),
                rule,
                is_recovery,
                is_refused,
                value,
                limit,
                since,
                at: now,
                ways: ways.to_vec(),
            });
        }
        self.outbox.extend(news.iter().cloned());
        self.tidy(ways, now);
        news
    }

    /// How many messages somebody has still to be told.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// Whether this is too much now.
    pub(super) fn is_firing(&self, rule: Rule) -> bool {
        self.firing.contains_key(&rule)
    }

    /// Whether a way out may be tried.
    pub(super) fn may_try(&self, way: Way, now: DateTime<Utc>) -> bool {
        self.ways.get(&way).is_none_or(|it| it.next_at <= now)
    }

    /// The oldest message for a way out.
    pub(super) fn next(&self, way: Way) -> Option<&Notice> {
        self.outbox.iter().find(|it| it.ways.contains(&way))
    }

    /// Notes that it has left.
    pub(super) fn told(&mut self, id: &str, way: Way) {
        self.ways.remove(&way);
        if let Some(notice) = self.outbox.iter_mut().find(|it| it.id == id) {
            notice.ways.retain(|it| *it != way);
        }
        self.outbox.retain(|it| !it.ways.is_empty());
    }

    /// Notes that it has not.
    pub(super) fn failed(&mut self, way: Way, now: DateTime<Utc>) {
        let tries = self.ways.get(&way).map_or(0, |it| it.tries);
        // 15 s, 30 s, 1 min, … 16 min.
        let pause = TimeDelta::seconds(15_i64 << tries.min(6));
        let patience = Patience {
            tries: tries.saturating_add(1),
            next_at: now + pause,
        };
        self.ways.insert(way, patience);
    }

    /// A way that is no longer configured is not waited for.
    fn tidy(&mut self, ways: &[Way], now: DateTime<Utc>) {
        for notice in &mut self.outbox {
            notice.ways.retain(|way| ways.contains(way));
        }
        self.outbox
            .retain(|it| !it.ways.is_empty() && now - it.at < STALE);
        let surplus = self.outbox.len().saturating_sub(OUTBOX);
        self.outbox.drain(..surplus);
    }

    fn sample(&mut self, window: Duration, found: Readings, now: DateTime<Utc>) {
        let window = TimeDelta::from_std(window).unwrap_or(STALE);
        // A clock that was set back makes no samples of the future.
        self.samples
            .retain(|it| it.at <= now && now - it.at <= window);
        let step = window / i32::try_from(SAMPLES).unwrap_or(1);
        if self.samples.last().is_none_or(|it| now - it.at >= step) {
            self.samples.push(Sample {
                at: now,
                failures: found.failures,
                renewals: found.renewals,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Limits, Memory, Notice, Readings, Rule, Way};

    const LIMITS: Limits = Limits {
        window: Duration::from_mins(15),
        failures: 10,
        renewals: 3,
        queue_minutes: 15,
    };

    /// Looks every 15 s and tells what was said: minute, rule, whether it is over.
    fn live(
        minutes: i64,
        found: impl Fn(i64) -> Readings,
        mut each: impl FnMut(&mut Memory, DateTime<Utc>),
    ) -> Vec<(i64, Rule, bool)> {
        let start = DateTime::from_timestamp(1_795_219_200, 0).unwrap();
        let mut memory = Memory::default();
        let mut said: Vec<Notice> = Vec::new();
        for look in 0..minutes * 4 {
            let now = start + TimeDelta::seconds(look * 15);
            memory.look("s", &LIMITS, found(look / 4), &[Way::Webhook], now);
            // As a process that is killed and started again.
            memory = serde_json::from_str(&serde_json::to_string(&memory).unwrap()).unwrap();
            for notice in &memory.outbox {
                if !said.contains(notice) {
                    said.push(notice.clone());
                }
            }
            each(&mut memory, now);
        }
        let minute = |at: DateTime<Utc>| (at - start).num_minutes();
        said.iter()
            .map(|it| (minute(it.at), it.rule, it.is_recovery))
            .collect()
    }

    fn quiet() -> Readings {
        Readings {
            failures: 0,
            renewals: 0,
            is_refused: false,
            lag: Duration::ZERO,
        }
    }

    #[test]
    fn a_limit_that_is_crossed_is_told_once_and_its_end_once() {
        // A failure a minute from minute 20 to 49: ten within a quarter of an hour at minute 30.
        let failing = |minute: i64| Readings {
            failures: 7 + u64::try_from((minute - 20).clamp(0, 30)).unwrap(),
            ..quiet()
        };
        let said = live(120, failing, |_, _| {});
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[0], (30, Rule::Failures, false));
        assert!(said[1].2 && (55..=62).contains(&said[1].0), "{said:?}");
    }

    #[test]
    fn what_swings_around_its_limit_is_one_alert() {
        let swinging = |minute: i64| Readings {
            lag: Duration::from_mins(match minute {
                ..10 => 0,
                10..60 if minute % 2 == 0 => 16,
                10..60 => 9,
                _ => 1,
            }),
            ..quiet()
        };
        let said = live(90, swinging, |_, _| {});
        assert_eq!(said, [(10, Rule::Queue, false), (60, Rule::Queue, true)]);
    }

    #[test]
    fn a_refused_access_is_told_at_once_and_old_figures_are_none_of_a_window() {
        let refused = |minute: i64| Readings {
            failures: 1_000_000,
            renewals: 50,
            is_refused: (5..10).contains(&minute),
            ..quiet()
        };
        let said = live(20, refused, |_, _| {});
        assert_eq!(
            said,
            [(5, Rule::Renewals, false), (10, Rule::Renewals, true)]
        );
    }

    #[test]
    fn an_endpoint_that_is_down_is_tried_ever_more_seldom_and_told_in_order() {
        let lagging = |minute: i64| Readings {
            lag: Duration::from_mins(if (5..40).contains(&minute) { 20 } else { 0 }),
            ..quiet()
        };
        let (mut tries, mut told) = (0, Vec::new());
        live(120, lagging, |memory, now| {
            while memory.may_try(Way::Webhook, now)
                && let Some(next) = memory.next(Way::Webhook).cloned()
            {
                tries += 1;
                // It is back after an hour.
                if now.timestamp() < 1_795_219_200 + 3_600 {
                    memory.failed(Way::Webhook, now);
                } else {
                    memory.told(&next.id, Way::Webhook);
                    told.push(next.is_recovery);
                }
            }
        });
        assert_eq!(told, [false, true]);
        assert!(tries < 15, "{tries}");
    }

    #[test]
    fn what_nobody_takes_does_not_grow() {
        let wild = |minute: i64| Readings {
            lag: Duration::from_mins(if minute % 2 == 0 { 20 } else { 0 }),
            ..quiet()
        };
        let mut most = 0;
        live(600, wild, |memory, _| most = most.max(memory.outbox.len()));
        assert_eq!(most, super::OUTBOX);
    }
}
