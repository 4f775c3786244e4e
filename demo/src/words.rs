//! The two languages of the story.

use clap::ValueEnum;

/// Which language is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// English.
    #[value(name = "en")]
    English,
    /// По-русски.
    #[value(name = "ru")]
    Russian,
}

impl Language {
    /// The language of the person's environment, by the usual order of its variables.
    pub(crate) fn of_environment() -> Self {
        let named = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(std::env::var_os)
            .find(|value| !value.is_empty());
        match named {
            Some(name) if name.to_string_lossy().starts_with("ru") => Self::Russian,
            _ => Self::English,
        }
    }

    /// The text of this language.
    pub(crate) fn pick<'a>(self, english: &'a str, russian: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Russian => russian,
        }
    }
}

/// Formats a sentence in the language spoken: `say!(language, "{n} deals", "сделок: {n}")`.
macro_rules! say {
    ($language:expr, $english:literal, $russian:literal $(,)?) => {
        match $language {
            $crate::words::Language::English => format!($english),
            $crate::words::Language::Russian => format!($russian),
        }
    };
}
pub(crate) use say;
