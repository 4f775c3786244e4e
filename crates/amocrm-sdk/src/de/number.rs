//! Numbers and ids that come as numbers, as text and not at all.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserializer, Visitor};

/// A number that can be read from a JSON number or from text.
pub(crate) trait Number: Sized {
    const EXPECTED: &'static str;

    fn from_i64(value: i64) -> Option<Self>;
    fn from_u64(value: u64) -> Option<Self>;
    fn from_f64(value: f64) -> Option<Self>;
    fn from_text(text: &str) -> Option<Self>;
}

macro_rules! integers {
    ($($int:ty),+) => {
        $(
            impl Number for $int {
                const EXPECTED: &'static str = "an integer or a string with one";

                fn from_i64(value: i64) -> Option<Self> {
                    value.try_into().ok()
                }

                fn from_u64(value: u64) -> Option<Self> {
                    value.try_into().ok()
                }

                fn from_f64(value: f64) -> Option<Self> {
                    // Accounts with fractional budgets say `1500.50`, and one odd price must not cost a whole page.
                    whole(value.trunc()).and_then(Self::from_i64)
                }

                fn from_text(text: &str) -> Option<Self> {
                    text.parse().ok().or_else(|| text.parse().ok().and_then(Self::from_f64))
                }
            }
        )+
    };
}

integers!(i32, u32, i64, u64);

/// The integer a float stands for. Beyond 2^53 a float is no integer any more.
fn whole(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}

/// The number of an id. Unlike an amount it is not rounded: half an id is no id.
struct IdNumber(u64);

impl Number for IdNumber {
    const EXPECTED: &'static str = "a numeric id";

    fn from_i64(value: i64) -> Option<Self> {
        value.try_into().ok().map(Self)
    }

    fn from_u64(value: u64) -> Option<Self> {
        Some(Self(value))
    }

    fn from_f64(value: f64) -> Option<Self> {
        whole(value).and_then(Self::from_i64)
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl Number for f64 {
    const EXPECTED: &'static str = "a number or a string with one";

    #[expect(clippy::cast_precision_loss, reason = "the caller asked for a float")]
    fn from_i64(value: i64) -> Option<Self> {
        Some(value as Self)
    }

    #[expect(clippy::cast_precision_loss, reason = "the caller asked for a float")]
    fn from_u64(value: u64) -> Option<Self> {
        Some(value as Self)
    }

    fn from_f64(value: f64) -> Option<Self> {
        Some(value)
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|value: &f64| value.is_finite())
    }
}

struct NumberVisitor<T>(PhantomData<T>);

impl<T: Number> NumberVisitor<T> {
    fn found<E: de::Error>(number: Option<T>) -> Result<Option<T>, E> {
        number
            .map(Some)
            .ok_or_else(|| E::custom(format_args!("expected {}", T::EXPECTED)))
    }
}

impl<'de, T: Number> Visitor<'de> for NumberVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Self::found(T::from_i64(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Self::found(T::from_u64(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Self::found(T::from_f64(value))
    }

    // PHP's "nothing found".
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        if value { Self::found(None) } else { Ok(None) }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        match value.trim() {
            "" => Ok(None),
            text => Self::found(T::from_text(text)),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A number from a number or a string; `null`, `""` and `false` are `None`.
pub(crate) fn opt_number<'de, D: Deserializer<'de>, T: Number>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(NumberVisitor(PhantomData))
}

/// A number from a number or a string; `null` and `""` are zero.
#[cfg(feature = "client")]
pub(crate) fn number<'de, D: Deserializer<'de>, T: Number + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    opt_number(deserializer).map(Option::unwrap_or_default)
}

/// A typed id; `null`, `""` and zero are `None`: amoCRM writes `0` where there is no status, reason or source.
pub(crate) fn opt_id<'de, D: Deserializer<'de>, T>(
    deserializer: D,
) -> Result<Option<crate::id::Id<T>>, D::Error> {
    id_or_zero(deserializer).map(|id| id.filter(|id| id.get() != 0))
}

/// A typed id of a kind that has a zero: user `0` is a robot, group `0` the default one. `null` and `""` are `None`.
pub(crate) fn id_or_zero<'de, D: Deserializer<'de>, T>(
    deserializer: D,
) -> Result<Option<crate::id::Id<T>>, D::Error> {
    let number: Option<IdNumber> = opt_number(deserializer)?;
    Ok(number.map(|IdNumber(id)| crate::id::Id::new(id)))
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn numbers_come_as_numbers_strings_and_nothing() {
        let read = |value: Value| opt_number::<_, i64>(value).map_err(|error| error.to_string());
        assert_eq!(read(json!(15)), Ok(Some(15)));
        assert_eq!(read(json!("-15")), Ok(Some(-15)));
        assert_eq!(read(json!(15.0)), Ok(Some(15)));
        assert_eq!(read(json!("15.00")), Ok(Some(15)));
        // Towards zero: a budget is never shown larger than it is.
        assert_eq!(read(json!(1500.5)), Ok(Some(1500)));
        assert_eq!(read(json!("1500.50")), Ok(Some(1500)));
        assert_eq!(read(json!("-1500.50")), Ok(Some(-1500)));
        assert_eq!(read(json!("10.0")), Ok(Some(10)));
        assert_eq!(read(json!("")), Ok(None));
        assert_eq!(read(Value::Null), Ok(None));
        assert_eq!(number::<_, u64>(Value::Null).unwrap(), 0);
        assert_eq!(opt_number::<_, f64>(json!("1.5")).unwrap(), Some(1.5));
        let error = read(json!("secret")).unwrap_err();
        assert_eq!(error, "expected an integer or a string with one");
        assert!(opt_number::<_, u64>(json!(-1)).is_err());
        assert!(opt_number::<_, f64>(json!("NaN")).is_err());
    }

    #[test]
    fn ids_are_whole_and_zero_means_something_for_users_only() {
        use crate::id::{StatusId, UserId};

        let status = |value: Value| opt_id::<_, crate::kind::Status>(value);
        assert_eq!(status(json!("142")).unwrap(), Some(StatusId::new(142)));
        assert_eq!(status(json!(0)).unwrap(), None);
        assert!(status(json!(1.5)).is_err() && status(json!("1.5")).is_err());
        let user = |value: Value| id_or_zero::<_, crate::kind::User>(value).unwrap();
        for robot in [json!(0), json!("0")] {
            assert_eq!(user(robot), Some(UserId::new(0)));
        }
        for nobody in [Value::Null, json!(""), json!(false)] {
            assert_eq!(user(nobody), None);
        }
    }
}
