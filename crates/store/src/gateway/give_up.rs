//! Giving up what has waited too long for a subscriber that takes nothing: while it waits, its events and their bodies are
//! kept, and one subscriber that everybody has forgotten would fill the disk for all.

use std::time::Duration;

use super::{Gateway, job_kind};
use crate::clock::micros;
use crate::db::{Operation, Tx};
use crate::error::Result;
use crate::jobs::bury_unclaimed;

/// How many events one transaction gives up: some milliseconds, after which others get the database.
const BATCH: i64 = 100;

impl Gateway {
    /// Makes dead letters of what has waited longer than this for subscribers that are paused or disabled, or whose
    /// endpoint only fails; a batch of each. How many of whose; repeat it until there are none.
    pub async fn give_up_waiting(&self, kept: Duration) -> Result<Vec<(String, u64)>> {
        let names = {
            let mut tx = self.inner.db.read().await?;
            tx.query(
                "SELECT name FROM gateway_subscribers
                 WHERE name > '' AND (state <> 'active' OR open_until IS NOT NULL) ORDER BY name",
            )
            .fetch_all()
            .await?
            .iter()
            .map(|row| row.text("name"))
            .collect::<Result<Vec<_>>>()?
        };
        let mut given_up = Vec::new();
        for name in names {
            let kind = job_kind(&name);
            let count = self.inner.db.write(GiveUp { kind, kept }).await?;
            if count > 0 {
                given_up.push((name, count));
            }
        }
        Ok(given_up)
    }
}

struct GiveUp {
    kind: String,
    kept: Duration,
}

impl Operation for GiveUp {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let before = tx.now().await?.saturating_sub(micros(self.kept));
        // Numbers are given in the order of time: the oldest are the first.
        let rows = tx
            .query(
                "SELECT id, lane, created_at FROM jobs WHERE kind = $1 AND worker IS NULL ORDER BY id LIMIT $2",
            )
            .bind(&self.kind)
            .bind(BATCH)
            .fetch_all()
            .await?;
        let mut old = Vec::new();
        for row in &rows {
            if row.int("created_at")? <= before {
                old.push((row.opt_text("lane")?, row.int("id")?));
            }
        }
        // Lane by lane, in the order in which everybody locks them.
        old.sort();
        let mut count = 0;
        for (lane, job) in old {
            if let Some(lane) = lane {
                tx.query("UPDATE lanes SET depth = depth WHERE lane = $1")
                    .bind(lane)
                    .execute()
                    .await?;
            }
            let reason = "it waited for longer than GATEWAY_KEEP_WAITING";
            count += u64::from(bury_unclaimed(tx, job, reason).await?);
        }
        Ok(count)
    }
}
