//! `[enrichment]`: how long amoCRM is waited for, and how long its answers are used.

use std::time::Duration;

use serde::Deserialize;
use service_kit::config::{Problems, Section, Variable};

/// `[enrichment]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrichmentConfig {
    timeout_ms: u64,
    cache_ms: u64,
}

impl EnrichmentConfig {
    /// How long a delivery waits for amoCRM's answer before it goes without.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// How long what amoCRM answered is used again.
    pub fn cache(&self) -> Duration {
        Duration::from_millis(self.cache_ms)
    }
}

impl Section for EnrichmentConfig {
    const NAME: &'static str = "enrichment";

    fn validate(&self, problems: &mut Problems) {
        problems.range("enrichment.timeout_ms", self.timeout_ms, 100, 60_000);
        problems.range("enrichment.cache_ms", self.cache_ms, 0, 600_000);
    }
}

/// The variables of `[enrichment]`.
pub const ENRICHMENT_VARIABLES: &[Variable] = &[
    Variable::plain(
        "GATEWAY_ENRICH_TIMEOUT_MS",
        "enrichment.timeout_ms",
        "milliseconds from 100 to 60000",
        "5000",
    ),
    Variable::plain(
        "GATEWAY_ENRICH_CACHE_MS",
        "enrichment.cache_ms",
        "milliseconds from 0 to 600000",
        "5000",
    ),
];
