//! Sleeping until there is work.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Jobs;
use super::stats::next_due;
use crate::clock::duration;
use crate::error::Result;

/// A due time is met a little late rather than a little early, when the clocks of database and process differ.
const ROUND_UP: Duration = Duration::from_millis(1);

impl Jobs {
    /// Returns when a job of one of `kinds` is due, or after `longest`. Returns whether one is due.
    ///
    /// Jobs added by this process are noticed at once, scheduled ones in time, and those of other processes within
    /// the [poll interval](super::JobsOptions::poll_interval).
    ///
    /// # Errors
    ///
    /// When the database cannot be read: wait at least 100 ms before asking again.
    pub async fn wait_for_work(&self, kinds: &[&str], longest: Duration) -> Result<bool> {
        let deadline = Instant::now() + longest;
        loop {
            // Listening begins before looking, so that nothing falls between.
            let rung = self.inner.db.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let due_in = self.due_in(kinds).await?;
            if due_in == Some(Duration::ZERO) {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let nap = due_in
                .map_or(left, |due| due + ROUND_UP)
                .min(self.inner.jobs.poll_interval)
                .min(left);
            // Rung or not, the next look tells.
            let _ = timeout(nap, rung).await;
        }
    }

    async fn due_in(&self, kinds: &[&str]) -> Result<Option<Duration>> {
        let mut tx = self.inner.db.read().await?;
        let mut next: Option<i64> = None;
        for kind in kinds {
            if let Some(due) = next_due(&mut tx, kind).await? {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        let Some(next) = next else {
            return Ok(None);
        };
        Ok(Some(duration(next - tx.now().await?)))
    }
}
