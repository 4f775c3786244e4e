//! Adding up the leads that were taken.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{FOLDED_TO, Measure, OTHER_SOURCES, SOURCE_LENGTH, SOURCES_PER_DAY, Tallies};
use crate::clock::micros;
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;

/// How many leads are added up at once, so that the writer is never held up for long.
const BATCH: i64 = 2_000;

/// PostgreSQL gives numbers before it commits: a lead with a smaller number may still be on its way. After this long
/// it is not, for an operation ends within its deadline of 5 s, and the server gives it up after 15 s.
const SETTLED: Duration = Duration::from_mins(1);

impl Tallies {
    /// Adds up the leads that came since the last call, and returns how many they were. Any number of processes may do
    /// this at once. [`Store::prune`](crate::Store::prune) does it too.
    pub async fn fold(&self) -> Result<u64> {
        let mut total = 0;
        loop {
            let added = self.inner.db.write(Fold).await?;
            total += added;
            if added < BATCH.unsigned_abs() {
                return Ok(total);
            }
        }
    }
}

/// The last lead that is in the sums.
pub(super) async fn folded_to(tx: &mut Tx, lock: bool) -> Result<i64> {
    let sql = if lock {
        FOLDED_TO
    } else {
        Sql::from("SELECT folded_to FROM lead_folds WHERE measure = 'accepted'")
    };
    let row = tx.query(sql).fetch_optional().await?;
    row.map_or(Ok(0), |row| row.int("folded_to"))
}

pub(crate) struct Fold;

impl Operation for Fold {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        // On PostgreSQL another process waits here.
        let folded_to = folded_to(tx, true).await?;
        // SQLite gives numbers in the order of its commits.
        let settled = if tx.is_sqlite() {
            i64::MAX
        } else {
            tx.fresh_now().await?.saturating_sub(micros(SETTLED))
        };
        let leads = tx
            .query(
                "SELECT id, created_at, utm_source FROM leads WHERE id > $1 ORDER BY id LIMIT $2",
            )
            .bind(folded_to)
            .bind(BATCH)
            .fetch_all()
            .await?;
        let mut sums = Sums::default();
        let (mut last, mut count) = (folded_to, 0);
        for lead in &leads {
            let created_at = lead.int("created_at")?;
            if created_at > settled {
                break;
            }
            let day = tx.day(created_at);
            if !sums.has(day) {
                let known = tx
                    .query("SELECT key, value FROM lead_tallies WHERE measure = 'accepted' AND day = $1")
                    .bind(day)
                    .fetch_all()
                    .await?;
                sums.begin(day);
                for row in known {
                    sums.known(day, row.text("key")?, row.int("value")?);
                }
            }
            let source = lead.opt_text("utm_source")?;
            sums.add(day, source.as_deref().unwrap_or_default(), 1);
            last = lead.int("id")?;
            count += 1;
        }
        if count > 0 {
            for (day, key, delta) in sums.added() {
                tx.tally(Measure::Accepted, day, key, delta);
            }
            tx.query("UPDATE lead_folds SET folded_to = $1 WHERE measure = 'accepted'")
                .bind(last)
                .execute()
                .await?;
        }
        Ok(count)
    }
}

/// Leads by day and source, with no more sources a day than there are places.
#[derive(Debug, Default)]
pub(super) struct Sums {
    days: BTreeMap<i64, BTreeMap<String, Sum>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    known: i64,
    added: i64,
}

impl Sums {
    fn has(&self, day: i64) -> bool {
        self.days.contains_key(&day)
    }

    fn begin(&mut self, day: i64) {
        self.days.entry(day).or_default();
    }

    /// A sum that is stored.
    pub(super) fn known(&mut self, day: i64, key: String, value: i64) {
        self.days
            .entry(day)
            .or_default()
            .entry(key)
            .or_default()
            .known += value;
    }

    /// Leads of a source, which has its place already, gets one, or is one of the others.
    pub(super) fn add(&mut self, day: i64, source: &str, count: i64) {
        let sources = self.days.entry(day).or_default();
        let name = name(source);
        // Leads without a source are no source that takes a place from others.
        let unnamed = ["", OTHER_SOURCES].map(|key| usize::from(sources.contains_key(key)));
        let named = sources.len() - unnamed.iter().sum::<usize>();
        let has_place = name.is_empty() || sources.contains_key(&name) || named < SOURCES_PER_DAY;
        let key = if has_place {
            name
        } else {
            OTHER_SOURCES.to_owned()
        };
        sources.entry(key).or_default().added += count;
    }

    fn added(self) -> impl Iterator<Item = (i64, String, i64)> {
        self.flat().map(|(day, key, sum)| (day, key, sum.added))
    }

    pub(super) fn all(self) -> impl Iterator<Item = (i64, String, i64)> {
        self.flat()
            .map(|(day, key, sum)| (day, key, sum.known + sum.added))
    }

    fn flat(self) -> impl Iterator<Item = (i64, String, Sum)> {
        self.days
            .into_iter()
            .flat_map(|(day, sources)| sources.into_iter().map(move |(key, sum)| (day, key, sum)))
    }
}

/// A visitor's source as it is counted: `Google ` and `google` are one.
fn name(source: &str) -> String {
    let plain = source
        .trim()
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let cut: String = plain.take(SOURCE_LENGTH).collect();
    // Some letters grow when they become small.
    cut.to_lowercase().chars().take(SOURCE_LENGTH).collect()
}
