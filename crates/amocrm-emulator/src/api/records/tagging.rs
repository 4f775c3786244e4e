//! Tags in a write: `_embedded.tags` replaces, `tags_to_add` and `tags_to_delete` change.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use serde_json::Value;

use crate::{
    api::reader::Reader,
    problem::Violations,
    world::{Account, EntityType},
};

/// From so many words on, it is worth knowing all tags by their words.
const MANY_WORDS: usize = 16;

/// What happens to the tags of a record.
#[derive(Debug, Default)]
pub(crate) struct Tagging {
    replace: Option<Vec<TagName>>,
    add: Vec<TagName>,
    delete: Vec<TagName>,
}

/// A tag by its id or by its word; an unknown word becomes a new tag.
#[derive(Debug)]
enum TagName {
    Id(u64),
    Word(String),
}

/// Reads the three places tags can be in.
pub(super) fn read_tagging(
    account: &Account,
    entity: EntityType,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Tagging {
    let mut tagging = Tagging {
        add: read_list(account, entity, item, "tags_to_add", true, out).unwrap_or_default(),
        delete: read_list(account, entity, item, "tags_to_delete", false, out).unwrap_or_default(),
        replace: None,
    };
    if let Some(embedded) = item.child("_embedded", out) {
        // Null and an empty list both take all tags away.
        tagging.replace = if embedded.is_null("tags") {
            Some(Vec::new())
        } else {
            read_list(account, entity, &embedded, "tags", true, out)
        };
    }
    tagging
}

fn read_list(
    account: &Account,
    entity: EntityType,
    parent: &Reader<'_>,
    key: &str,
    must_exist: bool,
    out: &mut Violations,
) -> Option<Vec<TagName>> {
    let items = parent.children(key, out)?;
    let tags = items.iter().filter_map(|item| {
        item.only(&["id", "name", "color"], out);
        if let Some(id) = item.id("id", out) {
            if must_exist && account.tag(entity, id).is_none() {
                out.choice(item.path("id"));
            }
            return Some(TagName::Id(id));
        }
        let word = item
            .value("name")
            .and_then(Value::as_str)
            .filter(|word| !word.trim().is_empty());
        if word.is_none() {
            out.missing(item.path("name"));
        }
        word.map(|word| TagName::Word(word.to_owned()))
    });
    Some(tags.collect())
}

impl Tagging {
    /// The tags after the change.
    pub(super) fn apply(
        self,
        account: &mut Account,
        entity: EntityType,
        before: &[u64],
    ) -> Vec<u64> {
        let mut tags = match self.replace {
            Some(names) => ids(account, entity, names),
            None => before.to_vec(),
        };
        tags.extend(ids(account, entity, self.add));
        let gone: HashSet<u64> = self
            .delete
            .into_iter()
            .filter_map(|name| match name {
                TagName::Id(id) => Some(id),
                TagName::Word(word) => account
                    .tags
                    .get(&entity)?
                    .values()
                    .find(|tag| tag.name == word)
                    .map(|tag| tag.id),
            })
            .collect();
        let mut seen = HashSet::with_capacity(tags.len());
        tags.retain(|id| seen.insert(*id) && !gone.contains(id));
        tags
    }
}

fn ids(account: &mut Account, entity: EntityType, names: Vec<TagName>) -> Vec<u64> {
    if names.len() < MANY_WORDS {
        let resolve = |name| match name {
            TagName::Id(id) => id,
            TagName::Word(word) => account.tag_id(entity, &word),
        };
        return names.into_iter().map(resolve).collect();
    }
    let tags = account.tags.get(&entity).into_iter().flatten();
    // Backwards, so that of tags renamed alike the first one is found, as elsewhere.
    let mut known: HashMap<String, u64> = tags
        .rev()
        .map(|(id, tag)| (tag.name.clone(), *id))
        .collect();
    let resolve = |name| match name {
        TagName::Id(id) => id,
        TagName::Word(word) => match known.entry(word) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let id = account.add_tag(entity, free.key());
                *free.insert(id)
            }
        },
    };
    names.into_iter().map(resolve).collect()
}
