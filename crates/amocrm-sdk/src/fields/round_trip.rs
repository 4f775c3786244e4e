//! From what amoCRM answers to what it accepts.

use serde_json::{Map, Value};

use super::object::{ObjectValue, Writable};
use super::{
    FieldType, FieldValues, FileRef, InvoiceItem, LegalEntity, LinkedEntityValue, Payer, Supplier,
};

/// The values of a field as they may be sent back; `None` if the field cannot be written or holds nothing.
pub(super) fn writable(held: &FieldValues) -> Option<Vec<Value>> {
    if held.is_computed {
        return None;
    }
    let values: Vec<Value> = match &held.field_type {
        // The vendor's own client skips it on every write.
        Some(FieldType::OrgLegalName) => return None,
        // What is not known is not touched.
        None | Some(FieldType::Unknown(_)) => held.values().to_vec(),
        Some(known) => held
            .values()
            .iter()
            .filter_map(|item| writable_item(known, item))
            .collect(),
    };
    (!values.is_empty()).then_some(values)
}

fn writable_item(field_type: &FieldType, item: &Value) -> Option<Value> {
    let Value::Object(parts) = item else {
        return Some(item.clone());
    };
    let mut parts = parts.clone();
    // `enum_id: null` is accepted but says nothing; `value: null` might clear.
    parts.retain(|_, part| !part.is_null());
    match field_type {
        // Read with an enum code, refused with one.
        FieldType::Multiselect | FieldType::Radiobutton | FieldType::Category => {
            parts.remove("enum_code");
        }
        FieldType::LegalEntity => trim(&mut parts, LegalEntity::WRITABLE),
        FieldType::Items => trim(&mut parts, InvoiceItem::WRITABLE),
        FieldType::Payer => trim(&mut parts, Payer::WRITABLE),
        FieldType::Supplier => trim(&mut parts, Supplier::WRITABLE),
        FieldType::LinkedEntity => trim(&mut parts, LinkedEntityValue::WRITABLE),
        FieldType::File => trim(&mut parts, FileRef::WRITABLE),
        _ => {}
    }
    (!parts.is_empty()).then_some(Value::Object(parts))
}

fn trim(parts: &mut Map<String, Value>, writable: Writable) {
    if let Some(Value::Object(value)) = parts.get_mut("value") {
        writable.trim(value);
    }
}
