//! Elements of catalogs.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Action, FromItem, brief_debug};
use crate::fields::CustomFieldValues;
use crate::webhook::Tree;
use crate::webhook::fields::{custom_fields, flag, id, id_or_zero, text, time};
use crate::{CatalogElementId, CatalogId, UserId};

/// An event of an element of a catalog.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CatalogElementEvent {
    /// What happened.
    pub action: Action,
    /// The element.
    pub id: CatalogElementId,
    /// Its catalog.
    pub catalog_id: Option<CatalogId>,
    /// Name.
    pub name: Option<String>,
    /// It is deleted.
    pub is_deleted: Option<bool>,
    /// Who created it.
    pub created_by: Option<UserId>,
    /// Who changed it last.
    pub modified_by: Option<UserId>,
    /// Filled custom fields.
    pub custom_fields: CustomFieldValues,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: Option<DateTime<Utc>>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(CatalogElementEvent: action, id, catalog_id, updated_at);

impl FromItem for CatalogElementEvent {
    const ID_KEY: &'static str = "id";
    const ID_EXPECTED: &'static str = "a numeric id";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        Some(Self {
            action,
            id: id(item, "id")?,
            catalog_id: id(item, "catalog_id"),
            name: text(item, "name"),
            is_deleted: flag(item, "deleted"),
            created_by: id_or_zero(item, "created_by"),
            modified_by: id_or_zero(item, "modified_by"),
            custom_fields: custom_fields(item),
            created_at: time(item, &["created_at", "date_create"]),
            updated_at: time(item, &["updated_at", "date_modify"]),
            raw: item.clone(),
        })
    }
}
