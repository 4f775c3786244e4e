//! What an entity holds.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::values::Values;
use super::{Field, FieldChanges, FieldError, FieldKey, FieldKind, FieldType, round_trip};
use crate::{CustomFieldId, de};

/// The custom fields an entity holds: `custom_fields_values` of an answer, `custom_fields` of a webhook.
///
/// Only filled fields are there. Values stay JSON until they are asked for, so a field of a type nobody has heard of
/// breaks nothing and survives being sent back. [`Debug`](fmt::Debug) shows which fields there are and no values.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CustomFieldValues(Vec<FieldValues>);

impl CustomFieldValues {
    /// Reads a field; `None` if it is empty.
    ///
    /// # Errors
    ///
    /// The field holds something its kind cannot be: the handle is of the wrong kind. [`raw`](Self::raw) still has it.
    pub fn get<K: FieldKind>(&self, field: &Field<K>) -> Result<Option<K::Value>, FieldError> {
        let Some(held) = self.find(field.key()) else {
            return Ok(None);
        };
        K::read(held.values()).map_err(|expected| FieldError {
            field: field.key().clone(),
            expected: expected.0,
        })
    }

    /// The `values` of a field as they came.
    pub fn raw(&self, key: impl Into<FieldKey>) -> Option<&[Value]> {
        self.find(&key.into()).map(FieldValues::values)
    }

    /// The fields in the order they came.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldValues> {
        self.0.iter()
    }

    /// How many fields are filled.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing is filled.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that may be sent back: a start for read-modify-write, and for copying fields to another entity.
    ///
    /// Left out is what amoCRM refuses: computed and read-only fields, enum codes of multiselects, computed keys of invoice
    /// positions, empty requisites of other countries. A field is never cleared by this. Send only what has changed where
    /// you can: amoCRM stores texts longer than it takes.
    ///
    /// ```
    /// use amocrm_sdk::fields::CustomFieldValues;
    ///
    /// let held: CustomFieldValues = serde_json::from_str(
    ///     r#"[{"field_id": 7, "field_type": "hologram", "values": [{"value": {"a": 1}, "phase": 2}]}]"#,
    /// )?;
    /// let back = serde_json::to_value(held.to_changes())?;
    /// assert_eq!(back, serde_json::json!([{"field_id": 7, "values": [{"value": {"a": 1}, "phase": 2}]}]));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn to_changes(&self) -> FieldChanges {
        let mut changes = FieldChanges::new();
        for held in &self.0 {
            if let (Some(key), Some(values)) = (held.key(), round_trip::writable(held)) {
                changes.hold(key, held.code(), values);
            }
        }
        changes
    }

    fn find(&self, key: &FieldKey) -> Option<&FieldValues> {
        self.0.iter().find(|held| match key {
            FieldKey::Id(id) => held.id == Some(*id),
            FieldKey::Code(code) => held.code.as_deref() == Some(code),
        })
    }
}

impl AsRef<Self> for CustomFieldValues {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for CustomFieldValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl<'a> IntoIterator for &'a CustomFieldValues {
    type Item = &'a FieldValues;
    type IntoIter = std::slice::Iter<'a, FieldValues>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<FieldValues> for CustomFieldValues {
    fn from_iter<I: IntoIterator<Item = FieldValues>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for CustomFieldValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields: Vec<Option<FieldValues>> = de::list(deserializer)?;
        Ok(Self(fields.into_iter().flatten().collect()))
    }
}

/// One filled field.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FieldValues {
    #[serde(rename = "field_id", deserialize_with = "de::opt_id")]
    pub(crate) id: Option<CustomFieldId>,
    #[serde(rename = "field_name", deserialize_with = "de::opt_text")]
    pub(crate) name: Option<String>,
    #[serde(rename = "field_code", deserialize_with = "de::opt_text")]
    pub(crate) code: Option<String>,
    #[serde(rename = "field_type", skip_serializing_if = "Option::is_none")]
    pub(crate) field_type: Option<FieldType>,
    pub(crate) values: Values,
    #[serde(
        deserialize_with = "de::flag",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub(crate) is_computed: bool,
}

impl FieldValues {
    /// Id of the field.
    pub fn id(&self) -> Option<CustomFieldId> {
        self.id
    }

    /// Code of the field, if it has one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Name of the field in the account's language.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Type of the field. Webhooks do not say it.
    pub fn field_type(&self) -> Option<&FieldType> {
        self.field_type.as_ref()
    }

    /// amoCRM computes the value; it cannot be written.
    pub fn is_computed(&self) -> bool {
        self.is_computed
    }

    /// The values as they came.
    pub fn values(&self) -> &[Value] {
        self.values.get()
    }

    /// The key to name the field by: its id, or its code where there is no id.
    pub fn key(&self) -> Option<FieldKey> {
        self.id
            .map(FieldKey::Id)
            .or_else(|| self.code.as_deref().map(FieldKey::from))
    }

    /// Reads the values as this kind.
    ///
    /// # Errors
    ///
    /// The values are not of the kind.
    pub fn read<K: FieldKind>(&self) -> Result<Option<K::Value>, FieldError> {
        K::read(self.values()).map_err(|expected| FieldError {
            field: self.key().unwrap_or(FieldKey::Id(CustomFieldId::new(0))),
            expected: expected.0,
        })
    }
}

impl fmt::Debug for FieldValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldValues")
            .field("id", &self.id)
            .field("code", &self.code)
            .field("field_type", &self.field_type)
            .field("values", &self.values().len())
            .finish_non_exhaustive()
    }
}
