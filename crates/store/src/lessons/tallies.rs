//! Sums per day of finished lessons and their ends, kept by the transactions that change the rows.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

use super::Lessons;
use crate::clock::instant;
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::tallies::{KEEP_DAYS, MAX_DAYS, REASON_LENGTH, Tally, date};
use crate::totals;

/// Lessons that students finished, by course and lesson.
const FINISHED: &str = "finished";
/// Lines of the log, by outcome.
const ENDED: &str = "ended";
/// Attempts that failed, by reason.
const FAILED: &str = "failed";
/// Students whose lessons wait for something in amoCRM, by what: how it is now.
const WAITING: &str = "waiting";
/// The day of what is so now.
const NOW: i64 = 0;

/// What a transaction adds to the sums: measure, day, key.
pub(crate) type LessonSums = BTreeMap<(&'static str, i64, String), i64>;

/// The sums of some days, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LessonTallies {
    /// When they were read.
    pub at: DateTime<Utc>,
    /// Today.
    pub last_day: NaiveDate,
    /// Lessons that students finished, on the day that it was told: course and lesson.
    pub finished: Vec<Tally<(String, u32)>>,
    /// What became of lessons, on the day that it did: lines of the log by outcome.
    pub ended: Vec<Tally<String>>,
    /// Attempts that failed, on the day that they did, by reason.
    pub failed: Vec<Tally<String>>,
    /// How many students' lessons wait now, and for what.
    pub waiting: Vec<(String, u64)>,
}

impl Lessons {
    /// The sums of the last `days` days, today included: 1 to 400.
    pub async fn tallies(&self, days: u32) -> Result<LessonTallies> {
        let mut tx = self.inner.db.read().await?;
        let now = tx.now().await?;
        let today = tx.day(now);
        let first = today - i64::from(days.clamp(1, MAX_DAYS)) + 1;
        let finished = read(&mut tx, FINISHED, first, today).await?;
        let finished = finished.into_iter().filter_map(|tally| {
            let (course, lesson) = tally.key.rsplit_once('/')?;
            let key = (course.to_owned(), lesson.parse().ok()?);
            Some(Tally {
                day: tally.day,
                key,
                count: tally.count,
            })
        });
        Ok(LessonTallies {
            at: instant(now),
            last_day: date(today)?,
            finished: finished.collect(),
            ended: read(&mut tx, ENDED, first, today).await?,
            failed: read(&mut tx, FAILED, first, today).await?,
            waiting: read(&mut tx, WAITING, NOW, NOW)
                .await?
                .into_iter()
                .filter(|tally| tally.count > 0)
                .map(|tally| (tally.key, tally.count))
                .collect(),
        })
    }

    /// Counts an attempt that failed. The reason is a word of the program's own, one of few, and nothing from outside.
    pub async fn count_failure(&self, reason: &'static str) -> Result<()> {
        self.inner.db.write(CountFailure { reason }).await
    }
}

async fn read(tx: &mut Tx, measure: &str, first: i64, last: i64) -> Result<Vec<Tally<String>>> {
    tx.query(
        "SELECT day, key, CAST(sum(value) AS BIGINT) AS value FROM lesson_tallies
         WHERE measure = $1 AND day BETWEEN $2 AND $3 GROUP BY day, key ORDER BY day, key",
    )
    .bind(measure)
    .bind(first)
    .bind(last)
    .fetch_all()
    .await?
    .iter()
    .map(|row| {
        Ok(Tally {
            day: date(row.int("day")?)?,
            key: row.text("key")?,
            count: u64::try_from(row.int("value")?).unwrap_or(0),
        })
    })
    .collect()
}

/// Adds a lesson that a student has finished.
pub(super) fn finished(tx: &mut Tx, now: i64, course: &str, lesson: u32) {
    let day = tx.day(now);
    tx.lesson_sum(FINISHED, day, format!("{course}/{lesson}"), 1);
}

/// Adds a line of the log.
pub(super) fn ended(tx: &mut Tx, now: i64, outcome: &str) {
    let day = tx.day(now);
    tx.lesson_sum(ENDED, day, outcome.to_owned(), 1);
}

/// Notes what a student's lessons wait for, after what they waited for before.
pub(super) fn waiting(tx: &mut Tx, before: Option<&str>, after: Option<&str>) {
    if before == after {
        return;
    }
    for (reason, delta) in [(before, -1), (after, 1)] {
        if let Some(reason) = reason {
            tx.lesson_sum(WAITING, NOW, reason.to_owned(), delta);
        }
    }
}

/// Writes the sums in one statement, in the order of their keys, as everybody does.
pub(crate) async fn flush(tx: &mut Tx, sums: LessonSums, shard: i64) -> Result<()> {
    let rows: Vec<_> = sums
        .into_iter()
        .filter(|&(_, delta)| delta != 0)
        .map(|((measure, day, key), delta)| {
            json!({"measure": measure, "day": day, "key": key, "value": delta})
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let sql = Sql::either(
        "INSERT INTO lesson_tallies (measure, day, key, shard, value)
         SELECT t.value->>'measure', t.value->>'day', t.value->>'key', $2, t.value->>'value'
         FROM json_each($1) AS t WHERE true
         ON CONFLICT (measure, day, key, shard) DO UPDATE SET value = lesson_tallies.value + excluded.value",
        "INSERT INTO lesson_tallies (measure, day, key, shard, value)
         SELECT measure, day, key, $2, value
         FROM json_to_recordset($1::json) AS t (measure text, day bigint, key text, value bigint)
         ORDER BY measure COLLATE \"C\", day, key COLLATE \"C\"
         ON CONFLICT (measure, day, key, shard) DO UPDATE SET value = lesson_tallies.value + excluded.value",
    );
    tx.query(sql)
        .bind(serde_json::Value::from(rows).to_string())
        .bind(shard)
        .execute()
        .await?;
    Ok(())
}

/// Deletes sums that nobody reads any more.
pub(crate) async fn prune(tx: &mut Tx, now: i64) -> Result<u64> {
    let before = tx.day(now) - KEEP_DAYS;
    let mut gone = 0;
    for measure in [FINISHED, ENDED, FAILED] {
        gone += tx
            .query("DELETE FROM lesson_tallies WHERE measure = $1 AND day < $2")
            .bind(measure)
            .bind(before)
            .execute()
            .await?;
    }
    Ok(gone)
}

struct CountFailure {
    reason: &'static str,
}

impl Operation for CountFailure {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        let now = tx.now().await?;
        let day = tx.day(now);
        let reason = self.reason.chars().take(REASON_LENGTH).collect();
        tx.lesson_sum(FAILED, day, reason, 1);
        totals::add(tx, totals::FAILED_LESSONS, 1);
        Ok(())
    }
}
