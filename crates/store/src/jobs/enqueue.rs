//! Adding jobs, alone or within somebody else's transaction.

use super::{JobSpec, Jobs, depth_counter};
use crate::db::{Operation, Tx};
use crate::error::{Result, StoreError};

impl Jobs {
    /// Adds a job and returns its number.
    pub async fn enqueue(&self, job: JobSpec) -> Result<i64> {
        self.inner.db.write(Enqueue { job }).await
    }
}

struct Enqueue {
    job: JobSpec,
}

impl Operation for Enqueue {
    type Output = i64;

    async fn run(&self, tx: &mut Tx) -> Result<i64> {
        add(tx, &self.job).await
    }
}

/// Adds `job` in the transaction of whatever made it necessary.
pub(crate) async fn add(tx: &mut Tx, job: &JobSpec) -> Result<i64> {
    if job.kind.is_empty() {
        return Err(StoreError::invalid("a job needs a kind"));
    }
    let now = tx.now().await?;
    // The lane first: on PostgreSQL its row stays locked until the commit, so that numbers within a lane are given in
    // the order of commits.
    let waiting = match &job.lane {
        Some(lane) => join_lane(tx, lane).await?,
        None => false,
    };
    let id = tx
        .query(
            "INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        )
        .bind(&job.kind)
        .bind(&job.lane)
        .bind(&job.payload)
        .bind(i64::from(waiting))
        .bind(now.saturating_add(job.delay))
        .bind(now)
        .fetch_one()
        .await?
        .int("id")?;
    tx.count(depth_counter(&job.kind), 1);
    tx.work_is_due();
    Ok(id)
}

/// Counts one more job in `lane`; says whether it has to wait behind others.
pub(super) async fn join_lane(tx: &mut Tx, lane: &str) -> Result<bool> {
    let depth = tx
        .query(
            "INSERT INTO lanes (lane, depth) VALUES ($1, 1)
             ON CONFLICT (lane) DO UPDATE SET depth = lanes.depth + 1 RETURNING depth",
        )
        .bind(lane)
        .fetch_one()
        .await?
        .int("depth")?;
    Ok(depth > 1)
}

/// Counts one job less in `lane`; says whether others are left. Call it after the row is gone of one that waited.
pub(super) async fn leave_line(tx: &mut Tx, lane: &str) -> Result<bool> {
    let depth = tx
        .query("UPDATE lanes SET depth = depth - 1 WHERE lane = $1 RETURNING depth")
        .bind(lane)
        .fetch_one()
        .await?
        .int("depth")?;
    if depth == 0 {
        tx.query("DELETE FROM lanes WHERE lane = $1")
            .bind(lane)
            .execute()
            .await?;
    }
    Ok(depth != 0)
}

/// Counts one job less in `lane` and lets the next one be due. Call it after the head's row is gone.
pub(super) async fn leave_lane(tx: &mut Tx, lane: &str) -> Result<()> {
    if !leave_line(tx, lane).await? {
        return Ok(());
    }
    tx.query(
        "UPDATE jobs SET waiting = 0
         WHERE id = (SELECT min(id) FROM jobs WHERE lane = $1 AND waiting = 1)",
    )
    .bind(lane)
    .execute()
    .await?;
    tx.work_is_due();
    Ok(())
}
