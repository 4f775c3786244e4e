//! Who is responsible for a lead, and why.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::{LeadRow, ManagerChange};
use utoipa::ToSchema;

use crate::crm::Team;
use crate::managers::explain;

/// Who is responsible for a lead.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct ManagerView {
    /// The user in amoCRM; `null`: amoCRM decides.
    pub user_id: Option<i64>,
    /// Their name, if the account's users are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why: repeated_client, round_robin, least_loaded, no_rule, no_active_user, users_unreadable or crm.
    #[schema(example = "round_robin")]
    pub reason: Option<String>,
    /// The same in a sentence; only where one lead is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "round robin, turn 7: 2 of 3 among Анна Линь, Борис Иванов, Вера Ким")]
    pub explanation: Option<String>,
    /// Every change, oldest first; only where one lead is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<ManagerChangeView>,
}

/// A change of a lead's manager.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ManagerChangeView {
    /// The user before.
    pub from: Option<i64>,
    /// The user after; `null`: amoCRM decides.
    pub to: Option<i64>,
    /// The name of the user after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `intake`: by our rules; `crm`: in amoCRM.
    pub origin: String,
    /// Why, as in `manager.reason`.
    pub reason: String,
    /// Why, in a sentence.
    pub explanation: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl ManagerView {
    /// What the lead's row tells.
    pub(crate) fn of(row: &LeadRow) -> Option<Self> {
        let reason = row.manager_reason?;
        Some(Self {
            user_id: row.responsible_user_id,
            reason: Some(reason.as_str().to_owned()),
            ..Self::default()
        })
    }

    /// Adds the name.
    pub(crate) fn call_by_name(&mut self, team: Option<&Team>) {
        self.name = self.user_id.and_then(|id| name(id, team));
    }

    /// Adds the history and explains the last change.
    pub(crate) fn tell(&mut self, history: &[ManagerChange], team: Option<&Team>) {
        self.history = history
            .iter()
            .map(|change| ManagerChangeView {
                from: change.from,
                to: change.to,
                name: change.to.and_then(|id| name(id, team)),
                origin: change.origin.as_str().to_owned(),
                reason: change.reason.as_str().to_owned(),
                explanation: explain(change, team),
                at: change.at,
            })
            .collect();
        self.explanation = self.history.last().map(|last| last.explanation.clone());
    }
}

fn name(id: i64, team: Option<&Team>) -> Option<String> {
    team?.name(id).map(str::to_owned)
}
