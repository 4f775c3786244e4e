//! What is measured rather than counted, just before `/metrics` is rendered.

use store::Store;

use crate::health::float;

/// Reads counters and the ends of indexes; nothing here counts rows.
pub(crate) async fn measure(store: &Store) {
    if let Ok(Some(disk)) = store.disk_space() {
        metrics::gauge!("disk_free_bytes").set(float(disk.free));
    }
    std::future::ready(()).await;
}
