//! Figures for metrics and health: read from counters and the ends of indexes, never counted.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Jobs, dead_counter, depth_counter};
use crate::clock::{duration, instant};
use crate::counters;
use crate::error::Result;

/// The state of one kind of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueueStats {
    /// Unfinished jobs: due, scheduled, claimed and waiting in lanes.
    pub depth: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long ago the oldest unfinished job was added.
    pub oldest_age: Duration,
    /// How long the most overdue job has been waiting for a worker.
    pub lag: Duration,
    /// When the next job may be claimed: its schedule, or the end of its lease. `None`: there is none.
    pub next_at: Option<DateTime<Utc>>,
}

impl Jobs {
    /// The state of the jobs of `kind`.
    pub async fn stats(&self, kind: &str) -> Result<QueueStats> {
        let mut tx = self.inner.db.read().await?;
        let now = tx.now().await?;
        let depth = counters::read(&mut tx, &depth_counter(kind)).await?;
        let dead = counters::read(&mut tx, &dead_counter(kind)).await?;
        let oldest = tx
            .query("SELECT created_at FROM jobs WHERE kind = $1 ORDER BY id LIMIT 1")
            .bind(kind)
            .fetch_optional()
            .await?
            .map_or(Ok(now), |row| row.int("created_at"))?;
        let due = next_due(&mut tx, kind).await?;
        Ok(QueueStats {
            depth,
            dead,
            oldest_age: duration(now - oldest),
            lag: duration(now - due.unwrap_or(now)),
            next_at: due.map(instant),
        })
    }
}

/// When the next job of `kind` is due; in the past, if one is due already.
pub(super) async fn next_due(tx: &mut crate::db::Tx, kind: &str) -> Result<Option<i64>> {
    tx.query("SELECT due_at FROM jobs WHERE kind = $1 AND waiting = 0 ORDER BY due_at, id LIMIT 1")
        .bind(kind)
        .fetch_optional()
        .await?
        .map(|row| row.int("due_at"))
        .transpose()
}
