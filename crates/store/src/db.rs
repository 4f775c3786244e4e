//! The two databases behind one small surface: typed operations that write, and a connection to read with.
//!
//! Statements are written here and nowhere else as `&'static str`; both databases understand `$1`, `ON CONFLICT` and
//! `RETURNING`, so most have one text, and [`Sql::either`] holds the two where they differ. The values are 64-bit
//! integers, text and bytes; instants are microseconds since 1970. Nothing is lost that way between the two, and no
//! statement needs a cast.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::clock::{Clock, TimeSource};
use crate::counters;
use crate::error::Result;
use crate::gateway::{self, Hourly};
use crate::lessons::{self, LessonSums};
use crate::tallies::{self, Measure};

mod checkpoint;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod explain;
mod postgres;
mod sql;
mod sqlite;

pub(crate) use self::postgres::{DEADLINE, PostgresDb, no_answer};
pub(crate) use self::sql::{Row, Sql};
pub(crate) use self::sqlite::SqliteDb;

/// Something that changes rows, as a whole or not at all.
///
/// An operation may run more than once before it is acknowledged: after a serialization failure on PostgreSQL, or
/// when a neighbour tore down the group it was committed with on SQLite. So it takes itself by reference and touches
/// nothing but its transaction.
pub(crate) trait Operation: Send + Sync + 'static {
    /// What the caller gets once the change is durable.
    type Output: Send + 'static;

    /// Does the work. An error rolls everything back.
    fn run(&self, tx: &mut Tx) -> impl Future<Output = Result<Self::Output>> + Send;
}

#[derive(Debug)]
pub(crate) struct Db {
    pub(crate) backend: Backend,
    pub(crate) time: Time,
    /// Rung after every commit that made work due.
    pub(crate) bell: Arc<Notify>,
}

#[derive(Debug)]
pub(crate) enum Backend {
    Sqlite(SqliteDb),
    Postgres(PostgresDb),
}

impl Db {
    /// Runs `operation` and returns after its commit is durable.
    pub(crate) async fn write<O: Operation>(&self, operation: O) -> Result<O::Output> {
        match &self.backend {
            Backend::Sqlite(db) => db.write(operation).await,
            Backend::Postgres(db) => db.write(operation, &self.time, &self.bell).await,
        }
    }

    /// Runs an operation that is a single statement, and returns after it is durable. On PostgreSQL no transaction is put
    /// around it, which spares two of three trips to the server.
    pub(crate) async fn write_alone<O: Operation>(&self, operation: O) -> Result<O::Output> {
        match &self.backend {
            Backend::Sqlite(db) => db.write(operation).await,
            Backend::Postgres(db) => db.write_alone(operation, &self.time, &self.bell).await,
        }
    }

    /// Runs `operation` on the request budget, which on SQLite is a file of its own.
    pub(crate) async fn write_quota<O: Operation>(&self, operation: O) -> Result<O::Output> {
        match &self.backend {
            Backend::Sqlite(db) => db.write_quota(operation).await,
            Backend::Postgres(db) => db.write_quota(operation, &self.time, &self.bell).await,
        }
    }

    /// A connection to read with. Several statements on it do not see one snapshot.
    pub(crate) async fn read(&self) -> Result<Tx> {
        let conn = match &self.backend {
            Backend::Sqlite(db) => Conn::SqliteReader(db.reader().await?),
            Backend::Postgres(db) => Conn::PostgresReader(db.reader().await?),
        };
        Ok(Tx::new(conn, self.time.clone()))
    }
}

/// Whose time it is.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    pub(crate) clock: Clock,
    pub(crate) source: TimeSource,
    /// How far the office's midnight is before that of UTC, in microseconds.
    pub(crate) offset: i64,
}

/// A connection within a transaction, or one to read with.
pub(crate) struct Tx {
    conn: Conn,
    time: Time,
    now: Option<i64>,
    effects: Effects,
}

enum Conn {
    Sqlite(Box<sqlx::SqliteConnection>),
    SqliteReader(sqlx::pool::PoolConnection<sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
    PostgresReader(sqlx::pool::PoolConnection<sqlx::Postgres>),
}

/// What a transaction does besides its rows, once it is committed.
#[derive(Default)]
struct Effects {
    work_is_due: bool,
    counts: BTreeMap<String, i64>,
    tallies: BTreeMap<(Measure, i64, String), i64>,
    hourly: Hourly,
    lessons: LessonSums,
}

impl Effects {
    fn absorb(&mut self, other: Self) {
        self.work_is_due |= other.work_is_due;
        for (name, delta) in other.counts {
            *self.counts.entry(name).or_default() += delta;
        }
        for (key, delta) in other.tallies {
            *self.tallies.entry(key).or_default() += delta;
        }
        for (key, delta) in other.hourly {
            *self.hourly.entry(key).or_default() += delta;
        }
        for (key, delta) in other.lessons {
            *self.lessons.entry(key).or_default() += delta;
        }
    }
}

impl Tx {
    fn new(conn: Conn, time: Time) -> Self {
        Self {
            conn,
            time,
            now: None,
            effects: Effects::default(),
        }
    }

    /// The instant this operation happens at, in microseconds since 1970: the same all through the operation.
    pub(crate) async fn now(&mut self) -> Result<i64> {
        if let Some(now) = self.now {
            return Ok(now);
        }
        let now = self.fresh_now().await?;
        self.now = Some(now);
        Ok(now)
    }

    /// The time now rather than when the operation began, for statements that waited for a lock.
    pub(crate) async fn fresh_now(&mut self) -> Result<i64> {
        let on_server = matches!(self.conn, Conn::Postgres(_) | Conn::PostgresReader(_))
            && self.time.source == TimeSource::Database;
        if on_server {
            self.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now")
                .fetch_one()
                .await?
                .int("now")
        } else {
            Ok(self.time.clock.micros())
        }
    }

    /// The process's time where that counts; `None` where the server's does, for statements that ask it themselves.
    pub(crate) fn own_now(&self) -> Option<i64> {
        let is_ours = self.time.source == TimeSource::Process;
        is_ours.then(|| self.time.clock.micros())
    }

    /// The instant of this operation where it costs nothing to know; `None` where the server tells it, for statements
    /// that ask it themselves.
    pub(crate) async fn known_now(&mut self) -> Result<Option<i64>> {
        if self.is_sqlite() || self.time.source == TimeSource::Process {
            return self.now().await.map(Some);
        }
        Ok(self.now)
    }

    /// Rings the bell for workers after the commit.
    pub(crate) fn work_is_due(&mut self) {
        self.effects.work_is_due = true;
    }

    /// Adds to a counter; written once per commit.
    pub(crate) fn count(&mut self, name: impl Into<String>, delta: i64) {
        *self.effects.counts.entry(name.into()).or_default() += delta;
    }

    /// Adds to a sum of a day; written once per commit, as the counters are.
    pub(crate) fn tally(&mut self, measure: Measure, day: i64, key: impl Into<String>, delta: i64) {
        let key = (measure, day, key.into());
        *self.effects.tallies.entry(key).or_default() += delta;
    }

    /// Adds to a sum of an hour; written once per commit, as the counters are.
    pub(crate) fn hourly(&mut self, hour: i64, measure: &'static str, key: &str, delta: i64) {
        let key = (hour, measure, key.to_owned());
        *self.effects.hourly.entry(key).or_default() += delta;
    }

    /// Adds to a sum of lessons; written once per commit, as the counters are.
    pub(crate) fn lesson_sum(&mut self, measure: &'static str, day: i64, key: String, delta: i64) {
        let key = (measure, day, key);
        *self.effects.lessons.entry(key).or_default() += delta;
    }

    pub(crate) fn offset(&self) -> i64 {
        self.time.offset
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.conn, Conn::Sqlite(_) | Conn::SqliteReader(_))
    }

    /// Writes the counters and the sums. Several rows per counter on PostgreSQL, so that commits do not queue behind one row.
    async fn flush_counters(&mut self, effects: &mut Effects) -> Result<()> {
        let shard = match self.conn {
            Conn::Postgres(_) => i64::from(getrandom::u32().unwrap_or(0) % COUNTER_SHARDS),
            _ => 0,
        };
        counters::flush(self, std::mem::take(&mut effects.counts), shard).await?;
        tallies::flush(self, std::mem::take(&mut effects.tallies)).await?;
        gateway::flush(self, std::mem::take(&mut effects.hourly), shard).await?;
        lessons::flush(self, std::mem::take(&mut effects.lessons), shard).await
    }
}

/// Rows of one counter on PostgreSQL.
pub(crate) const COUNTER_SHARDS: u32 = 16;
