//! What custom fields belong to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::EntityType;

/// Cards, segments of customers, or the elements of one list. Written as `leads`, `segments`, `catalogs:3003`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum FieldOwner {
    /// Cards of one type.
    Cards(EntityType),
    /// Segments of customers.
    Segments,
    /// Elements of the list with this id.
    Catalog(u64),
}

impl FieldOwner {
    /// The word in `entity_type`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cards(entity) => entity.as_str(),
            Self::Segments => "segments",
            Self::Catalog(_) => "catalogs",
        }
    }

    /// The path below `/api/v4`.
    pub(crate) fn path(self) -> String {
        match self {
            Self::Cards(entity) => entity.as_str().to_owned(),
            Self::Segments => "customers/segments".to_owned(),
            Self::Catalog(id) => format!("catalogs/{id}"),
        }
    }
}

impl From<EntityType> for FieldOwner {
    fn from(entity: EntityType) -> Self {
        Self::Cards(entity)
    }
}

impl fmt::Display for FieldOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog(id) => write!(f, "catalogs:{id}"),
            _ => f.write_str(self.as_str()),
        }
    }
}

impl FromStr for FieldOwner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let catalog = || text.strip_prefix("catalogs:")?.parse().ok();
        if text == "segments" {
            return Ok(Self::Segments);
        }
        EntityType::parse(text)
            .map(Self::Cards)
            .or_else(|| catalog().map(Self::Catalog))
            .ok_or_else(|| format!("{text}: nothing that has custom fields"))
    }
}

impl From<FieldOwner> for String {
    fn from(owner: FieldOwner) -> Self {
        owner.to_string()
    }
}

impl TryFrom<String> for FieldOwner {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
