//! How the gateway is doing: sums that the store keeps and the ends of indexes, so that no view counts a table.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, Utc};
use serde::{Deserialize, Serialize};
use store::{GatewayTallies, LAGS_MS, QueueStats, job_kind};
use utoipa::ToSchema;

use super::desk::Desk;
use super::error::OperateError;
use super::view::SubscriberView;

/// Ranges in days, each with the hours that are told together.
const STEPS: [(u32, u32); 3] = [(1, 1), (7, 6), (366, 24)];

/// The figures of the last days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Figures {
    /// When they were read.
    pub(crate) at: DateTime<Utc>,
    /// How many hours are told together.
    pub(crate) step_hours: u32,
    /// What came in, oldest first.
    pub(crate) periods: Vec<Came>,
    /// What came in, by account.
    pub(crate) accounts: Vec<AccountFigures>,
    /// What went out, by subscriber.
    pub(crate) subscribers: Vec<SubscriberFigures>,
    /// Where it is kept.
    pub(crate) database: DatabaseFigures,
}

/// What came in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Came {
    /// When the period began.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Webhooks that were stored.
    pub(crate) received: u64,
    /// Events in them that were new.
    pub(crate) events: u64,
    /// Events in them that had come before.
    pub(crate) duplicates: u64,
    /// Webhooks that could not be read.
    pub(crate) unparsed: u64,
}

/// What came from an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountFigures {
    /// Its name in the gateway.
    pub(crate) account: String,
    /// What came.
    #[serde(flatten)]
    pub(crate) came: Came,
}

/// What went to a subscriber.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct SubscriberFigures {
    /// Its name.
    pub(crate) subscriber: String,
    /// Whether it gets events: active, paused, disabled, failing.
    pub(crate) state: String,
    /// Deliveries that wait, and those that are on their way.
    pub(crate) waiting: u64,
    /// How long the most overdue one has been waiting.
    pub(crate) lag_seconds: f64,
    /// How long ago the oldest of them came.
    pub(crate) oldest_age_seconds: f64,
    /// Deliveries that were given up and are kept.
    pub(crate) dead_letters: u64,
    /// Events that it has got.
    pub(crate) delivered: u64,
    /// Attempts that failed.
    pub(crate) failed: u64,
    /// Deliveries that were given up.
    pub(crate) dead: u64,
    /// Half of the events were there within this time of being stored.
    pub(crate) median_ms: Option<u64>,
    /// 95 of 100 were; `null` with deliveries: longer than a day.
    pub(crate) p95_ms: Option<u64>,
    /// How many took how long.
    pub(crate) lags: Vec<Lag>,
    /// Period by period.
    pub(crate) periods: Vec<Went>,
}

/// So many events took no longer than this, and longer than the lag before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Lag {
    /// Milliseconds; `null`: longer than all others.
    pub(crate) up_to_ms: Option<u64>,
    /// How many.
    pub(crate) events: u64,
}

/// What went to a subscriber within a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Went {
    /// Events that it has got.
    pub(crate) delivered: u64,
    /// Attempts that failed.
    pub(crate) failed: u64,
    /// Deliveries that were given up.
    pub(crate) dead: u64,
    /// How long the delivered ones took on average.
    pub(crate) mean_lag_ms: Option<u64>,
}

/// Where it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DatabaseFigures {
    /// sqlite or postgres.
    pub(crate) backend: String,
    /// How large it is.
    pub(crate) bytes: u64,
    /// Room on the disk of the SQLite file.
    pub(crate) free_bytes: Option<u64>,
}

/// The periods of a range: equally long, beginning at whole hours of the office's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Periods {
    step: i64,
    first: i64,
    count: u32,
    offset: i64,
}

impl Periods {
    fn new(now: DateTime<Utc>, days: u32, zone: FixedOffset) -> Self {
        let step = STEPS
            .iter()
            .find(|(most, _)| days <= *most)
            .map_or(24, |(_, step)| *step);
        let offset = i64::from(zone.local_minus_utc());
        let count = (days.max(1) * 24 / step).max(1);
        let step = i64::from(step) * 3_600;
        let last = (now.timestamp() + offset).div_euclid(step);
        Self {
            step,
            first: last - i64::from(count) + 1,
            count,
            offset,
        }
    }

    fn len(&self) -> usize {
        self.count as usize
    }

    /// How many hours have to be read.
    fn hours(&self) -> u32 {
        u32::try_from(self.step / 3_600 * (i64::from(self.count) + 1)).unwrap_or(u32::MAX)
    }

    fn place(&self, hour: DateTime<Utc>) -> Option<usize> {
        let slot = (hour.timestamp() + self.offset).div_euclid(self.step);
        usize::try_from(slot - self.first)
            .ok()
            .filter(|place| *place < self.len())
    }

    fn from(&self, place: usize) -> Option<DateTime<Utc>> {
        let slot = self.first + i64::try_from(place).ok()?;
        DateTime::from_timestamp(slot * self.step - self.offset, 0)
    }
}

impl Desk {
    /// The figures of so many days, today included.
    pub(crate) async fn figures(&self, days: u32) -> Result<Figures, OperateError> {
        let zone = self.config().dashboard.time_zone();
        let periods = Periods::new(self.now(), days, zone);
        let tallies = self.store().gateway().tallies(periods.hours()).await?;
        let subscribers = self.subscribers().await?;
        let mut queues = BTreeMap::new();
        for subscriber in &subscribers {
            let stats = self
                .store()
                .jobs()
                .stats(&job_kind(&subscriber.name))
                .await?;
            queues.insert(subscriber.name.clone(), stats);
        }
        let database = DatabaseFigures {
            backend: self.store().backend().to_owned(),
            bytes: self.store().size_bytes().await?,
            free_bytes: self.store().disk_space()?.map(|disk| disk.free),
        };
        Ok(add_up(&tallies, periods, &subscribers, &queues, database))
    }
}

fn add_up(
    tallies: &GatewayTallies,
    periods: Periods,
    subscribers: &[SubscriberView],
    queues: &BTreeMap<String, QueueStats>,
    database: DatabaseFigures,
) -> Figures {
    let mut came: Vec<Came> = (0..periods.len())
        .map(|place| Came {
            from: periods.from(place),
            ..Came::default()
        })
        .collect();
    let mut accounts: BTreeMap<&str, Came> = BTreeMap::new();
    for tally in &tallies.accounts {
        let Some(place) = periods.place(tally.hour) else {
            continue;
        };
        for sum in [
            &mut came[place],
            accounts.entry(&tally.account).or_default(),
        ] {
            sum.received += tally.received;
            sum.events += tally.events;
            sum.duplicates += tally.duplicates;
            sum.unparsed += tally.unparsed;
        }
    }
    let subscribers = subscribers
        .iter()
        .map(|subscriber| {
            let mine = tallies
                .subscribers
                .iter()
                .filter(|tally| tally.subscriber == subscriber.name);
            let mut went = vec![Went::default(); periods.len()];
            let mut waited = vec![0_u128; periods.len()];
            let mut lags = [0_u64; LAGS_MS.len() + 1];
            for tally in mine {
                let Some(place) = periods.place(tally.hour) else {
                    continue;
                };
                let sum = &mut went[place];
                sum.delivered += tally.delivered;
                sum.failed += tally.failed;
                sum.dead += tally.dead;
                waited[place] += tally.lag_sum.as_millis();
                for (sum, count) in lags.iter_mut().zip(tally.lags) {
                    *sum += count;
                }
            }
            for (sum, waited) in went.iter_mut().zip(waited) {
                let mean = waited.checked_div(u128::from(sum.delivered));
                sum.mean_lag_ms = mean.map(|mean| u64::try_from(mean).unwrap_or(u64::MAX));
            }
            let queue = queues.get(&subscriber.name).copied().unwrap_or_default();
            SubscriberFigures {
                subscriber: subscriber.name.clone(),
                state: subscriber.state.clone(),
                waiting: queue.depth,
                lag_seconds: queue.lag.as_secs_f64(),
                oldest_age_seconds: queue.oldest_age.as_secs_f64(),
                dead_letters: queue.dead,
                delivered: went.iter().map(|sum| sum.delivered).sum(),
                failed: went.iter().map(|sum| sum.failed).sum(),
                dead: went.iter().map(|sum| sum.dead).sum(),
                median_ms: quantile(&lags, 50),
                p95_ms: quantile(&lags, 95),
                lags: LAGS_MS
                    .iter()
                    .map(|up_to| Some(*up_to))
                    .chain([None])
                    .zip(lags)
                    .map(|(up_to_ms, events)| Lag { up_to_ms, events })
                    .collect(),
                periods: went,
            }
        })
        .collect();
    Figures {
        at: tallies.at,
        step_hours: u32::try_from(periods.step / 3_600).unwrap_or(1),
        periods: came,
        accounts: accounts
            .into_iter()
            .map(|(account, came)| AccountFigures {
                account: account.to_owned(),
                came,
            })
            .collect(),
        subscribers,
        database,
    }
}

/// The lag that so many of a hundred did not exceed. `None`: there are none, or it is longer than the longest that is told.
fn quantile(lags: &[u64; LAGS_MS.len() + 1], percent: u64) -> Option<u64> {
    let total: u64 = lags.iter().sum();
    let wanted = (u128::from(total) * u128::from(percent))
        .div_ceil(100)
        .max(1);
    let mut seen = 0_u128;
    LAGS_MS
        .iter()
        .zip(lags)
        .find(|(_, count)| {
            seen += u128::from(**count);
            seen >= wanted
        })
        .map(|(up_to, _)| *up_to)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn every_hour_of_the_range_belongs_to_one_period_and_days_begin_at_the_offices_midnight() {
        let zone = FixedOffset::east_opt(3 * 3_600).unwrap();
        let now: DateTime<Utc> = "2026-11-21T18:40:00Z".parse().unwrap();
        for (days, count, step) in [(1, 24, 1), (7, 28, 6), (30, 30, 24), (90, 90, 24)] {
            let periods = Periods::new(now, days, zone);
            assert_eq!((periods.len(), periods.step), (count, step * 3_600));
            assert_eq!(periods.place(now), Some(count - 1), "{days}");
            let first = periods.from(0).unwrap();
            assert_eq!(periods.place(first), Some(0));
            assert_eq!(periods.place(first - TimeDelta::hours(1)), None);
            assert!(now - first <= TimeDelta::hours(i64::from(periods.hours())));
            let local = first.with_timezone(&zone);
            assert_eq!(i64::from(chrono::Timelike::hour(&local)) % step, 0);
        }
    }

    #[test]
    fn a_quantile_is_told_in_the_steps_that_are_counted() {
        let mut lags = [0; LAGS_MS.len() + 1];
        assert_eq!(quantile(&lags, 50), None);
        lags[0] = 94;
        lags[3] = 5;
        lags[LAGS_MS.len()] = 1;
        assert_eq!(quantile(&lags, 50), Some(LAGS_MS[0]));
        assert_eq!(quantile(&lags, 95), Some(LAGS_MS[3]));
        assert_eq!(quantile(&lags, 100), None);
    }
}
