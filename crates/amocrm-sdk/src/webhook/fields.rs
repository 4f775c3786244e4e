//! Reading parts of an item: text, numbers, instants, tags, custom fields.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::Tree;
use super::event::EventTag;
use crate::Id;
use crate::de::{self, Number};
use crate::fields::{CustomFieldValues, FieldValues};

/// Text that is not empty.
pub(super) fn text(item: &Tree, name: &str) -> Option<String> {
    item.get(name)
        .and_then(Tree::as_str)
        .filter(|text| !text.is_empty())
        .map(ToOwned::to_owned)
}

/// A number.
pub(super) fn number<T: Number>(item: &Tree, name: &str) -> Option<T> {
    T::from_text(item.get(name)?.as_str()?.trim())
}

/// An id; `0` is nothing.
pub(super) fn id<T>(item: &Tree, name: &str) -> Option<Id<T>> {
    leaf_id(item.get(name)?)
}

pub(super) fn leaf_id<T>(leaf: &Tree) -> Option<Id<T>> {
    leaf.as_str()?
        .trim()
        .parse()
        .ok()
        .filter(|id: &Id<T>| id.get() != 0)
}

/// An id of a kind that has a zero: user `0` is a robot or the system, group `0` the default one.
pub(super) fn id_or_zero<T>(item: &Tree, name: &str) -> Option<Id<T>> {
    item.get(name)?.as_str()?.trim().parse().ok()
}

pub(super) fn flag(item: &Tree, name: &str) -> Option<bool> {
    de::parse_flag(item.get(name)?.as_str()?).ok()?
}

/// Unix seconds under the first of these names that has them.
pub(super) fn time(item: &Tree, names: &[&str]) -> Option<DateTime<Utc>> {
    names
        .iter()
        .filter_map(|name| number(item, name))
        .find(|seconds| *seconds != 0)
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
}

pub(super) fn tags(item: &Tree) -> Vec<EventTag> {
    let tags = item.get("tags").into_iter().flat_map(Tree::iter);
    tags.map(|(_, tag)| EventTag {
        id: id(tag, "id"),
        name: text(tag, "name"),
    })
    .collect()
}

/// Ids in the shapes seen: `[{id}][ID]={id}`, `[0]={id}`, `[0][id]={id}`.
pub(super) fn ids<T>(list: Option<&Tree>) -> Vec<Id<T>> {
    let items = list.into_iter().flat_map(Tree::iter);
    items
        .filter_map(|(_, item)| {
            leaf_id(item)
                .or_else(|| id(item, "ID"))
                .or_else(|| id(item, "id"))
        })
        .collect()
}

/// The custom fields of an item, in the shape the API uses.
pub(super) fn custom_fields(item: &Tree) -> CustomFieldValues {
    // The second name is the API's own; integrations that replay entities as JSON send it.
    let fields = item
        .get("custom_fields")
        .or_else(|| item.get("custom_fields_values"));
    fields
        .into_iter()
        .flat_map(Tree::iter)
        .map(|(_, field)| custom_field(field))
        .collect()
}

fn custom_field(field: &Tree) -> FieldValues {
    FieldValues {
        id: id(field, "id").or_else(|| id(field, "field_id")),
        name: text(field, "name").or_else(|| text(field, "field_name")),
        code: text(field, "code").or_else(|| text(field, "field_code")),
        values: match field.get("values") {
            None => Vec::new(),
            // Lists are indexed; a radiobutton's only value is not.
            Some(list) if list.is_indexed() => {
                list.iter().map(|(_, value)| field_value(value)).collect()
            }
            Some(one) => vec![field_value(one)],
        }
        .into(),
        ..FieldValues::default()
    }
}

/// One item of `values`: a group with `value` and `enum`, or the bare value of a date.
fn field_value(value: &Tree) -> Value {
    let Tree::Branch(_) = value else {
        return Value::Object(Map::from_iter([("value".to_owned(), json(value))]));
    };
    let parts = value.iter().map(|(key, part)| match &*key.text() {
        "enum" => (
            "enum_id".to_owned(),
            leaf_id::<()>(part).map_or_else(|| json(part), |id| id.get().into()),
        ),
        key => (key.to_owned(), json(part)),
    });
    Value::Object(parts.collect())
}

fn json(tree: &Tree) -> Value {
    match tree {
        Tree::Leaf(text) => Value::String(text.clone()),
        Tree::Branch(_) if tree.is_indexed() => tree.iter().map(|(_, item)| json(item)).collect(),
        Tree::Branch(_) => tree
            .iter()
            .map(|(key, item)| (key.to_string(), json(item)))
            .collect(),
    }
}
