//! Decimal numbers without float noise.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::kind::{Expected, first_value, item};

const EXPECTED: Expected = Expected("a decimal number");

/// A decimal number as amoCRM keeps it: exact, of any length.
///
/// ```
/// use amocrm_sdk::fields::Number;
///
/// let price: Number = "1500.50".parse()?;
/// assert_eq!(price.to_string(), "1500.5");
/// assert_eq!((price.as_f64(), price.as_i64()), (1500.5, None));
/// assert_eq!(Number::from(12).as_i64(), Some(12));
/// # Ok::<(), amocrm_sdk::fields::ParseNumberError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(String);

impl Number {
    /// The number, if it is whole and fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The nearest float.
    pub fn as_f64(&self) -> f64 {
        // The text is a plain decimal by construction, which always parses.
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// The digits, without needless zeros: `-12.5`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A JSON number where that keeps every digit, a string otherwise. amoCRM takes both.
    fn to_json(&self) -> Value {
        if let Ok(whole) = self.0.parse::<i64>() {
            return whole.into();
        }
        match serde_json::Number::from_f64(self.as_f64()) {
            Some(number) if number.as_f64().is_some_and(|float| plain(float) == self.0) => {
                Value::Number(number)
            }
            _ => Value::String(self.0.clone()),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(whole), _, _) => Some(whole.into()),
                (_, Some(whole), _) => Some(whole.into()),
                (_, _, Some(float)) => NumberInput::from(float).0,
                _ => None,
            },
            _ => None,
        }
    }
}

/// The shortest decimal text that gives this float back, without an exponent.
fn plain(float: f64) -> String {
    float.to_string()
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text was not a plain decimal number such as `-12.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal number")]
pub struct ParseNumberError(());

impl FromStr for Number {
    type Err = ParseNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(ParseNumberError(()));
        }
        let (whole, fraction) = (
            whole.trim_start_matches('0'),
            fraction.trim_end_matches('0'),
        );
        let mut number = String::with_capacity(text.len());
        if negative && !(whole.is_empty() && fraction.is_empty()) {
            number.push('-');
        }
        number.push_str(if whole.is_empty() { "0" } else { whole });
        if !fraction.is_empty() {
            number.push('.');
            number.push_str(fraction);
        }
        Ok(Self(number))
    }
}

/// What a numeric field can be set to: integers, floats, decimal text or a [`Number`].
///
/// Text that is no number is found out when the request is made, with the field's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberInput(Option<Number>);

impl From<Number> for NumberInput {
    fn from(number: Number) -> Self {
        Self(Some(number))
    }
}

macro_rules! from_integers {
    ($($int:ty),+) => {
        $(
            impl From<$int> for Number {
                fn from(value: $int) -> Self {
                    Self(value.to_string())
                }
            }

            impl From<$int> for NumberInput {
                fn from(value: $int) -> Self {
                    Self(Some(value.into()))
                }
            }
        )+
    };
}

from_integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl From<f64> for NumberInput {
    fn from(value: f64) -> Self {
        // Infinities and NaN print as words and do not parse.
        Self(plain(value).parse().ok())
    }
}

impl From<f32> for NumberInput {
    fn from(value: f32) -> Self {
        // Not through f64, which would turn 0.1 into 0.10000000149011612.
        Self(value.to_string().parse().ok())
    }
}

impl From<&str> for NumberInput {
    fn from(text: &str) -> Self {
        Self(text.trim().parse().ok())
    }
}

impl From<String> for NumberInput {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED.0)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(value.into())
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(value.into())
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                NumberInput::from(value)
                    .0
                    .ok_or_else(|| E::custom(ParseNumberError(())))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
                value.trim().parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberVisitor)
    }
}

pub(super) fn read(values: &[Value]) -> Result<Option<Number>, Expected> {
    first_value(values)
        .map(|value| Number::from_json(value).ok_or(EXPECTED))
        .transpose()
}

pub(super) fn write(input: NumberInput) -> Result<Vec<Value>, Expected> {
    Ok(vec![item(input.0.ok_or(EXPECTED)?.to_json())])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn text_that_is_no_plain_decimal_is_refused() {
        for text in [
            "", "-", ".", "1.", ".5", "+1", "1e5", "NaN", "inf", "1,5", "1 000", "0x1", "١",
        ] {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
        assert_eq!(NumberInput::from(f64::NAN).0, None);
        assert_eq!(NumberInput::from(f64::INFINITY).0, None);
    }

    #[test]
    fn numbers_are_written_without_noise_and_without_loss() {
        let json = |input: NumberInput| write(input).unwrap()[0]["value"].clone();
        assert_eq!(json(123.into()), json!(123));
        assert_eq!(json(0.1_f32.into()), json!(0.1));
        assert_eq!(json("123.450".into()), json!(123.45));
        assert_eq!(json("-0.0".into()), json!(0));
        // More digits than a float carries.
        assert_eq!(
            json("12345678901234567890.12".into()),
            json!("12345678901234567890.12")
        );
        assert_eq!(json(u64::MAX.into()), json!("18446744073709551615"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(whole in any::<i64>(), fraction in "[0-9]{0,25}") {
            let text = if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
            let number: Number = text.parse().unwrap();
            let values = write(number.clone().into()).unwrap();
            prop_assert_eq!(read(&values).unwrap(), Some(number.clone()));
            let json = serde_json::to_string(&number).unwrap();
            prop_assert_eq!(serde_json::from_str::<Number>(&json).unwrap(), number);
        }
    }
}
