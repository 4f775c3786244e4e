//! Pauses while the database is away, and one line for each outage.

use std::fmt::Display;
use std::time::Duration;

/// The first pause.
pub(super) const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(2);

/// Grows with every failure in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait now. Says `what` once, until something succeeds.
    pub(super) fn failed(&mut self, what: &str, error: &dyn Display) -> Duration {
        if self.failures == 0 {
            tracing::warn!("{what}: {error}");
        }
        self.failures = self.failures.saturating_add(1);
        pause(self.failures)
    }

    /// Says `what` if it had failed.
    pub(super) fn succeeded(&mut self, what: &str) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "{what}");
        }
        self.failures = 0;
    }
}

/// Doubles, and ends where a database that is back is noticed soon.
fn pause(failures: u32) -> Duration {
    SHORTEST
        .saturating_mul(1 << failures.saturating_sub(1).min(10))
        .min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_with_success() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..6)
            .map(|_| backoff.failed("x", &"y").as_millis())
            .collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 2_000, 2_000]);
        backoff.succeeded("x");
        assert_eq!(backoff.failed("x", &"y"), SHORTEST);
    }
}
