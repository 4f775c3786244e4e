//! Tags: their names are unique per entity type, and only those of leads have colours.

use serde::{Deserialize, Serialize};

use super::{Account, Counters, EntityType};

/// A tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tag {
    /// Its id, different for the same word on leads and on contacts.
    pub(crate) id: u64,
    /// The word.
    pub(crate) name: String,
    /// Hex without `#`; leads only.
    pub(crate) color: Option<String>,
}

impl Account {
    /// The id of the tag with this name, made if there is none.
    pub(crate) fn tag_id(&mut self, entity: EntityType, name: &str) -> u64 {
        let tags = self.tags.entry(entity).or_default();
        if let Some(tag) = tags.values().find(|tag| tag.name == name) {
            return tag.id;
        }
        self.add_tag(entity, name)
    }

    /// Makes a tag of a name nobody has yet; its id.
    pub(crate) fn add_tag(&mut self, entity: EntityType, name: &str) -> u64 {
        let tags = self.tags.entry(entity).or_default();
        let id = Counters::take(&mut self.counters.tag);
        tags.insert(
            id,
            Tag {
                id,
                name: name.to_owned(),
                color: None,
            },
        );
        id
    }

    /// The tag with this id.
    pub(crate) fn tag(&self, entity: EntityType, id: u64) -> Option<&Tag> {
        self.tags.get(&entity)?.get(&id)
    }
}
