//! Answers of clients that amoCRM tells of stop the funnels.

use amocrm_sdk::webhook::Event;

use super::error::ApiError;
use super::state::AppState;
use crate::funnel::hear_amocrm;

/// Stops what the events of a webhook stop. Nothing happens if there are no funnels, and a repeated body changes nothing.
pub(super) async fn hear(state: &AppState, events: &[Event]) -> Result<(), ApiError> {
    if state.config.funnels.is_none() {
        return Ok(());
    }
    let account = state.crm.account_name().await?.unwrap_or_default();
    for event in events {
        hear_amocrm(&state.store, &account, event).await?;
    }
    Ok(())
}
