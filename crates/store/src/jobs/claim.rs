//! Claiming jobs, keeping them and giving them back.

use std::time::Duration;

use super::{Ack, Claimed, Jobs, Worker, outcome};
use crate::clock::{instant, micros};
use crate::db::{Operation, Row, Sql, Tx};
use crate::error::Result;

/// The reason of a dead letter that nobody lived to report on.
fn poison(claims: u32) -> String {
    format!("claimed {claims} times without an outcome: its workers end before they can report")
}

impl Worker {
    /// Takes up to `limit` due jobs for `lease`, the kinds in order of their priority.
    ///
    /// Choose a lease longer than the longest the work can take, with a margin: a request's timeout plus 15 s. A job
    /// claimed too often without any outcome becomes a dead letter instead.
    pub async fn claim(&self, kinds: &[&str], limit: u32, lease: Duration) -> Result<Vec<Claimed>> {
        if limit == 0 || kinds.is_empty() {
            return Ok(Vec::new());
        }
        self.inner
            .db
            .write(Claim {
                worker: self.name.clone(),
                kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
                limit: i64::from(limit),
                lease: micros(lease),
                max_claims: i64::from(self.inner.jobs.max_claims),
            })
            .await
    }

    /// Gives back everything this worker holds: on shutdown, after it stopped working. The jobs are due at once and
    /// the claim does not count. Returns how many there were.
    pub async fn release_all(&self) -> Result<u64> {
        self.inner
            .db
            .write(ReleaseAll {
                worker: self.name.clone(),
            })
            .await
    }
}

impl Jobs {
    /// Makes the lease end `lease` from now instead.
    pub async fn extend(&self, job: &Claimed, lease: Duration) -> Result<Ack> {
        self.inner
            .db
            .write(Extend {
                id: job.id,
                fence: job.fence,
                lease: micros(lease),
            })
            .await
    }

    /// Makes the jobs of processes that certainly are dead due after `settle` instead of at the end of their leases.
    /// Returns how many there were. Call it once at the start, before claiming.
    ///
    /// Only on SQLite can a death be proved; on PostgreSQL this does nothing. `settle` is for what outlives a
    /// process: a request that it sent may still be at work in the CRM.
    pub async fn reclaim_from_the_dead(&self, settle: Duration) -> Result<u64> {
        let owners = self.inner.owner.left_behind();
        let mut total = 0;
        for owner in owners {
            total += self
                .inner
                .db
                .write(Reclaim {
                    owner: owner.clone(),
                    settle: micros(settle),
                })
                .await?;
            self.inner.owner.bury(&owner);
        }
        Ok(total)
    }
}

struct Claim {
    worker: String,
    kinds: Vec<String>,
    limit: i64,
    lease: i64,
    max_claims: i64,
}

/// One kind per statement: with several, neither database reads the due ones in order from the index. Whoever still
/// stands in `worker` let the lease run out. On PostgreSQL the numbers come as an array: of one, the planner expects few
/// rows; of a join with as many as it is told later, a tenth of the table, and then it reads all of it.
const CLAIM: Sql = Sql::either(
    "UPDATE jobs SET fence = fence + 1, claims = claims + 1, worker = $1, leased_at = $2, due_at = $3,
         taken_over = CASE WHEN worker IS NULL THEN 0 ELSE 1 END
     WHERE id IN (SELECT id FROM jobs WHERE kind = $4 AND waiting = 0 AND due_at <= $2
                  ORDER BY due_at, id LIMIT $5)
     RETURNING id, kind, lane, payload, fence, claims, taken_over, attempts, created_at, due_at, last_error",
    "WITH picked AS MATERIALIZED (
         SELECT id FROM jobs WHERE kind = $4 AND waiting = 0 AND due_at <= $2
         ORDER BY due_at, id LIMIT $5 FOR UPDATE SKIP LOCKED)
     UPDATE jobs SET fence = fence + 1, claims = claims + 1, worker = $1, leased_at = $2, due_at = $3,
         taken_over = CASE WHEN worker IS NULL THEN 0 ELSE 1 END
     WHERE id = ANY (ARRAY (SELECT id FROM picked))
     RETURNING id, kind, lane, payload, fence, claims, taken_over, attempts, created_at, due_at, last_error",
);

impl Operation for Claim {
    type Output = Vec<Claimed>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Claimed>> {
        let now = tx.now().await?;
        let mut claimed = Vec::new();
        for kind in &self.kinds {
            let room = self.limit - i64::try_from(claimed.len()).unwrap_or(i64::MAX);
            if room <= 0 {
                break;
            }
            let rows = tx
                .query(CLAIM)
                .bind(&self.worker)
                .bind(now)
                .bind(now.saturating_add(self.lease))
                .bind(kind)
                .bind(room)
                .fetch_all()
                .await?;
            for row in rows {
                let job = read(&row)?;
                if i64::from(job.claims) > self.max_claims {
                    let last_error = row.opt_text("last_error")?;
                    // Our own claim a moment ago makes the fence right.
                    let _ = outcome::bury(tx, &job, &poison(job.claims - 1), last_error.as_deref())
                        .await?;
                } else {
                    claimed.push(job);
                }
            }
        }
        // Rows come back in any order; their numbers tell the order in which they were added.
        claimed.sort_by_key(|job| job.id);
        Ok(claimed)
    }
}

fn read(row: &Row) -> Result<Claimed> {
    Ok(Claimed {
        id: row.int("id")?,
        fence: row.int("fence")?,
        kind: row.text("kind")?,
        lane: row.opt_text("lane")?,
        payload: row.text("payload")?,
        attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        claims: u32::try_from(row.int("claims")?).unwrap_or(u32::MAX),
        taken_over: row.int("taken_over")? != 0,
        created_at: instant(row.int("created_at")?),
        leased_until: instant(row.int("due_at")?),
    })
}

struct Extend {
    id: i64,
    fence: i64,
    lease: i64,
}

impl Operation for Extend {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        let now = tx.now().await?;
        let changed = tx
            .query(
                "UPDATE jobs SET due_at = $3 WHERE id = $1 AND fence = $2 AND worker IS NOT NULL",
            )
            .bind(self.id)
            .bind(self.fence)
            .bind(now.saturating_add(self.lease))
            .execute()
            .await?;
        Ok(outcome::ack(changed))
    }
}

struct ReleaseAll {
    worker: String,
}

impl Operation for ReleaseAll {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let now = tx.now().await?;
        let released = tx
            .query(
                "UPDATE jobs SET worker = NULL, leased_at = NULL, due_at = $2, claims = claims - 1, fence = fence + 1
                 WHERE worker = $1",
            )
            .bind(&self.worker)
            .bind(now)
            .execute()
            .await?;
        if released > 0 {
            tx.work_is_due();
        }
        Ok(released)
    }
}

struct Reclaim {
    owner: String,
    settle: i64,
}

impl Operation for Reclaim {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let now = tx.now().await?;
        // The fence stays: the dead need not be refused. `0` follows `/`, so this is the range of the owner's names.
        let reclaimed = tx
            .query(
                "UPDATE jobs SET worker = NULL, leased_at = NULL, due_at = $3
                 WHERE worker >= $1 AND worker < $2 AND due_at > $3",
            )
            .bind(format!("{}/", self.owner))
            .bind(format!("{}0", self.owner))
            .bind(now.saturating_add(self.settle))
            .execute()
            .await?;
        if reclaimed > 0 {
            tx.work_is_due();
        }
        Ok(reclaimed)
    }
}
