//! What is measured rather than counted, just before `/metrics` is rendered.

use connection::float;
use store::{DeliveryState, Store};

use crate::health::QUEUE;

/// Reads counters and the ends of indexes; nothing here counts rows.
pub(crate) async fn measure(store: &Store) {
    QUEUE.measure(store).await;
    for state in [
        DeliveryState::Queued,
        DeliveryState::Delivering,
        DeliveryState::Delivered,
        DeliveryState::Failed,
    ] {
        if let Ok(count) = store.leads().count(state).await {
            metrics::gauge!("leads", "state" => state.as_str()).set(float(count));
        }
    }
    if let Ok(count) = store.quarantine().count().await {
        metrics::gauge!("leads_quarantine").set(float(count));
    }
}
