//! `[dashboard]`: where the office is.

use chrono::FixedOffset;
use serde::Deserialize;
use service_kit::config::{Problems, Section, Variable};

/// Moscow is three hours ahead of UTC all the year.
const MOSCOW_SECONDS: i32 = 3 * 60 * 60;

/// `[dashboard]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DashboardConfig {
    time_zone: String,
}

impl DashboardConfig {
    /// How far the office is ahead of UTC: its days are those of the dashboard.
    pub fn time_zone(&self) -> FixedOffset {
        offset(&self.time_zone)
            .or_else(|| FixedOffset::east_opt(MOSCOW_SECONDS))
            .unwrap_or_else(|| unreachable!("three hours are a possible offset"))
    }
}

impl Section for DashboardConfig {
    const NAME: &'static str = "dashboard";

    fn validate(&self, problems: &mut Problems) {
        if offset(&self.time_zone).is_none() {
            problems.report_value(
                "dashboard.time_zone",
                &self.time_zone,
                "is no offset from UTC",
            );
        }
    }
}

/// `+03:00`, `+5:30`, `-08:00` or `Z`; no zone on Earth is further than 14 hours away.
fn offset(text: &str) -> Option<FixedOffset> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
        return FixedOffset::east_opt(0);
    }
    let (sign, rest) = match text.chars().next()? {
        '+' => (1, text.get(1..)?),
        '-' => (-1, text.get(1..)?),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let number = |part: &str, most: i32| {
        let is_plain = (1..=2).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_digit());
        part.parse::<i32>()
            .ok()
            .filter(|number| is_plain && *number <= most)
    };
    let seconds = (number(hours, 14)? * 60 + number(minutes, 59)?) * 60;
    FixedOffset::east_opt(sign * seconds)
}

/// The variables of `[dashboard]`.
pub const DASHBOARD_VARIABLES: &[Variable] = &[Variable::plain(
    "INTAKE_TIME_ZONE",
    "dashboard.time_zone",
    "an offset from UTC of at most 14 hours, `+HH:MM` or `-HH:MM`",
    "+03:00",
)];

#[cfg(test)]
mod tests {
    use super::offset;

    #[test]
    fn only_offsets_are_time_zones() {
        for (text, seconds) in [
            ("+03:00", Some(10_800)),
            ("+5:30", Some(19_800)),
            ("-08:00", Some(-28_800)),
            ("+7", Some(25_200)),
            ("Z", Some(0)),
            ("+14:59", Some(53_940)),
            ("03:00", None),
            ("+15:00", None),
            ("+03:60", None),
            ("+003:00", None),
            ("Europe/Moscow", None),
            ("+-3:00", None),
            ("--3", None),
            ("", None),
            ("+", None),
            ("−", None),
        ] {
            let found = offset(text).map(|offset| offset.local_minus_utc());
            assert_eq!(found, seconds, "{text}");
        }
    }
}
