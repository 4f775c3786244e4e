//! `#[amo(key = literal, flag)]`.

use syn::{Attribute, Error, Ident, LitInt, LitStr, Result, Token};

/// One entry of `#[amo(…)]`.
pub(crate) struct Entry {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    Text(LitStr),
    Number(LitInt),
    Flag,
}

impl Entry {
    /// The text of `key = "…"`, which must not be empty.
    pub(crate) fn text(&self) -> Result<&LitStr> {
        match &self.value {
            Value::Text(text) if !text.value().trim().is_empty() => Ok(text),
            Value::Text(text) => Err(Error::new(text.span(), "expected a text that is not empty")),
            _ => Err(Error::new(
                self.key.span(),
                format!("expected a text: {} = \"…\"", self.key),
            )),
        }
    }

    /// The id of `key = 123`.
    pub(crate) fn id(&self) -> Result<u64> {
        match &self.value {
            Value::Number(number) => match number.base10_parse()? {
                0 => Err(Error::new(number.span(), "ids begin at 1")),
                id => Ok(id),
            },
            _ => Err(Error::new(
                self.key.span(),
                format!("expected an id: {} = 123", self.key),
            )),
        }
    }

    /// For keys that do not belong here.
    pub(crate) fn unknown(&self, expected: &str) -> Error {
        Error::new(
            self.key.span(),
            format!("unknown key `{}`: expected {expected}", self.key),
        )
    }
}

/// All entries of all `#[amo(…)]`.
pub(crate) fn entries(attributes: &[Attribute]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident("amo")) {
        attribute.parse_nested_meta(|meta| {
            let key = meta.path.require_ident()?.clone();
            let value = if meta.input.peek(Token![=]) {
                let value = meta.value()?;
                if value.peek(LitStr) {
                    Value::Text(value.parse()?)
                } else {
                    Value::Number(value.parse()?)
                }
            } else {
                Value::Flag
            };
            entries.push(Entry { key, value });
            Ok(())
        })?;
    }
    Ok(entries)
}
