//! Options of lists: select, radiobutton, category, multiselect.

use serde::Serialize;
use serde_json::{Map, Value};

use super::kind::{Expected, item_value, part, scalar_id, scalar_text};
use crate::FieldEnumId;

/// An option of a list, named by its text, its id or its code.
///
/// amoCRM adds no options on the fly: a text must be spelled exactly as the option is, or the request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Choice {
    /// The option's text.
    #[serde(rename = "value")]
    pub text: Option<String>,
    /// The option's id.
    pub enum_id: Option<FieldEnumId>,
    /// The option's code, where the account has given it one.
    pub enum_code: Option<String>,
}

impl Choice {
    /// The option with this text.
    pub fn by_text(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            enum_id: None,
            enum_code: None,
        }
    }

    /// The option with this id.
    pub fn by_id(id: impl Into<FieldEnumId>) -> Self {
        Self {
            text: None,
            enum_id: Some(id.into()),
            enum_code: None,
        }
    }

    /// The option with this code.
    pub fn by_code(code: impl Into<String>) -> Self {
        Self {
            text: None,
            enum_id: None,
            enum_code: Some(code.into()),
        }
    }

    fn read(item: &Value) -> Option<Self> {
        let choice = Self {
            text: item_value(item).and_then(scalar_text),
            // Old answers and webhooks say `enum`.
            enum_id: part(item, "enum_id")
                .or_else(|| part(item, "enum"))
                .and_then(scalar_id),
            enum_code: part(item, "enum_code").and_then(scalar_text),
        };
        (choice.text.is_some() || choice.enum_id.is_some() || choice.enum_code.is_some())
            .then_some(choice)
    }

    fn write(self, with_code: bool) -> Map<String, Value> {
        let mut item = Map::new();
        if let Some(text) = self.text {
            item.insert("value".to_owned(), text.into());
        }
        if let Some(id) = self.enum_id {
            item.insert("enum_id".to_owned(), id.get().into());
        }
        if let Some(code) = self.enum_code.filter(|_| with_code) {
            item.insert("enum_code".to_owned(), code.into());
        }
        item
    }
}

impl From<&str> for Choice {
    fn from(text: &str) -> Self {
        Self::by_text(text)
    }
}

impl From<String> for Choice {
    fn from(text: String) -> Self {
        Self::by_text(text)
    }
}

impl From<FieldEnumId> for Choice {
    fn from(id: FieldEnumId) -> Self {
        Self::by_id(id)
    }
}

pub(super) fn read_one(values: &[Value]) -> Result<Option<Choice>, Expected> {
    Ok(read_many(values)?.and_then(|choices| choices.into_iter().next()))
}

pub(super) fn read_many(values: &[Value]) -> Result<Option<Vec<Choice>>, Expected> {
    let is_nested =
        |item: &Value| item_value(item).is_some_and(|value| value.is_object() || value.is_array());
    if values.iter().any(is_nested) {
        return Err(Expected("an option of a list: text, enum_id or enum_code"));
    }
    let choices: Vec<Choice> = values.iter().filter_map(Choice::read).collect();
    Ok((!choices.is_empty()).then_some(choices))
}

pub(super) fn write_select(choice: Choice) -> Result<Vec<Value>, Expected> {
    filled(
        choice.write(true),
        "an option by text, enum_id or enum_code",
    )
}

/// The vendor's own client sends a radiobutton's text and id only; its documents allow the code, sent when it is all there is.
pub(super) fn write_radiobutton(choice: Choice) -> Result<Vec<Value>, Expected> {
    let code_only = choice.text.is_none() && choice.enum_id.is_none();
    filled(
        choice.write(code_only),
        "an option by text, enum_id or enum_code",
    )
}

pub(super) fn write_category(choice: Choice) -> Result<Vec<Value>, Expected> {
    filled(choice.write(false), "an option by text or enum_id")
}

pub(super) fn write_multiselect(choices: super::Many<Choice>) -> Result<Vec<Value>, Expected> {
    let mut values = Vec::with_capacity(choices.0.len());
    for choice in choices.0 {
        values.extend(filled(
            choice.write(false),
            "options by text or enum_id, not by enum_code",
        )?);
    }
    Ok(values)
}

fn filled(item: Map<String, Value>, expected: &'static str) -> Result<Vec<Value>, Expected> {
    if item.is_empty() {
        Err(Expected(expected))
    } else {
        Ok(vec![Value::Object(item)])
    }
}
