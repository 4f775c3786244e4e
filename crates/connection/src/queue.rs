//! Which jobs are a service's, and how they are measured.

use store::Store;

/// The jobs of a service.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    /// The service: people are told of its commands.
    pub service: &'static str,
    /// Kinds that are to be done as soon as possible.
    pub kinds: &'static [&'static str],
    /// Kinds that are planned far ahead, so that their age says nothing.
    pub planned: &'static [&'static str],
}

impl Queue {
    /// Every kind there is.
    pub fn all(self) -> impl Iterator<Item = &'static str> {
        self.kinds.iter().chain(self.planned).copied()
    }

    /// Sets the gauges of the queue and of the disk, just before `/metrics` is rendered. Reads counters and the ends of
    /// indexes; nothing here counts rows.
    pub async fn measure(self, store: &Store) {
        for kind in self.kinds {
            if let Ok(stats) = store.jobs().stats(kind).await {
                metrics::gauge!("queue_depth", "kind" => *kind).set(float(stats.depth));
                metrics::gauge!("queue_dead_letters", "kind" => *kind).set(float(stats.dead));
                metrics::gauge!("queue_oldest_age_seconds", "kind" => *kind)
                    .set(stats.oldest_age.as_secs_f64());
                metrics::gauge!("queue_lag_seconds", "kind" => *kind).set(stats.lag.as_secs_f64());
            }
        }
        for kind in self.planned {
            if let Ok(stats) = store.jobs().stats(kind).await {
                metrics::gauge!("queue_depth", "kind" => *kind).set(float(stats.depth));
                metrics::gauge!("queue_dead_letters", "kind" => *kind).set(float(stats.dead));
                metrics::gauge!("queue_lag_seconds", "kind" => *kind).set(stats.lag.as_secs_f64());
            }
        }
        if let Ok(Some(disk)) = store.disk_space() {
            metrics::gauge!("disk_free_bytes").set(float(disk.free));
        }
    }
}

/// A count as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people and dashboards"
)]
pub fn float(count: u64) -> f64 {
    count as f64
}
