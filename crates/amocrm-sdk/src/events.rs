//! The activity feed: what happened to leads, contacts, companies, customers, tasks and elements of catalogs.
//!
//! amoCRM writes it; nothing can be added or removed. It comes newest first and lags behind webhooks. Which events a
//! token sees depends on its user's rights to the entities.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/events-and-notes>.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::client::Client;
use crate::de;
use crate::entity::{Never, resource, words};
use crate::id::{AccountId, ContactId, UserId};
use crate::text_id::text_id;

mod entity_kind;
mod event_type;
mod filter;
mod types;
mod value;

pub use self::entity_kind::EntityKind;
pub use self::event_type::EventType;
pub use self::filter::EventFilter;
pub use self::types::{EventTypeInfo, EventTypes, Language};
pub use self::value::{EventValue, FieldValue};

resource! {
    /// The activity feed: [`Client::events`].
    pub struct Events of Event: (), "events";
    /// Reads events, newest first.
    list(with = EventWith, filter = EventFilter, order = Never, limit = 100);
    /// Reads one event.
    get(text EventId);
}

impl Client {
    /// The activity feed.
    pub fn events(&self) -> Events {
        Events::at(self, "/api/v4/events")
    }
}

impl Events {
    /// Reads the types of events that the account has, with their names in a language.
    pub fn types(&self) -> EventTypes {
        EventTypes::new(self.client.clone(), format!("{}/types", self.path))
    }
}

text_id! {
    /// Id of an event. Not a number: `01hxyz0000000000000000abcd`.
    pub struct EventId;
}

/// An event as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The id of what it happened to.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub entity_id: Option<u64>,
    /// The type of that. Messages of a talk are told of its lead or customer, but found by its contact:
    /// [`EventEntity::linked_talk_contact_id`].
    pub entity_type: EntityKind,
    /// Who did it; `0` is a robot or the client.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub created_by: Option<UserId>,
    /// When it happened.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// What holds after it. Many types have nothing here.
    #[serde(default, deserialize_with = "value::list")]
    pub value_after: Vec<EventValue>,
    /// What held before it.
    #[serde(default, deserialize_with = "value::list")]
    pub value_before: Vec<EventValue>,
    /// The account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    embedded: Embedded,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct Embedded {
    #[serde(default, deserialize_with = "de::opt_object")]
    entity: Option<EventEntity>,
}

impl Event {
    /// What is known of the entity it happened to.
    pub fn entity(&self) -> Option<&EventEntity> {
        self.embedded.entity.as_ref()
    }
}

/// What an event tells of its entity.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct EventEntity {
    /// Its id.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub id: Option<u64>,
    /// Its name, with the [`EventWith`] of its type.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub name: Option<String>,
    /// Of a message in a talk: the contact that talks.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub linked_talk_contact_id: Option<ContactId>,
}

/// A name is people's data.
impl std::fmt::Debug for EventEntity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventEntity")
            .field("id", &self.id)
            .field("linked_talk_contact_id", &self.linked_talk_contact_id)
            .finish_non_exhaustive()
    }
}

words! {
    /// What a list or a read of events adds on request.
    pub enum EventWith {
        /// Names of contacts.
        ContactName = "contact_name",
        /// Names of leads.
        LeadName = "lead_name",
        /// Names of companies.
        CompanyName = "company_name",
        /// Names of elements of catalogs.
        CatalogElementName = "catalog_element_name",
        /// Names of customers.
        CustomerName = "customer_name",
        /// Names of catalogs.
        CatalogName = "catalog_name",
        /// The notes of [`EventValue::Note`]. amoCRM documents it only in its own client.
        Note = "note",
    }
}
