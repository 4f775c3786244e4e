//! The tree of options of a `category` field.

use super::draft::{EnumDraft, Parent};
use crate::{api::reader::Reader, problem::Violations, world::FieldDefinition};

/// Reads `nested`: the new tree as a whole. New parents are named by `parent_request_id`, and come before their children.
pub(super) fn read_nested(
    before: Option<&FieldDefinition>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<Vec<EnumDraft>> {
    let items = item.children("nested", out)?;
    let ids: Vec<Option<u64>> = items.iter().map(|item| item.id("id", out)).collect();
    let mut options: Vec<EnumDraft> = Vec::with_capacity(items.len());
    for ((index, item), id) in (0..).zip(&items).zip(&ids) {
        let is_known = |id: u64| before.is_some_and(|field| field.option(id).is_some());
        if id.is_some_and(|id| !is_known(id)) {
            out.choice(item.path("id"));
        }
        if id.is_none_or(|id| !is_known(id)) {
            item.require("value", out);
        }
        let request_id = text(item, "request_id");
        let parent = read_parent(item, &ids, &options, out);
        options.push(EnumDraft {
            id: *id,
            value: item.string("value", out).map(str::to_owned),
            sort: item.int("sort", out).unwrap_or(index),
            code: None,
            request_id,
            parent,
        });
    }
    Some(options)
}

fn read_parent(
    item: &Reader<'_>,
    ids: &[Option<u64>],
    above: &[EnumDraft],
    out: &mut Violations,
) -> Option<Parent> {
    if let Some(id) = item.id("parent_id", out) {
        // What is not in the new tree is gone, so nothing can hang on it.
        if !ids.contains(&Some(id)) {
            out.choice(item.path("parent_id"));
        }
        return Some(Parent::Id(id));
    }
    let request_id = text(item, "parent_request_id")?;
    if !above
        .iter()
        .any(|option| option.request_id.as_ref() == Some(&request_id))
    {
        out.choice(item.path("parent_request_id"));
    }
    Some(Parent::Request(request_id))
}

/// A name the client gives, as a text or a number.
fn text(item: &Reader<'_>, key: &str) -> Option<String> {
    let value = item.value(key)?;
    Some(
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned),
    )
}
