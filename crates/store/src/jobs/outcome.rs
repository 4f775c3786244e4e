//! The three ends of a claim: completed, to be retried, dead.

use super::{Ack, Claimed, JobSpec, Jobs, RetryAfter, dead_counter, depth_counter, enqueue};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::gateway;

impl Jobs {
    /// The work is done: the job leaves the queue and its lane goes on.
    pub async fn complete(&self, job: &Claimed) -> Result<Ack> {
        self.outcome(job, What::Complete).await
    }

    /// The same, and adds the jobs that follow from it, together: a job that is worked on twice adds them once.
    pub async fn complete_and_add(&self, job: &Claimed, then: Vec<JobSpec>) -> Result<Ack> {
        self.outcome(job, What::CompleteAndAdd(then)).await
    }

    /// The work failed and is to be tried again later. In a lane the jobs behind it keep waiting.
    pub async fn retry(&self, job: &Claimed, retry: RetryAfter) -> Result<Ack> {
        self.outcome(job, What::Retry(retry)).await
    }

    /// The work cannot be done: the job becomes a dead letter and its lane goes on. Reason and error are kept for
    /// people: no secrets, phones or e-mails in them.
    pub async fn bury(&self, job: &Claimed, reason: &str, error: Option<&str>) -> Result<Ack> {
        let what = What::Bury {
            reason: reason.to_owned(),
            error: error.map(str::to_owned),
        };
        self.outcome(job, what).await
    }

    async fn outcome(&self, job: &Claimed, what: What) -> Result<Ack> {
        let job = job.clone();
        self.inner.db.write(Outcome { job, what }).await
    }
}

struct Outcome {
    job: Claimed,
    what: What,
}

enum What {
    Complete,
    CompleteAndAdd(Vec<JobSpec>),
    Retry(RetryAfter),
    Bury {
        reason: String,
        error: Option<String>,
    },
}

impl Operation for Outcome {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        match &self.what {
            What::Complete => complete(tx, &self.job).await,
            What::CompleteAndAdd(then) => {
                let ack = complete(tx, &self.job).await?;
                for job in then.iter().filter(|_| ack.is_recorded()) {
                    enqueue::add(tx, job).await?;
                }
                Ok(ack)
            }
            What::Retry(after) => retry(tx, &self.job, after).await,
            What::Bury { reason, error } => bury(tx, &self.job, reason, error.as_deref()).await,
        }
    }
}

pub(super) fn ack(changed: u64) -> Ack {
    if changed > 0 {
        Ack::Recorded
    } else {
        Ack::Stale
    }
}

/// Whether the claim still holds; on PostgreSQL the job stays locked until the commit.
pub(crate) async fn holds(tx: &mut Tx, job: &Claimed) -> Result<Ack> {
    let sql = Sql::either(
        "SELECT id FROM jobs WHERE id = $1 AND fence = $2",
        "SELECT id FROM jobs WHERE id = $1 AND fence = $2 FOR UPDATE",
    );
    let row = tx
        .query(sql)
        .bind(job.id)
        .bind(job.fence)
        .fetch_optional()
        .await?;
    Ok(ack(u64::from(row.is_some())))
}

pub(crate) async fn complete(tx: &mut Tx, job: &Claimed) -> Result<Ack> {
    let gone = tx
        .query("DELETE FROM jobs WHERE id = $1 AND fence = $2")
        .bind(job.id)
        .bind(job.fence)
        .execute()
        .await?;
    if gone == 0 {
        return Ok(Ack::Stale);
    }
    tx.count(depth_counter(&job.kind), -1);
    if let Some(lane) = &job.lane {
        enqueue::leave_lane(tx, lane).await?;
    }
    Ok(Ack::Recorded)
}

pub(crate) async fn retry(tx: &mut Tx, job: &Claimed, after: &RetryAfter) -> Result<Ack> {
    let now = tx.now().await?;
    // The fence moves on with the outcome, so that the same claim cannot report twice.
    let changed = tx
        .query(
            "UPDATE jobs SET worker = NULL, leased_at = NULL, claims = 0, fence = fence + 1,
                 attempts = attempts + $3, due_at = $4, last_error = $5
             WHERE id = $1 AND fence = $2",
        )
        .bind(job.id)
        .bind(job.fence)
        .bind(i64::from(after.counts))
        .bind(now.saturating_add(after.delay))
        .bind(&after.error)
        .execute()
        .await?;
    tx.work_is_due();
    Ok(ack(changed))
}

pub(crate) async fn bury(
    tx: &mut Tx,
    job: &Claimed,
    reason: &str,
    error: Option<&str>,
) -> Result<Ack> {
    // Locked before it is read: on PostgreSQL a claim in between would leave a letter and a job of one number.
    if !holds(tx, job).await?.is_recorded() {
        return Ok(Ack::Stale);
    }
    let now = tx.now().await?;
    let moved = tx
        .query(
            "INSERT INTO dead_letters (id, kind, lane, payload, reason, last_error, fence, attempts, created_at, died_at)
             SELECT id, kind, lane, payload, $3, coalesce($4, last_error), fence, attempts, created_at, $5
             FROM jobs WHERE id = $1 AND fence = $2",
        )
        .bind(job.id)
        .bind(job.fence)
        .bind(reason)
        .bind(error)
        .bind(now)
        .execute()
        .await?;
    if moved == 0 {
        return Ok(Ack::Stale);
    }
    tx.count(dead_counter(&job.kind), 1);
    if let Some(subscriber) = gateway::subscriber_of(&job.kind) {
        gateway::dead(tx, now, subscriber);
    }
    complete(tx, job).await
}

/// Makes a dead letter of a job that nobody works at, wherever in its lane it is; whether it was there. The lane is to be
/// locked before.
pub(crate) async fn bury_unclaimed(tx: &mut Tx, id: i64, reason: &str) -> Result<bool> {
    let now = tx.now().await?;
    let gone = tx
        .query(
            "DELETE FROM jobs WHERE id = $1 AND worker IS NULL
             RETURNING kind, lane, payload, waiting, last_error, fence, attempts, created_at",
        )
        .bind(id)
        .fetch_optional()
        .await?;
    let Some(row) = gone else {
        return Ok(false);
    };
    let (kind, lane) = (row.text("kind")?, row.opt_text("lane")?);
    tx.query(
        "INSERT INTO dead_letters (id, kind, lane, payload, reason, last_error, fence, attempts, created_at, died_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(id)
    .bind(&kind)
    .bind(&lane)
    .bind(row.text("payload")?)
    .bind(reason)
    .bind(row.opt_text("last_error")?)
    .bind(row.int("fence")?)
    .bind(row.int("attempts")?)
    .bind(row.int("created_at")?)
    .bind(now)
    .execute()
    .await?;
    tx.count(depth_counter(&kind), -1);
    tx.count(dead_counter(&kind), 1);
    if let Some(subscriber) = gateway::subscriber_of(&kind) {
        gateway::dead(tx, now, subscriber);
    }
    match lane {
        Some(lane) if row.int("waiting")? == 0 => enqueue::leave_lane(tx, &lane).await?,
        Some(lane) => {
            enqueue::leave_line(tx, &lane).await?;
        }
        None => {}
    }
    Ok(true)
}
