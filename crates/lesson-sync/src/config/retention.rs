//! `[retention]`: how long things are kept.

use std::time::Duration;

use serde::Deserialize;
use service_kit::config::{Problems, Section};
use store::LessonRetention;

/// A hundred years: more is meant as "for ever", which is 0.
const MOST_DAYS: u32 = 36_500;

/// `[retention]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    log_days: u32,
    student_days: u32,
}

impl RetentionConfig {
    /// The same for the store.
    pub(crate) fn plan(&self) -> LessonRetention {
        LessonRetention {
            log: days(self.log_days),
            students: days(self.student_days),
        }
    }
}

fn days(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_hours(u64::from(days) * 24))
}

impl Section for RetentionConfig {
    const NAME: &'static str = "retention";

    fn validate(&self, problems: &mut Problems) {
        problems.range("retention.log_days", self.log_days, 0, MOST_DAYS);
        problems.range("retention.student_days", self.student_days, 0, MOST_DAYS);
    }
}
