//! Custom fields as a struct of your own.
//!
//! `#[derive(CustomFields)]` maps a struct to custom fields of an entity: by code, by name or by id. A [`Schema`] finds
//! them in the account, once, and says at once what does not fit. From then on fields are read and written by their
//! Rust names and types. The derives are behind the feature `derive`.
//!
//! ```
//! # #[cfg(feature = "derive")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = amocrm_emulator::Emulator::start().await?;
//! # let client = amocrm_sdk::Client::builder("acme.amocrm.ru").base_url(emulator.base_url())
//! #     .long_lived_token(emulator.long_lived_token()).build()?;
//! use amocrm_sdk::leads::NewLead;
//! use amocrm_sdk::schema::{CustomFieldEnum, CustomFields, Schema};
//!
//! #[derive(Debug, Clone, PartialEq, CustomFields)]
//! #[amo(entity = "leads")]
//! struct DealFields {
//!     #[amo(code = "UTM_SOURCE")]
//!     utm_source: Option<String>,
//!     #[amo(name = "Объект")]
//!     object: Option<Object>,
//!     #[amo(name = "Стоимость объекта")]
//!     price: Option<i64>,
//! }
//!
//! #[derive(Debug, Clone, PartialEq, CustomFieldEnum)]
//! enum Object {
//!     #[amo(value = "Вилла")]
//!     Villa,
//!     #[amo(value = "Апартаменты")]
//!     Apartment,
//!     #[amo(other)]
//!     Other(String),
//! }
//!
//! // One request: names, codes and options are found, and types are compared.
//! let schema = Schema::<DealFields>::load(&client).await?;
//!
//! let fields = DealFields { utm_source: Some("google".into()), object: Some(Object::Villa), price: None };
//! let lead = NewLead::new().name("Villa on Phuket").fields(schema.write(&fields));
//! let id = client.leads().create([lead]).await?[0].id;
//!
//! let lead = client.leads().get(id).await?.ok_or("no lead")?;
//! let before = schema.read(&lead)?;
//! assert_eq!(before, fields);
//!
//! // What has changed, and nothing else: `None` after `Some` clears the field.
//! let after = DealFields { utm_source: None, object: Some(Object::Apartment), ..before.clone() };
//! client.leads().update(id).fields(schema.changes(&before, &after)).await?;
//! # let lead = client.leads().get(id).await?.ok_or("no lead")?;
//! # assert_eq!(schema.read(&lead)?, after);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "derive"))]
//! # fn main() {}
//! ```
//!
//! # Attributes
//!
//! | where | attribute | means |
//! |---|---|---|
//! | struct | `#[amo(entity = "leads")]` | whose fields: `leads`, `contacts`, `companies`, `customers`, `segments` |
//! | struct | `#[amo(catalog = 123)]` | fields of the elements of this catalog |
//! | field | `#[amo(code = "UTM_SOURCE")]` | by code, the same in every account that has it |
//! | field | `#[amo(name = "Объект")]` | by name, as people see it; two fields of one name are an error |
//! | field | `#[amo(id = 123)]` | by id, different in every account |
//! | variant | `#[amo(value = "Вилла")]` | the option of this text |
//! | variant | `#[amo(other)]` | `Other(String)`: keeps the text of an option that the enum does not list |
//!
//! # Types
//!
//! | Rust | field of the account |
//! |---|---|
//! | `String` | text, textarea, url, streetaddress, tracking_data |
//! | `i32`, `i64`, `u32`, `u64`, `f64`, [`Number`](crate::fields::Number) | numeric, monetary, price |
//! | `bool` | checkbox; absent is `false` |
//! | [`Day`](crate::fields::Day) | date, birthday |
//! | `DateTime<Utc>` | date_time |
//! | an enum with `CustomFieldEnum` | select, radiobutton |
//! | `Vec` of such an enum | multiselect |
//! | [`Choice`](crate::fields::Choice), `Vec<Choice>` | select, radiobutton, category; multiselect |
//! | `Vec<ContactValue>` | multitext: phones, e-mails |
//! | [`SmartAddress`](crate::fields::SmartAddress) | smart_address |
//! | [`FileRef`](crate::fields::FileRef) | file |
//! | `Vec<serde_json::Value>` | anything: the values as they are |
//!
//! `Option<T>` is a field that may be empty; a `T` without it must be filled when an entity is read, or reading fails.
//!
//! # Three ways to write
//!
//! A field can be set, cleared, or left as it is, and `None` has to mean one of the latter two. The method says which:
//!
//! | | `Some` | `None`, an empty text or list |
//! |---|---|---|
//! | [`write`](Schema::write) | sets | leaves the field as it is |
//! | [`replace`](Schema::replace) | sets | clears |
//! | [`changes`](Schema::changes) | sets, if it is not as before | clears, if there was something before |
//!
//! # When the struct is wrong
//!
//! The compiler says so:
//!
//! ```compile_fail
//! # use amocrm_sdk::schema::CustomFields;
//! #[derive(CustomFields)]
//! #[amo(entity = "deals")] // error: `deals` has no custom fields: expected `leads`, `contacts`, …
//! struct Fields {}
//! ```
//!
//! ```compile_fail
//! # use amocrm_sdk::schema::CustomFields;
//! #[derive(CustomFields)]
//! #[amo(entity = "leads")]
//! struct Fields {
//!     price: Option<i64>, // error: say once which custom field `price` is: #[amo(code = "…")], …
//! }
//! ```
//!
//! ```compile_fail
//! # use amocrm_sdk::schema::CustomFields;
//! #[derive(CustomFields)]
//! #[amo(entity = "leads")]
//! struct Fields {
//!     #[amo(code = "PRICE")]
//!     price: u128, // error: `u128` cannot hold a custom field of amoCRM
//! }
//! ```
//!
//! # When the account does not fit
//!
//! [`Schema::load`] tells everything that is wrong in one error:
//!
//! ```
//! # #[cfg(feature = "derive")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = amocrm_emulator::Emulator::start().await?;
//! # let client = amocrm_sdk::Client::builder("acme.amocrm.ru").base_url(emulator.base_url())
//! #     .long_lived_token(emulator.long_lived_token()).build()?;
//! # use amocrm_sdk::schema::{CustomFields, Schema};
//! #[derive(CustomFields)]
//! #[amo(entity = "leads")]
//! struct Typo {
//!     #[amo(name = "Обьект")]
//!     object: Option<String>,
//! }
//!
//! let Err(error) = Schema::<Typo>::load(&client).await else { panic!("there is no such field") };
//! assert!(error.to_string().contains("lead field `Обьект` not found; the account has: `Объект`, "), "{error}");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "derive"))]
//! # fn main() {}
//! ```

use std::fmt;
use std::marker::PhantomData;

use serde_json::Value;

use crate::client::Client;
use crate::custom_fields::{CustomField, FieldOwner};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::fields::{CustomFieldValues, FieldChanges, FieldError, FieldKey, FieldType};
use crate::id::{CustomFieldId, FieldEnumId};

mod mismatch;
mod resolve;
mod value;

pub use self::mismatch::{Found, Mismatch, SchemaError};
#[doc(hidden)]
pub use self::value::enum_value;
pub use self::value::{CustomFieldEnum, FieldValue, OptionRef};
#[cfg(feature = "derive")]
pub use amocrm_sdk_derive::{CustomFieldEnum, CustomFields};

/// What derived code calls.
#[doc(hidden)]
pub mod derived {
    pub use serde_json::Value;

    pub use super::value::{ONE_OF_A_LIST, read_options, write_option, write_options};
}

/// A struct over custom fields of an entity: derive it.
pub trait CustomFields: Sized {
    /// Whose fields.
    const OWNER: FieldOwner;
    /// The fields, in the order of the struct.
    const FIELDS: &'static [FieldSpec];

    /// Reads all fields.
    ///
    /// # Errors
    ///
    /// A field holds what its type cannot be, or holds nothing where something is required.
    fn read(reader: &Reader<'_>) -> Result<Self, FieldError>;

    /// Writes all fields.
    fn write(&self, writer: &mut Writer<'_>);
}

/// A field of a struct: its Rust name and type, and which custom field it is.
#[derive(Debug, Clone, Copy)]
pub struct FieldSpec {
    rust: &'static str,
    name: FieldName,
    types: &'static [FieldType],
    options: &'static [&'static str],
}

impl FieldSpec {
    /// A field of type `T`; `rust` is how the struct writes it.
    pub const fn new<T: FieldValue>(rust: &'static str, name: FieldName) -> Self {
        Self {
            rust,
            name,
            types: T::TYPES,
            options: T::OPTIONS,
        }
    }
}

/// How a struct names a custom field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldName {
    /// By code.
    Code(&'static str),
    /// By the name that people see.
    Name(&'static str),
    /// By id.
    Id(CustomFieldId),
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(text) | Self::Name(text) => f.write_str(text),
            Self::Id(id) => id.fmt(f),
        }
    }
}

/// The custom fields of `T` in one account: see [the module](self).
///
/// It does not change and costs nothing to keep. Load it again after somebody has changed the fields of the account.
pub struct Schema<T> {
    fields: Vec<Resolved>,
    entity: PhantomData<fn() -> T>,
}

/// A field of the account.
#[derive(Debug, Clone)]
struct Resolved {
    id: CustomFieldId,
    /// Of the Rust type's options, in its order.
    options: Vec<FieldEnumId>,
}

impl<T: CustomFields> Schema<T> {
    /// Finds the fields in the account.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Schema`] when fields or options are missing, or types differ, with the [`SchemaError`] as its source;
    /// otherwise as [`Client::fetch`].
    pub async fn load(client: &Client) -> Result<Self> {
        Self::load_for(client, T::OWNER).await
    }

    /// As [`load`](Self::load) for another owner than the struct says, such as a catalog whose id is known at run time.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn load_for(client: &Client, owner: FieldOwner) -> Result<Self> {
        let definitions = client.custom_fields(owner).list().all().await?;
        Self::resolve_for(owner, &definitions).map_err(|error| {
            Error::new(ErrorKind::Schema, Delivery::NotSent, error.to_string()).with_source(error)
        })
    }

    /// Finds the fields among definitions that were read already.
    ///
    /// # Errors
    ///
    /// Everything that does not fit.
    pub fn resolve(definitions: &[CustomField]) -> Result<Self, SchemaError> {
        Self::resolve_for(T::OWNER, definitions)
    }

    fn resolve_for(owner: FieldOwner, definitions: &[CustomField]) -> Result<Self, SchemaError> {
        Ok(Self {
            fields: resolve::resolve(owner, T::FIELDS, definitions)?,
            entity: PhantomData,
        })
    }

    /// Reads the fields of an entity, or of values such as those of a webhook.
    ///
    /// # Errors
    ///
    /// A field holds what its type cannot be, or holds nothing where something is required.
    pub fn read(&self, held: &impl AsRef<CustomFieldValues>) -> Result<T, FieldError> {
        T::read(&Reader {
            fields: &self.fields,
            held: held.as_ref(),
        })
    }

    /// Sets what is there; what is `None` or empty is left as it is. For new entities.
    pub fn write(&self, value: &T) -> FieldChanges {
        self.changes_of(self.written(value), |_, values| values)
    }

    /// Sets what is there and clears the rest: afterwards the fields are as the struct.
    pub fn replace(&self, value: &T) -> FieldChanges {
        self.changes_of(self.written(value), |cleared, values| {
            Some(values.unwrap_or(Ok(cleared)))
        })
    }

    /// Only what differs: what `after` has is set, what only `before` had is cleared.
    pub fn changes(&self, before: &T, after: &T) -> FieldChanges {
        let mut before = self.written(before).into_iter();
        self.changes_of(self.written(after), |cleared, values| {
            let before = before.next().and_then(|written| written.values);
            (before != values).then(|| values.unwrap_or(Ok(cleared)))
        })
    }

    /// The id of a field of the struct in the account, by the Rust field's name.
    pub fn id(&self, rust: &str) -> Option<CustomFieldId> {
        let position = T::FIELDS.iter().position(|spec| {
            spec.rust
                .split_once(':')
                .is_some_and(|(name, _)| name == rust)
        });
        Some(self.fields.get(position?)?.id)
    }

    fn written(&self, value: &T) -> Vec<Written> {
        let mut writer = Writer {
            fields: &self.fields,
            written: Vec::with_capacity(self.fields.len()),
        };
        value.write(&mut writer);
        writer.written
    }

    fn changes_of(
        &self,
        written: Vec<Written>,
        mut keep: impl FnMut(
            Value,
            Option<Result<Value, FieldError>>,
        ) -> Option<Result<Value, FieldError>>,
    ) -> FieldChanges {
        let mut changes = FieldChanges::new();
        for (field, written) in self.fields.iter().zip(written) {
            if let Some(values) = keep(written.cleared, written.values) {
                changes.put_by_key(FieldKey::Id(field.id), values);
            }
        }
        changes
    }
}

impl<T> Clone for Schema<T> {
    fn clone(&self) -> Self {
        Self {
            fields: self.fields.clone(),
            entity: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Schema<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("fields", &self.fields)
            .finish()
    }
}

/// What a struct is read from.
#[derive(Debug)]
pub struct Reader<'a> {
    fields: &'a [Resolved],
    held: &'a CustomFieldValues,
}

impl Reader<'_> {
    /// Reads field number `index` of the struct.
    ///
    /// # Errors
    ///
    /// It holds what its type cannot be, or nothing where something is required.
    pub fn field<V: FieldValue>(&self, index: usize) -> Result<V, FieldError> {
        let field = self.fields.get(index);
        let (id, options) = field.map_or((CustomFieldId::new(0), &[][..]), |field| {
            (field.id, &field.options)
        });
        let failed = |expected| FieldError::new(FieldKey::Id(id), expected);
        let values = self.held.raw(id).unwrap_or_default();
        V::read(values, options)
            .map_err(|expected| failed(expected.0))?
            .or_else(V::absent)
            .ok_or_else(|| failed("a value: the field is empty"))
    }
}

/// What a struct is written to.
#[derive(Debug)]
pub struct Writer<'a> {
    fields: &'a [Resolved],
    written: Vec<Written>,
}

#[derive(Debug)]
struct Written {
    /// `None` when there is nothing to write.
    values: Option<Result<Value, FieldError>>,
    cleared: Value,
}

impl Writer<'_> {
    /// Writes field number `index` of the struct; fields are written in their order.
    pub fn field<V: FieldValue>(&mut self, index: usize, value: &V) {
        let Some(field) = self.fields.get(index) else {
            return;
        };
        let values = match value.write(&field.options) {
            Ok(values) if values.is_empty() => None,
            Ok(values) => Some(Ok(Value::Array(values))),
            Err(expected) => Some(Err(FieldError::new(FieldKey::Id(field.id), expected.0))),
        };
        self.written.push(Written {
            values,
            cleared: V::cleared(),
        });
    }
}
