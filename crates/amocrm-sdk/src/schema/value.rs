//! What a field of a struct may be.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::fields::kind::{Expected, FieldKind};
use crate::fields::{Choice, ContactValue, Day, FieldType, FileRef, Number, SmartAddress, kind};
use crate::id::FieldEnumId;

/// A Rust type that custom fields are read into and written from. [The module](super) lists them; for enums it is
/// derived with `CustomFieldEnum`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold a custom field of amoCRM",
    label = "not a type of custom fields",
    note = "take String, i32, i64, u32, u64, f64, bool, Day, DateTime<Utc>, an enum with #[derive(CustomFieldEnum)], a Vec of such an enum, or Vec<serde_json::Value>; Option<T> if the field may be empty"
)]
pub trait FieldValue: Sized {
    /// The types of fields it goes with. Empty: any.
    const TYPES: &'static [FieldType];
    /// The options that the account must have.
    const OPTIONS: &'static [&'static str] = &[];

    /// Reads the `values` array. Nothing in it is `None`.
    #[doc(hidden)]
    fn read(values: &[Value], options: &[FieldEnumId]) -> Result<Option<Self>, Expected>;

    /// Makes the `values` array. An empty one is nothing.
    #[doc(hidden)]
    fn write(&self, options: &[FieldEnumId]) -> Result<Vec<Value>, Expected>;

    /// What an empty field is; `None` if it must not be empty.
    #[doc(hidden)]
    fn absent() -> Option<Self> {
        None
    }

    /// The `values` that clear the field.
    #[doc(hidden)]
    fn cleared() -> Value {
        Value::Null
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    const TYPES: &'static [FieldType] = T::TYPES;
    const OPTIONS: &'static [&'static str] = T::OPTIONS;

    fn read(values: &[Value], options: &[FieldEnumId]) -> Result<Option<Self>, Expected> {
        T::read(values, options).map(|value| value.map(Some))
    }

    fn write(&self, options: &[FieldEnumId]) -> Result<Vec<Value>, Expected> {
        self.as_ref()
            .map_or(Ok(Vec::new()), |value| value.write(options))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn cleared() -> Value {
        T::cleared()
    }
}

/// Values that a kind of field reads and writes already.
macro_rules! values {
    ($($type:ty: [$($field_type:ident),*] as $kind:ty, read $read:expr $(, absent $absent:expr)?;)+) => {
        $(impl FieldValue for $type {
            const TYPES: &'static [FieldType] = &[$(FieldType::$field_type),*];

            fn read(values: &[Value], _: &[FieldEnumId]) -> Result<Option<Self>, Expected> {
                <$kind>::read(values)?.map($read).transpose()
            }

            fn write(&self, _: &[FieldEnumId]) -> Result<Vec<Value>, Expected> {
                <$kind>::write(self.clone().into())
            }

            $(fn absent() -> Option<Self> {
                Some($absent)
            })?

            fn cleared() -> Value {
                <$kind>::cleared()
            }
        })+
    };
}

values! {
    // Long texts are checked by amoCRM, which knows whether the field is one line.
    String: [Text, Textarea, Url, StreetAddress, TrackingData] as kind::Textarea, read Ok;
    i32: [Numeric, Monetary, Price] as kind::Numeric, read whole;
    i64: [Numeric, Monetary, Price] as kind::Numeric, read whole;
    u32: [Numeric, Monetary, Price] as kind::Numeric, read whole;
    u64: [Numeric, Monetary, Price] as kind::Numeric, read whole;
    f64: [Numeric, Monetary, Price] as kind::Numeric, read |number| Ok(number.as_f64());
    Number: [Numeric, Monetary, Price] as kind::Numeric, read Ok;
    bool: [Checkbox] as kind::Checkbox, read Ok, absent false;
    Day: [Date, Birthday] as kind::Date, read Ok;
    DateTime<Utc>: [DateTime] as kind::DateTime, read Ok;
    Choice: [Select, Radiobutton, Category] as kind::Select, read Ok;
    Vec<Choice>: [Multiselect] as kind::Multiselect, read Ok, absent Vec::new();
    Vec<ContactValue>: [Multitext] as kind::Multitext, read Ok, absent Vec::new();
    SmartAddress: [SmartAddress] as kind::SmartAddress, read Ok;
    FileRef: [File] as kind::File, read Ok;
    Vec<Value>: [] as kind::Raw, read Ok, absent Vec::new();
}

#[expect(clippy::needless_pass_by_value, reason = "as `map` hands it over")]
fn whole<T: std::str::FromStr>(number: Number) -> Result<T, Expected> {
    number
        .as_str()
        .parse()
        .map_err(|_| Expected("a whole number within the range of the Rust type"))
}

/// An enum over the options of a field: derive it.
pub trait CustomFieldEnum: Sized {
    /// The texts of the options, in the order of the enum.
    const OPTIONS: &'static [&'static str];

    /// Which option it is.
    fn option(&self) -> OptionRef<'_>;

    /// The variant of option number `index`.
    fn from_option(index: usize) -> Option<Self>;

    /// The variant that keeps options the enum does not list, if it has one.
    fn from_other(text: String) -> Option<Self>;
}

/// An option of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionRef<'a> {
    /// By its number among [`CustomFieldEnum::OPTIONS`].
    Index(usize),
    /// By its text.
    Text(&'a str),
}

const EXPECTED_OPTION: Expected = Expected("one of the options that the enum lists");

#[doc(hidden)]
pub fn read_options<T: CustomFieldEnum>(
    values: &[Value],
    options: &[FieldEnumId],
) -> Result<Vec<T>, Expected> {
    let variant = |choice: Choice| {
        let by_id = choice
            .enum_id
            .and_then(|id| options.iter().position(|option| *option == id));
        let by_text = || {
            let text = choice.text.as_deref()?;
            T::OPTIONS.iter().position(|option| *option == text)
        };
        match by_id.or_else(by_text) {
            Some(index) => T::from_option(index),
            None => choice.text.and_then(T::from_other),
        }
        .ok_or(EXPECTED_OPTION)
    };
    let choices = kind::Multiselect::read(values)?.unwrap_or_default();
    choices.into_iter().map(variant).collect()
}

#[doc(hidden)]
pub fn write_option<T: CustomFieldEnum>(
    value: &T,
    options: &[FieldEnumId],
) -> Result<Choice, Expected> {
    match value.option() {
        OptionRef::Index(index) => options
            .get(index)
            .map(|id| Choice::by_id(*id))
            .ok_or(EXPECTED_OPTION),
        OptionRef::Text(text) => Ok(Choice::by_text(text)),
    }
}

#[doc(hidden)]
pub fn write_options(choices: Vec<Choice>) -> Result<Vec<Value>, Expected> {
    kind::Multiselect::write(choices.into())
}

#[doc(hidden)]
pub const ONE_OF_A_LIST: &[FieldType] = &[FieldType::Select, FieldType::Radiobutton];

impl<T: CustomFieldEnum> FieldValue for Vec<T> {
    const TYPES: &'static [FieldType] = &[FieldType::Multiselect];
    const OPTIONS: &'static [&'static str] = T::OPTIONS;

    fn read(values: &[Value], options: &[FieldEnumId]) -> Result<Option<Self>, Expected> {
        let variants = read_options(values, options)?;
        Ok((!variants.is_empty()).then_some(variants))
    }

    fn write(&self, options: &[FieldEnumId]) -> Result<Vec<Value>, Expected> {
        let choices = self.iter().map(|value| write_option(value, options));
        write_options(choices.collect::<Result<_, _>>()?)
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

/// One of a list. Not a blanket implementation, which would stand in the way of the types above.
#[doc(hidden)]
#[macro_export]
macro_rules! __amocrm_enum_value {
    ($name:ident) => {
        impl $crate::schema::FieldValue for $name {
            const TYPES: &'static [$crate::fields::FieldType] = $crate::schema::derived::ONE_OF_A_LIST;
            const OPTIONS: &'static [&'static str] = <Self as $crate::schema::CustomFieldEnum>::OPTIONS;

            fn read(
                values: &[$crate::schema::derived::Value],
                options: &[$crate::FieldEnumId],
            ) -> ::core::result::Result<::core::option::Option<Self>, $crate::fields::kind::Expected> {
                let variants = $crate::schema::derived::read_options(values, options)?;
                ::core::result::Result::Ok(::core::iter::IntoIterator::into_iter(variants).next())
            }

            fn write(
                &self,
                options: &[$crate::FieldEnumId],
            ) -> ::core::result::Result<
                ::std::vec::Vec<$crate::schema::derived::Value>,
                $crate::fields::kind::Expected,
            > {
                let choice = $crate::schema::derived::write_option(self, options)?;
                $crate::schema::derived::write_options(::std::vec![choice])
            }
        }
    };
}
#[doc(hidden)]
pub use __amocrm_enum_value as enum_value;
