//! Phones, e-mails and messengers.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::kind::{Expected, Many, item_value, part, scalar_id, scalar_text};
use crate::FieldEnumId;

/// A phone, an e-mail or a messenger's name, with the word that says which.
///
/// amoCRM keeps the value as given and takes `WORK` when no word is. [`Debug`](fmt::Debug) does not show the value.
///
/// ```
/// use amocrm_sdk::fields::ContactValue;
///
/// let mobile = ContactValue::new("+79000000001").mob();
/// assert_eq!(mobile.enum_code.as_deref(), Some("MOB"));
/// assert!(!format!("{mobile:?}").contains("79000000001"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ContactValue {
    /// The phone, the e-mail, the name.
    pub value: String,
    /// Id of the word; every account has its own.
    pub enum_id: Option<FieldEnumId>,
    /// Code of the word, the same in every account: `WORK`, `MOB`, `PRIV`…
    pub enum_code: Option<String>,
}

impl ContactValue {
    /// A value without a word.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            enum_id: None,
            enum_code: None,
        }
    }

    /// The value under the word with this code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.enum_id = None;
        self.enum_code = Some(code.into());
        self
    }

    /// A work phone or e-mail.
    #[must_use]
    pub fn work(self) -> Self {
        self.code("WORK")
    }

    /// A direct work phone.
    #[must_use]
    pub fn workdd(self) -> Self {
        self.code("WORKDD")
    }

    /// A mobile phone.
    #[must_use]
    pub fn mob(self) -> Self {
        self.code("MOB")
    }

    /// A fax.
    #[must_use]
    pub fn fax(self) -> Self {
        self.code("FAX")
    }

    /// A home phone.
    #[must_use]
    pub fn home(self) -> Self {
        self.code("HOME")
    }

    /// A personal e-mail (`PRIV`).
    #[must_use]
    pub fn personal(self) -> Self {
        self.code("PRIV")
    }

    /// Another phone or e-mail.
    #[must_use]
    pub fn other(self) -> Self {
        self.code("OTHER")
    }
}

impl From<&str> for ContactValue {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl From<String> for ContactValue {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for ContactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactValue")
            .field("enum_id", &self.enum_id)
            .field("enum_code", &self.enum_code)
            .finish_non_exhaustive()
    }
}

pub(super) fn read(values: &[Value]) -> Result<Option<Vec<ContactValue>>, Expected> {
    let mut read = Vec::with_capacity(values.len());
    for item in values {
        let Some(value) = item_value(item) else {
            continue;
        };
        read.push(ContactValue {
            value: scalar_text(value).ok_or(Expected("phones, e-mails or messengers as text"))?,
            // Very old answers and webhooks say `enum`.
            enum_id: part(item, "enum_id")
                .or_else(|| part(item, "enum"))
                .and_then(scalar_id),
            enum_code: part(item, "enum_code").and_then(scalar_text),
        });
    }
    Ok((!read.is_empty()).then_some(read))
}

pub(super) fn write(values: Many<ContactValue>) -> Result<Vec<Value>, Expected> {
    values.0.into_iter().map(write_one).collect()
}

fn write_one(contact: ContactValue) -> Result<Value, Expected> {
    if contact.value.trim().is_empty() {
        return Err(Expected(
            "a phone, an e-mail or a messenger that is not empty",
        ));
    }
    let mut item = Map::from_iter([("value".to_owned(), Value::String(contact.value))]);
    // One of the two is enough, and the code is the one that means the same everywhere.
    if let Some(code) = contact.enum_code {
        item.insert("enum_code".to_owned(), code.into());
    } else if let Some(id) = contact.enum_id {
        item.insert("enum_id".to_owned(), id.get().into());
    }
    Ok(Value::Object(item))
}
