//! Reading "since when" as people say it.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::parse_span;

/// What is expected.
const EXPECTED: &str = "expected 90m, 12h, 3d, a day such as 2026-11-20, or an instant in RFC 3339";

/// Reads a time ago (`90m`, `12h`, `3d`), a day (`2026-11-20`, from its beginning in UTC), or an instant in RFC 3339.
///
/// # Errors
///
/// Says what is expected.
pub fn read_since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.to_utc());
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    parse_span(text)
        .and_then(|ago| now.checked_sub_signed(TimeDelta::from_std(ago).ok()?))
        .ok_or_else(|| EXPECTED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_spellings_of_people() {
        let now: DateTime<Utc> = "2026-11-21T15:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("90m", "2026-11-21T13:30:00Z"),
            ("12h", "2026-11-21T03:00:00Z"),
            (" 3d ", "2026-11-18T15:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T10:00:00+03:00", "2026-11-20T07:00:00Z"),
        ] {
            assert_eq!(
                read_since(text, now).unwrap(),
                expected.parse::<DateTime<Utc>>().unwrap(),
                "{text}"
            );
        }
        for text in [
            "",
            "d",
            "-3d",
            "3w",
            "yesterday",
            "99999999999999999999d",
            "9999999999999999d",
        ] {
            assert!(read_since(text, now).is_err(), "{text}");
        }
    }
}
