//! Reading parts whose shape nobody promises: a value that cannot be read is missing, and never an error.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::number::{Number, opt_number};
use super::{opt_flag, opt_text};
use crate::id::Id;

/// A JSON value that may be anything, or not there.
#[derive(Clone, Copy)]
pub(crate) struct Loose<'a>(Option<&'a Value>);

impl<'a> Loose<'a> {
    pub(crate) fn of(value: &'a Value) -> Self {
        Self(Some(value))
    }

    /// A member of an object. Old rows have their keys in capitals.
    pub(crate) fn get(self, key: &str) -> Self {
        let object = self.0.and_then(Value::as_object);
        Self(object.and_then(|object| {
            object.get(key).or_else(|| {
                let mut members = object.iter();
                members.find_map(|(name, value)| name.eq_ignore_ascii_case(key).then_some(value))
            })
        }))
    }

    /// The items of a list; a lone value is a list of one, nothing is an empty one.
    pub(crate) fn items(self) -> Vec<Self> {
        match self.0 {
            None | Some(Value::Null | Value::Bool(false)) => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(Self::of).collect(),
            Some(Value::Object(parts)) if parts.is_empty() => Vec::new(),
            Some(Value::String(text)) if text.is_empty() => Vec::new(),
            Some(one) => vec![Self::of(one)],
        }
    }

    /// A scalar, or the first one of a list.
    fn scalar(self) -> Option<&'a Value> {
        match self.0? {
            Value::Array(items) => items.iter().find(|item| !item.is_null()),
            Value::Object(_) | Value::Null => None,
            scalar => Some(scalar),
        }
    }

    pub(crate) fn text(self) -> Option<String> {
        opt_text(self.scalar()?).ok()?
    }

    pub(crate) fn number<T: Number>(self) -> Option<T> {
        opt_number(self.scalar()?).ok()?
    }

    pub(crate) fn flag(self) -> Option<bool> {
        opt_flag(self.scalar()?).ok()?
    }

    /// An id; `0` is one, as ids of users are.
    pub(crate) fn id<T>(self) -> Option<Id<T>> {
        self.number().map(Id::new)
    }

    pub(crate) fn time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.number().filter(|seconds| *seconds != 0)?, 0)
    }

    /// The value as it came; `null` if there is none.
    pub(crate) fn value(self) -> Value {
        self.0.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_is_there_is_read_or_missing() {
        let value = json!({
            "UNIQ": ["c-100", "c-101"], "status": "4", "odd": {"deep": 1}, "text": null, "at": "1769000000", "is": "1",
        });
        let loose = Loose::of(&value);
        assert_eq!(loose.get("uniq").text().as_deref(), Some("c-100"));
        assert_eq!(loose.get("status").number::<u64>(), Some(4));
        assert_eq!(loose.get("odd").text(), None);
        assert_eq!(loose.get("odd").number::<u64>(), None);
        assert_eq!(loose.get("text").text(), None);
        assert_eq!(
            loose.get("at").time().map(|at| at.timestamp()),
            Some(1_769_000_000)
        );
        assert_eq!(loose.get("is").flag(), Some(true));
        assert_eq!(loose.get("missing").get("deeper").value(), json!(null));
        assert!(loose.get("text").items().is_empty());
        assert_eq!(loose.get("odd").items().len(), 1);
    }
}
