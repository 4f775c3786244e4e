//! What is measured rather than counted, just before `/metrics` is rendered.

use store::{DeliveryState, Store};

use crate::health::float;
use crate::worker::{FUNNEL_KINDS, KINDS};

/// Reads counters and the ends of indexes; nothing here counts rows.
pub(crate) async fn measure(store: &Store) {
    for kind in KINDS {
        if let Ok(stats) = store.jobs().stats(kind).await {
            metrics::gauge!("queue_depth", "kind" => *kind).set(float(stats.depth));
            metrics::gauge!("queue_dead_letters", "kind" => *kind).set(float(stats.dead));
            metrics::gauge!("queue_oldest_age_seconds", "kind" => *kind)
                .set(stats.oldest_age.as_secs_f64());
            metrics::gauge!("queue_lag_seconds", "kind" => *kind).set(stats.lag.as_secs_f64());
        }
    }
    for kind in FUNNEL_KINDS {
        if let Ok(stats) = store.jobs().stats(kind).await {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a queue of more than 2^52 jobs does not fit any disk"
            )]
            let (depth, dead) = (stats.depth as f64, stats.dead as f64);
            metrics::gauge!("queue_depth", "kind" => kind).set(depth);
            metrics::gauge!("queue_dead_letters", "kind" => kind).set(dead);
            metrics::gauge!("queue_lag_seconds", "kind" => kind).set(stats.lag.as_secs_f64());
        }
    }
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
    if let Ok(Some(disk)) = store.disk_space() {
        metrics::gauge!("disk_free_bytes").set(float(disk.free));
    }
}
