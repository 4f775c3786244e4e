//! In which language to speak to people.

use http::{HeaderMap, header};

/// The languages that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Language {
    /// Russian.
    #[default]
    Russian,
    /// English.
    English,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Russian, Self::English];

    /// What the address says (`?lang=ru`), else what the browser prefers, else Russian. Nothing is remembered.
    pub fn of_request(asked: Option<&str>, headers: &HeaderMap) -> Self {
        asked
            .and_then(Self::parse)
            .or_else(|| {
                let accepted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
                preferred(accepted)
            })
            .unwrap_or_default()
    }

    /// What the browser prefers.
    pub fn of(headers: &HeaderMap) -> Self {
        Self::of_request(None, headers)
    }

    /// `ru` or `en`, also for `lang` and `Content-Language`.
    pub fn code(self) -> &'static str {
        self.pick("ru", "en")
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Russian => Self::English,
            Self::English => Self::Russian,
        }
    }

    /// The text in this language.
    pub fn pick<T>(self, russian: T, english: T) -> T {
        match self {
            Self::Russian => russian,
            Self::English => english,
        }
    }

    /// Reads a tag such as `ru` or `en-GB`.
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|language| primary.eq_ignore_ascii_case(language.code()))
    }
}

/// The best of `ru-RU,ru;q=0.9,en;q=0.8`. Somebody who reads neither gets English.
fn preferred(accepted: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    let mut says_something = false;
    for part in accepted.split(',').take(32) {
        let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("0");
        let weight = weight.parse::<f32>().unwrap_or(0.0);
        says_something |= weight > 0.0 && !tag.trim().is_empty() && tag.trim() != "*";
        if let Some(language) = Language::parse(tag)
            && weight > 0.0
            && best.is_none_or(|(known, _)| weight > known)
        {
            best = Some((weight, language));
        }
    }
    let fallback = says_something.then_some(Language::English);
    best.map(|(_, language)| language).or(fallback)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::Language::{self, English, Russian};

    #[test]
    fn the_address_wins_over_the_browser_and_the_browser_over_the_default() {
        for (asked, accepted, expected) in [
            (Some("en"), "ru", English),
            (Some("RU"), "en", Russian),
            (Some("fr"), "en-GB,en;q=0.9", English),
            (None, "en;q=0.5, ru-RU;q=0.9", Russian),
            (None, "uk,ru;q=0.3,en;q=0.2", Russian),
            (None, "de-DE, fr;q=0.7", English),
            (None, "ru;q=0, en;q=0.1", English),
            (None, "*", Russian),
            (None, ";;q=,,", Russian),
            (None, "", Russian),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted));
            assert_eq!(
                Language::of_request(asked, &headers),
                expected,
                "{asked:?} {accepted}"
            );
        }
        assert_eq!(Language::of_request(None, &HeaderMap::new()), Russian);
    }
}
