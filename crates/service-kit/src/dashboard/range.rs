//! Which days are shown, and in which language.

use http::HeaderMap;
use serde::Deserialize;

use super::Choice;
use crate::http::{FieldError, Language};

/// The ranges that pages link to.
const RANGES: [u32; 4] = [7, 30, 90, 365];
const DEFAULT_DAYS: u32 = 30;
const MAX_DAYS: u32 = 365;

/// The query of a page of figures: `?days=30&lang=ru`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Range {
    days: Option<String>,
    lang: Option<String>,
}

impl Range {
    /// How many days, today included: 30 unless given.
    ///
    /// # Errors
    ///
    /// When it is no number from 1 to 365.
    pub fn days(&self) -> Result<u32, FieldError> {
        let Some(text) = self.days.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(DEFAULT_DAYS);
        };
        text.trim()
            .parse()
            .ok()
            .filter(|days| (1..=MAX_DAYS).contains(days))
            .ok_or_else(|| {
                let expected = format!("expected a number of days from 1 to {MAX_DAYS}");
                FieldError::new("days", expected)
            })
    }

    /// The language that is asked for, or else the browser's.
    pub fn language(&self, headers: &HeaderMap) -> Language {
        Language::of_request(self.lang.as_deref(), headers)
    }

    /// The ranges to choose from, of which `days` are shown.
    pub fn choices(days: u32, language: Language) -> Vec<Choice> {
        let choice = |range: u32| Choice {
            label: match (range, language) {
                (365, Language::Russian) => "год".to_owned(),
                (365, Language::English) => "year".to_owned(),
                (range, Language::Russian) => format!("{range} дней"),
                (range, Language::English) => format!("{range} days"),
            },
            value: range.to_string(),
            current: range == days,
        };
        RANGES.into_iter().map(choice).collect()
    }

    /// What leads back to the same page.
    pub fn query(days: u32, language: Language) -> String {
        format!("lang={}&days={days}", language.code())
    }
}
