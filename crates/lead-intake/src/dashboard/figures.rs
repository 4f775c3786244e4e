//! The figures: what the store has added up, arranged for people and programs.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use connection::dashboard::{ConnectionFigures, QueueFigures, ReasonFigures, queue_figures};
use serde::{Deserialize, Serialize};
use service_kit::dashboard::{Period, by_period, periods, place, whole};
use store::{DailyTallies, DeadLetterFilter, DeliveryState, FUNNEL, LOST, OTHER_SOURCES, Tally};
use utoipa::ToSchema;

use super::delays::Delays;
use crate::api::{ApiError, AppState};
use crate::dead_letters::Letter;
use crate::health::QUEUE;

/// As many sources are told by name; the rest together.
const SOURCES: usize = 8;
/// As many dead letters are listed.
const LETTERS: u32 = 10;

/// The lengths that delays are told in, in milliseconds; all are steps of the store.
pub(super) const HISTOGRAM_MS: [u64; 7] = [
    1_000, 5_000, 30_000, 300_000, 3_600_000, 21_600_000, 86_400_000,
];

/// How the leads of some days are doing. Days are the office's, and what became of a lead is told on the day it came.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Figures {
    /// When this was true.
    pub(crate) at: DateTime<Utc>,
    /// The office's offset from UTC.
    #[schema(example = "+03:00")]
    pub(crate) time_zone: String,
    /// The days, or, of more than 92, the weeks; whole ones.
    pub(crate) periods: Vec<Period>,
    /// Leads taken.
    pub(crate) leads: LeadFigures,
    /// How far they came.
    pub(crate) stages: Vec<StageFigures>,
    /// How many were lost, at whatever stage.
    pub(crate) lost: u64,
    /// How soon amoCRM had them.
    pub(crate) delivery: DeliveryFigures,
    /// Attempts that failed.
    pub(crate) failures: FailureFigures,
    /// Work that is not done yet.
    pub(crate) queue: Vec<QueueFigures>,
    /// The connection to amoCRM.
    pub(crate) connection: ConnectionFigures,
}

/// Leads taken.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LeadFigures {
    /// In all.
    pub(crate) total: u64,
    /// In each period.
    pub(crate) by_period: Vec<u64>,
    /// By `utm_source`, in lower case: the eight that brought most, then all others.
    pub(crate) sources: Vec<SourceFigures>,
}

/// Leads of a source.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct SourceFigures {
    /// Its name; `null` if the leads had none, or it is the others.
    pub(crate) source: Option<String>,
    /// These are all the others.
    pub(crate) is_rest: bool,
    /// In all.
    pub(crate) total: u64,
    /// In each period.
    pub(crate) by_period: Vec<u64>,
}

/// Leads that came to a stage or further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct StageFigures {
    /// The status: `contacted`.
    pub(crate) status: String,
    /// How many.
    pub(crate) leads: u64,
    /// How many were at the stage before.
    pub(crate) of: u64,
}

/// How soon amoCRM had the leads.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeliveryFigures {
    /// How many it has.
    pub(crate) delivered: u64,
    /// Half of them took no longer.
    pub(crate) median_ms: Option<u64>,
    /// 95 of 100 took no longer; more than a day is told as a day.
    pub(crate) p95_ms: Option<u64>,
    /// The same for each period.
    pub(crate) by_period: Vec<Delay>,
    /// How many took how long.
    pub(crate) histogram: Vec<DelayBucket>,
}

/// How soon amoCRM had the leads of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Delay {
    /// How many it has.
    pub(crate) delivered: u64,
    /// Half of them took no longer.
    pub(crate) median_ms: Option<u64>,
    /// 95 of 100 took no longer.
    pub(crate) p95_ms: Option<u64>,
}

/// Leads that took about as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DelayBucket {
    /// No longer than this; `null`: longer than all others.
    pub(crate) up_to_ms: Option<u64>,
    /// How many.
    pub(crate) leads: u64,
}

/// Attempts that failed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct FailureFigures {
    /// In all. Most are tried again and succeed.
    pub(crate) attempts: u64,
    /// By reason, the most frequent first.
    pub(crate) reasons: Vec<ReasonFigures>,
    /// What was given up, and a person has to look at: the oldest ten.
    pub(crate) dead_letters: Vec<Letter>,
    /// How many leads amoCRM does not have because they were given up.
    pub(crate) failed_leads: u64,
}

impl Figures {
    /// Reads sums, ends of indexes and a short list; nothing here counts a table.
    pub(crate) async fn read(state: &AppState, days: u32) -> Result<Self, ApiError> {
        let store = &state.store;
        let tallies = store.tallies().read(whole(days)).await?;
        let queue = queue_figures(QUEUE, store).await?;
        let letters = DeadLetterFilter::new().limit(LETTERS);
        let letters = store.jobs().dead_letters(letters).await?;
        let failed_leads = store.leads().count(DeliveryState::Failed).await?;
        let connection = ConnectionFigures::read(&state.crm).await?;
        let reasons = ReasonFigures::sum(&tallies.failed);
        let failures = FailureFigures {
            dead_letters: letters.into_iter().map(Letter::from).collect(),
            failed_leads,
            attempts: reasons.iter().map(|it| it.attempts).sum(),
            reasons,
        };
        let periods = periods(tallies.last_day, days);
        let total = tallies.accepted.iter().map(|tally| tally.count).sum();
        Ok(Self {
            at: tallies.at,
            time_zone: state.config.dashboard.time_zone().to_string(),
            leads: leads(&tallies, &periods),
            stages: stages(&tallies, total),
            lost: reached(&tallies, LOST),
            delivery: delivery(&tallies, &periods),
            failures,
            queue,
            connection,
            periods,
        })
    }
}

fn leads(tallies: &DailyTallies, periods: &[Period]) -> LeadFigures {
    let mut found: BTreeMap<&str, Vec<(NaiveDate, u64)>> = BTreeMap::new();
    for Tally { day, key, count } in &tallies.accepted {
        found.entry(key).or_default().push((*day, *count));
    }
    let mut rest = found.remove(OTHER_SOURCES).unwrap_or_default();
    let sum = |counts: &[(NaiveDate, u64)]| counts.iter().map(|it| it.1).sum::<u64>();
    let mut found: Vec<_> = found.into_iter().collect();
    // Those that brought most; of equals in the order of their names, so that the picture stays the same.
    found.sort_by_key(|(name, counts)| (std::cmp::Reverse(sum(counts)), *name));
    for (_, counts) in found.split_off(found.len().min(SOURCES)) {
        rest.extend(counts);
    }
    let source = |name: Option<&str>, is_rest: bool, counts: &[(NaiveDate, u64)]| SourceFigures {
        source: name.filter(|name| !name.is_empty()).map(str::to_owned),
        is_rest,
        total: sum(counts),
        by_period: by_period(periods, counts.iter().copied()),
    };
    let mut sources: Vec<_> = found
        .iter()
        .map(|(name, counts)| source(Some(name), false, counts))
        .collect();
    if !rest.is_empty() {
        sources.push(source(None, true, &rest));
    }
    let all = || tallies.accepted.iter().map(|it| (it.day, it.count));
    LeadFigures {
        total: all().map(|it| it.1).sum(),
        by_period: by_period(periods, all()),
        sources,
    }
}

fn reached(tallies: &DailyTallies, status: &str) -> u64 {
    let found = tallies.reached.iter().filter(|tally| tally.key == status);
    found.map(|tally| tally.count).sum()
}

fn stages(tallies: &DailyTallies, total: u64) -> Vec<StageFigures> {
    let mut of = total;
    let mut stages = vec![StageFigures {
        status: "new".to_owned(),
        leads: total,
        of,
    }];
    for status in FUNNEL {
        let leads = reached(tallies, status);
        stages.push(StageFigures {
            status: status.to_owned(),
            leads,
            of,
        });
        of = leads;
    }
    stages
}

fn delivery(tallies: &DailyTallies, periods: &[Period]) -> DeliveryFigures {
    let mut whole = Delays::default();
    let mut parts = vec![Delays::default(); periods.len()];
    for Tally { day, key, count } in &tallies.delivered {
        whole.add(*key, *count);
        if let Some(part) = place(periods, *day).and_then(|place| parts.get_mut(place)) {
            part.add(*key, *count);
        }
    }
    let figures = |delays: &Delays| {
        let percentile = |percent| {
            let delay = delays.percentile(percent)?;
            u64::try_from(delay.as_millis()).ok()
        };
        Delay {
            delivered: delays.count(),
            median_ms: percentile(50),
            p95_ms: percentile(95),
        }
    };
    let mut above = 0;
    let mut histogram = Vec::new();
    for up_to in HISTOGRAM_MS.into_iter().map(Some).chain([None]) {
        histogram.push(DelayBucket {
            up_to_ms: up_to,
            leads: whole.between(above, up_to),
        });
        above = up_to.unwrap_or(above);
    }
    let Delay {
        delivered,
        median_ms,
        p95_ms,
    } = figures(&whole);
    DeliveryFigures {
        delivered,
        median_ms,
        p95_ms,
        by_period: parts.iter().map(figures).collect(),
        histogram,
    }
}

#[cfg(test)]
mod tests {
    use store::{DELAYS_MS, FUNNEL, LOST};

    use super::HISTOGRAM_MS;
    use crate::lead::LeadStatus;

    #[test]
    fn the_store_counts_our_stages_in_our_order_and_our_delays() {
        let ours: Vec<_> = LeadStatus::ALL.iter().map(|it| it.as_str()).collect();
        let theirs: Vec<_> = ["new"].into_iter().chain(FUNNEL).chain([LOST]).collect();
        assert_eq!(ours, theirs);
        assert!(HISTOGRAM_MS.iter().all(|step| DELAYS_MS.contains(step)));
    }
}
