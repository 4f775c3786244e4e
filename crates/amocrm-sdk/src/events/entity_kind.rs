//! Types of entities in the singular, as the feed, calls and talks have them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::de;
use crate::id::CatalogId;
use crate::links::EntityType;

/// A type of entity, in the singular. Links, notes and tasks have it in the plural: [`EntityType`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntityKind {
    /// A lead.
    Lead,
    /// A contact.
    Contact,
    /// A company.
    Company,
    /// A customer.
    Customer,
    /// A task.
    Task,
    /// An element of this catalog: `catalog_{id}`.
    CatalogElement(CatalogId),
    /// A word that this version does not know.
    Unknown(String),
}

impl EntityKind {
    /// The singular of a type. Elements of catalogs have one per catalog, which the plural does not tell.
    pub(crate) fn of(entity_type: &EntityType) -> Self {
        match entity_type {
            EntityType::Leads => Self::Lead,
            EntityType::Contacts => Self::Contact,
            EntityType::Companies => Self::Company,
            EntityType::Customers => Self::Customer,
            other => Self::Unknown(other.to_string()),
        }
    }

    /// The same in the plural; tasks have none, since nothing hangs on them.
    pub fn plural(&self) -> Option<EntityType> {
        match self {
            Self::Lead => Some(EntityType::Leads),
            Self::Contact => Some(EntityType::Contacts),
            Self::Company => Some(EntityType::Companies),
            Self::Customer => Some(EntityType::Customers),
            Self::CatalogElement(_) => Some(EntityType::CatalogElements),
            Self::Task | Self::Unknown(_) => None,
        }
    }
}

impl From<String> for EntityKind {
    fn from(word: String) -> Self {
        match word.as_str() {
            "lead" => Self::Lead,
            "contact" => Self::Contact,
            "company" => Self::Company,
            "customer" => Self::Customer,
            "task" => Self::Task,
            other => match other.strip_prefix("catalog_").map(str::parse) {
                Some(Ok(id)) => Self::CatalogElement(id),
                _ => Self::Unknown(word),
            },
        }
    }
}

impl From<&str> for EntityKind {
    fn from(word: &str) -> Self {
        Self::from(word.to_owned())
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lead => "lead",
            Self::Contact => "contact",
            Self::Company => "company",
            Self::Customer => "customer",
            Self::Task => "task",
            Self::CatalogElement(id) => return write!(f, "catalog_{id}"),
            Self::Unknown(word) => word,
        })
    }
}

impl Serialize for EntityKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntityKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        de::text(deserializer).map(Self::from)
    }
}
