//! What a person has given up for good: a lead that amoCRM does not take, or the move of its deal.

use super::{DeliveryState, Leads};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs;

impl Leads {
    /// Throws the dead letter of a lead's delivery away, and counts the lead among the failed ones no longer. It is never
    /// delivered; its personal data is kept as long from now as that of others from their delivery. Returns whether there
    /// was such a letter.
    pub async fn drop_failed(&self, lead_id: i64, letter: i64) -> Result<bool> {
        self.inner.db.write(DropFailed { lead_id, letter }).await
    }

    /// Throws the dead letter of a deal's move away: the deal stays where it is, and what amoCRM tells of it next is how it
    /// is. A newer move that waits, or died as well, is left as it is. Returns whether there was such a letter.
    pub async fn drop_move(&self, lead_id: i64, letter: i64) -> Result<bool> {
        self.inner.db.write(DropMove { lead_id, letter }).await
    }
}

struct DropFailed {
    lead_id: i64,
    letter: i64,
}

impl Operation for DropFailed {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        if !jobs::discard(tx, self.letter).await? {
            return Ok(false);
        }
        dropped(tx, self.lead_id).await?;
        Ok(true)
    }
}

/// Notes that nobody will deliver a lead that failed. One that did not is left alone.
pub(super) async fn dropped(tx: &mut Tx, lead_id: i64) -> Result<()> {
    let now = tx.now().await?;
    let changed = tx
        .query(
            "UPDATE leads SET dropped_at = $2, updated_at = $2
             WHERE id = $1 AND delivery_state = 'failed' AND dropped_at IS NULL",
        )
        .bind(lead_id)
        .bind(now)
        .execute()
        .await?;
    if changed > 0 {
        tx.count(DeliveryState::Failed.counter(), -1);
    }
    Ok(())
}

struct DropMove {
    lead_id: i64,
    letter: i64,
}

impl Operation for DropMove {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let letter = tx
            .query("SELECT lane FROM dead_letters WHERE id = $1")
            .bind(self.letter)
            .fetch_optional()
            .await?;
        let Some(letter) = letter else {
            return Ok(false);
        };
        if !jobs::discard(tx, self.letter).await? {
            return Ok(false);
        }
        // The lead first, as by whoever adds a job to its lane: then nobody adds one while we look.
        let sql = Sql::either(
            "SELECT id FROM leads WHERE id = $1",
            "SELECT id FROM leads WHERE id = $1 FOR UPDATE",
        );
        tx.query(sql).bind(self.lead_id).fetch_optional().await?;
        let others = tx
            .query(
                "SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM lanes WHERE lane = $1)
                     OR EXISTS (SELECT 1 FROM dead_letters WHERE lane = $1)",
            )
            .bind(letter.opt_text("lane")?)
            .fetch_optional()
            .await?;
        if others.is_none() {
            tx.query("UPDATE leads SET move_pending = 0 WHERE id = $1 AND move_pending = 1")
                .bind(self.lead_id)
                .execute()
                .await?;
        }
        Ok(true)
    }
}
