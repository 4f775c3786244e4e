//! Reading typed values out of a JSON object, collecting a complaint for each that does not fit.

use serde_json::{Map, Value};

use crate::problem::Violations;

/// The longest list inside an item. amoCRM's own limits are not documented; this one only keeps a mistake from holding the world for
/// minutes.
const MAX_ELEMENTS: usize = 5_000;

/// A JSON object and where in the request it is.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    object: &'a Map<String, Value>,
    prefix: String,
}

impl<'a> Reader<'a> {
    /// The item itself.
    pub(crate) fn new(object: &'a Map<String, Value>) -> Self {
        Self {
            object,
            prefix: String::new(),
        }
    }

    /// An object somewhere below the item.
    pub(crate) fn at(object: &'a Map<String, Value>, path: &str) -> Self {
        Self {
            object,
            prefix: format!("{path}."),
        }
    }

    /// The object as it came.
    pub(crate) fn as_json(&self) -> Value {
        Value::Object(self.object.clone())
    }

    pub(crate) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// What is there; null counts as absent, because the vendor's own client sends nulls for what it does not know.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// The object itself, as it was sent.
    pub(crate) fn whole(&self) -> Value {
        Value::Object(self.object.clone())
    }

    /// Whether the key is there with null.
    pub(crate) fn is_null(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(Value::is_null)
    }

    pub(crate) fn int(&self, key: &str, out: &mut Violations) -> Option<i64> {
        self.typed(key, "int", out, Value::as_i64)
    }

    /// An id: a number that is not negative.
    pub(crate) fn id(&self, key: &str, out: &mut Violations) -> Option<u64> {
        self.typed(key, "int", out, Value::as_u64)
    }

    pub(crate) fn bool(&self, key: &str, out: &mut Violations) -> Option<bool> {
        self.typed(key, "bool", out, Value::as_bool)
    }

    pub(crate) fn string(&self, key: &str, out: &mut Violations) -> Option<&'a str> {
        self.typed(key, "string", out, Value::as_str)
    }

    pub(crate) fn array(&self, key: &str, out: &mut Violations) -> Option<&'a [Value]> {
        let items = self.typed(key, "array", out, |value| {
            value.as_array().map(Vec::as_slice)
        })?;
        if items.len() > MAX_ELEMENTS {
            out.too_many(self.path(key), MAX_ELEMENTS);
            return None;
        }
        Some(items)
    }

    /// An object. PHP writes an empty one as `[]`, which is taken for one.
    pub(crate) fn child(&self, key: &str, out: &mut Violations) -> Option<Reader<'a>> {
        if self
            .value(key)
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
        {
            return None;
        }
        let object = self.typed(key, "object", out, Value::as_object)?;
        Some(Reader {
            object,
            prefix: self.path(key) + ".",
        })
    }

    /// The objects of a list; elements of another type are complained about and left out.
    pub(crate) fn children(&self, key: &str, out: &mut Violations) -> Option<Vec<Reader<'a>>> {
        let items = self.array(key, out)?;
        let mut readers = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = self.path(&format!("{key}.{index}"));
            match item {
                Value::Object(object) => readers.push(Reader {
                    object,
                    prefix: path + ".",
                }),
                _ => out.kind(path, "object"),
            }
        }
        Some(readers)
    }

    /// A text that must be there.
    pub(crate) fn required_string(&self, key: &str, out: &mut Violations) -> Option<&'a str> {
        self.require(key, out);
        self.string(key, out)
    }

    /// An id that must be there.
    pub(crate) fn required_id(&self, key: &str, out: &mut Violations) -> Option<u64> {
        self.require(key, out);
        self.id(key, out)
    }

    /// Complains when the key is absent.
    pub(crate) fn require(&self, key: &str, out: &mut Violations) {
        if self.value(key).is_none() {
            out.missing(self.path(key));
        }
    }

    /// Complains about keys that are not among the allowed; null ones are let through.
    pub(crate) fn only(&self, allowed: &[&str], out: &mut Violations) {
        for (key, value) in self.object {
            if !allowed.contains(&key.as_str()) && !value.is_null() {
                out.unexpected(self.path(key));
            }
        }
    }

    /// A text that must be one of the allowed.
    pub(crate) fn choice(
        &self,
        key: &str,
        allowed: &[&str],
        out: &mut Violations,
    ) -> Option<&'a str> {
        let text = self.string(key, out)?;
        if allowed.contains(&text) {
            return Some(text);
        }
        out.choice(self.path(key));
        None
    }

    /// What the client calls this item; its index when it calls it nothing.
    pub(crate) fn request_id(&self, index: usize) -> String {
        match self.object.get("request_id") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => index.to_string(),
        }
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        out: &mut Violations,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let read = read(value);
        if read.is_none() {
            out.kind(self.path(key), expected);
        }
        read
    }
}
