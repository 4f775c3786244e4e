//! Whether jobs are claimed at all.
//!
//! While amoCRM is away, blocks us or refuses our access, claiming on would turn the queue into failures. So a failure
//! shuts the gate for a while that grows with each; after it one job goes ahead, and if it succeeds all follow.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Shut for a while after each failure of what lies behind it, and then open for one trial.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    shut_until: Option<Instant>,
    failures: u32,
    held: bool,
}

impl Gate {
    /// Waits until the gate is not shut.
    pub async fn open(&self) {
        while let Some(until) =
            self.with(|state| state.shut_until.filter(|at| *at > Instant::now()))
        {
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = self.settled.notified() => {}
            }
        }
    }

    /// Whether jobs are being delivered as far as we know.
    pub fn is_open(&self) -> bool {
        self.with(|state| !state.held && state.failures == 0)
    }

    /// Whether the last attempt failed and the next one is a trial.
    pub fn is_trying(&self) -> bool {
        self.with(|state| state.failures > 0)
    }

    /// How many attempts failed in a row.
    pub fn failures(&self) -> u32 {
        self.with(|state| state.failures)
    }

    /// Notes that there is no connection, or that there is one.
    pub fn hold(&self, held: bool) {
        self.with(|state| state.held = held);
    }

    /// Shuts the gate for a while. Jobs that fail together count as one failure.
    pub fn shut(&self, pause: Duration) {
        self.with(|state| {
            let now = Instant::now();
            if state.shut_until.is_none_or(|until| until <= now) {
                state.failures = state.failures.saturating_add(1);
                state.shut_until = Some(now + pause);
            }
        });
        self.settled.notify_waiters();
    }

    /// Opens the gate: something succeeded.
    pub fn succeed(&self) {
        let was_trying = self.with(|state| {
            let was = state.failures > 0;
            state.failures = 0;
            state.shut_until = None;
            was
        });
        if was_trying {
            tracing::info!("what was away answers again");
            self.settled.notify_waiters();
        }
    }

    /// Waits until a trial has ended one way or the other.
    pub async fn settled(&self) {
        self.settled.notified().await;
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
