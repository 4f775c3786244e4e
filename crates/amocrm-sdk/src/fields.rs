//! Custom-field values: typed handles for reading and writing, raw JSON underneath.
//!
//! A [`Field<K>`] names a field of the account, by id or by code, and says its kind. With it, values are read from what an
//! entity holds ([`CustomFieldValues`]) and put into what is sent ([`FieldChanges`]):
//!
//! ```
//! use amocrm_sdk::fields::kind::{Numeric, Select};
//! use amocrm_sdk::fields::{ContactValue, CustomFieldValues, Field, FieldChanges, PHONE, UTM_SOURCE};
//!
//! const LESSONS_DONE: Field<Numeric> = Field::code("LESSONS_DONE");
//! const COURSE: Field<Select> = Field::id(705);
//!
//! let mut changes = FieldChanges::new();
//! changes
//!     .set(&UTM_SOURCE, "google")
//!     .set(&LESSONS_DONE, 12)
//!     .set(&COURSE, "Chinese from zero")
//!     .set(&PHONE, [ContactValue::new("+79000000001").mob()]);
//! assert_eq!(serde_json::to_value(&changes)?[1], serde_json::json!({"field_code": "LESSONS_DONE", "values": [{"value": 12}]}));
//!
//! let held: CustomFieldValues = serde_json::from_str(
//!     r#"[{"field_id": 704, "field_code": "LESSONS_DONE", "field_type": "numeric", "values": [{"value": "12"}]}]"#,
//! )?;
//! let done = held.get(&LESSONS_DONE)?.and_then(|number| number.as_i64());
//! assert_eq!(done, Some(12));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a newcomer gets wrong: a field that is not mentioned keeps its value, a field that is mentioned has **all** its
//! values replaced. To add a phone, read, append, write.

mod address;
mod choice;
mod contact;
mod date;
mod field_type;
pub mod invoice;
pub mod kind;
mod number;
mod object;
mod predefined;
pub mod product;
mod read;
mod round_trip;
pub mod supplier;
mod text;
mod values;
mod write;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::CustomFieldId;

pub use address::SmartAddress;
pub use choice::Choice;
pub use contact::ContactValue;
pub use date::Day;
pub use field_type::FieldType;
pub use kind::{FieldKind, Many};
pub use number::{Number, NumberInput, ParseNumberError};
pub use object::{
    ChainedElement, Discount, FileRef, InvoiceItem, LegalEntity, LinkedEntityValue, Payer, Supplier,
};
pub use predefined::*;
pub use read::{CustomFieldValues, FieldValues};
pub use write::FieldChanges;

/// A typed handle of a custom field: which one, and what its values look like.
///
/// ```
/// use amocrm_sdk::fields::{Field, kind};
///
/// const PROMO: Field<kind::Text> = Field::code("PROMO");
/// let from_settings: Field<kind::Date> = Field::with_code(String::from("FIRST_LESSON"));
/// assert_eq!(PROMO.key().to_string(), "PROMO");
/// # drop(from_settings);
/// ```
pub struct Field<K> {
    key: FieldKey,
    kind: PhantomData<fn() -> K>,
}

impl<K: FieldKind> Field<K> {
    /// The field with this code. Codes are the same in every account, ids are not.
    pub const fn code(code: &'static str) -> Self {
        Self {
            key: FieldKey::Code(Cow::Borrowed(code)),
            kind: PhantomData,
        }
    }

    /// The field with this id.
    pub const fn id(id: u64) -> Self {
        Self {
            key: FieldKey::Id(CustomFieldId::new(id)),
            kind: PhantomData,
        }
    }

    /// The field with a code that is known only at run time.
    pub fn with_code(code: impl Into<String>) -> Self {
        Self {
            key: FieldKey::Code(Cow::Owned(code.into())),
            kind: PhantomData,
        }
    }

    /// The field with a key that is known only at run time.
    pub fn with_key(key: impl Into<FieldKey>) -> Self {
        Self {
            key: key.into(),
            kind: PhantomData,
        }
    }
}

impl<K> Field<K> {
    /// The id or the code.
    pub fn key(&self) -> &FieldKey {
        &self.key
    }
}

impl<K> Clone for Field<K> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Field<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.key).finish()
    }
}

/// How a custom field is named in requests: by id or by code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldKey {
    /// By id.
    Id(CustomFieldId),
    /// By code.
    Code(Cow<'static, str>),
}

impl fmt::Display for FieldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Code(code) => f.write_str(code),
        }
    }
}

impl From<CustomFieldId> for FieldKey {
    fn from(id: CustomFieldId) -> Self {
        Self::Id(id)
    }
}

impl From<u64> for FieldKey {
    fn from(id: u64) -> Self {
        Self::Id(id.into())
    }
}

impl From<&str> for FieldKey {
    fn from(code: &str) -> Self {
        Self::Code(Cow::Owned(code.to_owned()))
    }
}

impl From<String> for FieldKey {
    fn from(code: String) -> Self {
        Self::Code(Cow::Owned(code))
    }
}

impl<K> From<&Field<K>> for FieldKey {
    fn from(field: &Field<K>) -> Self {
        field.key.clone()
    }
}

/// A custom field holds, or was given, what its kind cannot be.
///
/// It names the field and says what was expected. The value itself is left out: it may be a phone or an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("custom field {field}: expected {expected}")]
pub struct FieldError {
    field: FieldKey,
    expected: &'static str,
}

impl FieldError {
    #[cfg(feature = "client")]
    pub(crate) fn new(field: FieldKey, expected: &'static str) -> Self {
        Self { field, expected }
    }

    /// The field.
    pub fn field(&self) -> &FieldKey {
        &self.field
    }

    /// What was expected, in words.
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}
