//! Dead letters: what nobody could do, kept until a person decides.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Jobs, dead_counter, depth_counter, enqueue};
use crate::clock::instant;
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;

/// A job that will not be tried again by itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The job's number; a replay keeps it.
    pub id: i64,
    /// What the job was added as.
    pub kind: String,
    /// The lane it was in.
    pub lane: Option<String>,
    /// What it carried.
    pub payload: Value,
    /// Why it is here.
    pub reason: String,
    /// The last error that was recorded.
    pub last_error: Option<String>,
    /// How many attempts were recorded.
    pub attempts: u32,
    /// When the job was added.
    pub created_at: DateTime<Utc>,
    /// When it came here.
    pub died_at: DateTime<Utc>,
}

/// Which dead letters to list: a page of one kind, oldest first.
#[derive(Debug, Clone)]
pub struct DeadLetterFilter {
    kind: String,
    after: i64,
    limit: u32,
}

impl DeadLetterFilter {
    /// The first 100 of `kind`.
    pub fn kind(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            after: 0,
            limit: 100,
        }
    }

    /// Goes on after the letter with this number.
    #[must_use]
    pub fn after(mut self, id: i64) -> Self {
        self.after = id;
        self
    }

    /// At most so many.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

impl Jobs {
    /// A page of dead letters.
    pub async fn dead_letters(&self, filter: DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(
            "SELECT id, kind, lane, payload, reason, last_error, attempts, created_at, died_at
             FROM dead_letters WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(filter.kind)
        .bind(filter.after)
        .bind(i64::from(filter.limit))
        .fetch_all()
        .await?
        .iter()
        .map(|row| {
            Ok(DeadLetter {
                id: row.int("id")?,
                kind: row.text("kind")?,
                lane: row.opt_text("lane")?,
                payload: row.json("payload")?,
                reason: row.text("reason")?,
                last_error: row.opt_text("last_error")?,
                attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
                created_at: instant(row.int("created_at")?),
                died_at: instant(row.int("died_at")?),
            })
        })
        .collect()
    }

    /// Puts a dead letter back into the queue, due at once, with its number and a new count of attempts. In a lane it
    /// goes before those that wait. Returns whether there was such a letter.
    pub async fn replay(&self, id: i64) -> Result<bool> {
        self.inner.db.write(Replay { id }).await
    }

    /// Throws a dead letter away. Returns whether there was such a letter.
    pub async fn discard(&self, id: i64) -> Result<bool> {
        self.inner.db.write(Discard { id }).await
    }
}

struct Replay {
    id: i64,
}

impl Operation for Replay {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let sql = Sql::either(
            "SELECT kind, lane FROM dead_letters WHERE id = $1",
            "SELECT kind, lane FROM dead_letters WHERE id = $1 FOR UPDATE",
        );
        let Some(letter) = tx.query(sql).bind(self.id).fetch_optional().await? else {
            return Ok(false);
        };
        let kind = letter.text("kind")?;
        let now = tx.now().await?;
        let waiting = match letter.opt_text("lane")? {
            Some(lane) => enqueue::join_lane(tx, &lane).await?,
            None => false,
        };
        // The fence goes on where it was: whoever held the job before it died is refused still.
        tx.query(
            "INSERT INTO jobs (id, kind, lane, payload, waiting, due_at, fence, last_error, created_at)
             SELECT id, kind, lane, payload, $2, $3, fence + 1, last_error, created_at
             FROM dead_letters WHERE id = $1",
        )
        .bind(self.id)
        .bind(i64::from(waiting))
        .bind(now)
        .execute()
        .await?;
        delete(tx, self.id).await?;
        tx.count(dead_counter(&kind), -1);
        tx.count(depth_counter(&kind), 1);
        tx.work_is_due();
        Ok(true)
    }
}

struct Discard {
    id: i64,
}

impl Operation for Discard {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let Some(kind) = delete(tx, self.id).await? else {
            return Ok(false);
        };
        tx.count(dead_counter(&kind), -1);
        Ok(true)
    }
}

async fn delete(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let row = tx
        .query("DELETE FROM dead_letters WHERE id = $1 RETURNING kind")
        .bind(id)
        .fetch_optional()
        .await?;
    row.map(|row| row.text("kind")).transpose()
}
