//! The end of what has been kept long enough.

use std::time::Duration;

use super::Worker;

/// Pause between two batches, in which visitors' leads are stored.
const PAUSE: Duration = Duration::from_millis(100);

impl Worker {
    /// Deletes what is due, batch by batch.
    pub(super) async fn sweep(&self) {
        let retention = self.config.retention.plan();
        loop {
            match self.store.sweep(&retention).await {
                Ok(swept) if swept.is_empty() => return,
                Ok(swept) => {
                    for (what, count) in [
                        ("leads", swept.leads),
                        ("history", swept.history),
                        ("managers", swept.managers),
                        ("warnings", swept.warnings),
                        ("messages", swept.messages),
                        ("quarantine", swept.quarantine),
                        ("dead_letters", swept.dead_letters),
                    ] {
                        metrics::counter!("retention_deleted_total", "what" => what)
                            .increment(count);
                    }
                }
                Err(error) => {
                    tracing::warn!("what was kept long enough could not be deleted: {error}");
                    return;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
