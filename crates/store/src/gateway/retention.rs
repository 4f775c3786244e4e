//! How long the gateway keeps things, and their end.
//!
//! An event goes when it is old enough and nothing needs it: neither a job nor a dead letter. A webhook goes with the
//! last of its events. Numbers are given in the order of time, so the oldest rows are the first ones; what is needed
//! longer is stepped over, once per sweep.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Gateway, job_kind};
use crate::audit;
use crate::clock::micros;
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::dead_counter;

/// How many rows of a kind one step deletes: some milliseconds, after which others get the database.
const BATCH: usize = 200;
/// How many rows are looked at in one step.
const LOOK: i64 = 1000;
const DAY: Duration = Duration::from_hours(24);

/// How long things are kept. `None`: for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayRetention {
    /// Webhooks with their bodies, events, and how they went. Default: 30 days. What has yet to be delivered, and what is
    /// a dead letter, is kept whatever happens.
    pub payload: Option<Duration>,
    /// Attempts with the beginnings of the answers. Default: 30 days.
    pub attempts: Option<Duration>,
    /// Dead letters. Default: for ever.
    pub dead_letters: Option<Duration>,
    /// The hashes of an entity's fields since it was seen last: then all its fields count as changed. Default: 180 days.
    pub entities: Option<Duration>,
    /// The sums per hour. Default: 400 days.
    pub tallies: Option<Duration>,
}

impl Default for GatewayRetention {
    fn default() -> Self {
        Self {
            payload: Some(DAY * 30),
            attempts: Some(DAY * 30),
            dead_letters: None,
            entities: Some(DAY * 180),
            tallies: Some(DAY * 400),
        }
    }
}

/// What one step has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewaySwept {
    /// Webhooks.
    pub requests: u64,
    /// Events.
    pub events: u64,
    /// Attempts.
    pub attempts: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Keys of duplicates, hashes of fields, sums, old secrets, jobs of removed subscribers, lines of the audit log.
    pub other: u64,
}

impl GatewaySwept {
    /// Whether there was nothing to do: the sweep is complete.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// How far the present sweep of this process has come: what it stepped over is not looked at again until the next.
#[derive(Debug, Default)]
pub(crate) struct Sweeping(Mutex<Position>);

#[derive(Debug, Clone, Copy, Default)]
struct Position {
    event: i64,
    request: i64,
}

impl Sweeping {
    fn get(&self) -> Position {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, position: Position) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }
}

impl Gateway {
    /// Takes one step in deleting what has been kept long enough. Repeat it with pauses until nothing is left to do:
    /// whoever writes meanwhile waits for one small batch at most.
    pub async fn sweep(&self, retention: &GatewayRetention) -> Result<GatewaySwept> {
        // First what needs events: then they can go in the same sweep.
        let first = GatewaySwept {
            other: self.throw_away_removed().await?,
            dead_letters: match retention.dead_letters {
                Some(kept) => self.inner.db.write(DeadLetters { kept }).await?,
                None => 0,
            },
            ..GatewaySwept::default()
        };
        if !first.is_empty() {
            self.inner.sweeping.set(Position::default());
            return Ok(first);
        }
        let mut position = self.inner.sweeping.get();
        let (mut events, mut requests) = (Vec::new(), Vec::new());
        if let Some(kept) = retention.payload {
            events = self.unneeded(EVENTS, &mut position.event, kept).await?;
            if events.is_empty() {
                // They are all looked at: now webhooks without events.
                requests = self.unneeded(REQUESTS, &mut position.request, kept).await?;
            }
        }
        let sweep = Sweep {
            retention: retention.clone(),
            events,
            requests,
        };
        let swept = self.inner.db.write(sweep).await?;
        self.inner.sweeping.set(if swept.is_empty() {
            Position::default()
        } else {
            position
        });
        Ok(swept)
    }

    /// The next rows that are old enough and that nothing needs.
    async fn unneeded(
        &self,
        sql: &'static str,
        after: &mut i64,
        kept: Duration,
    ) -> Result<Vec<i64>> {
        let mut tx = self.inner.db.read().await?;
        let before = tx.now().await?.saturating_sub(micros(kept));
        let mut found = Vec::new();
        loop {
            let rows = tx.query(sql).bind(*after).bind(LOOK).fetch_all().await?;
            if rows.is_empty() {
                return Ok(found);
            }
            for row in rows {
                if row.int("received_at")? > before {
                    return Ok(found);
                }
                *after = row.int("id")?;
                if row.int("is_needed")? == 0 {
                    found.push(*after);
                    if found.len() == BATCH {
                        return Ok(found);
                    }
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
}

const EVENTS: &str = "SELECT e.id, e.received_at, CAST(EXISTS (
         SELECT 1 FROM gateway_deliveries AS d
         LEFT JOIN jobs AS j ON j.id = d.job LEFT JOIN dead_letters AS l ON l.id = d.job
         WHERE d.event = e.id AND (j.id IS NOT NULL OR l.id IS NOT NULL)) AS INT) + CAST(0 AS BIGINT) AS is_needed
     FROM gateway_events AS e WHERE e.id > $1 ORDER BY e.id LIMIT $2";

const REQUESTS: &str = "SELECT r.id, r.received_at, CAST(EXISTS (
         SELECT 1 FROM gateway_events AS e WHERE e.request = r.id) AS INT) + CAST(0 AS BIGINT) AS is_needed
     FROM gateway_requests AS r WHERE r.id > $1 ORDER BY r.id LIMIT $2";

struct Sweep {
    retention: GatewayRetention,
    events: Vec<i64>,
    requests: Vec<i64>,
}

impl Operation for Sweep {
    type Output = GatewaySwept;

    async fn run(&self, tx: &mut Tx) -> Result<GatewaySwept> {
        let now = tx.now().await?;
        let before = |kept: Option<Duration>| kept.map(|kept| now.saturating_sub(micros(kept)));
        let retention = &self.retention;
        let mut swept = GatewaySwept::default();
        if !self.events.is_empty() {
            swept.events = events(tx, &self.events).await?;
        }
        if !self.requests.is_empty() {
            swept.requests = requests(tx, &self.requests).await?;
        }
        if let Some(before) = before(retention.attempts) {
            swept.attempts = attempts(tx, before).await?;
        }
        if let Some(before) = before(retention.entities) {
            swept.other += batch(
                tx,
                "DELETE FROM gateway_entities WHERE (account, subject) IN (
                     SELECT account, subject FROM gateway_entities WHERE seen_at <= $1 ORDER BY seen_at LIMIT $2)",
                before,
            )
            .await?;
        }
        if let Some(before) = before(retention.tallies) {
            swept.other += batch(
                tx,
                "DELETE FROM gateway_tallies WHERE (hour, measure, key, shard) IN (
                     SELECT hour, measure, key, shard FROM gateway_tallies WHERE hour <= $1 / 3600000000
                     ORDER BY hour LIMIT $2)",
                before,
            )
            .await?;
        }
        swept.other += batch(
            tx,
            "DELETE FROM gateway_dedup WHERE key IN (
                 SELECT key FROM gateway_dedup WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
        )
        .await?;
        swept.other += batch(
            tx,
            "DELETE FROM gateway_secrets WHERE (subscriber, number) IN (
                 SELECT subscriber, number FROM gateway_secrets WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            now,
        )
        .await?;
        swept.other += audit::prune(tx, now).await?;
        Ok(swept)
    }
}

async fn batch(tx: &mut Tx, sql: &'static str, before: i64) -> Result<u64> {
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    tx.query(sql).bind(before).bind(most).execute().await
}

fn list(numbers: &[i64]) -> String {
    serde_json::Value::from(numbers).to_string()
}

/// Deletes those of them that nothing needs now. On PostgreSQL they are locked first: somebody may just be replaying one.
async fn events(tx: &mut Tx, numbers: &[i64]) -> Result<u64> {
    if !tx.is_sqlite() {
        tx.query(Sql::either(
            "SELECT 1",
            "SELECT id FROM gateway_events
             WHERE id IN (SELECT asked.id::bigint FROM json_array_elements_text($1::json) AS asked (id))
             ORDER BY id FOR UPDATE",
        ))
        .bind(list(numbers))
        .fetch_all()
        .await?;
    }
    let sql = Sql::either(
        "DELETE FROM gateway_events WHERE id IN (SELECT value FROM json_each($1)) AND NOT EXISTS (
             SELECT 1 FROM gateway_deliveries AS d
             LEFT JOIN jobs AS j ON j.id = d.job LEFT JOIN dead_letters AS l ON l.id = d.job
             WHERE d.event = gateway_events.id AND (j.id IS NOT NULL OR l.id IS NOT NULL))
         RETURNING id",
        "DELETE FROM gateway_events
         WHERE id IN (SELECT asked.id::bigint FROM json_array_elements_text($1::json) AS asked (id)) AND NOT EXISTS (
             SELECT 1 FROM gateway_deliveries AS d
             LEFT JOIN jobs AS j ON j.id = d.job LEFT JOIN dead_letters AS l ON l.id = d.job
             WHERE d.event = gateway_events.id AND (j.id IS NOT NULL OR l.id IS NOT NULL))
         RETURNING id",
    );
    let gone = tx
        .query(sql)
        .bind(list(numbers))
        .fetch_all()
        .await?
        .iter()
        .map(|row| row.int("id"))
        .collect::<Result<Vec<_>>>()?;
    tx.query(Sql::either(
        "DELETE FROM gateway_deliveries WHERE event IN (SELECT value FROM json_each($1))",
        "DELETE FROM gateway_deliveries
         WHERE event IN (SELECT asked.id::bigint FROM json_array_elements_text($1::json) AS asked (id))",
    ))
    .bind(list(&gone))
    .execute()
    .await?;
    Ok(gone.len() as u64)
}

/// Deletes those of them that have no events now. On PostgreSQL they are locked first: somebody may just be reading one
/// again.
async fn requests(tx: &mut Tx, numbers: &[i64]) -> Result<u64> {
    if !tx.is_sqlite() {
        tx.query(Sql::either(
            "SELECT 1",
            "SELECT id FROM gateway_requests
             WHERE id IN (SELECT asked.id::bigint FROM json_array_elements_text($1::json) AS asked (id))
             ORDER BY id FOR UPDATE",
        ))
        .bind(list(numbers))
        .fetch_all()
        .await?;
    }
    tx.query(Sql::either(
        "DELETE FROM gateway_requests WHERE id IN (SELECT value FROM json_each($1))
             AND NOT EXISTS (SELECT 1 FROM gateway_events AS e WHERE e.request = gateway_requests.id)",
        "DELETE FROM gateway_requests
         WHERE id IN (SELECT asked.id::bigint FROM json_array_elements_text($1::json) AS asked (id))
             AND NOT EXISTS (SELECT 1 FROM gateway_events AS e WHERE e.request = gateway_requests.id)",
    ))
    .bind(list(numbers))
    .execute()
    .await
}

/// The oldest have the lowest numbers: no index is kept up for their end.
async fn attempts(tx: &mut Tx, before: i64) -> Result<u64> {
    let oldest = tx
        .query("SELECT id, recorded_at FROM gateway_attempts WHERE id > 0 ORDER BY id LIMIT $1")
        .bind(i64::try_from(BATCH).unwrap_or(i64::MAX))
        .fetch_all()
        .await?;
    let mut last = 0;
    for row in oldest {
        if row.int("recorded_at")? > before {
            break;
        }
        last = row.int("id")?;
    }
    if last == 0 {
        return Ok(0);
    }
    tx.query("DELETE FROM gateway_attempts WHERE id <= $1")
        .bind(last)
        .execute()
        .await
}

struct DeadLetters {
    kept: Duration,
}

impl Operation for DeadLetters {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let before = tx.now().await?.saturating_sub(micros(self.kept));
        let names = tx
            .query("SELECT name FROM gateway_subscribers WHERE name > '' ORDER BY name")
            .fetch_all()
            .await?;
        let mut total = 0;
        for row in names {
            let kind = job_kind(&row.text("name")?);
            let gone = tx
                .query(
                    "DELETE FROM dead_letters WHERE id IN (
                         SELECT id FROM dead_letters WHERE kind = $1 AND died_at <= $2 ORDER BY died_at LIMIT $3)",
                )
                .bind(&kind)
                .bind(before)
                .bind(i64::try_from(BATCH).unwrap_or(i64::MAX))
                .execute()
                .await?;
            tx.count(
                dead_counter(&kind),
                -i64::try_from(gone).unwrap_or(i64::MAX),
            );
            total += gone;
        }
        Ok(total)
    }
}
