//! When: delays, quiet hours, days.

use chrono::{DateTime, FixedOffset, NaiveTime, TimeDelta, Timelike as _, Utc};

const MINUTES_OF_DAY: u32 = 24 * 60;

/// Hours in which nobody is written to, by the clock of the funnels' time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quiet {
    /// The first minute of the day that is quiet.
    from: u32,
    /// The first that is not.
    to: u32,
}

impl Quiet {
    /// Reads `21:00-09:00`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once(['-', '–'])?;
        let (from, to) = (minute(from)?, minute(to)?);
        // Quiet all day would mean that nothing is ever sent.
        (from != to).then_some(Self { from, to })
    }

    /// How many minutes of quiet are left at this minute of the day.
    fn left(self, minute: u32) -> u32 {
        let since = (minute + MINUTES_OF_DAY - self.from) % MINUTES_OF_DAY;
        let length = (self.to + MINUTES_OF_DAY - self.from) % MINUTES_OF_DAY;
        length.saturating_sub(since)
    }
}

fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute) = (hour.parse::<u32>().ok()?, minute.parse::<u32>().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// The first moment from `at` on that is not quiet.
pub(super) fn not_quiet(
    at: DateTime<Utc>,
    quiet: Option<Quiet>,
    zone: FixedOffset,
) -> DateTime<Utc> {
    let Some(quiet) = quiet else { return at };
    let local = at.with_timezone(&zone);
    let left = quiet.left(local.hour() * 60 + local.minute());
    if left == 0 {
        return at;
    }
    let full_minute = at
        - TimeDelta::seconds(i64::from(local.second()))
        - TimeDelta::nanoseconds(i64::from(local.nanosecond() % 1_000_000_000));
    full_minute + TimeDelta::minutes(i64::from(left))
}

/// When the day of `at` began.
pub(super) fn day_of(at: DateTime<Utc>, zone: FixedOffset) -> DateTime<Utc> {
    let local = at
        .with_timezone(&zone)
        .date_naive()
        .and_time(NaiveTime::MIN);
    (local - zone).and_utc()
}

/// When the next day begins.
pub(super) fn next_day(at: DateTime<Utc>, zone: FixedOffset) -> DateTime<Utc> {
    day_of(at, zone) + TimeDelta::days(1)
}

/// Reads `15m`, `2d`, `1h30m`.
pub(super) fn delay(text: &str) -> Option<TimeDelta> {
    /// Nobody plans further ahead, and the sum stays small.
    const LONGEST: i64 = 366 * 24 * 3600;
    let mut total = 0_i64;
    let mut digits = String::new();
    for letter in text.trim().chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            'w' => 7 * 24 * 3600,
            _ => return None,
        };
        let number: i64 = std::mem::take(&mut digits).parse().ok()?;
        total = total.checked_add(number.checked_mul(unit)?)?;
    }
    (digits.is_empty() && !text.trim().is_empty() && total <= LONGEST)
        .then(|| TimeDelta::seconds(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn quiet_hours_end_at_their_minute_in_their_zone() {
        let moscow = FixedOffset::east_opt(3 * 3600).unwrap();
        let night = Quiet::parse("21:00-09:00");
        let noon = Quiet::parse("12:00 – 13:30");
        for (quiet, from, to) in [
            (night, "2026-11-21T17:59:59Z", "2026-11-21T17:59:59Z"),
            (night, "2026-11-21T18:00:00Z", "2026-11-22T06:00:00Z"),
            (night, "2026-11-21T22:30:15.5Z", "2026-11-22T06:00:00Z"),
            (night, "2026-11-22T05:59:59Z", "2026-11-22T06:00:00Z"),
            (night, "2026-11-22T06:00:00Z", "2026-11-22T06:00:00Z"),
            (noon, "2026-11-22T09:10:00Z", "2026-11-22T10:30:00Z"),
            (noon, "2026-11-22T10:30:00Z", "2026-11-22T10:30:00Z"),
            (None, "2026-11-21T22:00:00Z", "2026-11-21T22:00:00Z"),
        ] {
            assert_eq!(not_quiet(at(from), quiet, moscow), at(to), "{from}");
        }
        for wrong in [
            "",
            "21-9",
            "24:00-09:00",
            "9:00-9:00",
            "09:60-10:00",
            "21:00",
        ] {
            assert_eq!(Quiet::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_of_its_zone() {
        let zone = FixedOffset::east_opt(3 * 3600).unwrap();
        for (moment, day) in [
            ("2026-11-21T20:59:59Z", "2026-11-20T21:00:00Z"),
            ("2026-11-21T21:00:00Z", "2026-11-21T21:00:00Z"),
        ] {
            assert_eq!(day_of(at(moment), zone), at(day));
            assert_eq!(next_day(at(moment), zone), at(day) + TimeDelta::days(1));
        }
    }

    #[test]
    fn delays_are_read_or_refused() {
        for (text, seconds) in [
            ("0m", 0),
            ("15m", 900),
            ("2d", 172_800),
            ("1h30m", 5400),
            ("1w", 604_800),
        ] {
            assert_eq!(delay(text), Some(TimeDelta::seconds(seconds)), "{text}");
        }
        for text in [
            "",
            "15",
            "m",
            "-5m",
            "1.5h",
            "15 m",
            "2y",
            "400d",
            "99999999999999999999d",
            "9223372036854775807w",
        ] {
            assert_eq!(delay(text), None, "{text}");
        }
    }
}
