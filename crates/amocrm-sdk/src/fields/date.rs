//! Calendar days and instants.

use chrono::{
    DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Utc,
};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::kind::{Expected, first_value, item};

const EXPECTED_DAY: Expected = Expected("a day as unix seconds or a date");
const EXPECTED_TIME: Expected = Expected("unix seconds or an RFC 3339 instant");
const EXPECTED_YEAR: Expected = Expected("a year from 1 to 9999");

/// A calendar day of a date field.
///
/// amoCRM keeps a day as the unix second of a midnight in the account's time zone. To write one, say the zone; to read
/// one, [`date`](Self::date) finds the day without it.
///
/// ```
/// use amocrm_sdk::fields::Day;
/// use chrono::{FixedOffset, NaiveDate};
///
/// let moscow = FixedOffset::east_opt(3 * 3600).expect("an offset within a day");
/// let women_s_day = NaiveDate::from_ymd_opt(2026, 3, 8).expect("a date");
/// let day = Day::new(women_s_day, moscow);
/// assert_eq!(day.timestamp(), 1_772_917_200); // 2026-03-07T21:00:00Z
/// assert_eq!(Day::at(day.instant()).date(), women_s_day);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Day {
    at: DateTime<Utc>,
    offset: Option<FixedOffset>,
}

impl Day {
    /// The day `date` in an account whose clock is `offset` from UTC.
    pub fn new(date: NaiveDate, offset: FixedOffset) -> Self {
        let midnight = date.and_time(NaiveTime::MIN);
        // At the ends of the calendar there is no room for the offset; writing refuses such years anyway.
        let at = midnight
            .checked_sub_offset(offset)
            .unwrap_or(midnight)
            .and_utc();
        Self {
            at,
            offset: Some(offset),
        }
    }

    /// The day with exactly this midnight.
    pub const fn at(midnight: DateTime<Utc>) -> Self {
        Self {
            at: midnight,
            offset: None,
        }
    }

    /// The midnight.
    pub const fn instant(&self) -> DateTime<Utc> {
        self.at
    }

    /// The midnight as unix seconds; negative before 1970.
    pub const fn timestamp(&self) -> i64 {
        self.at.timestamp()
    }

    /// The calendar day. Without a known offset the stamp is taken for a midnight somewhere from UTC−11:59 to UTC+12:00.
    pub fn date(&self) -> NaiveDate {
        let Some(offset) = self.offset else {
            let utc = self.at.naive_utc();
            return utc
                .checked_add_signed(TimeDelta::hours(12))
                .unwrap_or(utc)
                .date();
        };
        self.date_in(offset)
    }

    /// The calendar day on a clock that is `offset` from UTC.
    pub fn date_in(&self, offset: FixedOffset) -> NaiveDate {
        let utc = self.at.naive_utc();
        utc.checked_add_offset(offset).unwrap_or(utc).date()
    }
}

/// Days are equal when their midnights are the same instant.
impl PartialEq for Day {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Day {}

impl From<(NaiveDate, FixedOffset)> for Day {
    fn from((date, offset): (NaiveDate, FixedOffset)) -> Self {
        Self::new(date, offset)
    }
}

/// The day of this instant on its own clock.
impl From<DateTime<FixedOffset>> for Day {
    fn from(time: DateTime<FixedOffset>) -> Self {
        let offset = *time.offset();
        Self::new(Self::at(time.to_utc()).date_in(offset), offset)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.timestamp())
    }
}

pub(super) fn read_day(values: &[Value]) -> Result<Option<Day>, Expected> {
    let Some(value) = first_value(values) else {
        return Ok(None);
    };
    if let Some(date) = value.as_str().and_then(parse_date) {
        // A day in words has no midnight of its own: its offset is zero, so that `date()` gives it back.
        return Ok(Some(Day::new(
            date,
            FixedOffset::east_opt(0).ok_or(EXPECTED_DAY)?,
        )));
    }
    if let Some(time) = value
        .as_str()
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
    {
        return Ok(Some(Day {
            at: time.to_utc(),
            offset: Some(*time.offset()),
        }));
    }
    Ok(Some(Day::at(seconds(value).ok_or(EXPECTED_DAY)?)))
}

/// A day with a zone goes as RFC 3339, as the vendor's own client sends it: the day stays the day whatever zone the
/// server thinks in. A bare stamp goes back as the number it came as.
pub(super) fn write_day(day: Day) -> Result<Vec<Value>, Expected> {
    in_calendar(day.at)?;
    let value = match day.offset {
        Some(offset) => day
            .at
            .with_timezone(&offset)
            .to_rfc3339_opts(SecondsFormat::Secs, false)
            .into(),
        None => day.timestamp().into(),
    };
    Ok(vec![item(value)])
}

pub(super) fn read_time(values: &[Value]) -> Result<Option<DateTime<Utc>>, Expected> {
    let Some(value) = first_value(values) else {
        return Ok(None);
    };
    let words = value.as_str().and_then(|text| {
        let exact = DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|time| time.to_utc());
        let plain = || {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
                .ok()
                .map(|time| time.and_utc())
        };
        let day = || parse_date(text).map(|date| date.and_time(NaiveTime::MIN).and_utc());
        exact.or_else(plain).or_else(day)
    });
    words
        .or_else(|| seconds(value))
        .map(Some)
        .ok_or(EXPECTED_TIME)
}

pub(super) fn write_time(time: DateTime<Utc>) -> Result<Vec<Value>, Expected> {
    in_calendar(time)?;
    Ok(vec![item(time.timestamp().into())])
}

/// `2020-05-08` in old samples, `12.01.1980` in webhooks.
fn parse_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .or_else(|_| NaiveDate::parse_from_str(text, "%d.%m.%Y"))
        .ok()
}

fn seconds(value: &Value) -> Option<DateTime<Utc>> {
    let seconds = match value {
        Value::Number(number) => number.as_i64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    DateTime::from_timestamp(seconds, 0).filter(|time| in_calendar(*time).is_ok())
}

/// Years of four digits: what RFC 3339 can say, and far from the ends of chrono's calendar.
fn in_calendar(time: DateTime<Utc>) -> Result<(), Expected> {
    const YEAR_1: i64 = -62_135_510_400; // 0001-01-02T00:00:00Z, a day of room for offsets
    const YEAR_9999: i64 = 253_402_214_400; // 9999-12-31T00:00:00Z
    if (YEAR_1..YEAR_9999).contains(&time.timestamp()) {
        Ok(())
    } else {
        Err(EXPECTED_YEAR)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_day_reads_stamps_and_words() {
        let read = |value: Value| {
            read_day(&[item(value)])
                .unwrap()
                .unwrap()
                .date()
                .to_string()
        };
        assert_eq!(read(json!(1_772_917_200)), "2026-03-08");
        assert_eq!(read(json!("1772917200")), "2026-03-08");
        assert_eq!(read(json!("2026-03-08T00:00:00+03:00")), "2026-03-08");
        assert_eq!(read(json!("2026-03-08")), "2026-03-08");
        assert_eq!(read(json!("08.03.2026")), "2026-03-08");
        assert_eq!(
            read_day(&[json!("1772917200")])
                .unwrap()
                .unwrap()
                .timestamp(),
            1_772_917_200
        );
        assert_eq!(read_day(&[json!({"value": null})]), Ok(None));
        assert_eq!(read_day(&[item(json!("soon"))]), Err(EXPECTED_DAY));
        assert_eq!(read_day(&[item(json!(i64::MAX))]), Err(EXPECTED_DAY));
    }

    #[test]
    fn the_ends_of_the_calendar_are_refused_and_do_not_panic() {
        let east = FixedOffset::east_opt(12 * 3600).unwrap();
        for date in [NaiveDate::MIN, NaiveDate::MAX] {
            let day = Day::new(date, east);
            let _ = (day.date(), day.date_in(east), Day::at(day.instant()).date());
            assert_eq!(write_day(day), Err(EXPECTED_YEAR));
        }
        assert_eq!(write_time(DateTime::<Utc>::MAX_UTC), Err(EXPECTED_YEAR));
    }

    proptest! {
        #[test]
        fn a_day_is_found_again_in_any_zone(days in -700_000_i32..700_000, minutes in -719_i32..=720) {
            let date = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + TimeDelta::days(days.into());
            let day = Day::new(date, FixedOffset::east_opt(minutes * 60).unwrap());
            prop_assert_eq!(day.date(), date);
            prop_assert_eq!(Day::at(day.instant()).date(), date);
            prop_assert_eq!(read_day(&write_day(day).unwrap()).unwrap(), Some(day));
            prop_assert_eq!(read_day(&write_day(Day::at(day.instant())).unwrap()).unwrap(), Some(day));
        }
    }
}
