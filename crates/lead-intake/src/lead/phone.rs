//! Phones in E.164.

use phonenumber::Mode;
use phonenumber::country::Id as Region;

/// E.164 allows fifteen digits; shorter than eight are service numbers nobody calls back.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// Loads the library's table of countries, which takes a second in a debug build: not at the first visitor's expense.
pub(crate) fn load_table() {
    let _ = phonenumber::parse(Some(Region::RU), "+79001234567");
}

/// Reads a phone in any spelling; without a country code it is one of `region`.
pub(crate) fn normalise(text: &str, region: Region) -> Option<String> {
    let text = text.trim();
    let is_international = text.starts_with('+');
    // The library strips the region's trunk prefix (8 in Russia) from numbers of other countries too, which makes
    // +66 81… another number: it must not know the region when the number names its country.
    let number = phonenumber::parse((!is_international).then_some(region), text).ok()?;
    let international = number.format().mode(Mode::E164).to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    // Whatever else the library may do to a number that was complete, it is not what was typed.
    if is_international && number.extension().is_none() && international[1..] != digits {
        return None;
    }
    // Its table of valid ranges is as old as its release, and new ranges are given out every year: a number that was
    // written with a country code is believed.
    let believed = number.is_valid() || is_international;
    (believed && DIGITS.contains(&(international.len() - 1))).then_some(international)
}

/// The digits that every spelling of an E.164 number ends with: without the country's code and the trunk prefix.
pub(crate) fn national(e164: &str) -> Option<String> {
    let number = phonenumber::parse(None, e164).ok()?;
    Some(number.national().value().to_string())
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
        // Region and number begin with the trunk prefix of another country.
        for (text, region, expected) in [
            ("+66 81 234 5678", Region::RU, "+66812345678"),
            ("081 234 5678", Region::TH, "+66812345678"),
            ("+62 812-3456-7890", Region::RU, "+6281234567890"),
            ("+84 91 234 56 78", Region::RU, "+84912345678"),
            ("+971 50 123 4567", Region::RU, "+971501234567"),
            ("+49 30 901820", Region::DE, "+4930901820"),
            ("+39 06 698 12345", Region::RU, "+390669812345"),
            ("+998 90 123 45 67", Region::RU, "+998901234567"),
        ] {
            assert_eq!(normalise(text, region).as_deref(), Some(expected), "{text}");
        }
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
