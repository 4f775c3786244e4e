//! Sums per day: what the dashboard shows, kept while rows change or added up soon after, so that a view counts no table.
//!
//! Deliveries, statuses and failures are added in the transaction that changes the row: amoCRM lets only a few of them
//! happen per second. Leads come in as fast as visitors like, and a sum that every one of them changes would be a row
//! that all wait for. So they are added up afterwards, in batches, by [`fold`](Tallies::fold), and those that are not
//! added up yet are counted when somebody [reads](Tallies::read): a minute's leads at most where the service runs.
//!
//! A day is one of the office's calendar, [`Options::time_zone`](crate::Options::time_zone), and a lead's deliveries and
//! statuses belong to the day on which it came. Setting another time zone leaves the days that are counted as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::clock::{instant, micros};
use crate::db::{Operation, Sql, Tx};
use crate::error::{Result, StoreError};
use crate::store::Inner;
use crate::totals;

mod fold;

/// The key of leads whose source had no place among the [`SOURCES_PER_DAY`].
pub const OTHER_SOURCES: &str = "(other)";

/// Sources that are counted by name each day. Visitors choose them, so there may be as many as there are visitors.
pub const SOURCES_PER_DAY: usize = 40;

/// The longest name of a source, in characters.
pub const SOURCE_LENGTH: usize = 64;

/// The steps of the pipeline after the first, in their order: a lead that skips one has passed it.
pub const FUNNEL: [&str; 6] = [
    "contacted",
    "presentation",
    "selection",
    "reservation",
    "deal",
    "completed",
];

/// The status that ends a lead at any step.
pub const LOST: &str = "lost";

/// The delays that are told apart, in milliseconds: each stands for those up to it and above the one before.
pub const DELAYS_MS: [u64; 19] = [
    200, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000,
    600_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
];

/// The key of longer delays.
const LONGER: &str = "over";

/// A reason is a word of ours.
pub(crate) const REASON_LENGTH: usize = 40;

/// Sums are kept for so many days.
pub(crate) const KEEP_DAYS: i64 = 800;

/// The longest range that is read.
pub(crate) const MAX_DAYS: u32 = 400;

/// How often a read begins anew because leads were added up meanwhile.
const READS: u32 = 5;

const DAY: i64 = 86_400_000_000;

/// The sums per day. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Tallies {
    inner: Arc<Inner>,
}

/// What is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Measure {
    /// Leads taken, by source.
    Accepted,
    /// Leads that amoCRM has, by how long that took.
    Delivered,
    /// Leads that came so far, by status.
    Reached,
    /// Attempts that failed, by reason.
    Failed,
}

impl Measure {
    const ALL: [Self; 4] = [Self::Accepted, Self::Delivered, Self::Reached, Self::Failed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Reached => "reached",
            Self::Failed => "failed",
        }
    }
}

/// So many of a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tally<K> {
    /// The office's day.
    pub day: NaiveDate,
    /// What was counted.
    pub key: K,
    /// How many.
    pub count: u64,
}

/// The sums of some days, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DailyTallies {
    /// When they were read.
    pub at: DateTime<Utc>,
    /// The first day that was asked for.
    pub first_day: NaiveDate,
    /// Today.
    pub last_day: NaiveDate,
    /// Leads taken, by source: trimmed, in lower case, cut; empty if there was none; or [`OTHER_SOURCES`].
    pub accepted: Vec<Tally<String>>,
    /// Leads that amoCRM has, on the day that they came, by how long that took: one of [`DELAYS_MS`], `None` if longer.
    pub delivered: Vec<Tally<Option<u64>>>,
    /// Leads that reached a status, on the day that they came: one of [`FUNNEL`], or [`LOST`]. Each is counted once,
    /// and in every step up to the furthest it reached.
    pub reached: Vec<Tally<String>>,
    /// Attempts that failed, on the day that they did, by reason.
    pub failed: Vec<Tally<String>>,
}

impl Tallies {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The sums of the last `days` days, today included: 1 to 400.
    pub async fn read(&self, days: u32) -> Result<DailyTallies> {
        let mut tx = self.inner.db.read().await?;
        let now = tx.now().await?;
        let today = tx.day(now);
        let first = today - i64::from(days.clamp(1, MAX_DAYS)) + 1;
        let accepted = self.accepted(&mut tx, first, today).await?;
        let mut sums = [Measure::Delivered, Measure::Reached, Measure::Failed]
            .map(|measure| (measure, Vec::new()));
        for (measure, found) in &mut sums {
            *found = tx
                .query(
                    "SELECT day, key, value FROM lead_tallies
                     WHERE measure = $1 AND day BETWEEN $2 AND $3 ORDER BY day, key",
                )
                .bind(measure.as_str())
                .bind(first)
                .bind(today)
                .fetch_all()
                .await?
                .iter()
                .map(|row| tally(row.int("day")?, row.text("key")?, row.int("value")?))
                .collect::<Result<Vec<_>>>()?;
        }
        let [(_, delivered), (_, reached), (_, failed)] = sums;
        let mut delivered: Vec<_> = delivered
            .into_iter()
            .map(|Tally { day, key, count }| Tally {
                day,
                key: key.parse().ok(),
                count,
            })
            .collect();
        // In order of their length; what is longer than all comes last.
        delivered.sort_by_key(|tally| (tally.day, tally.key.unwrap_or(u64::MAX)));
        Ok(DailyTallies {
            at: instant(now),
            first_day: date(first)?,
            last_day: date(today)?,
            accepted,
            delivered,
            reached,
            failed,
        })
    }

    /// Counts an attempt that failed. The reason is a word of the program's own, one of few, and nothing from outside.
    pub async fn count_failure(&self, reason: &'static str) -> Result<()> {
        self.inner.db.write(CountFailure { reason }).await
    }

    /// The sums and what is not in them yet. All is one statement, and so one moment, but for the place from where
    /// leads are not added up yet: if it has moved on meanwhile, the read begins anew.
    async fn accepted(&self, tx: &mut Tx, first: i64, last: i64) -> Result<Vec<Tally<String>>> {
        let mut read = 1;
        loop {
            let folded_to = fold::folded_to(tx, false).await?;
            // The first day may have begun before the leads that are not added up; later ones cannot be missed.
            let offset = tx.offset();
            let rows = tx
                .query(
                    "SELECT day, key, value, CAST(0 AS BIGINT) AS part FROM lead_tallies
                     WHERE measure = 'accepted' AND day BETWEEN $1 AND $2
                     UNION ALL
                     SELECT (created_at + $3) / 86400000000, coalesce(utm_source, ''), count(*), 1
                     FROM leads WHERE id > $4 GROUP BY 1, 2
                     UNION ALL
                     SELECT folded_to, '', 0, 2 FROM lead_folds WHERE measure = 'accepted'
                     ORDER BY 4, 1, 2",
                )
                .bind(first)
                .bind(last)
                .bind(offset)
                .bind(folded_to)
                .fetch_all()
                .await?;
            let mut sums = fold::Sums::default();
            let mut is_same = false;
            for row in &rows {
                let (day, key, value) = (row.int("day")?, row.text("key")?, row.int("value")?);
                match row.int("part")? {
                    0 => sums.known(day, key, value),
                    1 if (first..=last).contains(&day) => sums.add(day, &key, value),
                    1 => {}
                    _ => is_same = day == folded_to,
                }
            }
            if is_same || read == READS {
                return sums
                    .all()
                    .map(|(day, key, value)| tally(day, key, value))
                    .collect();
            }
            read += 1;
        }
    }
}

fn tally(day: i64, key: String, value: i64) -> Result<Tally<String>> {
    Ok(Tally {
        day: date(day)?,
        key,
        count: u64::try_from(value).unwrap_or(0),
    })
}

pub(crate) fn date(day: i64) -> Result<NaiveDate> {
    TimeDelta::try_days(day)
        .and_then(|days| NaiveDate::default().checked_add_signed(days))
        .ok_or_else(|| StoreError::internal("a day is beyond the calendar"))
}

impl Tx {
    /// The office's day of an instant, counted since 1970-01-01.
    pub(crate) fn day(&self, at: i64) -> i64 {
        at.saturating_add(self.offset()).div_euclid(DAY)
    }
}

/// Adds a lead that amoCRM has now, which came at `created_at`.
pub(crate) fn delivered(tx: &mut Tx, created_at: i64, delivered_at: i64) {
    let delay = delivered_at.saturating_sub(created_at);
    let step = DELAYS_MS
        .into_iter()
        .find(|step| micros(Duration::from_millis(*step)) >= delay);
    let key = step.map_or_else(|| LONGER.to_owned(), |step| step.to_string());
    let day = tx.day(created_at);
    tx.tally(Measure::Delivered, day, key, 1);
}

/// Adds the steps that a lead passes for the first time by getting this status. Called before the change is written
/// into the history, with the lead's row locked.
pub(crate) async fn reached(tx: &mut Tx, lead: i64, created_at: i64, status: &str) -> Result<()> {
    if status != LOST && place(status) == 0 {
        return Ok(());
    }
    let before: BTreeSet<String> = tx
        .query("SELECT DISTINCT to_status FROM lead_history WHERE lead_id = $1")
        .bind(lead)
        .fetch_all()
        .await?
        .iter()
        .map(|row| row.text("to_status"))
        .collect::<Result<_>>()?;
    let day = tx.day(created_at);
    if status == LOST {
        if !before.contains(LOST) {
            tx.tally(Measure::Reached, day, LOST, 1);
        }
        return Ok(());
    }
    let furthest = before.iter().map(|word| place(word)).max().unwrap_or(0);
    for word in FUNNEL.iter().take(place(status)).skip(furthest) {
        tx.tally(Measure::Reached, day, *word, 1);
    }
    Ok(())
}

/// Which step of the funnel a status is, from 1; 0 for others.
fn place(status: &str) -> usize {
    FUNNEL
        .iter()
        .position(|word| *word == status)
        .map_or(0, |position| position + 1)
}

/// Deletes sums that nobody reads any more.
pub(crate) async fn prune(tx: &mut Tx, now: i64) -> Result<u64> {
    let before = tx.day(now) - KEEP_DAYS;
    let mut gone = 0;
    for measure in Measure::ALL {
        gone += tx
            .query("DELETE FROM lead_tallies WHERE measure = $1 AND day < $2")
            .bind(measure.as_str())
            .bind(before)
            .execute()
            .await?;
    }
    Ok(gone)
}

/// Writes what an operation, or a group of them, has added: always in the same order, so that two never wait for each
/// other.
pub(crate) async fn flush(
    tx: &mut Tx,
    tallies: BTreeMap<(Measure, i64, String), i64>,
) -> Result<()> {
    for ((measure, day, key), delta) in tallies {
        tx.query(
            "INSERT INTO lead_tallies (measure, day, key, value) VALUES ($1, $2, $3, $4)
             ON CONFLICT (measure, day, key) DO UPDATE SET value = lead_tallies.value + excluded.value",
        )
        .bind(measure.as_str())
        .bind(day)
        .bind(key)
        .bind(delta)
        .execute()
        .await?;
    }
    Ok(())
}

struct CountFailure {
    reason: &'static str,
}

impl Operation for CountFailure {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        let now = tx.now().await?;
        let day = tx.day(now);
        let reason: String = self.reason.chars().take(REASON_LENGTH).collect();
        tx.tally(Measure::Failed, day, reason, 1);
        totals::add(tx, totals::FAILED_LEADS, 1);
        Ok(())
    }
}

/// A statement that locks what it reads on PostgreSQL; SQLite has one writer.
const FOLDED_TO: Sql = Sql::either(
    "SELECT folded_to FROM lead_folds WHERE measure = 'accepted'",
    "SELECT folded_to FROM lead_folds WHERE measure = 'accepted' FOR UPDATE",
);
