//! `[delivery]`: how long things may take on the way to amoCRM, and what follows from it for several processes.

use std::time::Duration;

use serde::Deserialize;
use service_kit::config::{Problems, Section};

/// A claim outlives the longest request by at least this much, or two workers could be at one job
/// (`reliability.md`, row 11).
const LEASE_MARGIN_MS: u64 = 15_000;
/// Of that margin, what is left for a machine that stands still for a moment.
const SPARE_MS: u64 = 5_000;

/// `[delivery]`. Every service names the variables that lead here itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "the unit is part of a setting's name"
)]
pub struct DeliveryConfig {
    call_timeout_ms: u64,
    lease_ms: u64,
    block_pause_ms: u64,
}

impl DeliveryConfig {
    /// How long one request to amoCRM may take.
    pub fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms)
    }

    /// How long a claim lasts without being renewed. On PostgreSQL this is also how long the claims of a killed process
    /// last; by then a request that it sent has ended.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// How long a claim is relied on without being renewed. What was sent until then ends before the lease does.
    pub fn trust(&self) -> Duration {
        let taken = self.call_timeout_ms.saturating_add(SPARE_MS);
        Duration::from_millis(self.lease_ms.saturating_sub(taken))
    }

    /// How often a claim is renewed while its job is worked on.
    pub fn renew_every(&self) -> Duration {
        self.trust() / 2
    }

    /// How long nothing is sent after amoCRM blocked the integration.
    pub fn block_pause(&self) -> Duration {
        Duration::from_millis(self.block_pause_ms)
    }
}

impl Section for DeliveryConfig {
    const NAME: &'static str = "delivery";

    fn validate(&self, problems: &mut Problems) {
        problems.range(
            "delivery.call_timeout_ms",
            self.call_timeout_ms,
            500,
            120_000,
        );
        problems.range(
            "delivery.lease_ms",
            self.lease_ms,
            self.call_timeout_ms.saturating_add(LEASE_MARGIN_MS),
            600_000,
        );
        problems.range(
            "delivery.block_pause_ms",
            self.block_pause_ms,
            1_000,
            86_400_000,
        );
    }
}
