//! Custom-field values in answers: only the filled ones, with everything a client would have to look up.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    kinds::LEGAL_FOREIGN_KEYS,
    listing::{render_linked, render_payer, render_position, render_supplier},
};
use crate::world::{ADDRESS_PARTS, Account, FieldDefinition, FieldOwner, FieldValue};

/// `custom_fields_values`; null when nothing is filled.
pub(crate) fn render(
    account: &Account,
    owner: impl Into<FieldOwner>,
    values: &BTreeMap<u64, Vec<FieldValue>>,
) -> Value {
    let owner = owner.into();
    let filled: Vec<Value> = values
        .iter()
        .filter_map(|(id, values)| {
            let field = account.field(owner, *id)?;
            Some(json!({
                "field_id": field.id,
                "field_name": field.name,
                "field_code": field.code,
                "field_type": field.kind,
                "values": values.iter().map(|value| render_item(account, field, value)).collect::<Vec<_>>(),
            }))
        })
        .collect();
    if filled.is_empty() {
        Value::Null
    } else {
        filled.into()
    }
}

fn render_item(account: &Account, field: &FieldDefinition, item: &FieldValue) -> Value {
    let option = item.enum_id.and_then(|id| field.option(id));
    let code = option.and_then(|option| option.code.as_deref());
    match field.kind.as_str() {
        "chained_list" => item.value.clone(),
        "category" => json!({"value": option.map(|o| &o.value), "enum_id": item.enum_id}),
        "select" | "multiselect" | "radiobutton" => {
            json!({"value": option.map(|o| &o.value), "enum_id": item.enum_id, "enum_code": code})
        }
        "multitext" => json!({"value": item.value, "enum_id": item.enum_id, "enum_code": code}),
        "smart_address" => {
            json!({"value": item.value, "enum_id": item.enum_id, "enum_code": address_code(item)})
        }
        "items" => json!({"value": render_position(&item.value)}),
        "linked_entity" => json!({"value": render_linked(account, &item.value)}),
        "payer" => json!({"value": render_payer(account, &item.value)}),
        "supplier" => json!({"value": render_supplier(account, &item.value)}),
        "legal_entity" => json!({"value": with_foreign_keys(account, &item.value)}),
        _ => json!({"value": item.value}),
    }
}

fn address_code(item: &FieldValue) -> Option<&'static str> {
    let index = usize::try_from(item.enum_id?.checked_sub(1)?).ok()?;
    ADDRESS_PARTS.get(index).copied()
}

/// amoCRM shows the keys of every country, empty where they do not belong; whoever writes back what was read fails.
fn with_foreign_keys(account: &Account, value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        for (key, countries) in LEGAL_FOREIGN_KEYS {
            if !countries.contains(&account.country.as_str()) {
                map.insert(key.to_owned(), "".into());
            }
        }
    }
    value
}

/// The texts a filter may be compared with: the value, and the id of the option.
pub(crate) fn as_texts(item: &FieldValue) -> Vec<String> {
    let value = match &item.value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => if *flag { "1" } else { "0" }.to_owned(),
        other => other.to_string(),
    };
    item.enum_id
        .map(|id| id.to_string())
        .into_iter()
        .chain([value])
        .collect()
}

/// The number a range filter is compared with.
pub(crate) fn as_number(item: &FieldValue) -> Option<f64> {
    match &item.value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
