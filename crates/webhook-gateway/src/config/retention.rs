//! `[retention]`: how long things are kept.

use std::time::Duration;

use serde::Deserialize;
use service_kit::config::{Problems, Section, Variable};

/// A hundred years: more is meant as "for ever", which is 0.
const MOST_DAYS: u32 = 36_500;

/// `[retention]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    events_days: u32,
    attempts_days: u32,
}

impl RetentionConfig {
    /// How long bodies and events are kept once nothing of them waits; `None` is for ever.
    pub fn events(&self) -> Option<Duration> {
        days(self.events_days)
    }

    /// How long attempts are kept; `None` is for ever.
    pub fn attempts(&self) -> Option<Duration> {
        days(self.attempts_days)
    }
}

fn days(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_hours(u64::from(days) * 24))
}

impl Section for RetentionConfig {
    const NAME: &'static str = "retention";

    fn validate(&self, problems: &mut Problems) {
        for (key, days) in [
            ("retention.events_days", self.events_days),
            ("retention.attempts_days", self.attempts_days),
        ] {
            problems.range(key, days, 0, MOST_DAYS);
        }
    }
}

/// The variables of `[retention]`.
pub const RETENTION_VARIABLES: &[Variable] = &[
    variable("GATEWAY_RETENTION_DAYS", "retention.events_days"),
    variable("GATEWAY_ATTEMPTS_DAYS", "retention.attempts_days"),
];

const fn variable(name: &'static str, key: &'static str) -> Variable {
    Variable::plain(name, key, "days from 0 (for ever) to 36500", "30")
}
