//! Kinds of custom fields: what [`Field<K>`](super::Field) may hold.

use serde_json::{Map, Value};

use super::{
    ChainedElement, Choice, ContactValue, Day, FileRef, InvoiceItem, LinkedEntityValue, Number,
    NumberInput, address, choice, contact, date, number, object, text,
};

/// What a kind expected and did not find. Becomes a [`FieldError`](super::FieldError) when the field is known.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected(pub(crate) &'static str);

/// A kind of custom field: which Rust value is read from it and which may be written.
///
/// The trait is sealed; kinds are the marker types of [this module](self).
pub trait FieldKind: sealed::Sealed {
    /// What reading gives.
    type Value;
    /// What writing takes; setters accept `impl Into` of it.
    type Input;

    /// Reads the `values` array. Nothing in it is `None`.
    #[doc(hidden)]
    fn read(values: &[Value]) -> Result<Option<Self::Value>, Expected>;

    /// Makes the `values` array. An empty one clears the field.
    #[doc(hidden)]
    fn write(input: Self::Input) -> Result<Vec<Value>, Expected>;

    /// The `values` that clear the field.
    #[doc(hidden)]
    fn cleared() -> Value {
        Value::Null
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Several values of one field. Setters take one value, an array or a `Vec`.
#[derive(Debug, Clone, PartialEq)]
pub struct Many<T>(pub(super) Vec<T>);

impl<T> From<T> for Many<T> {
    fn from(one: T) -> Self {
        Self(vec![one])
    }
}

impl<T> From<Vec<T>> for Many<T> {
    fn from(all: Vec<T>) -> Self {
        Self(all)
    }
}

impl<T, const N: usize> From<[T; N]> for Many<T> {
    fn from(all: [T; N]) -> Self {
        Self(all.into())
    }
}

/// Text converts to values that text alone describes: a contact value, a choice by its text.
macro_rules! many_from_text {
    ($($value:ty),+) => {
        $(
            impl From<&str> for Many<$value> {
                fn from(text: &str) -> Self {
                    Self(vec![text.into()])
                }
            }

            impl From<String> for Many<$value> {
                fn from(text: String) -> Self {
                    Self(vec![text.into()])
                }
            }

            impl<const N: usize> From<[&str; N]> for Many<$value> {
                fn from(texts: [&str; N]) -> Self {
                    Self(texts.into_iter().map(Into::into).collect())
                }
            }

            impl From<Vec<&str>> for Many<$value> {
                fn from(texts: Vec<&str>) -> Self {
                    Self(texts.into_iter().map(Into::into).collect())
                }
            }

            impl From<Vec<String>> for Many<$value> {
                fn from(texts: Vec<String>) -> Self {
                    Self(texts.into_iter().map(Into::into).collect())
                }
            }
        )+
    };
}

many_from_text!(ContactValue, Choice);

/// Declares marker types and hands their work to functions of the module that knows the values.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $value:ty, from $input:ty, read $read:expr, write $write:expr $(, cleared $cleared:expr)?;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl sealed::Sealed for $name {}

            impl FieldKind for $name {
                type Value = $value;
                type Input = $input;

                fn read(values: &[Value]) -> Result<Option<Self::Value>, Expected> {
                    $read(values)
                }

                fn write(input: Self::Input) -> Result<Vec<Value>, Expected> {
                    $write(input)
                }

                $(
                    fn cleared() -> Value {
                        $cleared
                    }
                )?
            }
        )+
    };
}

kinds! {
    /// One line of text, at most 256 characters: amoCRM refuses more. Writing `""` clears the field.
    Text: String, from String, read text::read, write text::write_line;
    /// Long text.
    Textarea: String, from String, read text::read, write text::write;
    /// A link.
    Url: String, from String, read text::read, write text::write;
    /// An address in one line.
    StreetAddress: String, from String, read text::read, write text::write;
    /// A mark of web analytics: UTM, client ids, counters.
    TrackingData: String, from String, read text::read, write text::write;
    /// A flag. A box that was never ticked is absent: take `None` for `false`.
    Checkbox: bool, from bool, read text::read_flag, write text::write_flag;

    /// A number.
    Numeric: Number, from NumberInput, read number::read, write number::write;
    /// Money; the currency is in the field's definition.
    Monetary: Number, from NumberInput, read number::read, write number::write;
    /// Price of a catalog's element.
    Price: Number, from NumberInput, read number::read, write number::write;

    /// One of a list, by text, enum id or enum code.
    Select: Choice, from Choice, read choice::read_one, write choice::write_select;
    /// One of a list, shown as a switch.
    Radiobutton: Choice, from Choice, read choice::read_one, write choice::write_radiobutton;
    /// One of a tree, in catalogs, by text or enum id.
    Category: Choice, from Choice, read choice::read_one, write choice::write_category;
    /// Several of a list, by text or enum id: amoCRM refuses enum codes here.
    Multiselect: Vec<Choice>, from Many<Choice>, read choice::read_many, write choice::write_multiselect;

    /// A calendar day.
    Date: Day, from Day, read date::read_day, write date::write_day;
    /// A calendar day with a yearly reminder; years before 1970 are fine.
    Birthday: Day, from Day, read date::read_day, write date::write_day;
    /// An instant.
    DateTime: chrono::DateTime<chrono::Utc>, from chrono::DateTime<chrono::Utc>, read date::read_time, write date::write_time;

    /// Phones, e-mails, messengers: several values with a word for each.
    Multitext: Vec<ContactValue>, from Many<ContactValue>, read contact::read, write contact::write;
    /// An address in parts. Writing replaces all parts.
    SmartAddress: super::SmartAddress, from super::SmartAddress, read address::read, write address::write;

    /// Requisites of companies.
    LegalEntity: Vec<super::LegalEntity>, from Many<super::LegalEntity>, read object::read_many, write object::write_many;
    /// Positions of an invoice.
    Items: Vec<InvoiceItem>, from Many<InvoiceItem>, read object::read_many, write object::write_many;
    /// Payer of an invoice.
    Payer: super::Payer, from super::Payer, read object::read_one, write object::write_one;
    /// Supplier of an invoice.
    Supplier: super::Supplier, from super::Supplier, read object::read_one, write object::write_one;
    /// A link to another element, in catalogs.
    LinkedEntity: LinkedEntityValue, from LinkedEntityValue, read object::read_one, write object::write_one;
    /// A file of the Drive.
    File: FileRef, from FileRef, read object::read_one, write object::write_one, cleared Value::Array(vec![file_nothing()]);
    /// Elements of linked catalogs, the parent first, at most five.
    ChainedList: Vec<ChainedElement>, from Many<ChainedElement>, read object::read_chain, write object::write_chain;

    /// Anything: the `values` array as JSON, both ways.
    Raw: Vec<Value>, from Vec<Value>, read read_raw, write Ok;
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all kinds")]
fn read_raw(values: &[Value]) -> Result<Option<Vec<Value>>, Expected> {
    Ok((!values.is_empty()).then(|| values.to_vec()))
}

/// `values: null` is not enough for files.
fn file_nothing() -> Value {
    Value::Object(Map::from_iter([("value".to_owned(), Value::Null)]))
}

/// Wraps what a kind writes as one item of `values`.
pub(super) fn item(value: Value) -> Value {
    Value::Object(Map::from_iter([("value".to_owned(), value)]))
}

/// The value of one item. Webhooks send some values without the wrapping object; `null` and `""` are nothing.
pub(super) fn item_value(item: &Value) -> Option<&Value> {
    let value = match item {
        Value::Object(parts) => parts.get("value")?,
        bare => bare,
    };
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        value => Some(value),
    }
}

/// The value of the first item that has one.
pub(super) fn first_value(values: &[Value]) -> Option<&Value> {
    values.iter().find_map(item_value)
}

/// A part of an item, for example `enum_id`; `null` and `""` are nothing.
pub(super) fn part<'a>(item: &'a Value, name: &str) -> Option<&'a Value> {
    match item.get(name)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        value => Some(value),
    }
}

/// Text of a scalar.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An id from a number or a numeric string; zero is nothing.
pub(super) fn scalar_id<T>(value: &Value) -> Option<crate::Id<T>> {
    let id = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    id.filter(|id| *id != 0).map(crate::Id::new)
}
