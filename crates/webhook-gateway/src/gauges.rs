//! What is measured rather than counted, just before `/metrics` is rendered.

use connection::float;
use store::{Store, job_kind};

use crate::account::{Accounts, Standing, last_seen};

/// Reads counters and the ends of indexes; nothing here counts rows.
pub(crate) async fn measure(store: &Store, accounts: &Accounts) {
    for account in accounts.iter() {
        if let Ok(Some(seen)) = last_seen(store, &account.name).await {
            let is_active = if seen.standing == Standing::Active {
                1.0
            } else {
                0.0
            };
            metrics::gauge!("gateway_subscription_active", "account" => account.name.clone())
                .set(is_active);
        }
    }
    if let Ok(Some(disk)) = store.disk_space() {
        metrics::gauge!("disk_free_bytes").set(float(disk.free));
    }
    let Ok(registry) = store.gateway().registry().await else {
        return;
    };
    for subscriber in registry.subscribers {
        let name = || subscriber.name.clone();
        if let Ok(stats) = store.jobs().stats(&job_kind(&subscriber.name)).await {
            metrics::gauge!("gateway_queue_depth", "subscriber" => name()).set(float(stats.depth));
            metrics::gauge!("gateway_dead_letters", "subscriber" => name()).set(float(stats.dead));
            metrics::gauge!("gateway_queue_lag_seconds", "subscriber" => name())
                .set(stats.lag.as_secs_f64());
            metrics::gauge!("gateway_oldest_waiting_seconds", "subscriber" => name())
                .set(stats.oldest_age.as_secs_f64());
        }
        let flag = |is: bool| if is { 1.0 } else { 0.0 };
        metrics::gauge!("gateway_circuit_open", "subscriber" => name())
            .set(flag(subscriber.circuit.is_open()));
        metrics::gauge!("gateway_paused", "subscriber" => name())
            .set(flag(!subscriber.state.is_active()));
    }
}
