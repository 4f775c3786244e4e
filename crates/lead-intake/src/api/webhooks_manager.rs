//! Webhooks of amoCRM: whoever is responsible there is responsible here.

use amocrm_sdk::UserId;
use amocrm_sdk::webhook::{Action, LeadEvent};
use store::{LeadRow, ManagerFollowed, Store};

use super::error::ApiError;
use super::webhooks::is_ahead;
use crate::crm::Crm;

/// Whether an event says who is responsible for a deal that exists.
pub(super) fn tells_a_manager(lead: &LeadEvent) -> bool {
    lead.responsible_user_id.is_some()
        && matches!(lead.action, Action::Responsible | Action::Update)
}

/// Takes over who is responsible.
pub(super) async fn follow(
    store: &Store,
    crm: &Crm,
    row: &LeadRow,
    lead: &LeadEvent,
) -> Result<(), ApiError> {
    let user = lead.responsible_user_id.map(UserId::get);
    let Some(user) = user.and_then(|id| i64::try_from(id).ok()) else {
        return Ok(());
    };
    // A time ahead of us would outweigh all that amoCRM says later.
    let now = crm.now();
    let told_at = lead
        .updated_at
        .filter(|at| !is_ahead(*at, now))
        .unwrap_or(now);
    // A plain update repeats the user without having changed it.
    let is_change = lead.action == Action::Responsible
        || (lead.old_responsible_user_id.is_some()
            && lead.old_responsible_user_id != lead.responsible_user_id);
    let managers = store.managers();
    if managers.follow(row.id, user, told_at, is_change).await? == ManagerFollowed::Applied {
        metrics::counter!("managers_followed_total").increment(1);
        tracing::info!(lead.id = row.id, user.id = user, "manager follows amoCRM");
    }
    Ok(())
}
