//! Phones in E.164.

use phonenumber::Mode;
use phonenumber::country::Id as Region;

/// E.164 allows fifteen digits; shorter than eight are service numbers nobody calls back.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// Reads a phone in any spelling; without a country code it is one of `region`.
pub(crate) fn normalise(text: &str, region: Region) -> Option<String> {
    let number = phonenumber::parse(Some(region), text).ok()?;
    let international = number.format().mode(Mode::E164).to_string();
    let digits = international.chars().filter(char::is_ascii_digit).count();
    // The library's table of valid ranges is as old as its release, and new ranges are given out every year: a number
    // that its owner wrote with a country code is believed.
    let believed = number.is_valid() || text.trim_start().starts_with('+');
    (believed && DIGITS.contains(&digits)).then_some(international)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn russian_spellings_become_one_number() {
        for text in [
            "+79001234567",
            "8 (900) 123-45-67",
            "89001234567",
            "7 900 123 45 67",
            "9001234567",
            " +7-900-123-45-67 ",
        ] {
            assert_eq!(
                normalise(text, Region::RU).as_deref(),
                Some("+79001234567"),
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_of_other_countries_keep_their_code() {
        assert_eq!(
            normalise("+86 138 0013 8000", Region::RU).as_deref(),
            Some("+8613800138000")
        );
        assert_eq!(
            normalise("+66 81 234 5678", Region::RU).as_deref(),
            Some("+66812345678")
        );
    }

    #[test]
    fn what_is_no_phone_is_refused() {
        for text in [
            "",
            "call me",
            "12345",
            "+7",
            "+7900",
            "00000",
            "+1234567890123456789",
        ] {
            assert_eq!(normalise(text, Region::RU), None, "{text}");
        }
    }
}
