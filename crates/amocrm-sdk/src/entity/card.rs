//! What leads, contacts and companies have in common: a card with a responsible user, custom fields and tags.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::de;
use crate::fields::FieldChanges;
use crate::id::{
    CatalogElementId, CatalogId, CompanyId, ContactId, CustomFieldId, CustomerId, LeadId, TagId,
    UserId,
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
    pub(crate) tags_to_add: Vec<TagRef>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags_to_delete: Vec<TagRef>,
}

/// Setters of [`CardFields`], for a type with `fn card_mut(&mut self) -> &mut CardFields`.
macro_rules! card_setters {
    () => {
        /// Sets the name.
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.card_mut().name = Some(name.into());
            self
        }

        /// Sets the responsible user.
        pub fn responsible_user_id(mut self, user: crate::UserId) -> Self {
            self.card_mut().responsible_user_id = Some(user);
            self
        }

        /// Sets who created it; `0` is a robot.
        pub fn created_by(mut self, user: crate::UserId) -> Self {
            self.card_mut().created_by = Some(user);
            self
        }

        /// Sets who changed it; `0` is a robot.
        pub fn updated_by(mut self, user: crate::UserId) -> Self {
            self.card_mut().updated_by = Some(user);
            self
        }

        /// Sets when it was created, for imports.
        pub fn created_at(mut self, at: chrono::DateTime<chrono::Utc>) -> Self {
            self.card_mut().created_at = Some(at);
            self
        }

        /// Sets when it was changed, for imports.
        pub fn updated_at(mut self, at: chrono::DateTime<chrono::Utc>) -> Self {
            self.card_mut().updated_at = Some(at);
            self
        }

        /// Sets a custom field. All its values are replaced.
        pub fn field<K: crate::fields::FieldKind>(
            mut self,
            field: &crate::fields::Field<K>,
            value: impl Into<K::Input>,
        ) -> Self {
            self.card_mut().custom_fields_values.set(field, value);
            self
        }

        /// Clears a custom field. Fields that are not mentioned keep their values.
        pub fn clear_field<K: crate::fields::FieldKind>(
            mut self,
            field: &crate::fields::Field<K>,
        ) -> Self {
            self.card_mut().custom_fields_values.clear(field);
            self
        }

        /// Takes over changes to custom fields; where both change a field, the later wins.
        pub fn fields(mut self, changes: crate::fields::FieldChanges) -> Self {
            self.card_mut().custom_fields_values.extend(changes);
            self
        }

        /// Adds a tag, by text or by id.
        pub fn tag(mut self, tag: impl Into<crate::entity::TagRef>) -> Self {
            self.card_mut().tags_to_add.push(tag.into());
            self
        }

        /// Adds tags, by text or by id.
        pub fn tags<T: Into<crate::entity::TagRef>>(
            mut self,
            tags: impl IntoIterator<Item = T>,
        ) -> Self {
            self.card_mut()
                .tags_to_add
                .extend(tags.into_iter().map(Into::into));
            self
        }
    };
}
pub(crate) use card_setters;

/// Setters that only make sense for an entity that exists.
macro_rules! card_patch_setters {
    () => {
        /// Removes a tag, by text or by id.
        pub fn remove_tag(mut self, tag: impl Into<crate::entity::TagRef>) -> Self {
            self.card_mut().tags_to_delete.push(tag.into());
            self
        }
    };
}
pub(crate) use card_patch_setters;

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
