//! In which language to speak to people.

use http::{HeaderMap, header};

/// A language that our pages speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// Русский.
    #[default]
    Russian,
    /// English.
    English,
}

impl Language {
    /// The one that a browser prefers by `Accept-Language`: Russian if it does not say, English if it wants neither.
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(wanted) = headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
        else {
            return Self::default();
        };
        let mut best: Option<(f32, Self)> = None;
        for range in wanted.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            let language = match tag.split('-').next() {
                Some("ru") => Self::Russian,
                Some("en") => Self::English,
                _ => continue,
            };
            // Of equals the first.
            if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, language));
            }
        }
        best.map_or(Self::English, |(_, language)| language)
    }

    /// The tag for `lang` and `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Russian => "ru",
            Self::English => "en",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_language_it_prefers() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, value.parse().unwrap());
            Language::of(&headers).tag()
        };
        assert_eq!(of("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7"), "ru");
        assert_eq!(of("en-GB,en;q=0.9,ru;q=0.8"), "en");
        assert_eq!(of("de, en;q=0.3, ru;q=0.5"), "ru");
        assert_eq!(of("zh-CN"), "en");
        assert_eq!(of("ru;q=0, en;q=0.1"), "en");
        assert_eq!(Language::of(&HeaderMap::new()).tag(), "ru");
    }
}
