//! `[retention]`: how long things are kept.

use std::time::Duration;

use serde::Deserialize;
use service_kit::config::{Problems, Section, Variable};
use store::Retention;

use crate::worker::OPTIONAL_KINDS;

/// A hundred years: more is meant as "for ever", which is 0.
const MOST_DAYS: u32 = 36_500;
/// Dead letters of what a deal can do without.
const DEAD_LETTERS: Duration = Duration::from_hours(90 * 24);

/// `[retention]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "the unit is part of a setting's name"
)]
pub struct RetentionConfig {
    leads_days: u32,
    history_days: u32,
    quarantine_days: u32,
}

impl RetentionConfig {
    /// The same for the store.
    pub(crate) fn plan(&self) -> Retention {
        Retention {
            personal: days(self.leads_days),
            history: days(self.history_days),
            quarantine: days(self.quarantine_days),
            dead_letters: Some(DEAD_LETTERS),
            dead_letter_kinds: OPTIONAL_KINDS.to_vec(),
        }
    }
}

fn days(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_hours(u64::from(days) * 24))
}

impl Section for RetentionConfig {
    const NAME: &'static str = "retention";

    fn validate(&self, problems: &mut Problems) {
        for (key, days) in [
            ("retention.leads_days", self.leads_days),
            ("retention.history_days", self.history_days),
            ("retention.quarantine_days", self.quarantine_days),
        ] {
            problems.range(key, days, 0, MOST_DAYS);
        }
    }
}

/// The variables of `[retention]`.
pub const RETENTION_VARIABLES: &[Variable] = &[
    variable("INTAKE_RETENTION_DAYS", "retention.leads_days", "365"),
    variable("INTAKE_HISTORY_DAYS", "retention.history_days", "365"),
    variable("INTAKE_QUARANTINE_DAYS", "retention.quarantine_days", "30"),
];

const fn variable(name: &'static str, key: &'static str, example: &'static str) -> Variable {
    Variable::plain(name, key, "days from 0 (for ever) to 36500", example)
}
