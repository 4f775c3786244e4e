//! What was put off is tried at once when there is reason to hope.

use super::{Gateway, job_kind};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;

/// How many jobs one transaction makes due: some milliseconds, after which others get the database.
const BATCH: i64 = 500;

impl Gateway {
    /// Makes due what waits for its next attempt at a subscriber: the endpoint lives again. Activating a subscriber,
    /// changing its settings and a success that closes its circuit do this by themselves. Returns how many there were.
    ///
    /// What is brought forward is given back: an endpoint that comes and goes would use up in minutes the attempts that
    /// are meant for days.
    pub async fn wake(&self, name: &str) -> Result<u64> {
        let mut total = 0;
        loop {
            let wake = Wake {
                kind: job_kind(name),
            };
            let woken = self.inner.db.write(wake).await?;
            total += woken;
            if woken < BATCH.unsigned_abs() {
                return Ok(total);
            }
        }
    }
}

struct Wake {
    kind: String,
}

impl Operation for Wake {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let now = tx.now().await?;
        let sql = Sql::either(
            "UPDATE jobs SET due_at = $2, attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END
             WHERE id IN (
                 SELECT id FROM jobs WHERE kind = $1 AND waiting = 0 AND due_at > $2 AND worker IS NULL
                 ORDER BY due_at, id LIMIT $3)",
            "UPDATE jobs SET due_at = $2, attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END
             WHERE id = ANY (ARRAY (
                 SELECT id FROM jobs WHERE kind = $1 AND waiting = 0 AND due_at > $2 AND worker IS NULL
                 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED))",
        );
        let woken = tx
            .query(sql)
            .bind(&self.kind)
            .bind(now)
            .bind(BATCH)
            .execute()
            .await?;
        if woken > 0 {
            tx.work_is_due();
        }
        Ok(woken)
    }
}
