//! Reading what amoCRM really sends: strings for numbers, `""` for nothing, `[]` for an empty object.
//!
//! Visitors instead of `untagged` enums: nothing is buffered, and the messages say what was expected. They never repeat
//! the value that was found, because it may be a phone or an e-mail.

#[cfg(feature = "client")]
mod loose;
mod number;
mod open_enum;

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{
    self, Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
#[cfg(feature = "client")]
use serde_json::Value;

#[cfg(feature = "client")]
pub(crate) use loose::Loose;
pub(crate) use number::{Number, opt_id, opt_number};
#[cfg(feature = "client")]
pub(crate) use number::{id_or_zero, number};
pub(crate) use open_enum::{open_enum, word};

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
    opt_text_as(deserializer)
}

/// What is made of text, as in [`opt_text`].
fn opt_text_as<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String> + for<'a> From<&'a str>,
{
    struct TextVisitor<T>(PhantomData<T>);

    impl<'de, T: From<String> + for<'a> From<&'a str>> Visitor<'de> for TextVisitor<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
            Ok((!value.is_empty()).then(|| value.into()))
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
            Ok(Some(value.to_string().into()))
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
            Ok(Some(value.to_string().into()))
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
            Ok(Some(value.to_string().into()))
        }

        fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
            Ok(Some(value.to_string().into()))
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

    deserializer.deserialize_any(TextVisitor(PhantomData))
}

/// Text as in [`opt_text`]; nothing is `""`.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    opt_text(deserializer).map(Option::unwrap_or_default)
}

/// Unix seconds both ways, for `#[serde(default, with = "crate::de::opt_time")]`.
pub(crate) mod opt_time {
    use chrono::{DateTime, Utc};
    #[cfg(feature = "client")]
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

    #[cfg(feature = "client")]
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
