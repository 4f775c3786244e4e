//! What of a lead amoCRM did not take as it was meant.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Leads;
use crate::clock::instant;
use crate::db::{Operation, Tx};
use crate::error::Result;

/// How many fields [`Leads::warned_fields`] tells at most.
const MAX_FIELDS: usize = 20;
/// How many warnings it looks at.
const MAX_WARNINGS: i64 = 5_000;

/// A field of a lead whose value is not where it was meant to be. The value itself is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeadWarning {
    /// The field's name.
    pub field: String,
    /// Why: the service's own word.
    pub reason: String,
    /// When it was noticed first.
    pub at: DateTime<Utc>,
}

/// A field that several leads were warned about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarnedField {
    /// The field's name.
    pub field: String,
    /// Why: the service's own word.
    pub reason: String,
    /// How many leads.
    pub leads: u64,
}

impl Leads {
    /// Notes fields, each with the reason. Noting one again changes nothing.
    pub async fn warn(&self, lead_id: i64, fields: &[(String, &'static str)]) -> Result<()> {
        if fields.is_empty() {
            return Ok(());
        }
        let fields = fields.to_vec();
        self.inner.db.write(Warn { lead_id, fields }).await
    }

    /// What a lead was warned about, by field.
    pub async fn warnings(&self, lead_id: i64) -> Result<Vec<LeadWarning>> {
        let mut tx = self.inner.db.read().await?;
        tx.query("SELECT field, reason, at FROM lead_warnings WHERE lead_id = $1 ORDER BY field")
            .bind(lead_id)
            .fetch_all()
            .await?
            .iter()
            .map(|row| {
                Ok(LeadWarning {
                    field: row.text("field")?,
                    reason: row.text("reason")?,
                    at: instant(row.int("at")?),
                })
            })
            .collect()
    }

    /// The fields that most leads were warned about since an instant, the commonest first: of the newest warnings, for
    /// the rest says the same.
    pub async fn warned_fields(&self, since: DateTime<Utc>) -> Result<Vec<WarnedField>> {
        let mut tx = self.inner.db.read().await?;
        let rows = tx
            .query(
                "SELECT field, reason FROM lead_warnings WHERE at >= $1 ORDER BY at DESC LIMIT $2",
            )
            .bind(since.timestamp_micros())
            .bind(MAX_WARNINGS)
            .fetch_all()
            .await?;
        let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
        for row in &rows {
            *counted
                .entry((row.text("field")?, row.text("reason")?))
                .or_default() += 1;
        }
        let mut fields: Vec<_> = counted
            .into_iter()
            .map(|((field, reason), leads)| WarnedField {
                field,
                reason,
                leads,
            })
            .collect();
        fields.sort_by_key(|field| Reverse(field.leads));
        fields.truncate(MAX_FIELDS);
        Ok(fields)
    }
}

struct Warn {
    lead_id: i64,
    fields: Vec<(String, &'static str)>,
}

impl Operation for Warn {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        let now = tx.now().await?;
        for (field, reason) in &self.fields {
            tx.query(
                "INSERT INTO lead_warnings (lead_id, field, reason, at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (lead_id, field) DO NOTHING",
            )
            .bind(self.lead_id)
            .bind(field)
            .bind(*reason)
            .bind(now)
            .execute()
            .await?;
        }
        Ok(())
    }
}
