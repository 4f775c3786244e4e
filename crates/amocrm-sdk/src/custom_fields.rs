//! Definitions of custom fields, and their groups. The values that entities hold are in [`fields`](crate::fields).
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/custom-fields>.

use serde::Serialize;
use serde_json::Value;
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::entity::{
    Creatable, Create, Entity, Get, HasId, List, Listable, Never, Remove, Updatable, Update,
    UpdateMany, entity, filter, words,
};
use crate::fields::FieldType;
use crate::id::{CatalogId, CustomFieldId, kind};
use crate::request::declare;

mod definition;
mod groups;
mod input;

pub use self::definition::{CustomField, FieldOption, NestedOption, Stage};
pub use self::groups::{
    CreateGroups, CustomFieldGroup, CustomFieldGroups, NewCustomFieldGroup, UpdateGroup,
};
use self::input::NestedNode;
pub use self::input::{ChainedCatalog, NestedInput, OptionInput};

/// Whose custom fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldOwner {
    /// Leads.
    Leads,
    /// Contacts.
    Contacts,
    /// Companies.
    Companies,
    /// Customers.
    Customers,
    /// Segments of customers.
    Segments,
    /// Elements of this catalog.
    Catalog(CatalogId),
}

impl FieldOwner {
    fn path(self) -> String {
        match self {
            Self::Leads => "/api/v4/leads".to_owned(),
            Self::Contacts => "/api/v4/contacts".to_owned(),
            Self::Companies => "/api/v4/companies".to_owned(),
            Self::Customers => "/api/v4/customers".to_owned(),
            Self::Segments => "/api/v4/customers/segments".to_owned(),
            Self::Catalog(id) => format!("/api/v4/catalogs/{id}"),
        }
    }
}

/// Custom fields of one kind of entity: [`Client::custom_fields`].
#[derive(Debug, Clone)]
pub struct CustomFields {
    client: Client,
    path: String,
}

declare!(
    CustomFields:
    CustomField::LIST,
    CustomField::GET,
    CustomField::CREATE,
    CustomField::UPDATE,
    CustomField::DELETE,
);

impl Client {
    /// Definitions of custom fields.
    pub fn custom_fields(&self, of: FieldOwner) -> CustomFields {
        CustomFields {
            client: self.clone(),
            path: format!("{}/custom_fields", of.path()),
        }
    }
}

impl CustomFields {
    /// Reads the definitions.
    pub fn list(&self) -> List<CustomField> {
        List::new(self.client.clone(), &self.path)
    }

    /// Reads one definition.
    pub fn get(&self, id: CustomFieldId) -> Get<CustomField> {
        Get::new(self.client.clone(), format!("{}/{id}", self.path))
    }

    /// Adds fields. Needs an administrator's token.
    pub fn create(&self, fields: impl IntoIterator<Item = NewCustomField>) -> Create<CustomField> {
        Create::new(self.client.clone(), &self.path, fields)
    }

    /// Changes a field. Needs an administrator's token.
    pub fn update(&self, id: CustomFieldId) -> Update<CustomField> {
        Update::new(
            self.client.clone(),
            format!("{}/{id}", self.path),
            CustomFieldPatch::new(id),
        )
        .gathered(true)
    }

    /// Changes many fields. Works, though the vendor's own client refuses to.
    pub fn update_many(
        &self,
        patches: impl IntoIterator<Item = CustomFieldPatch>,
    ) -> UpdateMany<CustomField> {
        UpdateMany::new(self.client.clone(), &self.path, patches)
    }

    /// Removes a field with all its values. Predefined fields cannot be removed.
    pub fn delete(&self, id: CustomFieldId) -> Remove {
        Remove::new(
            self.client.clone(),
            CustomField::DELETE,
            format!("{}/{id}", self.path),
        )
    }

    /// Groups (tabs) of fields.
    pub fn groups(&self) -> CustomFieldGroups {
        CustomFieldGroups::new(self.client.clone(), format!("{}/groups", self.path))
    }
}

words! {
    /// What definitions can be ordered by.
    pub enum CustomFieldOrder {
        /// By place.
        Sort = "sort",
        /// By id.
        Id = "id",
    }
}

filter! {
    /// Which definitions a list keeps.
    pub struct CustomFieldFilter {
        /// These fields.
        any ids "id": CustomFieldId,
        /// Of these types.
        any types "type": FieldType,
    }
}

impl Listable for CustomField {
    type With = Never;
    type Filter = CustomFieldFilter;
    type Order = CustomFieldOrder;
}

#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize)]
struct Changes {
    name: Option<String>,
    code: Option<String>,
    sort: Option<i64>,
    group_id: Option<GroupInput>,
    is_api_only: Option<bool>,
    is_required: Option<bool>,
    is_visible: Option<bool>,
    is_deletable: Option<bool>,
    enums: Option<Vec<OptionInput>>,
    nested: Option<Vec<NestedNode>>,
    chained_lists: Option<Vec<ChainedCatalog>>,
    required_statuses: Option<Vec<Stage>>,
    hidden_statuses: Option<Vec<Stage>>,
    currency: Option<String>,
    remind: Option<String>,
    tracking_callback: Option<String>,
    search_in: Option<String>,
    settings: Option<Value>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum GroupInput {
    Id(String),
    /// Written as `null`.
    Default,
}

macro_rules! field_setters {
    () => {
        /// Sets the code, unique among the fields of the entity.
        pub fn code(mut self, code: impl Into<String>) -> Self {
            self.changes_mut().code = Some(code.into());
            self
        }

        /// Sets its place.
        pub fn sort(mut self, sort: i64) -> Self {
            self.changes_mut().sort = Some(sort);
            self
        }

        /// Puts it into a group.
        pub fn group(mut self, group: impl Into<String>) -> Self {
            self.changes_mut().group_id = Some(GroupInput::Id(group.into()));
            self
        }

        /// Puts it into the default group.
        pub fn clear_group(mut self) -> Self {
            self.changes_mut().group_id = Some(GroupInput::Default);
            self
        }

        /// Whether only the API may change its values.
        pub fn api_only(mut self, only: bool) -> Self {
            self.changes_mut().is_api_only = Some(only);
            self
        }

        /// Sets **all** options, in this order. Options that exist and are missing here are removed with their values.
        pub fn options<O: Into<OptionInput>>(
            mut self,
            options: impl IntoIterator<Item = O>,
        ) -> Self {
            self.changes_mut().enums = Some(input::placed(options));
            self
        }

        /// Whether it must be filled. Fields of catalogs only; for cards see [`required_at`](Self::required_at).
        pub fn required(mut self, required: bool) -> Self {
            self.changes_mut().is_required = Some(required);
            self
        }

        /// Whether it is shown. Fields of catalogs only.
        pub fn visible(mut self, visible: bool) -> Self {
            self.changes_mut().is_visible = Some(visible);
            self
        }

        /// Whether users may remove it. Fields of catalogs only.
        pub fn deletable(mut self, deletable: bool) -> Self {
            self.changes_mut().is_deletable = Some(deletable);
            self
        }

        /// Sets how cards show it, as [`CustomField::settings`] tells it. Fields of catalogs only.
        pub fn settings(mut self, settings: serde_json::Value) -> Self {
            self.changes_mut().settings = Some(settings);
            self
        }

        /// Sets **all** options of a category, in this order, as with [`options`](Self::options).
        pub fn nested(mut self, trees: impl IntoIterator<Item = NestedInput>) -> Self {
            self.changes_mut().nested = Some(input::flatten(trees));
            self
        }

        /// Sets the catalogs of a chained list, at most five.
        pub fn chained_lists(mut self, steps: impl IntoIterator<Item = ChainedCatalog>) -> Self {
            self.changes_mut().chained_lists = Some(steps.into_iter().collect());
            self
        }

        /// Sets the stages at which it is hidden.
        pub fn hidden_at(mut self, stages: impl IntoIterator<Item = Stage>) -> Self {
            self.changes_mut().hidden_statuses = Some(stages.into_iter().collect());
            self
        }

        /// Sets the stages at which it must be filled.
        pub fn required_at(mut self, stages: impl IntoIterator<Item = Stage>) -> Self {
            self.changes_mut().required_statuses = Some(stages.into_iter().collect());
            self
        }

        /// Sets the currency of money. amoCRM wants it with every change of such a field.
        pub fn currency(mut self, currency: impl Into<String>) -> Self {
            self.changes_mut().currency = Some(currency.into());
            self
        }

        /// Sets when a birthday reminds: `never`, `day`, `week`, `month`.
        pub fn remind(mut self, remind: impl Into<String>) -> Self {
            self.changes_mut().remind = Some(remind.into());
            self
        }

        /// Sets the script of a tracking field.
        pub fn tracking_callback(mut self, script: impl Into<String>) -> Self {
            self.changes_mut().tracking_callback = Some(script.into());
            self
        }

        /// Sets what a linked entity is searched in: a catalog's id, `contacts`, `companies` or
        /// `contacts_and_companies`.
        pub fn search_in(mut self, place: impl Into<String>) -> Self {
            self.changes_mut().search_in = Some(place.into());
            self
        }
    };
}

/// A field to be added.
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewCustomField {
    #[serde(rename = "type")]
    field_type: FieldType,
    #[serde(flatten)]
    changes: Changes,
}

impl NewCustomField {
    /// A field of this name and type. The type cannot be changed later.
    pub fn new(name: impl Into<String>, field_type: FieldType) -> Self {
        Self {
            field_type,
            changes: Changes {
                name: Some(name.into()),
                ..Changes::default()
            },
        }
    }

    field_setters!();

    fn changes_mut(&mut self) -> &mut Changes {
        &mut self.changes
    }
}

/// Changes to a field.
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct CustomFieldPatch {
    #[serde(skip)]
    id: CustomFieldId,
    #[serde(flatten)]
    changes: Changes,
}

impl CustomFieldPatch {
    /// No changes yet.
    pub fn new(id: CustomFieldId) -> Self {
        Self {
            id,
            changes: Changes::default(),
        }
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.changes.name = Some(name.into());
        self
    }

    field_setters!();

    fn changes_mut(&mut self) -> &mut Changes {
        &mut self.changes
    }
}

impl HasId for CustomFieldPatch {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl Update<CustomField> {
    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.changes_mut().name = Some(name.into());
        self
    }

    field_setters!();

    fn changes_mut(&mut self) -> &mut Changes {
        &mut self.patch_mut().changes
    }
}

entity!(CustomField: kind::CustomField, "custom_fields");

impl Creatable for CustomField {
    type New = NewCustomField;
    type Created = CustomField;
}

impl Updatable for CustomField {
    type Patch = CustomFieldPatch;
    type Updated = CustomField;
}
