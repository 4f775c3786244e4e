//! `[delivery]`: what all deliveries have in common; the rest is said per subscriber.

use std::time::Duration;

use serde::Deserialize;
use service_kit::config::{Problems, Section, Variable};

/// A claim outlives the longest request by at least this much, or two workers could be at one event
/// (`reliability.md`, row 11).
pub(crate) const LEASE_MARGIN: Duration = Duration::from_secs(15);

/// `[delivery]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryConfig {
    lease_ms: u64,
}

impl DeliveryConfig {
    /// How long a claim lasts without being renewed.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// The longest timeout that a subscriber may have under this lease.
    pub fn longest_timeout(&self) -> Duration {
        self.lease().saturating_sub(LEASE_MARGIN)
    }
}

impl Section for DeliveryConfig {
    const NAME: &'static str = "delivery";

    fn validate(&self, problems: &mut Problems) {
        problems.range("delivery.lease_ms", self.lease_ms, 16_000, 600_000);
    }
}

/// The variables of `[delivery]`.
pub const DELIVERY_VARIABLES: &[Variable] = &[Variable::plain(
    "GATEWAY_LEASE_MS",
    "delivery.lease_ms",
    "milliseconds from 16000 to 600000, at least 15000 more than the longest timeout_ms of a subscriber",
    "45000",
)];
