//! Addresses in parts.

use serde::Serialize;
use serde_json::{Value, json};

use super::kind::{Expected, item_value, part, scalar_id, scalar_text};
use crate::FieldEnumId;

/// An address in parts. Writing replaces the whole address, parts left out included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct SmartAddress {
    /// First line: street and house.
    pub address_line_1: Option<String>,
    /// Second line: flat, office.
    pub address_line_2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Region.
    pub state: Option<String>,
    /// Postcode.
    pub zip: Option<String>,
    /// Country, two letters of ISO 3166: `RU`.
    pub country: Option<String>,
}

/// Codes of the parts. The place in the list plus one is the part's enum id, the same in every account.
const CODES: [&str; 6] = [
    "address_line_1",
    "address_line_2",
    "city",
    "state",
    "zip",
    "country",
];

impl SmartAddress {
    fn parts_mut(&mut self) -> [&mut Option<String>; 6] {
        [
            &mut self.address_line_1,
            &mut self.address_line_2,
            &mut self.city,
            &mut self.state,
            &mut self.zip,
            &mut self.country,
        ]
    }
}

pub(super) fn read(values: &[Value]) -> Result<Option<SmartAddress>, Expected> {
    let mut address = SmartAddress::default();
    for item in values {
        let Some(value) = item_value(item) else {
            continue;
        };
        let text = scalar_text(value).ok_or(Expected("parts of an address as text"))?;
        let by_code = part(item, "enum_code")
            .and_then(Value::as_str)
            .and_then(|code| CODES.iter().position(|known| *known == code));
        let by_id = || {
            let id: FieldEnumId = part(item, "enum_id")
                .or_else(|| part(item, "enum"))
                .and_then(scalar_id)?;
            usize::try_from(id.get()).ok()?.checked_sub(1)
        };
        // A part the SDK does not know stays reachable in the raw values.
        let Some(slot) = by_code.or_else(by_id) else {
            continue;
        };
        if let Some(part) = address.parts_mut().into_iter().nth(slot) {
            *part = Some(text);
        }
    }
    Ok((address != SmartAddress::default()).then_some(address))
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all kinds")]
pub(super) fn write(mut address: SmartAddress) -> Result<Vec<Value>, Expected> {
    let parts = address.parts_mut().map(Option::take);
    Ok(CODES
        .iter()
        .zip(parts)
        .filter_map(|(code, part)| {
            part.filter(|text| !text.is_empty())
                .map(|text| (code, text))
        })
        .map(|(code, text)| json!({"value": text, "enum_code": code}))
        .collect())
}
