//! A definition as amoCRM tells it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ChainedCatalog;
use crate::de;
use crate::entity::HasId;
use crate::fields::FieldType;
use crate::id::{AccountId, CatalogId, CustomFieldId, FieldEnumId, PipelineId, StatusId};
use crate::links::EntityType;

/// A definition as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CustomField {
    /// Its id, different in every account.
    pub id: CustomFieldId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its code, unique among the fields of the entity.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub code: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Its place.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub sort: Option<i64>,
    /// Its group; `None` is the default one.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub group_id: Option<String>,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// Whose it is.
    #[serde(default)]
    pub entity_type: Option<EntityType>,
    /// Whether only the API may change its values.
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_api_only: Option<bool>,
    /// Whether every account has it.
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_predefined: Option<bool>,
    /// Whether it may be removed.
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_deletable: Option<bool>,
    /// Whether it must be filled, in catalogs.
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_required: Option<bool>,
    /// Whether it is shown, in catalogs.
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_visible: Option<bool>,
    /// Whether amoCRM computes its values.
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_computed: Option<bool>,
    /// Options, of the types that have some.
    #[serde(default, deserialize_with = "de::list")]
    pub enums: Vec<FieldOption>,
    /// Options of a category, a tree.
    #[serde(default, deserialize_with = "de::list")]
    pub nested: Vec<NestedOption>,
    /// Stages at which it must be filled.
    #[serde(default, deserialize_with = "de::list")]
    pub required_statuses: Vec<Stage>,
    /// Stages at which it is hidden.
    #[serde(default, deserialize_with = "de::list")]
    pub hidden_statuses: Vec<Stage>,
    /// Currency of money, three letters.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub currency: Option<String>,
    /// When a birthday reminds: `never`, `day`, `week`, `month`.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub remind: Option<String>,
    /// Catalogs of a chained list.
    #[serde(default, deserialize_with = "de::list")]
    pub chained_lists: Vec<ChainedCatalog>,
    /// Its catalog, of fields of catalogs.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub catalog_id: Option<CatalogId>,
    /// How cards show it, of fields of catalogs: as amoCRM tells it.
    #[serde(default)]
    pub settings: Value,
    /// The script of a tracking field.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub tracking_callback: Option<String>,
    /// What a linked entity is searched in.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub search_in: Option<String>,
}

impl CustomField {
    /// The option of this text.
    pub fn option(&self, value: &str) -> Option<&FieldOption> {
        self.enums.iter().find(|option| option.value == value)
    }
}

impl HasId for CustomField {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

/// An option of a select, multiselect, radiobutton or multitext field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FieldOption {
    /// Its id, different in every account.
    pub id: FieldEnumId,
    /// Its text.
    #[serde(default, deserialize_with = "de::text")]
    pub value: String,
    /// Its place.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub sort: Option<i64>,
    /// Its code, unique in the field.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub code: Option<String>,
}

/// An option of a category field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct NestedOption {
    /// Its id.
    pub id: FieldEnumId,
    /// The option above it.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub parent_id: Option<FieldEnumId>,
    /// Its text.
    #[serde(default, deserialize_with = "de::text")]
    pub value: String,
    /// Its place.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub sort: Option<i64>,
}

/// A stage: only pipeline and status together name one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stage {
    /// The status.
    pub status_id: StatusId,
    /// The pipeline.
    pub pipeline_id: PipelineId,
}
