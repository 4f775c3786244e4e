//! Groups (tabs) of custom fields. Their ids are texts.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/custom-fields>.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::entity::{
    Entity, Envelope, Get, Identified, List, Listable, Never, Remove, awaited, entity,
    in_input_order, number_items,
};
use crate::error::Result;
use crate::id::CustomFieldId;
use crate::request::Request;

/// Groups of one kind of entity: [`CustomFields::groups`](super::CustomFields::groups).
#[derive(Debug, Clone)]
pub struct CustomFieldGroups {
    client: Client,
    path: String,
}

impl CustomFieldGroups {
    pub(super) fn new(client: Client, path: String) -> Self {
        Self { client, path }
    }

    /// Reads the groups.
    pub fn list(&self) -> List<CustomFieldGroup> {
        List::new(self.client.clone(), &self.path).unpaged()
    }

    /// Reads one group.
    pub fn get(&self, id: &str) -> Get<CustomFieldGroup> {
        Get::new(self.client.clone(), format!("{}/{id}", self.path))
    }

    /// Adds groups. Needs an administrator's token.
    ///
    /// # Errors
    ///
    /// As [`Client::fetch`].
    pub async fn create(
        &self,
        groups: impl IntoIterator<Item = NewCustomFieldGroup>,
    ) -> Result<Vec<CustomFieldGroup>> {
        let groups: Vec<_> = groups.into_iter().collect();
        let request = Request::post(CustomFieldGroup::CREATE, &self.path)
            .json(&number_items(CustomFieldGroup::CREATE, &groups)?)?;
        let answer: Envelope<CustomFieldGroup, Identified<CustomFieldGroup>> =
            self.client.expect(request).await?;
        in_input_order(CustomFieldGroup::CREATE, answer.into_items(), groups.len())
    }

    /// Changes a group. Needs an administrator's token.
    pub fn update(&self, id: &str) -> UpdateGroup {
        UpdateGroup {
            client: self.client.clone(),
            path: format!("{}/{id}", self.path),
            changes: Changes::default(),
        }
    }

    /// Removes a group. Predefined groups cannot be removed.
    pub fn delete(&self, id: &str) -> Remove {
        Remove::new(
            self.client.clone(),
            CustomFieldGroup::DELETE,
            format!("{}/{id}", self.path),
        )
    }
}

/// A group as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CustomFieldGroup {
    /// Its id: `default`, `statistic`, `leads_51901754000000`.
    #[serde(deserialize_with = "de::text")]
    pub id: String,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Whether every account has it.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_predefined: bool,
    /// Its place.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub sort: Option<i64>,
    /// Its fields, in order.
    #[serde(default, deserialize_with = "de::list")]
    pub fields: Vec<CustomFieldId>,
}

impl Listable for CustomFieldGroup {
    type With = Never;
    type Filter = Never;
    type Order = Never;
}

entity!(CustomFieldGroup: CustomFieldGroup, "custom_field_groups");

/// A group to be added.
#[derive(Debug, Clone, Serialize)]
pub struct NewCustomFieldGroup {
    name: String,
    sort: i64,
}

impl NewCustomFieldGroup {
    /// A group of this name at this place.
    pub fn new(name: impl Into<String>, sort: i64) -> Self {
        Self {
            name: name.into(),
            sort,
        }
    }
}

#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize)]
struct Changes {
    name: Option<String>,
    sort: Option<i64>,
    fields: Option<Vec<CustomFieldId>>,
}

/// Changes a group.
#[derive(Debug, Clone)]
#[must_use = "nothing is changed until it is awaited"]
pub struct UpdateGroup {
    client: Client,
    path: String,
    changes: Changes,
}

impl UpdateGroup {
    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.changes.name = Some(name.into());
        self
    }

    /// Sets its place.
    pub fn sort(mut self, sort: i64) -> Self {
        self.changes.sort = Some(sort);
        self
    }

    /// Sets its fields, in order; they leave the groups they were in.
    pub fn fields(mut self, fields: impl IntoIterator<Item = CustomFieldId>) -> Self {
        self.changes.fields = Some(fields.into_iter().collect());
        self
    }

    async fn run(self) -> Result<CustomFieldGroup> {
        self.client
            .expect(Request::patch(CustomFieldGroup::UPDATE, self.path).json(&self.changes)?)
            .await
    }
}

awaited!(UpdateGroup => CustomFieldGroup);
