//! What a removed subscriber leaves behind: jobs, their lanes, dead letters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Gateway, job_kind};
use crate::clock::micros;
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::{dead_counter, depth_counter};
use crate::store::Inner;

/// How many jobs one transaction throws away: some milliseconds, after which others get the database.
const BATCH: i64 = 500;

/// An instance that has begun to accept an event before the subscriber was removed may add a job afterwards: nobody
/// writes for longer than this.
const STRAGGLERS: Duration = Duration::from_mins(1);

impl Gateway {
    /// Throws the jobs of removed subscribers away, in batches. Returns how many there were. Call it at the start, and
    /// now and then.
    pub async fn throw_away_removed(&self) -> Result<u64> {
        let names = {
            let mut tx = self.inner.db.read().await?;
            let rows = tx
                .query("SELECT subscriber FROM gateway_removals WHERE subscriber > '' ORDER BY subscriber")
                .fetch_all()
                .await?;
            rows.iter()
                .map(|row| row.text("subscriber"))
                .collect::<Result<Vec<_>>>()?
        };
        let mut total = 0;
        for name in names {
            total += throw_away(&self.inner, &name).await?;
        }
        Ok(total)
    }
}

/// Throws away what a removed subscriber has left; nothing, if it was not removed.
pub(super) async fn throw_away(inner: &Inner, name: &str) -> Result<u64> {
    let mut total = 0;
    loop {
        let gone = inner
            .db
            .write(ThrowAway {
                name: name.to_owned(),
            })
            .await?;
        total += gone;
        if gone == 0 {
            return Ok(total);
        }
        tokio::task::yield_now().await;
    }
}

struct ThrowAway {
    name: String,
}

impl Operation for ThrowAway {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let now = tx.now().await?;
        let sql = Sql::either(
            "SELECT removed_at FROM gateway_removals WHERE subscriber = $1",
            "SELECT removed_at FROM gateway_removals WHERE subscriber = $1 FOR UPDATE",
        );
        let Some(removal) = tx.query(sql).bind(&self.name).fetch_optional().await? else {
            return Ok(0);
        };
        let kind = job_kind(&self.name);
        let gone = jobs(tx, &kind).await? + dead_letters(tx, &kind).await?;
        let settled_at = removal
            .int("removed_at")?
            .saturating_add(micros(STRAGGLERS));
        if gone == 0 && settled_at <= now {
            tx.query("DELETE FROM gateway_removals WHERE subscriber = $1")
                .bind(&self.name)
                .execute()
                .await?;
        }
        Ok(gone)
    }
}

/// Deletes a batch of jobs and takes them out of their lanes.
async fn jobs(tx: &mut Tx, kind: &str) -> Result<u64> {
    // Those that wait first: no worker has them, and none of them is made due in vain.
    let rows = tx
        .query(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE kind = $1 ORDER BY id DESC LIMIT $2)
             RETURNING lane",
        )
        .bind(kind)
        .bind(BATCH)
        .fetch_all()
        .await?;
    let mut lanes: BTreeMap<String, i64> = BTreeMap::new();
    for row in &rows {
        if let Some(lane) = row.opt_text("lane")? {
            *lanes.entry(lane).or_default() += 1;
        }
    }
    // In the order in which everybody locks them.
    for (lane, count) in lanes {
        let depth = tx
            .query("UPDATE lanes SET depth = depth - $2 WHERE lane = $1 RETURNING depth")
            .bind(&lane)
            .bind(count)
            .fetch_optional()
            .await?;
        if let Some(row) = depth
            && row.int("depth")? <= 0
        {
            tx.query("DELETE FROM lanes WHERE lane = $1")
                .bind(&lane)
                .execute()
                .await?;
        }
    }
    let gone = rows.len() as u64;
    tx.count(
        depth_counter(kind),
        -i64::try_from(gone).unwrap_or(i64::MAX),
    );
    Ok(gone)
}

async fn dead_letters(tx: &mut Tx, kind: &str) -> Result<u64> {
    let gone = tx
        .query(
            "DELETE FROM dead_letters WHERE id IN
             (SELECT id FROM dead_letters WHERE kind = $1 ORDER BY id LIMIT $2)",
        )
        .bind(kind)
        .bind(BATCH)
        .execute()
        .await?;
    tx.count(dead_counter(kind), -i64::try_from(gone).unwrap_or(i64::MAX));
    Ok(gone)
}
