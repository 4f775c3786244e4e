//! Leads that could not be delivered.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service_kit::dashboard::cut;
use store::LeadRow;
use utoipa::ToSchema;

/// A reason is told in so many letters; `GET /api/leads/{id}` has it whole.
const REASON_LENGTH: usize = 160;

/// A lead that amoCRM refuses. Nothing of the person is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct FailedLead {
    /// Its number.
    pub(crate) id: i64,
    /// When it came.
    pub(crate) created_at: DateTime<Utc>,
    /// When it was given up.
    pub(crate) failed_at: DateTime<Utc>,
    /// How many attempts were made.
    pub(crate) attempts: u32,
    /// What amoCRM said last.
    pub(crate) reason: Option<String>,
}

impl FailedLead {
    pub(super) fn of(row: &LeadRow) -> Self {
        Self {
            id: row.id,
            created_at: row.created_at,
            failed_at: row.updated_at,
            attempts: row.attempts,
            reason: row
                .last_error
                .as_deref()
                .map(|reason| cut(reason, REASON_LENGTH)),
        }
    }
}
