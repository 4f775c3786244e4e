//! Dead letters: what nobody could do, kept until a person decides.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Jobs, dead_counter, depth_counter, enqueue};
use crate::clock::instant;
use crate::db::{Operation, Row, Sql, Tx};
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

/// Which dead letters to list: a page in the order in which the jobs were added.
#[derive(Debug, Clone)]
pub struct DeadLetterFilter {
    kind: Option<String>,
    since: i64,
    after: i64,
    limit: u32,
}

impl Default for DeadLetterFilter {
    fn default() -> Self {
        Self {
            kind: None,
            since: i64::MIN,
            after: 0,
            limit: 100,
        }
    }
}

impl DeadLetterFilter {
    /// The first 100 of every kind.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first 100 of `kind`.
    pub fn kind(kind: impl Into<String>) -> Self {
        Self {
            kind: Some(kind.into()),
            ..Self::default()
        }
    }

    /// Only those that died at this time or later.
    #[must_use]
    pub fn since(mut self, at: DateTime<Utc>) -> Self {
        self.since = at.timestamp_micros();
        self
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

/// A text per question, so that each walks along an index.
macro_rules! letters {
    ($condition:literal) => {
        concat!(
            "SELECT id, kind, lane, payload, reason, last_error, attempts, created_at, died_at
             FROM dead_letters WHERE ",
            $condition
        )
    };
}

impl Jobs {
    /// A page of dead letters.
    pub async fn dead_letters(&self, filter: DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        let text = match &filter.kind {
            Some(_) => letters!("kind = $4 AND id > $1 AND died_at >= $2 ORDER BY id LIMIT $3"),
            None => letters!("id > $1 AND died_at >= $2 ORDER BY id LIMIT $3"),
        };
        let mut tx = self.inner.db.read().await?;
        let mut query = tx
            .query(text)
            .bind(filter.after)
            .bind(filter.since)
            .bind(i64::from(filter.limit));
        if let Some(kind) = filter.kind {
            query = query.bind(kind);
        }
        query.fetch_all().await?.iter().map(letter).collect()
    }

    /// The dead letter with this number.
    pub async fn dead_letter(&self, id: i64) -> Result<Option<DeadLetter>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(letters!("id = $1"))
            .bind(id)
            .fetch_optional()
            .await?;
        row.as_ref().map(letter).transpose()
    }

    /// Puts a dead letter back into the queue, due at once, with its number and a new count of attempts. In a lane it
    /// goes before those that wait. Returns whether there was such a letter.
    pub async fn replay(&self, id: i64) -> Result<bool> {
        self.inner.db.write(Replay { id }).await
    }

    /// Throws a dead letter away. Returns whether there was such a letter. What it was about does not hear of it: those of
    /// leads are thrown away by [`Leads::drop_failed`](crate::Leads::drop_failed) and
    /// [`Leads::drop_move`](crate::Leads::drop_move).
    pub async fn discard(&self, id: i64) -> Result<bool> {
        self.inner.db.write(Discard { id }).await
    }
}

fn letter(row: &Row) -> Result<DeadLetter> {
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
}

struct Replay {
    id: i64,
}

impl Operation for Replay {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        replay(tx, self.id).await
    }
}

/// Puts a dead letter back into the queue.
pub(crate) async fn replay(tx: &mut Tx, id: i64) -> Result<bool> {
    let sql = Sql::either(
        "SELECT kind, lane FROM dead_letters WHERE id = $1",
        "SELECT kind, lane FROM dead_letters WHERE id = $1 FOR UPDATE",
    );
    let Some(letter) = tx.query(sql).bind(id).fetch_optional().await? else {
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
    .bind(id)
    .bind(i64::from(waiting))
    .bind(now)
    .execute()
    .await?;
    delete(tx, id).await?;
    tx.count(dead_counter(&kind), -1);
    tx.count(depth_counter(&kind), 1);
    tx.work_is_due();
    Ok(true)
}

struct Discard {
    id: i64,
}

impl Operation for Discard {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        discard(tx, self.id).await
    }
}

/// Throws a dead letter away.
pub(crate) async fn discard(tx: &mut Tx, id: i64) -> Result<bool> {
    let Some(kind) = delete(tx, id).await? else {
        return Ok(false);
    };
    tx.count(dead_counter(&kind), -1);
    Ok(true)
}

async fn delete(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let row = tx
        .query("DELETE FROM dead_letters WHERE id = $1 RETURNING kind")
        .bind(id)
        .fetch_optional()
        .await?;
    row.map(|row| row.text("kind")).transpose()
}
