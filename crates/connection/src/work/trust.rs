//! How long a worker may rely on its claim.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::Linked;

/// Ends by itself unless it is renewed, also while the process stands still: a worker that was frozen past the end of
/// its lease finds, before it sends anything, that it may not.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    since: Instant,
    lasts: Duration,
    /// Microseconds after `since`.
    renewed: Arc<AtomicU64>,
}

impl Trust {
    pub(super) fn new(lasts: Duration) -> Self {
        Self {
            since: Instant::now(),
            lasts,
            renewed: Arc::default(),
        }
    }

    /// The claim was renewed by a request made at `asked_at`.
    pub(super) fn renew(&self, asked_at: Instant) {
        let micros = asked_at.saturating_duration_since(self.since).as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.renewed.store(micros, Ordering::SeqCst);
    }

    pub(super) fn ends_at(&self) -> Instant {
        self.since + Duration::from_micros(self.renewed.load(Ordering::SeqCst)) + self.lasts
    }

    /// The same connection, through which nothing leaves once the trust has ended.
    pub(super) fn guard(&self, linked: &Linked) -> Linked {
        let trust = self.clone();
        Linked {
            account: linked.account.clone(),
            client: linked
                .client
                .only_while(move || Instant::now() < trust.ends_at()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trust_ends_unless_it_is_renewed() {
        let trust = Trust::new(Duration::from_secs(20));
        let holds = || Instant::now() < trust.ends_at();
        tokio::time::advance(Duration::from_secs(10)).await;
        trust.renew(Instant::now());
        tokio::time::advance(Duration::from_secs(19)).await;
        assert!(holds());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!holds());
    }
}
