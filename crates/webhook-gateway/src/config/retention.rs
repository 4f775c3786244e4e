//! `[retention]`: how long things are kept.

use std::time::Duration;

use serde::Deserialize;
use service_kit::clock::parse_span;
use service_kit::config::{Problems, Section, Variable};

/// Shorter than all retries of a delivery, a search for what went wrong would find nothing.
const SHORTEST: Duration = Duration::from_hours(1);
/// A hundred years: more is meant as "for ever".
const LONGEST: Duration = Duration::from_hours(36_500 * 24);
/// What is kept for ever.
const FOR_EVER: &str = "forever";

/// `[retention]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "the settings are called so in the file"
)]
pub struct RetentionConfig {
    keep_payloads: String,
    keep_attempts: String,
    keep_waiting: String,
    keep_dead_letters: String,
}

impl RetentionConfig {
    /// How long bodies and events are kept once nothing of them waits; `None` is for ever.
    pub fn payloads(&self) -> Option<Duration> {
        parse_span(&self.keep_payloads)
    }

    /// How long attempts are kept; `None` is for ever.
    pub fn attempts(&self) -> Option<Duration> {
        parse_span(&self.keep_attempts)
    }

    /// How long an event waits for a subscriber that is paused or disabled, or whose endpoint only fails; `None` is for
    /// ever.
    pub fn waiting(&self) -> Option<Duration> {
        parse_span(&self.keep_waiting)
    }

    /// How long dead letters are kept; `None` is for ever.
    pub fn dead_letters(&self) -> Option<Duration> {
        parse_span(&self.keep_dead_letters)
    }
}

impl Section for RetentionConfig {
    const NAME: &'static str = "retention";

    fn validate(&self, problems: &mut Problems) {
        for (key, text) in [
            ("retention.keep_payloads", &self.keep_payloads),
            ("retention.keep_attempts", &self.keep_attempts),
            ("retention.keep_waiting", &self.keep_waiting),
            ("retention.keep_dead_letters", &self.keep_dead_letters),
        ] {
            let is_span = parse_span(text).is_some_and(|kept| (SHORTEST..=LONGEST).contains(&kept));
            if !is_span && text.trim() != FOR_EVER {
                problems.report_value(key, text, "is no length of time from 1h to 36500d");
            }
        }
    }
}

/// The variables of `[retention]`.
pub const RETENTION_VARIABLES: &[Variable] = &[
    variable("GATEWAY_KEEP_PAYLOADS", "retention.keep_payloads"),
    variable("GATEWAY_KEEP_ATTEMPTS", "retention.keep_attempts"),
    variable("GATEWAY_KEEP_WAITING", "retention.keep_waiting"),
    variable("GATEWAY_KEEP_DEAD_LETTERS", "retention.keep_dead_letters"),
];

const fn variable(name: &'static str, key: &'static str) -> Variable {
    Variable::plain(
        name,
        key,
        "a length of time from 1h, such as 30d, or forever",
        "30d",
    )
}
