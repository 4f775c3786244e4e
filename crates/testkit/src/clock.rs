//! Time in the hands of a test.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use service_kit::clock::Clock;

/// The machine's clock, until a test moves it on. Clones share the hands.
///
/// Where time should stand still, [`ManualClock`](service_kit::clock::ManualClock) does.
#[derive(Debug, Clone)]
pub struct TestClock {
    machine: store::Clock,
    ahead: Arc<Mutex<TimeDelta>>,
}

impl TestClock {
    /// A clock that is right.
    pub fn new() -> Self {
        Self {
            machine: store::Clock::system(),
            ahead: Arc::default(),
        }
    }

    /// Lets time pass.
    pub fn advance(&self, by: TimeDelta) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// The same clock for a store.
    pub fn hands(&self) -> store::Clock {
        let clock = self.clone();
        store::Clock::new(move || clock.now())
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.machine.now() + *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
