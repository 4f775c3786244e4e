//! A lead that was given up goes its way again.

use super::{DeliveryState, Leads, count_transition};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs;

impl Leads {
    /// Puts the dead letter of a lead's delivery back into the queue, and lets the lead say so. Returns whether there was
    /// such a letter.
    pub async fn retry_failed(&self, lead_id: i64, letter: i64) -> Result<bool> {
        self.inner.db.write(RetryFailed { lead_id, letter }).await
    }
}

struct RetryFailed {
    lead_id: i64,
    letter: i64,
}

impl Operation for RetryFailed {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        if !jobs::replay(tx, self.letter).await? {
            return Ok(false);
        }
        let sql = Sql::either(
            "SELECT attempt_started_at FROM leads WHERE id = $1 AND delivery_state = 'failed'",
            "SELECT attempt_started_at FROM leads WHERE id = $1 AND delivery_state = 'failed' FOR UPDATE",
        );
        let Some(row) = tx.query(sql).bind(self.lead_id).fetch_optional().await? else {
            return Ok(true);
        };
        let state = match row.opt_int("attempt_started_at")? {
            Some(_) => DeliveryState::Delivering,
            None => DeliveryState::Queued,
        };
        let now = tx.now().await?;
        tx.query("UPDATE leads SET delivery_state = $2, updated_at = $3 WHERE id = $1")
            .bind(self.lead_id)
            .bind(state.as_str())
            .bind(now)
            .execute()
            .await?;
        count_transition(tx, Some(DeliveryState::Failed), state);
        Ok(true)
    }
}
