//! A deal in one pair of hands.

use std::time::Duration;

use connection::{CrmError, DeliveryConfig};
use store::{Lock, Locks};
use tokio::sync::Semaphore;

/// The lock of a deal. It lives as long as a claim without being renewed, so that a deal does not wait longer for a killed
/// process than its students do.
#[derive(Debug)]
pub(super) struct Hold<'a> {
    pub(super) locks: Locks,
    pub(super) name: String,
    /// Turns at the database.
    pub(super) turns: &'a Semaphore,
    pub(super) times: &'a DeliveryConfig,
    /// How long what was sent may still move the deal after its answer was lost.
    pub(super) settle: Duration,
}

impl Hold<'_> {
    /// Works while the lock is held. `None`: somebody else has it.
    pub(super) async fn during<T>(
        &self,
        work: impl Future<Output = Result<T, CrmError>>,
    ) -> Result<Option<T>, CrmError> {
        let turn = self.turns.acquire().await.ok();
        let Some(lock) = self.locks.take(&self.name, self.times.lease()).await? else {
            return Ok(None);
        };
        drop(turn);
        let ended = tokio::select! {
            ended = work => ended,
            () = self.lost(&lock) => return Ok(None),
        };
        let _turn = self.turns.acquire().await.ok();
        let given_back = match &ended {
            // Nobody looks before it has happened.
            Err(error) if error.is_unknown() => {
                self.locks.extend(&lock, self.settle).await.map(drop)
            }
            _ => self.locks.release(&lock).await,
        };
        if let Err(error) = given_back {
            tracing::debug!("a deal's lock ends by itself: {error}");
        }
        ended.map(Some)
    }

    /// Keeps the lock until somebody else has it.
    async fn lost(&self, lock: &Lock) {
        loop {
            tokio::time::sleep(self.times.renew_every()).await;
            if let Ok(false) = self.locks.extend(lock, self.times.lease()).await {
                return;
            }
        }
    }
}
