//! A manager who was changed in amoCRM.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{ManagerOrigin, ManagerReason, Managers};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;

/// amoCRM tells whole seconds.
const SECOND: i64 = 1_000_000;

/// What became of a report of amoCRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagerFollowed {
    /// It is durable, with its line in the history.
    Applied,
    /// That is known.
    Unchanged,
    /// A newer report is known.
    Stale,
    /// There is no such lead.
    NotFound,
}

impl Managers {
    /// Takes over who is responsible in amoCRM, as it was there at `told_at` by amoCRM's clock.
    ///
    /// `is_change`: the report is about a change of the responsible user, and does not merely mention one. A mention does
    /// not tell about leads whose manager we do not know, and within one second a change outweighs it.
    pub async fn follow(
        &self,
        lead_id: i64,
        user_id: i64,
        told_at: DateTime<Utc>,
        is_change: bool,
    ) -> Result<ManagerFollowed> {
        let told_at = told_at.timestamp_micros();
        self.inner
            .db
            .write(Follow {
                lead_id,
                user_id,
                told_at,
                is_change,
            })
            .await
    }
}

struct Follow {
    lead_id: i64,
    user_id: i64,
    told_at: i64,
    is_change: bool,
}

impl Operation for Follow {
    type Output = ManagerFollowed;

    async fn run(&self, tx: &mut Tx) -> Result<ManagerFollowed> {
        let sql = Sql::either(
            "SELECT responsible_user_id, manager_told_at FROM leads WHERE id = $1",
            "SELECT responsible_user_id, manager_told_at FROM leads WHERE id = $1 FOR UPDATE",
        );
        let Some(row) = tx.query(sql).bind(self.lead_id).fetch_optional().await? else {
            return Ok(ManagerFollowed::NotFound);
        };
        let current = row.opt_int("responsible_user_id")?;
        // Our own choice was made before there was a deal: whatever amoCRM says of the deal is newer, whoever's clock is
        // wrong. Only its reports are compared with each other.
        if let Some(known) = row.opt_int("manager_told_at")? {
            let (told, known) = (self.told_at.div_euclid(SECOND), known.div_euclid(SECOND));
            if told < known || (told == known && !self.is_change) {
                return Ok(ManagerFollowed::Stale);
            }
        }
        if current == Some(self.user_id) || (current.is_none() && !self.is_change) {
            return Ok(ManagerFollowed::Unchanged);
        }
        let now = tx.now().await?;
        tx.query(
            "UPDATE leads SET responsible_user_id = $2, manager_reason = $3, manager_told_at = $4, updated_at = $5
             WHERE id = $1",
        )
        .bind(self.lead_id)
        .bind(self.user_id)
        .bind(ManagerReason::Crm.as_str())
        .bind(self.told_at)
        .bind(now)
        .execute()
        .await?;
        add_line(
            tx,
            self.lead_id,
            (current, Some(self.user_id)),
            (ManagerOrigin::Crm, ManagerReason::Crm),
            &json!({}),
            now,
        )
        .await?;
        Ok(ManagerFollowed::Applied)
    }
}

/// Adds a line to the history of a lead's managers.
pub(super) async fn add_line(
    tx: &mut Tx,
    lead_id: i64,
    (from, to): (Option<i64>, Option<i64>),
    (origin, reason): (ManagerOrigin, ManagerReason),
    details: &Value,
    at: i64,
) -> Result<()> {
    tx.query(
        "INSERT INTO manager_history (lead_id, from_user_id, to_user_id, origin, reason, details, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(lead_id)
    .bind(from)
    .bind(to)
    .bind(origin.as_str())
    .bind(reason.as_str())
    .bind(details.to_string())
    .bind(at)
    .execute()
    .await?;
    Ok(())
}
