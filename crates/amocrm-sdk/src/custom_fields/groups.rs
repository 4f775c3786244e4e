//! Groups (tabs) of custom fields. Their ids are texts.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/custom-fields>.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::entity::{
    Entity, Envelope, Get, Identified, List, Listable, MAX_BATCH, Never, Remove, awaited, entity,
    in_input_order, number_items,
};
use crate::error::Result;
use crate::id::CustomFieldId;
use crate::path::segment;
use crate::request::{Request, declare};

/// Groups of one kind of entity: [`CustomFields::groups`](super::CustomFields::groups).
#[derive(Debug, Clone)]
pub struct CustomFieldGroups {
    client: Client,
    path: String,
}

declare!(
    CustomFieldGroups:
    CustomFieldGroup::LIST,
    CustomFieldGroup::GET,
    CustomFieldGroup::CREATE,
    CustomFieldGroup::UPDATE,
    CustomFieldGroup::DELETE,
);

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
        Get::new(self.client.clone(), self.path_of(id))
    }

    /// Adds groups. Needs an administrator's token.
    pub fn create(&self, groups: impl IntoIterator<Item = NewCustomFieldGroup>) -> CreateGroups {
        CreateGroups {
            client: self.client.clone(),
            path: self.path.clone(),
            groups: groups.into_iter().collect(),
        }
    }

    /// Changes a group. Needs an administrator's token.
    pub fn update(&self, id: &str) -> UpdateGroup {
        UpdateGroup {
            client: self.client.clone(),
            path: self.path_of(id),
            changes: Changes::default(),
        }
    }

    /// Removes a group. Predefined groups cannot be removed.
    pub fn delete(&self, id: &str) -> Remove {
        Remove::new(
            self.client.clone(),
            CustomFieldGroup::DELETE,
            self.path_of(id),
        )
    }

    fn path_of(&self, id: &str) -> String {
        format!("{}/{}", self.path, segment(id))
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
#[must_use = "it does nothing until it is sent"]
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

/// Adds groups: *n* in, *n* out, in the order of the input. Their ids are texts, so [`Error::created_ids`](crate::Error)
/// cannot name those of an earlier request.
#[derive(Debug, Clone)]
#[must_use = "nothing is created until it is awaited"]
pub struct CreateGroups {
    client: Client,
    path: String,
    groups: Vec<NewCustomFieldGroup>,
}

impl CreateGroups {
    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// None in practice: a group can always be written.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        let request = |batch| {
            Request::post(CustomFieldGroup::CREATE, &self.path)
                .json(&number_items(CustomFieldGroup::CREATE, batch)?)
        };
        self.groups.chunks(MAX_BATCH).map(request).collect()
    }

    async fn run(self) -> Result<Vec<CustomFieldGroup>> {
        let client = self.client.clone();
        let sizes: Vec<usize> = self.groups.chunks(MAX_BATCH).map(<[_]>::len).collect();
        let mut created: Vec<CustomFieldGroup> = Vec::with_capacity(self.groups.len());
        for (request, size) in self.into_requests()?.into_iter().zip(sizes) {
            let offset = created.len();
            let answer: Envelope<CustomFieldGroup, Identified<CustomFieldGroup>> = client
                .expect(request)
                .await
                .map_err(|error| error.with_item_offset(offset))?;
            created.extend(in_input_order(
                CustomFieldGroup::CREATE,
                answer.into_items(),
                size,
            )?);
        }
        Ok(created)
    }
}

awaited!(CreateGroups => Vec<CustomFieldGroup>);

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

    /// The request.
    ///
    /// # Errors
    ///
    /// None in practice: the changes can always be written.
    pub fn into_request(self) -> Result<Request> {
        Request::patch(CustomFieldGroup::UPDATE, self.path).json(&self.changes)
    }

    async fn run(self) -> Result<CustomFieldGroup> {
        let client = self.client.clone();
        client.expect(self.into_request()?).await
    }
}

awaited!(UpdateGroup => CustomFieldGroup);
