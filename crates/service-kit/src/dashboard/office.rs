//! `[dashboard]`: where the office is.

use chrono::FixedOffset;
use serde::Deserialize;

use crate::config::{Problems, Section, Variable, utc_offset};

/// Moscow is three hours ahead of UTC all the year.
const MOSCOW_SECONDS: i32 = 3 * 60 * 60;

/// `[dashboard]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DashboardConfig {
    time_zone: String,
}

impl DashboardConfig {
    /// How far the office is ahead of UTC: its hours and days are those of the page.
    pub fn time_zone(&self) -> FixedOffset {
        utc_offset(&self.time_zone)
            .or_else(|| FixedOffset::east_opt(MOSCOW_SECONDS))
            .unwrap_or_else(|| unreachable!("three hours are a possible offset"))
    }

    /// The variable of the time zone, by the name that a service gives it.
    pub const fn time_zone_variable(name: &'static str) -> Variable {
        Variable::plain(
            name,
            "dashboard.time_zone",
            "an offset from UTC of at most 14 hours, `+HH:MM` or `-HH:MM`",
            "+03:00",
        )
    }
}

impl Section for DashboardConfig {
    const NAME: &'static str = "dashboard";

    fn validate(&self, problems: &mut Problems) {
        if utc_offset(&self.time_zone).is_none() {
            problems.report_value(
                "dashboard.time_zone",
                &self.time_zone,
                "is no offset from UTC",
            );
        }
    }
}
