//! The days that are shown, as days or as weeks.

use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::chart::Label;
use crate::http::Language;

/// More days than these are told by weeks: columns narrower than that tell nothing.
const MOST_DAYS: u32 = 92;

/// A day, or a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Period {
    /// Its first day.
    pub from: NaiveDate,
    /// Its last day.
    pub to: NaiveDate,
}

/// How many days are read and shown: whole weeks if it is by weeks.
pub fn whole(days: u32) -> u32 {
    if days > MOST_DAYS {
        days / 7 * 7
    } else {
        days.max(1)
    }
}

/// The periods of so many days, oldest first; the last ends with `last`.
pub fn periods(last: NaiveDate, days: u32) -> Vec<Period> {
    let length: u32 = if days > MOST_DAYS { 7 } else { 1 };
    let mut to = last;
    let mut periods = Vec::new();
    for _ in 0..whole(days) / length {
        let Some(from) = to.checked_sub_signed(TimeDelta::days(i64::from(length) - 1)) else {
            break;
        };
        periods.push(Period { from, to });
        let Some(before) = from.pred_opt() else { break };
        to = before;
    }
    periods.reverse();
    periods
}

/// Which of the periods a day is in.
pub fn place(periods: &[Period], day: NaiveDate) -> Option<usize> {
    let after = periods.partition_point(|period| period.to < day);
    periods
        .get(after)
        .filter(|period| period.from <= day)
        .map(|_| after)
}

impl Period {
    /// What a chart writes under it.
    pub fn label(self, language: Language) -> Label {
        let short = language.short_date(self.from);
        let full = if self.from == self.to {
            language.date(self.from)
        } else {
            format!("{short} – {}", language.date(self.to))
        };
        Label { short, full }
    }
}

/// Counts of days as sums of the periods that they are in.
pub fn by_period(periods: &[Period], counts: impl Iterator<Item = (NaiveDate, u64)>) -> Vec<u64> {
    let mut sums = vec![0; periods.len()];
    for (day, count) in counts {
        if let Some(sum) = place(periods, day).and_then(|place| sums.get_mut(place)) {
            *sum += count;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use chrono::{Days, NaiveDate};
    use proptest::prelude::*;

    use super::{MOST_DAYS, periods, place, whole};

    proptest! {
        #[test]
        fn every_day_is_in_one_period(days in 1_u32..=365, back in 0_u64..400) {
            let last = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
            let periods = periods(last, days);
            let shown = u64::from(whole(days));
            prop_assert!(shown <= u64::from(days) && u64::from(days) - shown < 7);
            prop_assert_eq!(periods.len() > MOST_DAYS as usize, false);
            let day = last - Days::new(back);
            let found: Vec<_> = periods.iter().enumerate().filter(|(_, it)| it.from <= day && day <= it.to).collect();
            prop_assert_eq!(found.len(), usize::from(back < shown));
            prop_assert_eq!(place(&periods, day), found.first().map(|it| it.0));
        }
    }
}
