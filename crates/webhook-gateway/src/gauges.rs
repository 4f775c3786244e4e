//! What is measured rather than counted, just before `/metrics` is rendered.

use connection::float;
use store::Store;

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
}
