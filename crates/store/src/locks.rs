//! What only one may do at a time, over all processes on the database.
//!
//! A lock is a lease: it ends by itself when its holder dies, so whoever works longer than its life
//! [extends](Locks::extend) it, and stops when that is refused.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::micros;
use crate::db::{Operation, Tx};
use crate::error::{Result, StoreError};
use crate::store::Inner;

/// Locks by name. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Locks {
    inner: Arc<Inner>,
}

/// What has ended for so long is deleted: its holder has died, or never comes back.
const KEPT: Duration = Duration::from_hours(24);
const BATCH: i64 = 500;

/// A lock in somebody's hands. Dropping it gives nothing back: release it, or let it end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a lock that nobody releases is held until it ends"]
pub struct Lock {
    name: String,
    /// Tells this holding from every other.
    fence: i64,
}

impl Locks {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Takes the lock for `life`. `None`: somebody else holds it.
    ///
    /// On SQLite a holder whose process has ended holds nothing any more; on PostgreSQL it does until the end of its life.
    pub async fn take(&self, name: &str, life: Duration) -> Result<Option<Lock>> {
        let owner = &self.inner.owner;
        let holder = self.holder(name).await?;
        let taken = self
            .inner
            .db
            .write(Take {
                name: name.to_owned(),
                owner: owner.name().to_owned(),
                fence: fence()?,
                dead: holder
                    .filter(|holder| owner.is_dead(holder))
                    .unwrap_or_default(),
                life: micros(life),
            })
            .await?;
        Ok(taken.map(|fence| Lock {
            name: name.to_owned(),
            fence,
        }))
    }

    /// Makes the lock end `life` from now instead. `false`: it had ended, and somebody else has taken it.
    pub async fn extend(&self, lock: &Lock, life: Duration) -> Result<bool> {
        self.inner
            .db
            .write(Extend {
                lock: lock.clone(),
                life: micros(life),
            })
            .await
    }

    /// Gives the lock back. One that has passed on is left alone.
    pub async fn release(&self, lock: &Lock) -> Result<()> {
        self.inner.db.write(Release { lock: lock.clone() }).await
    }

    async fn holder(&self, name: &str) -> Result<Option<String>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query("SELECT owner FROM locks WHERE name = $1")
            .bind(name)
            .fetch_optional()
            .await?;
        row.map(|row| row.text("owner")).transpose()
    }
}

/// At random, because the row goes with the lock: a number that grows would begin anew with the next row. Two bits are left
/// free, since a process of an older version adds 1 to it.
fn fence() -> Result<i64> {
    let random =
        getrandom::u64().map_err(|_| StoreError::internal("the system gives no random numbers"))?;
    Ok(i64::try_from(random >> 2).unwrap_or_default())
}

/// Deletes what its holder never gave back.
pub(crate) async fn prune(tx: &mut Tx, now: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM locks WHERE name IN
         (SELECT name FROM locks WHERE held_until <= $1 ORDER BY held_until LIMIT $2)",
    )
    .bind(now.saturating_sub(micros(KEPT)))
    .bind(BATCH)
    .execute()
    .await
}

struct Take {
    name: String,
    owner: String,
    fence: i64,
    /// An owner who certainly has ended; empty if there is none.
    dead: String,
    life: i64,
}

impl Operation for Take {
    type Output = Option<i64>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<i64>> {
        let now = tx.now().await?;
        let row = tx
            .query(
                "INSERT INTO locks (name, owner, fence, held_until) VALUES ($1, $2, $6, $3)
                 ON CONFLICT (name) DO UPDATE
                     SET owner = excluded.owner, fence = excluded.fence, held_until = excluded.held_until
                     WHERE locks.held_until <= $4 OR locks.owner = $5
                 RETURNING fence",
            )
            .bind(&self.name)
            .bind(&self.owner)
            .bind(now.saturating_add(self.life))
            .bind(now)
            .bind(&self.dead)
            .bind(self.fence)
            .fetch_optional()
            .await?;
        row.map(|row| row.int("fence")).transpose()
    }
}

struct Extend {
    lock: Lock,
    life: i64,
}

impl Operation for Extend {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let now = tx.now().await?;
        let kept = tx
            .query("UPDATE locks SET held_until = $3 WHERE name = $1 AND fence = $2")
            .bind(&self.lock.name)
            .bind(self.lock.fence)
            .bind(now.saturating_add(self.life))
            .execute()
            .await?;
        Ok(kept > 0)
    }
}

struct Release {
    lock: Lock,
}

impl Operation for Release {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        tx.query("DELETE FROM locks WHERE name = $1 AND fence = $2")
            .bind(&self.lock.name)
            .bind(self.lock.fence)
            .execute()
            .await?;
        Ok(())
    }
}
