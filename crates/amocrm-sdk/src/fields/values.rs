//! The `values` of a field: JSON as it came, read when somebody asks.

use std::fmt;
use std::sync::OnceLock;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer, forward_to_deserialize_any};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::de::list;

/// Values that cost nothing until they are asked for: a page of leads has thousands, and programs read a few of them.
///
/// What no JSON value can hold, such as a number beyond `f64`, reads as no values: one odd field does not lose a page.
#[derive(Clone, Default)]
pub(crate) struct Values {
    text: Option<Box<RawValue>>,
    read: OnceLock<Vec<Value>>,
}

impl Values {
    pub(crate) fn get(&self) -> &[Value] {
        self.read.get_or_init(|| {
            let text = self.text.as_deref().map_or("[]", RawValue::get);
            list(&mut serde_json::Deserializer::from_str(text)).unwrap_or_default()
        })
    }
}

impl From<Vec<Value>> for Values {
    fn from(values: Vec<Value>) -> Self {
        Self {
            text: None,
            read: values.into(),
        }
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(Buffered(deserializer))?;
        // What `de::list` takes, told by how it begins.
        match text.get() {
            "null" | "false" | "\"\"" => Ok(Self::default()),
            list if list.starts_with(['[', '{']) => Ok(Self {
                text: Some(text),
                read: OnceLock::new(),
            }),
            _ => Err(de::Error::custom("expected a list")),
        }
    }
}

/// Gives a [`RawValue`] from wherever it comes. Of what serde has buffered, for `flatten` or `untagged`, only the value is
/// left and no text: it is written again.
struct Buffered<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Buffered<D> {
    type Error = D::Error;

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = BufferedVisitor { name, visitor };
        self.0.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct BufferedVisitor<V> {
    name: &'static str,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for BufferedVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    /// `serde_json` reading text, or a `Value`.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(map)
    }

    /// Anything else.
    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        Value::deserialize(deserializer)?
            .deserialize_newtype_struct(self.name, self.visitor)
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_from_text_from_values_and_from_buffers() {
        #[derive(serde::Deserialize)]
        struct Flattened {
            #[serde(flatten)]
            inner: Inner,
        }
        #[derive(serde::Deserialize)]
        struct Inner {
            values: Values,
        }

        for (written, read) in [
            (json!([{"value": "a"}]), vec![json!({"value": "a"})]),
            (json!({"0": 1, "5": 2}), vec![json!(1), json!(2)]),
            (json!([]), vec![]),
            (json!(null), vec![]),
            (json!(""), vec![]),
            (json!(false), vec![]),
        ] {
            let text = written.to_string();
            let object = json!({"values": written}).to_string();
            assert_eq!(serde_json::from_str::<Values>(&text).unwrap().get(), read);
            assert_eq!(
                serde_json::from_value::<Values>(written).unwrap().get(),
                read
            );
            let flattened: Flattened = serde_json::from_str(&object).unwrap();
            assert_eq!(flattened.inner.values.get(), read);
        }
        for wrong in ["true", "5", "\"text\""] {
            assert!(serde_json::from_str::<Values>(wrong).is_err(), "{wrong}");
        }
        let beyond = serde_json::from_str::<Values>("[1e999]").unwrap();
        assert!(beyond.get().is_empty());
    }
}
