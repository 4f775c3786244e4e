//! What is sent.

use std::fmt;

use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Field, FieldError, FieldKey, FieldKind};
use crate::CustomFieldId;

/// Changes to custom fields, as `custom_fields_values` of a request.
///
/// A field that is not mentioned keeps its values; one that is mentioned has all of them replaced or, after
/// [`clear`](Self::clear), removed. A value that cannot be sent is remembered and told by [`check`](Self::check), and by
/// serialization, with the field's name.
///
/// ```
/// use amocrm_sdk::fields::kind::{Date, Multiselect, Numeric};
/// use amocrm_sdk::fields::{Field, FieldChanges};
///
/// const SCORE: Field<Numeric> = Field::code("SCORE");
/// const DAYS: Field<Multiselect> = Field::id(12);
///
/// let mut changes = FieldChanges::new();
/// changes.set(&SCORE, "4.5").set(&DAYS, ["Mon", "Wed"]).clear(&Field::<Date>::id(13));
/// assert_eq!(
///     serde_json::to_value(&changes)?,
///     serde_json::json!([
///         {"field_code": "SCORE", "values": [{"value": 4.5}]},
///         {"field_id": 12, "values": [{"value": "Mon"}, {"value": "Wed"}]},
///         {"field_id": 13, "values": null},
///     ])
/// );
///
/// changes.set(&SCORE, "a lot");
/// assert_eq!(changes.check().unwrap_err().to_string(), "custom field SCORE: expected a decimal number");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct FieldChanges(Vec<Change>);

#[derive(Clone, PartialEq)]
struct Change {
    key: FieldKey,
    /// The other name of a field that was read, so that its code and its id mean one change.
    code: Option<String>,
    values: Result<Value, FieldError>,
}

impl Change {
    fn id(&self) -> Option<CustomFieldId> {
        match self.key {
            FieldKey::Id(id) => Some(id),
            FieldKey::Code(_) => None,
        }
    }

    fn code(&self) -> Option<&str> {
        match &self.key {
            FieldKey::Id(_) => self.code.as_deref(),
            FieldKey::Code(code) => Some(code),
        }
    }

    fn is_of(&self, key: &FieldKey) -> bool {
        match key {
            FieldKey::Id(id) => self.id() == Some(*id),
            FieldKey::Code(code) => self.code() == Some(code),
        }
    }

    /// Takes over the name that only the change it replaces had.
    fn learn_names(&mut self, replaced: Self) {
        let code = self.code().or(replaced.code()).map(ToOwned::to_owned);
        if let (FieldKey::Code(_), FieldKey::Id(_)) = (&self.key, &replaced.key) {
            self.key = replaced.key;
        }
        self.code = code;
    }

    /// Whether both change one field: ids decide where both are known, codes otherwise.
    fn is_same_field(&self, other: &Self) -> bool {
        match (self.id(), other.id()) {
            (Some(one), Some(two)) => one == two,
            _ => self.code().is_some() && self.code() == other.code(),
        }
    }
}

impl FieldChanges {
    /// No changes.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets a field. An empty text and an empty list clear it.
    pub fn set<K: FieldKind>(&mut self, field: &Field<K>, value: impl Into<K::Input>) -> &mut Self {
        let values = match K::write(value.into()) {
            Ok(values) if values.is_empty() => Ok(K::cleared()),
            Ok(values) => Ok(Value::Array(values)),
            Err(expected) => Err(FieldError {
                field: field.key().clone(),
                expected: expected.0,
            }),
        };
        self.put_by_key(field.key().clone(), values)
    }

    /// Clears a field.
    pub fn clear<K: FieldKind>(&mut self, field: &Field<K>) -> &mut Self {
        self.put_by_key(field.key().clone(), Ok(K::cleared()))
    }

    /// Sets the `values` of a field as JSON: an array of items, or `null` to clear.
    pub fn set_raw(&mut self, key: impl Into<FieldKey>, values: Value) -> &mut Self {
        let key = key.into();
        let values = match values {
            // amoCRM answers `TooFew` to an empty array.
            Value::Array(items) if items.is_empty() => Ok(Value::Null),
            Value::Array(_) | Value::Null => Ok(values),
            _ => Err(FieldError {
                field: key.clone(),
                expected: "an array of values or null",
            }),
        };
        self.put_by_key(key, values)
    }

    /// Takes over all changes of `other`; where both change a field, `other` wins.
    pub fn extend(&mut self, other: Self) -> &mut Self {
        for change in other.0 {
            self.put(change);
        }
        self
    }

    /// Starts from a field as it was read, which has an id and perhaps a code.
    pub(super) fn hold(&mut self, key: FieldKey, code: Option<&str>, values: Vec<Value>) {
        self.put(Change {
            key,
            code: code.map(ToOwned::to_owned),
            values: Ok(Value::Array(values)),
        });
    }

    /// Forgets the change of a field, so that it is left untouched.
    pub fn remove(&mut self, key: impl Into<FieldKey>) -> &mut Self {
        let key = key.into();
        self.0.retain(|change| !change.is_of(&key));
        self
    }

    /// Nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many fields are changed.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The fields that are changed.
    pub fn keys(&self) -> impl Iterator<Item = &FieldKey> {
        self.0.iter().map(|change| &change.key)
    }

    /// Tells the first value that cannot be sent.
    ///
    /// # Errors
    ///
    /// A value was set that its field's kind cannot be, for example text to a numeric field.
    pub fn check(&self) -> Result<(), FieldError> {
        match self
            .0
            .iter()
            .find_map(|change| change.values.as_ref().err())
        {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    pub(crate) fn put_by_key(
        &mut self,
        key: FieldKey,
        values: Result<Value, FieldError>,
    ) -> &mut Self {
        self.put(Change {
            key,
            code: None,
            values,
        })
    }

    /// Takes the place of every change of the same field: amoCRM must not see a field twice.
    fn put(&mut self, mut change: Change) -> &mut Self {
        let mut place = None;
        let mut others = Vec::with_capacity(self.0.len() + 1);
        for held in self.0.drain(..) {
            if held.is_same_field(&change) {
                place.get_or_insert(others.len());
                change.learn_names(held);
            } else {
                others.push(held);
            }
        }
        others.insert(place.unwrap_or(others.len()), change);
        self.0 = others;
        self
    }
}

/// Shows which fields are changed, not to what.
impl fmt::Debug for FieldChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FieldChanges")
            .field(&self.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl Serialize for FieldChanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for change in &self.0 {
            list.serialize_element(change)?;
        }
        list.end()
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.values.as_ref().map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(Some(2))?;
        match &self.key {
            FieldKey::Id(id) => map.serialize_entry("field_id", id)?,
            FieldKey::Code(code) => map.serialize_entry("field_code", code)?,
        }
        map.serialize_entry("values", values)?;
        map.end()
    }
}
