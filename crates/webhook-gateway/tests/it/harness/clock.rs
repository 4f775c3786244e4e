//! Time in the hands of a test.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use store::Clock;

/// The machine's clock, until a test moves it on. Clones share the hands.
#[derive(Debug, Clone)]
pub(crate) struct TestClock {
    machine: Clock,
    ahead: Arc<Mutex<TimeDelta>>,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        Self {
            machine: Clock::system(),
            ahead: Arc::default(),
        }
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        *self.ahead.lock().unwrap() += by;
    }

    /// For the store.
    pub(crate) fn hands(&self) -> Clock {
        let clock = self.clone();
        Clock::new(move || service_kit::clock::Clock::now(&clock))
    }
}

impl service_kit::clock::Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.machine.now() + *self.ahead.lock().unwrap()
    }
}
