//! Reasons for which leads are lost.
//!
//! An account switches them on: [`Account::is_loss_reason_enabled`](crate::account::Account). Reading is for all users,
//! changing for administrators.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/leads_loss_reasons>.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::client::Client;
use crate::de;
use crate::entity::{Created, Never, Updated, input, resource};
use crate::id::{LossReasonId, kind};

resource! {
    /// Loss reasons of the account: [`Client::loss_reasons`].
    pub struct LossReasons of LossReason: kind::LossReason, "loss_reasons";
    /// Reads loss reasons.
    list(with = Never, filter = Never, order = Never);
    /// Reads one loss reason.
    get(LossReasonId);
    /// Adds loss reasons.
    create(NewLossReason => Created<LossReason>);
    /// Changes a loss reason. amoCRM has no way to change several at once.
    update(LossReasonId, LossReasonPatch => Updated<LossReason>);
    /// Removes a loss reason.
    delete(LossReasonId);
}

impl Client {
    /// Reasons for which leads are lost.
    pub fn loss_reasons(&self) -> LossReasons {
        LossReasons::at(self, "/api/v4/leads/loss_reasons")
    }
}

/// Why leads are lost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LossReason {
    /// Its id.
    pub id: LossReasonId,
    /// Its text.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its place among the reasons.
    #[serde(default, deserialize_with = "de::number")]
    pub sort: i64,
    /// When it was created.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
}

input! {
    /// A loss reason to be added.
    pub struct NewLossReason(name: impl Into<String>);
    /// Changes to a loss reason: only what is set travels.
    pub struct LossReasonPatch(LossReasonId) of LossReason;
    fields LossReasonFields;
    both {
        /// Sets the text.
        text name "name";
        /// Sets its place among the reasons.
        set sort "sort": i64;
    }
    new {}
    patch {}
}
