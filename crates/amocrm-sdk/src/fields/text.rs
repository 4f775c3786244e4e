//! Text-like values and flags.

use serde_json::Value;

use super::kind::{Expected, first_value, item, scalar_text};
use crate::de::parse_flag;

pub(super) fn read(values: &[Value]) -> Result<Option<String>, Expected> {
    first_value(values)
        .map(|value| scalar_text(value).ok_or(Expected("text")))
        .transpose()
}

/// An empty text clears the field: what amoCRM makes of `{"value": ""}` is not documented, and reports disagree.
#[expect(clippy::unnecessary_wraps, reason = "one signature for all kinds")]
pub(super) fn write(text: String) -> Result<Vec<Value>, Expected> {
    Ok(if text.is_empty() {
        Vec::new()
    } else {
        vec![item(Value::String(text))]
    })
}

/// Characters that amoCRM takes in a field of type `text`. Through its interface it stores more, which can be read.
const MAX_LINE: usize = 256;

/// As [`write`], for one line.
pub(super) fn write_line(text: String) -> Result<Vec<Value>, Expected> {
    if text.chars().count() > MAX_LINE {
        return Err(Expected("at most 256 characters of text"));
    }
    write(text)
}

pub(super) fn read_flag(values: &[Value]) -> Result<Option<bool>, Expected> {
    const EXPECTED: Expected = Expected("true or false");
    match first_value(values) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(value) => scalar_text(value)
            .and_then(|text| parse_flag(&text).ok())
            .ok_or(EXPECTED),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all kinds")]
pub(super) fn write_flag(flag: bool) -> Result<Vec<Value>, Expected> {
    Ok(vec![item(Value::Bool(flag))])
}
