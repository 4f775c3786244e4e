//! Reading what amoCRM really sends: strings for numbers, `""` for nothing, `[]` for an empty object.
//!
//! Visitors instead of `untagged` enums: nothing is buffered, and the messages say what was expected. They never repeat
//! the value that was found, because it may be a phone or an e-mail.

mod open_enum;

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{
    self, Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
#[cfg(feature = "client")]
use serde_json::Value;

pub(crate) use open_enum::{open_enum, word};

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

struct FlagVisitor;

impl<'de> Visitor<'de> for FlagVisitor {
    type Value = Option<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean, 0 or 1")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value != 0))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value != 0))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        parse_flag(value).map_err(|NoFlag| E::custom("expected a boolean, 0 or 1"))
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

/// The text is no flag.
#[derive(Debug)]
pub(crate) struct NoFlag;

/// Reads the spellings of a flag seen on the wire; an empty text is `None`.
pub(crate) fn parse_flag(text: &str) -> Result<Option<bool>, NoFlag> {
    match text.trim() {
        "" => Ok(None),
        "1" | "true" | "Y" | "y" => Ok(Some(true)),
        "0" | "false" | "N" | "n" => Ok(Some(false)),
        _ => Err(NoFlag),
    }
}

/// A flag from a boolean, a number or a string; `null` and `""` are `None`.
pub(crate) fn opt_flag<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    deserializer.deserialize_any(FlagVisitor)
}

/// A flag from a boolean, a number or a string; `null` and `""` are `false`.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    opt_flag(deserializer).map(Option::unwrap_or_default)
}

/// Text; a number or a boolean is taken as its text, `null` and `""` are `None`.
pub(crate) fn opt_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    struct TextVisitor;

    impl<'de> Visitor<'de> for TextVisitor {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
            Ok((!value.is_empty()).then(|| value.to_owned()))
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
            Ok(Some(value.to_string()))
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
            Ok(Some(value.to_string()))
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
            Ok(Some(value.to_string()))
        }

        fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
            Ok(Some(value.to_string()))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(
            self,
            deserializer: D,
        ) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    deserializer.deserialize_any(TextVisitor)
}

/// Text as in [`opt_text`]; nothing is `""`.
#[cfg(feature = "client")]
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    opt_text(deserializer).map(Option::unwrap_or_default)
}

/// Unix seconds both ways, for `#[serde(default, with = "crate::de::opt_time")]`.
#[cfg(feature = "client")]
pub(crate) mod opt_time {
    use chrono::{DateTime, Utc};
    use serde::{Serialize, Serializer};

    use super::{Deserializer, de, opt_number};

    /// An instant from unix seconds as number or text; `null`, `""`, `0` and `false` are `None`.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        match opt_number::<D, i64>(deserializer)? {
            None | Some(0) => Ok(None),
            Some(seconds) => DateTime::from_timestamp(seconds, 0)
                .map(Some)
                .ok_or_else(|| de::Error::custom("expected unix seconds")),
        }
    }

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.timestamp()).serialize(serializer)
    }
}

/// `null` is the default.
#[cfg(feature = "client")]
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// An object; `null`, `[]` and `""` (PHP's empty object) are the default.
#[cfg(feature = "client")]
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    struct ObjectVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ObjectVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
            match seq.next_element::<IgnoredAny>()? {
                None => Ok(T::default()),
                Some(_) => Err(de::Error::custom("expected an object")),
            }
        }

        fn visit_str<E: de::Error>(self, value: &str) -> Result<T, E> {
            if value.is_empty() {
                Ok(T::default())
            } else {
                Err(E::custom("expected an object"))
            }
        }

        // PHP's "nothing found".
        fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
            if value {
                Err(E::custom("expected an object"))
            } else {
                Ok(T::default())
            }
        }

        fn visit_unit<E: de::Error>(self) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_none<E: de::Error>(self) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    deserializer.deserialize_any(ObjectVisitor(PhantomData))
}

/// A list; `null`, `""` and `false` are empty, and an object keyed by index or id (`{"0": …, "5": …}`) gives its values in order.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    struct ListVisitor<T>(PhantomData<T>);

    impl<'de, T: DeserializeOwned> Visitor<'de> for ListVisitor<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<T>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some((IgnoredAny, item)) = map.next_entry()? {
                items.push(item);
            }
            Ok(items)
        }

        fn visit_str<E: de::Error>(self, value: &str) -> Result<Vec<T>, E> {
            if value.is_empty() {
                Ok(Vec::new())
            } else {
                Err(E::custom("expected a list"))
            }
        }

        // PHP's "nothing found".
        fn visit_bool<E: de::Error>(self, value: bool) -> Result<Vec<T>, E> {
            if value {
                Err(E::custom("expected a list"))
            } else {
                Ok(Vec::new())
            }
        }

        fn visit_unit<E: de::Error>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_none<E: de::Error>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    deserializer.deserialize_any(ListVisitor(PhantomData))
}

/// A list of one that the documentation shows as a bare object; `null`, `{}`, `""` and `false` are empty.
#[cfg(feature = "client")]
pub(crate) fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    let items = match value {
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::Object(parts) if parts.is_empty() => Vec::new(),
        Value::Array(items) => items,
        one => vec![one],
    };
    items
        .into_iter()
        .map(|item| serde_json::from_value(item).map_err(de::Error::custom))
        .collect()
}

/// An object that may be missing: bare or in a list of one. Everything empty is `None`.
#[cfg(feature = "client")]
pub(crate) fn opt_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    one_or_many(deserializer).map(|items| items.into_iter().next())
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use serde_json::json;

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

    #[test]
    fn flags_come_in_every_spelling() {
        for yes in [json!(true), json!("1"), json!(1), json!("true")] {
            assert!(flag(yes).unwrap());
        }
        for no in [json!(false), json!("0"), json!(0), json!(""), Value::Null] {
            assert!(!flag(no).unwrap());
        }
        assert!(flag(json!("maybe")).is_err());
    }

    #[test]
    fn instants_are_unix_seconds_and_zero_is_nothing() {
        assert_eq!(
            opt_time::deserialize(json!("1769000000"))
                .unwrap()
                .map(|time| time.timestamp()),
            Some(1_769_000_000)
        );
        assert_eq!(
            opt_time::deserialize(json!(-86_400))
                .unwrap()
                .map(|time| time.timestamp()),
            Some(-86_400)
        );
        for nothing in [json!(0), json!("0"), json!(""), Value::Null] {
            assert_eq!(opt_time::deserialize(nothing).unwrap(), None);
        }
        assert!(opt_time::deserialize(json!(i64::MAX)).is_err());
    }

    #[test]
    fn empty_objects_and_lists_come_in_php_spelling() {
        type Map = std::collections::BTreeMap<String, i32>;
        for nothing in [json!([]), json!({}), json!(""), Value::Null] {
            assert_eq!(object::<_, Map>(nothing).unwrap(), Map::new());
        }
        assert!(object::<_, Map>(json!([1])).is_err());
        for nothing in [json!([]), json!({}), json!(""), json!(false), Value::Null] {
            assert_eq!(one_or_many::<_, Map>(nothing.clone()).unwrap(), []);
            assert_eq!(opt_object::<_, Map>(nothing.clone()).unwrap(), None);
            assert_eq!(list::<_, Map>(nothing).unwrap(), []);
        }
        let one = Map::from([("a".to_owned(), 1)]);
        for object in [json!({"a": 1}), json!([{"a": 1}])] {
            assert_eq!(opt_object::<_, Map>(object).unwrap(), Some(one.clone()));
        }
        assert_eq!(list::<_, i32>(json!({"0": 1, "5": 2})).unwrap(), [1, 2]);
        assert_eq!(list::<_, i32>(json!([1, 2])).unwrap(), [1, 2]);
        assert_eq!(list::<_, i32>(Value::Null).unwrap(), [0; 0]);
    }
}
