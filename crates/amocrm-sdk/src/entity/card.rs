//! What leads, contacts and companies have in common: a card with a responsible user, custom fields and tags.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::de;
use crate::fields::FieldChanges;
use crate::id::{
    CatalogElementId, CatalogId, CompanyId, ContactId, CustomFieldId, CustomerId, LeadId,
    SegmentId, TagId, UserId,
};

mod declare;

pub(crate) use self::declare::{
    card, card_conditions, card_model, card_patch_setters, card_setters,
};

/// A tag of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct EntityTag {
    /// Its id. Tags of leads, contacts and companies have ids of their own.
    pub id: TagId,
    /// Its text.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Six hexadecimal digits without `#`. Only tags of leads have colours.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub color: Option<String>,
}

/// A contact linked to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LinkedContact {
    /// Its id.
    pub id: ContactId,
    /// Whether it is the main one.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_main: bool,
}

/// A company linked to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LinkedCompany {
    /// Its id.
    pub id: CompanyId,
}

/// A lead linked to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LinkedLead {
    /// Its id.
    pub id: LeadId,
}

/// A customer linked to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LinkedCustomer {
    /// Its id.
    pub id: CustomerId,
}

/// A catalog element linked to an entity, with its quantity.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct LinkedElement {
    /// Its id.
    pub id: CatalogElementId,
    /// How many, of which catalog, at which price.
    #[serde(default, deserialize_with = "de::object")]
    pub metadata: ElementMetadata,
}

/// Details of a link to a catalog element.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ElementMetadata {
    /// How many; fractions are allowed.
    #[serde(deserialize_with = "de::opt_number")]
    pub quantity: Option<f64>,
    /// The catalog of the element.
    #[serde(deserialize_with = "de::opt_id")]
    pub catalog_id: Option<CatalogId>,
    /// The price field that counts.
    #[serde(deserialize_with = "de::opt_id")]
    pub price_id: Option<CustomFieldId>,
}

/// A tag as it is written: by text, which amoCRM creates if it is new, or by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TagRef {
    /// By id.
    Id(TagId),
    /// By text.
    Name(String),
}

impl From<TagId> for TagRef {
    fn from(id: TagId) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for TagRef {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for TagRef {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// What may be written to any card.
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
pub(crate) struct CardFields {
    pub(crate) name: Option<String>,
    pub(crate) responsible_user_id: Option<UserId>,
    pub(crate) created_by: Option<UserId>,
    pub(crate) updated_by: Option<UserId>,
    #[serde(with = "de::opt_time")]
    pub(crate) created_at: Option<DateTime<Utc>>,
    #[serde(with = "de::opt_time")]
    pub(crate) updated_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "FieldChanges::is_empty")]
    pub(crate) custom_fields_values: FieldChanges,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags_to_add: Vec<TagRef>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags_to_delete: Vec<TagRef>,
    /// Leads that are new embed more and have an object of their own.
    #[serde(rename = "_embedded", skip_serializing_if = "EmbeddedInput::is_empty")]
    embedded: EmbeddedInput,
}

#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
struct EmbeddedInput {
    /// Of patches only: **all** tags.
    tags: Option<Vec<TagRef>>,
    /// Of customers only: **all** segments.
    segments: Option<Vec<SegmentInput>>,
}

#[derive(Clone, Serialize)]
struct SegmentInput {
    id: SegmentId,
}

impl EmbeddedInput {
    fn is_empty(&self) -> bool {
        self.tags.is_none() && self.segments.is_none()
    }
}

impl CardFields {
    pub(crate) fn add_tags(&mut self, tags: impl IntoIterator<Item = TagRef>) {
        match &mut self.embedded.tags {
            Some(all) => all.extend(tags),
            None => self.tags_to_add.extend(tags),
        }
    }

    pub(crate) fn remove_tag(&mut self, tag: TagRef) {
        match &mut self.embedded.tags {
            Some(all) => all.retain(|kept| *kept != tag),
            None => self.tags_to_delete.push(tag),
        }
    }

    /// What amoCRM makes of a replacement together with additions and removals is not documented, so only one of them
    /// is ever sent.
    pub(crate) fn replace_tags(&mut self, tags: impl IntoIterator<Item = TagRef>) {
        self.tags_to_add.clear();
        self.tags_to_delete.clear();
        self.embedded.tags = Some(tags.into_iter().collect());
    }

    pub(crate) fn add_segments(&mut self, segments: impl IntoIterator<Item = SegmentId>) {
        let all = self.embedded.segments.get_or_insert_default();
        all.extend(segments.into_iter().map(|id| SegmentInput { id }));
    }
}

/// Something with the fields of a card.
pub(crate) trait HasCard {
    fn card_mut(&mut self) -> &mut CardFields;
}

impl HasCard for CardFields {
    fn card_mut(&mut self) -> &mut CardFields {
        self
    }
}

/// `Debug` of an input: names and custom fields are people's data.
macro_rules! quiet_debug {
    ($($name:ident),+) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })+
    };
}
pub(crate) use quiet_debug;
