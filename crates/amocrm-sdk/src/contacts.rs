//! Contacts.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/contacts-api>.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::entity::{
    CardFields, Create, EntityTag, Get, HasCard, LinkedCompany, LinkedCustomer, LinkedElement,
    LinkedLead, List, Update, UpdateMany, card, card_model, card_setters, filter, words,
};
use crate::id::{ContactId, UserId, kind};

mod chats;

pub use self::chats::{ContactChat, ContactChatFilter, ContactChats, NewContactChat};

card_model! {
    /// A contact as amoCRM tells it. Phones and e-mails are custom fields:
    /// `contact.custom_fields_values.get(&PHONE)`. `Debug` shows ids and times only.
    pub struct Contact(ContactId, ContactEmbedded) {
        /// First name, perhaps empty.
        #[serde(default, deserialize_with = "de::text")]
        pub first_name: String,
        /// Last name, perhaps empty.
        #[serde(default, deserialize_with = "de::text")]
        pub last_name: String,
        /// Whether it belongs to an incoming lead that nobody has accepted yet.
        #[serde(default, deserialize_with = "de::flag")]
        pub is_unsorted: bool,
    }
    shown is_unsorted
}

/// What is embedded in a contact.
#[derive(Clone, Default, PartialEq, Deserialize)]
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
    /// With [`ContactWith::SocialProfiles`], as amoCRM tells them: their shape is documented nowhere.
    #[serde(deserialize_with = "de::list")]
    pub social_profiles: Vec<Value>,
}

/// Shows how many social profiles there are, not whose.
impl fmt::Debug for ContactEmbedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactEmbedded")
            .field("tags", &self.tags)
            .field("companies", &self.companies)
            .field("leads", &self.leads)
            .field("customers", &self.customers)
            .field("catalog_elements", &self.catalog_elements)
            .field("social_profiles", &self.social_profiles.len())
            .finish()
    }
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
        /// Profiles in messengers and social networks: [`ContactEmbedded::social_profiles`].
        SocialProfiles = "social_profiles",
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

/// What may be written to a contact.
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
struct ContactFields {
    #[serde(flatten)]
    card: CardFields,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl HasCard for ContactFields {
    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.card
    }
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
}

card! {
    /// Contacts.
    pub struct Contacts = contacts of Contact: kind::Contact, ContactId, "contacts";
    list ContactWith, ContactFilter, ContactOrder;
    write NewContact, ContactPatch, ContactFields, contact_setters
}
