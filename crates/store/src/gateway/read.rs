//! Reading what came and how it went.

use super::{EventRow, Gateway};
use crate::clock::instant;
use crate::db::{Row, Sql};
use crate::error::Result;

macro_rules! event_columns {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.request, e.event_id, e.account, e.kind, e.subject, e.account_id, e.pipeline_id, e.status_id,
                 e.occurred_at, e.received_at, e.envelope ",
            $rest
        )
    };
}

impl Gateway {
    /// The events of these numbers, in the order of their numbers; those that are gone are left out.
    pub async fn envelopes(&self, rows: &[i64]) -> Result<Vec<EventRow>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let sql = Sql::either(
            event_columns!(
                "FROM json_each($1) AS asked CROSS JOIN gateway_events AS e ON e.id = asked.value ORDER BY e.id"
            ),
            event_columns!(
                "FROM json_array_elements_text($1::json) AS asked (id)
                 JOIN gateway_events AS e ON e.id = asked.id::bigint ORDER BY e.id"
            ),
        );
        let mut tx = self.inner.db.read().await?;
        tx.query(sql)
            .bind(serde_json::Value::from(rows).to_string())
            .fetch_all()
            .await?
            .iter()
            .map(event)
            .collect()
    }

    /// The event with this id.
    pub async fn event(&self, event_id: &str) -> Result<Option<EventRow>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(event_columns!(
                "FROM gateway_events AS e WHERE e.event_id = $1"
            ))
            .bind(event_id)
            .fetch_optional()
            .await?;
        row.as_ref().map(event).transpose()
    }
}

fn event(row: &Row) -> Result<EventRow> {
    Ok(EventRow {
        row_id: row.int("id")?,
        event_id: row.text("event_id")?,
        request: row.int("request")?,
        account: row.text("account")?,
        kind: row.text("kind")?,
        subject: row.opt_text("subject")?,
        account_id: row.opt_int("account_id")?,
        pipeline_id: row.opt_int("pipeline_id")?,
        status_id: row.opt_int("status_id")?,
        occurred_at: row.opt_int("occurred_at")?.map(instant),
        received_at: instant(row.int("received_at")?),
        envelope: row.text("envelope")?,
    })
}
