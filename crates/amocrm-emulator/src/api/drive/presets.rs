//! `date_preset`: names for stretches of days around today, in the account's time zone.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate};

/// From this moment until just before that one, in unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DayRange {
    pub(super) from: i64,
    pub(super) until: i64,
}

impl DayRange {
    pub(super) fn contains(self, at: i64) -> bool {
        (self.from..self.until).contains(&at)
    }
}

/// The stretch a name of 03 §7.10 means; `None` for other names. Weeks begin on Monday. What `last_6_month` includes is not documented:
/// here the six months up to today.
pub(super) fn preset(name: &str, now: i64, utc_offset_seconds: i32) -> Option<DayRange> {
    let offset = i64::from(utc_offset_seconds);
    let today = DateTime::from_timestamp(now.checked_add(offset)?, 0)?.date_naive();
    let week = today - Days::new(today.weekday().num_days_from_monday().into());
    let month = today.with_day(1)?;
    let quarter = month - Months::new(month.month0() % 3);
    let year = month.with_month(1)?;
    let (from, until) = match name {
        "day" => (today, today + Days::new(1)),
        "tomorrow" => (today + Days::new(1), today + Days::new(2)),
        "yesterday" => (today - Days::new(1), today),
        "week" => (week, week + Days::new(7)),
        "previous_week" => (week - Days::new(7), week),
        "next_week" => (week + Days::new(7), week + Days::new(14)),
        "month" => (month, month + Months::new(1)),
        "next_month" => (month + Months::new(1), month + Months::new(2)),
        "previous_month" => (month - Months::new(1), month),
        "quarter" => (quarter, quarter + Months::new(3)),
        "previous_quarter" => (quarter - Months::new(3), quarter),
        "next_quarter" => (quarter + Months::new(3), quarter + Months::new(6)),
        "last_3_days" => (today - Days::new(2), today + Days::new(1)),
        "next_3_days" => (today, today + Days::new(3)),
        "last_6_month" => (today - Months::new(6), today + Days::new(1)),
        "year" => (year, year + Months::new(12)),
        _ => return None,
    };
    let midnight = |day: NaiveDate| -> Option<i64> {
        Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp() - offset)
    };
    Some(DayRange {
        from: midnight(from)?,
        until: midnight(until)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Saturday, 21 November 2026, 23:30 in Moscow, which is 20:30 UTC.
    const NOW: i64 = 1_795_293_000;

    #[test]
    fn presets_are_whole_days_of_the_account() {
        let days = |name: &str| {
            let range = preset(name, NOW, 3 * 3600).unwrap();
            let day = |at: i64| {
                let local = DateTime::from_timestamp(at + 3 * 3600, 0).unwrap();
                local.format("%Y-%m-%d %H:%M").to_string()
            };
            format!("{}..{}", day(range.from), day(range.until))
        };
        for (name, expected) in [
            ("day", "2026-11-21 00:00..2026-11-22 00:00"),
            ("week", "2026-11-16 00:00..2026-11-23 00:00"),
            ("previous_month", "2026-10-01 00:00..2026-11-01 00:00"),
            ("quarter", "2026-10-01 00:00..2027-01-01 00:00"),
            ("next_quarter", "2027-01-01 00:00..2027-04-01 00:00"),
            ("last_3_days", "2026-11-19 00:00..2026-11-22 00:00"),
            ("year", "2026-01-01 00:00..2027-01-01 00:00"),
        ] {
            assert_eq!(days(name), expected, "{name}");
        }
        assert_eq!(preset("fortnight", NOW, 0), None);
        assert!(preset("day", NOW, 3 * 3600).unwrap().contains(NOW));
    }
}
