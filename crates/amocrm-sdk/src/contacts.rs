//! Contacts.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/contacts-api>.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::entity::{
    CardFields, Creatable, Create, Created, EntityTag, Get, HasId, LinkedCompany, LinkedCustomer,
    LinkedElement, LinkedLead, List, Listable, Updatable, Update, UpdateMany, Updated,
    card_patch_setters, card_setters, entity, filter, quiet_debug, words,
};
use crate::fields::CustomFieldValues;
use crate::id::{AccountId, ContactId, UserGroupId, UserId, kind};

const PATH: &str = "/api/v4/contacts";

/// Contacts of an account: [`Client::contacts`].
#[derive(Debug, Clone)]
pub struct Contacts {
    client: Client,
}

impl Client {
    /// Contacts.
    pub fn contacts(&self) -> Contacts {
        Contacts {
            client: self.clone(),
        }
    }
}

impl Contacts {
    /// Reads contacts, least recently changed first unless ordered otherwise.
    pub fn list(&self) -> List<Contact> {
        List::new(self.client.clone(), PATH)
    }

    /// Reads one contact.
    pub fn get(&self, id: ContactId) -> Get<Contact> {
        Get::new(self.client.clone(), format!("{PATH}/{id}"))
    }

    /// Adds contacts. amoCRM does not look for duplicates here.
    pub fn create(&self, contacts: impl IntoIterator<Item = NewContact>) -> Create<Contact> {
        Create::new(self.client.clone(), PATH, contacts)
    }

    /// Changes one contact.
    pub fn update(&self, id: ContactId) -> Update<Contact> {
        Update::new(
            self.client.clone(),
            format!("{PATH}/{id}"),
            ContactPatch::new(id),
        )
    }

    /// Changes many contacts.
    pub fn update_many(
        &self,
        patches: impl IntoIterator<Item = ContactPatch>,
    ) -> UpdateMany<Contact> {
        UpdateMany::new(self.client.clone(), PATH, patches)
    }
}

/// A contact as amoCRM tells it. Phones and e-mails are custom fields:
/// `contact.custom_fields_values.get(&PHONE)`.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The name as shown.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// First name, perhaps empty.
    #[serde(default, deserialize_with = "de::text")]
    pub first_name: String,
    /// Last name, perhaps empty.
    #[serde(default, deserialize_with = "de::text")]
    pub last_name: String,
    /// The responsible user.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub responsible_user_id: Option<UserId>,
    /// Group of that user.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub group_id: Option<UserGroupId>,
    /// Who created it; `0` is a robot.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub created_by: Option<UserId>,
    /// Who changed it last; `0` is a robot.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub updated_by: Option<UserId>,
    /// When it was created.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// When its next task is due.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub closest_task_at: Option<DateTime<Utc>>,
    /// Whether it is in the trash. Lists of the trash say `false` all the same.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_deleted: bool,
    /// Whether it belongs to an incoming lead that nobody has accepted yet.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_unsorted: bool,
    /// Its custom fields, phones and e-mails among them.
    #[serde(default, deserialize_with = "de::or_default")]
    pub custom_fields_values: CustomFieldValues,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// Tags, the company, and what [`ContactWith`] adds.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: ContactEmbedded,
}

/// What is embedded in a contact.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ContactEmbedded {
    /// Always there.
    #[serde(deserialize_with = "de::list")]
    pub tags: Vec<EntityTag>,
    /// Always there; at most one.
    #[serde(deserialize_with = "de::list")]
    pub companies: Vec<LinkedCompany>,
    /// With [`ContactWith::Leads`].
    #[serde(deserialize_with = "de::list")]
    pub leads: Vec<LinkedLead>,
    /// With [`ContactWith::Customers`].
    #[serde(deserialize_with = "de::list")]
    pub customers: Vec<LinkedCustomer>,
    /// With [`ContactWith::CatalogElements`].
    #[serde(deserialize_with = "de::list")]
    pub catalog_elements: Vec<LinkedElement>,
}

words! {
    /// What a list or a read of contacts embeds on request.
    pub enum ContactWith {
        /// Linked leads: [`ContactEmbedded::leads`].
        Leads = "leads",
        /// Linked customers: [`ContactEmbedded::customers`].
        Customers = "customers",
        /// Linked catalog elements: [`ContactEmbedded::catalog_elements`].
        CatalogElements = "catalog_elements",
        /// Lists only: the contacts in the trash *instead of* the others.
        OnlyDeleted = "only_deleted",
    }
}

words! {
    /// What contacts can be ordered by. amoCRM ignores anything else, the time of creation too.
    pub enum ContactOrder {
        /// By time of the last change.
        UpdatedAt = "updated_at",
        /// By id.
        Id = "id",
        /// By name; works, though not documented.
        Name = "name",
    }
}

filter! {
    /// Which contacts a list keeps.
    pub struct ContactFilter {
        /// These contacts.
        any ids "id": ContactId,
        /// Exactly these names.
        any names "name": String,
        /// With these responsible users.
        any responsible_users "responsible_user_id": UserId,
        /// Created by these users.
        any created_by "created_by": UserId,
        /// Last changed by these users.
        any updated_by "updated_by": UserId,
        /// Created in this period.
        period created_at "created_at": DateTime<Utc>,
        /// Changed in this period.
        period updated_at "updated_at": DateTime<Utc>,
        /// With the next task due in this period.
        period closest_task_at "closest_task_at": DateTime<Utc>,
    }
}

impl Listable for Contact {
    type With = ContactWith;
    type Filter = ContactFilter;
    type Order = ContactOrder;
}

/// What may be written to a contact.
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
struct ContactFields {
    #[serde(flatten)]
    card: CardFields,
    first_name: Option<String>,
    last_name: Option<String>,
}

macro_rules! contact_setters {
    () => {
        card_setters!();

        /// Sets the first name; the account's settings compose the shown name of it.
        pub fn first_name(mut self, name: impl Into<String>) -> Self {
            self.fields_mut().first_name = Some(name.into());
            self
        }

        /// Sets the last name; the account's settings compose the shown name of it.
        pub fn last_name(mut self, name: impl Into<String>) -> Self {
            self.fields_mut().last_name = Some(name.into());
            self
        }
    };
}

/// A contact to be added. Nothing is required.
#[derive(Clone, Default, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewContact {
    #[serde(flatten)]
    fields: ContactFields,
}

impl NewContact {
    /// A contact with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    contact_setters!();

    fn fields_mut(&mut self) -> &mut ContactFields {
        &mut self.fields
    }

    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.fields.card
    }
}

/// Changes to a contact: only what is set travels.
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct ContactPatch {
    #[serde(skip)]
    id: ContactId,
    #[serde(flatten)]
    fields: ContactFields,
}

impl ContactPatch {
    /// No changes yet.
    pub fn new(id: ContactId) -> Self {
        Self {
            id,
            fields: ContactFields::default(),
        }
    }

    contact_setters!();
    card_patch_setters!();

    fn fields_mut(&mut self) -> &mut ContactFields {
        &mut self.fields
    }

    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.fields.card
    }
}

impl HasId for ContactPatch {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl Update<Contact> {
    contact_setters!();
    card_patch_setters!();

    fn fields_mut(&mut self) -> &mut ContactFields {
        &mut self.patch_mut().fields
    }

    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.patch_mut().fields.card
    }
}

entity!(Contact: kind::Contact, "contacts");
quiet_debug!(NewContact, ContactPatch);

impl Creatable for Contact {
    type New = NewContact;
    type Created = Created<Contact>;
}

impl Updatable for Contact {
    type Patch = ContactPatch;
    type Updated = Updated<Contact>;
}
