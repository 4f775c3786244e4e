//! What was put off is tried at once when there is reason to hope.

use super::{Gateway, job_kind};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::Claimed;

/// How many jobs one transaction makes due: some milliseconds, after which others get the database.
const BATCH: i64 = 500;

/// How often a job is woken by its endpoint at most. An endpoint that comes and goes would use up in minutes the attempts
/// that are meant for days, so each is given back; an event at which the endpoint breaks looks just the same, and would
/// be tried for ever.
const WAKES: i64 = 10;

impl Gateway {
    /// Makes due whatever waits for its next attempt at a subscriber, with an attempt given back: a person says that it
    /// is mended. Activating a subscriber and changing its settings do this by themselves. Returns how many there were.
    pub async fn wake(&self, name: &str) -> Result<u64> {
        self.wake_batches(name, None).await
    }

    /// Makes due that for which the endpoint is to blame since it began to fail: it lives again.
    pub(super) async fn wake_since(&self, name: &str, failing_since: i64) -> Result<u64> {
        self.wake_batches(name, Some(failing_since)).await
    }

    async fn wake_batches(&self, name: &str, put_off_since: Option<i64>) -> Result<u64> {
        let mut total = 0;
        loop {
            let wake = Wake {
                kind: job_kind(name),
                put_off_since,
            };
            let woken = self.inner.db.write(wake).await?;
            total += woken;
            if woken < BATCH.unsigned_abs() {
                return Ok(total);
            }
        }
    }
}

/// Notes at a job that waits for its next attempt whether its endpoint is to blame for that.
pub(super) async fn note(tx: &mut Tx, job: &Claimed, is_outage: bool) -> Result<()> {
    let now = tx.now().await?;
    tx.query("UPDATE jobs SET put_off_at = $2 WHERE id = $1")
        .bind(job.id)
        .bind(is_outage.then_some(now))
        .execute()
        .await?;
    Ok(())
}

struct Wake {
    kind: String,
    /// `None`: whatever waits.
    put_off_since: Option<i64>,
}

/// What a person makes due.
const ANY: Sql = Sql::either(
    "UPDATE jobs SET due_at = $2, attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END, put_off_at = NULL,
         woken = 0
     WHERE id IN (
         SELECT id FROM jobs WHERE kind = $1 AND waiting = 0 AND due_at > $2 AND worker IS NULL
         ORDER BY due_at, id LIMIT $3)",
    "UPDATE jobs SET due_at = $2, attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END, put_off_at = NULL,
         woken = 0
     WHERE id = ANY (ARRAY (
         SELECT id FROM jobs WHERE kind = $1 AND waiting = 0 AND due_at > $2 AND worker IS NULL
         ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED))",
);

/// What an endpoint that lives again makes due.
const PUT_OFF: Sql = Sql::either(
    "UPDATE jobs SET due_at = $2, attempts = attempts - 1, put_off_at = NULL, woken = woken + 1
     WHERE id IN (
         SELECT id FROM jobs WHERE kind = $1 AND waiting = 0 AND due_at > $2 AND worker IS NULL
             AND put_off_at >= $4 AND woken < $5 AND attempts > 0
         ORDER BY due_at, id LIMIT $3)",
    "UPDATE jobs SET due_at = $2, attempts = attempts - 1, put_off_at = NULL, woken = woken + 1
     WHERE id = ANY (ARRAY (
         SELECT id FROM jobs WHERE kind = $1 AND waiting = 0 AND due_at > $2 AND worker IS NULL
             AND put_off_at >= $4 AND woken < $5 AND attempts > 0
         ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED))",
);

impl Operation for Wake {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let now = tx.now().await?;
        let sql = if self.put_off_since.is_some() {
            PUT_OFF
        } else {
            ANY
        };
        let mut query = tx.query(sql).bind(&self.kind).bind(now).bind(BATCH);
        if let Some(since) = self.put_off_since {
            query = query.bind(since).bind(WAKES);
        }
        let woken = query.execute().await?;
        if woken > 0 {
            tx.work_is_due();
        }
        Ok(woken)
    }
}
