//! Numbers, dates and durations as each language writes them.

use std::time::Duration;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeZone};

use crate::http::Language;

/// Between the thousands, and between a number and its unit: a line is not broken there.
const SPACE: char = '\u{a0}';

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl Language {
    /// `12 345` or `12,345`.
    pub fn count(self, count: u64) -> String {
        let digits = count.to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                grouped.push(self.pick(SPACE, ','));
            }
            grouped.push(digit);
        }
        grouped
    }

    /// `37 %` or `37%`; a dash if there is nothing to be a part of. A part that is not nothing is never told as none,
    /// and one that is not all never as all.
    pub fn share(self, part: u64, whole: u64) -> String {
        if whole == 0 {
            return "–".to_owned();
        }
        let percent = u128::from(part) * 200 / u128::from(whole);
        let percent = percent.div_ceil(2);
        let percent = match percent {
            0 if part > 0 => 1,
            100 if part < whole => 99,
            percent => percent,
        };
        match self {
            Self::Russian => format!("{percent}{SPACE}%"),
            Self::English => format!("{percent}%"),
        }
    }

    /// `0,4 с`, `12 с`, `5 мин`, `2 ч 5 мин`, `3 д`; two units at most.
    pub fn duration(self, duration: Duration) -> String {
        let seconds = duration.as_secs();
        let unit = |number: u64, russian: &str, english: &str| {
            format!("{number}{SPACE}{}", self.pick(russian, english))
        };
        let pair = |first: String, second: u64, russian: &str, english: &str| match second {
            0 => first,
            second => format!("{first} {}", unit(second, russian, english)),
        };
        match seconds {
            0..10 => {
                // Tenths are worth telling only here.
                let tenths = u64::try_from((duration.as_millis() + 50) / 100).unwrap_or(0);
                let mark = self.pick(',', '.');
                let number = match (tenths / 10, tenths % 10) {
                    (whole, 0) => whole.to_string(),
                    (whole, part) => format!("{whole}{mark}{part}"),
                };
                format!("{number}{SPACE}{}", self.pick("с", "s"))
            }
            10..60 => unit(seconds, "с", "s"),
            60..3_600 => pair(
                unit(seconds / 60, "мин", "min"),
                if seconds < 600 { seconds % 60 } else { 0 },
                "с",
                "s",
            ),
            3_600..86_400 => pair(
                unit(seconds / 3_600, "ч", "h"),
                seconds % 3_600 / 60,
                "мин",
                "min",
            ),
            _ => pair(
                unit(seconds / 86_400, "д", "d"),
                seconds % 86_400 / 3_600,
                "ч",
                "h",
            ),
        }
    }

    /// `21.11` or `Nov 21`.
    pub fn short_date(self, date: NaiveDate) -> String {
        match self {
            Self::Russian => format!("{:02}.{:02}", date.day(), date.month()),
            Self::English => format!("{}{SPACE}{}", month(date), date.day()),
        }
    }

    /// `21.11.2026` or `Nov 21, 2026`.
    pub fn date(self, date: NaiveDate) -> String {
        match self {
            Self::Russian => format!("{}.{}", self.short_date(date), date.year()),
            Self::English => format!("{}, {}", self.short_date(date), date.year()),
        }
    }

    /// `21.11.2026 14:05` or `Nov 21, 2026 14:05`.
    pub fn moment<Z: TimeZone>(self, at: &DateTime<Z>) -> String {
        let local = at.naive_local();
        format!("{} {}", self.date(local.date()), local.format("%H:%M"))
    }
}

fn month(date: NaiveDate) -> &'static str {
    MONTHS
        .get(date.month0() as usize)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{NaiveDate, TimeZone as _, Utc};

    use crate::http::Language::{English, Russian};

    #[test]
    fn numbers_are_written_as_people_do() {
        assert_eq!(Russian.count(1_234_567), "1\u{a0}234\u{a0}567");
        assert_eq!(English.count(1_234), "1,234");
        assert_eq!(
            (Russian.count(0), English.count(999)),
            ("0".into(), "999".into())
        );
        for (part, whole, expected) in [
            (0, 0, "–"),
            (0, 7, "0%"),
            (1, 1_000_000, "1%"),
            (999_999, 1_000_000, "99%"),
            (1, 3, "33%"),
            (2, 3, "67%"),
            (7, 7, "100%"),
            (u64::MAX, u64::MAX, "100%"),
            (9, 6, "150%"),
        ] {
            assert_eq!(English.share(part, whole), expected, "{part} of {whole}");
        }
        assert_eq!(Russian.share(1, 2), "50\u{a0}%");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (millis, expected) in [
            (0, "0 s"),
            (440, "0.4 s"),
            (1_000, "1 s"),
            (9_960, "10 s"),
            (59_999, "59 s"),
            (61_000, "1 min 1 s"),
            (3_599_000, "59 min"),
            (7_500_000, "2 h 5 min"),
            (86_400_000, "1 d"),
            (180_000_000, "2 d 2 h"),
        ] {
            let told = English.duration(Duration::from_millis(millis));
            assert_eq!(told.replace('\u{a0}', " "), expected);
        }
        let told = Russian.duration(Duration::from_millis(1_500));
        assert_eq!(told, "1,5\u{a0}с");
        English.duration(Duration::MAX);
    }

    #[test]
    fn dates_are_told_in_the_readers_order() {
        let date = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
        assert_eq!(Russian.date(date), "05.01.2026");
        assert_eq!(English.date(date), "Jan\u{a0}5, 2026");
        let at = Utc.with_ymd_and_hms(2026, 1, 5, 7, 8, 9).unwrap();
        assert_eq!(Russian.moment(&at), "05.01.2026 07:08");
    }
}
