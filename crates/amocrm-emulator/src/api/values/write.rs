//! `custom_fields_values` of a request: which field is meant, and whether it is set or cleared.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kinds::read_item;
use crate::{
    api::reader::Reader,
    problem::Violations,
    world::{Account, FieldDefinition, FieldOwner, FieldValue},
};

/// The keys a value item may have; the read-only ones are let through, because clients send back what they read.
const ITEM_KEYS: [&str; 6] = [
    "field_id",
    "field_code",
    "field_name",
    "field_type",
    "values",
    "is_computed",
];

/// The new values of one field; an empty list clears it.
#[derive(Debug)]
pub(crate) struct ValueChange {
    pub(crate) field_id: u64,
    pub(crate) values: Vec<FieldValue>,
}

impl ValueChange {
    /// Writes it to a record's values.
    pub(crate) fn apply(self, values: &mut BTreeMap<u64, Vec<FieldValue>>) {
        if self.values.is_empty() {
            values.remove(&self.field_id);
        } else {
            values.insert(self.field_id, self.values);
        }
    }
}

/// Reads the changes of `custom_fields_values`. Fields that are not mentioned keep their values.
pub(crate) fn read_changes(
    account: &Account,
    owner: impl Into<FieldOwner>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Vec<ValueChange> {
    let Some(items) = item.children("custom_fields_values", out) else {
        return Vec::new();
    };
    let owner = owner.into();
    items
        .iter()
        .filter_map(|item| read_change(account, owner, item, out))
        .collect()
}

fn read_change(
    account: &Account,
    owner: FieldOwner,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<ValueChange> {
    item.only(&ITEM_KEYS, out);
    let field = find_field(account, owner, item, out)?;
    let values = read_values(account, field, item, out)?;
    Some(ValueChange {
        field_id: field.id,
        values,
    })
}

/// One of the two keys suffices; the id wins when both are there.
fn find_field<'a>(
    account: &'a Account,
    owner: FieldOwner,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<&'a FieldDefinition> {
    let id = item.id("field_id", out);
    let code = item.string("field_code", out);
    let (key, field) = match (id, code) {
        (Some(id), _) => ("field_id", account.field(owner, id)),
        (None, Some(code)) => ("field_code", account.field_by_code(owner, code)),
        (None, None) => {
            // A key of the wrong type has been complained about already.
            if item.value("field_id").is_none() && item.value("field_code").is_none() {
                out.missing(item.path("field_id"));
            }
            return None;
        }
    };
    if field.is_none() {
        out.choice(item.path(key));
    }
    field
}

fn read_values(
    account: &Account,
    field: &FieldDefinition,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<Vec<FieldValue>> {
    if item.is_null("values") {
        return Some(Vec::new());
    }
    item.require("values", out);
    let values = item.array("values", out)?;
    let path = item.path("values");
    if values.is_empty() {
        out.too_few(path);
        return None;
    }
    if let Some(limit) = most_values(&field.kind)
        && values.len() > limit
    {
        out.too_many(path, limit);
        return None;
    }
    let read = values.iter().enumerate().filter_map(|(index, value)| {
        let path = format!("{path}.{index}");
        let Value::Object(object) = value else {
            out.kind(path, "object");
            return None;
        };
        read_item(account, field, &Reader::at(object, &path), out)
    });
    Some(read.collect())
}

fn most_values(kind: &str) -> Option<usize> {
    match kind {
        "multiselect" | "multitext" | "legal_entity" | "items" => None,
        "smart_address" => Some(6),
        "chained_list" => Some(5),
        _ => Some(1),
    }
}
