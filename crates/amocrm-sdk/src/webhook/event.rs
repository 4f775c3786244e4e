//! Typed events.

mod catalog;
mod chat;
mod crm;
mod integration;
mod key;
mod task;
mod unsorted;
mod widget;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Tree;
use crate::TagId;

pub use catalog::CatalogElementEvent;
pub use chat::{Attachment, MessageAuthor, MessageEvent, TalkEvent, TemplateReviewEvent};
pub use crm::{CompanyEvent, ContactEvent, CustomerEvent, LeadEvent, NoteBody, PartyEvent};
pub use integration::IntegrationEvent;
pub use task::{TaskEvent, TaskResult};
pub use unsorted::{UnsortedEvent, UnsortedOutcome};
pub(super) use widget::WIDGET_ID_KEY;
pub use widget::WidgetEvent;

/// Something that happened in the account.
///
/// Serialization gives JSON with the kind under `entity`. The `raw` trees are left out of it, and [`Debug`](fmt::Debug) shows ids and
/// actions only: names, texts and custom fields may hold phones and e-mails.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "entity", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A lead. Also the digital pipeline's "send webhook" triggers.
    Lead(LeadEvent),
    /// A contact.
    Contact(ContactEvent),
    /// A company.
    Company(CompanyEvent),
    /// A customer.
    Customer(CustomerEvent),
    /// A task.
    Task(TaskEvent),
    /// An incoming lead.
    Unsorted(UnsortedEvent),
    /// An element of a catalog.
    CatalogElement(CatalogElementEvent),
    /// A message of a chat.
    Message(MessageEvent),
    /// A talk.
    Talk(TalkEvent),
    /// A review of a chat template.
    TemplateReview(TemplateReviewEvent),
    /// An action of a widget in the digital pipeline.
    Widget(WidgetEvent),
    /// An integration. The gateway's own: no webhook body tells it.
    Integration(IntegrationEvent),
    /// Something the SDK does not know.
    Unknown(UnknownEvent),
}

crate::de::open_enum! {
    /// What happened to the entity.
    pub enum Action {
        /// It was added.
        Add = "add",
        /// It was edited.
        Update = "update",
        /// It was deleted.
        Delete = "delete",
        /// It was restored from the trash.
        Restore = "restore",
        /// It has moved to another status.
        Status = "status",
        /// Its responsible user has changed.
        Responsible = "responsible",
        /// A note was added to it.
        Note = "note",
        /// Digital pipeline: a mail came in.
        MailIn = "mail_in",
        /// Digital pipeline: a call came in.
        CallIn = "call_in",
        /// Digital pipeline: a chat message came in.
        Chat = "chat",
        /// Digital pipeline: the client has visited the site.
        SiteVisit = "site_visit",
        /// An integration was switched off.
        Disabled = "disabled",
    }
}

crate::de::open_enum! {
    /// What an event is about.
    pub enum EntityKind {
        /// A lead.
        Lead = "lead",
        /// A contact.
        Contact = "contact",
        /// A company.
        Company = "company",
        /// A customer.
        Customer = "customer",
        /// A task.
        Task = "task",
        /// An incoming lead.
        Unsorted = "unsorted",
        /// An element of a catalog.
        CatalogElement = "catalog_element",
        /// A message of a chat.
        Message = "message",
        /// A talk.
        Talk = "talk",
        /// A review of a chat template.
        TemplateReview = "template_review",
        /// A widget of the digital pipeline.
        Widget = "widget",
        /// An integration.
        Integration = "integration",
    }
}

/// Something the SDK does not know, with all that came.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UnknownEvent {
    /// The top key of the body.
    pub key: String,
    /// The key under it.
    pub action: Action,
    /// What is under both.
    pub raw: Tree,
}

/// A tag of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EventTag {
    /// Its id.
    pub id: Option<TagId>,
    /// Its name.
    pub name: Option<String>,
}

/// Reads an item of the body.
pub(super) trait FromItem: Sized {
    /// What the item is known by, for scalar items and for errors.
    const ID_KEY: &'static str;
    /// What that must be.
    const ID_EXPECTED: &'static str;

    /// `None` if the item has no usable id.
    fn from_item(action: Action, item: &Tree) -> Option<Self>;
}

/// Calls `$body` with the inner event of any variant but `Unknown`.
macro_rules! each {
    ($event:expr, $inner:ident => $body:expr, $unknown:ident => $unknown_body:expr) => {
        match $event {
            Event::Lead($inner) => $body,
            Event::Contact($inner) => $body,
            Event::Company($inner) => $body,
            Event::Customer($inner) => $body,
            Event::Task($inner) => $body,
            Event::Unsorted($inner) => $body,
            Event::CatalogElement($inner) => $body,
            Event::Message($inner) => $body,
            Event::Talk($inner) => $body,
            Event::TemplateReview($inner) => $body,
            Event::Widget($inner) => $body,
            Event::Integration($inner) => $body,
            Event::Unknown($unknown) => $unknown_body,
        }
    };
}

impl Event {
    /// What the event is about.
    pub fn entity_kind(&self) -> EntityKind {
        match self {
            Self::Lead(_) => EntityKind::Lead,
            Self::Contact(_) => EntityKind::Contact,
            Self::Company(_) => EntityKind::Company,
            Self::Customer(_) => EntityKind::Customer,
            Self::Task(_) => EntityKind::Task,
            Self::Unsorted(_) => EntityKind::Unsorted,
            Self::CatalogElement(_) => EntityKind::CatalogElement,
            Self::Message(_) => EntityKind::Message,
            Self::Talk(_) => EntityKind::Talk,
            Self::TemplateReview(_) => EntityKind::TemplateReview,
            Self::Widget(_) => EntityKind::Widget,
            Self::Integration(_) => EntityKind::Integration,
            Self::Unknown(event) => EntityKind::from(event.key.as_str()),
        }
    }

    /// What happened.
    pub fn action(&self) -> &Action {
        each!(self, event => &event.action, event => &event.action)
    }

    /// Id of the entity as text: a number, a uid or a UUID. `None` for what is unknown.
    pub fn entity_id(&self) -> Option<String> {
        match self {
            Self::Lead(event) => Some(event.id.to_string()),
            Self::Contact(event) => Some(event.id.to_string()),
            Self::Company(event) => Some(event.id.to_string()),
            Self::Customer(event) => Some(event.id.to_string()),
            Self::Task(event) => Some(event.id.to_string()),
            Self::Unsorted(event) => Some(event.uid.clone()),
            Self::CatalogElement(event) => Some(event.id.to_string()),
            Self::Message(event) => Some(event.id.clone()),
            Self::Talk(event) => Some(event.id.to_string()),
            Self::TemplateReview(event) => Some(event.id.clone()),
            Self::Widget(event) => Some(event.element_id.to_string()),
            Self::Integration(event) => Some(event.client_id.clone()),
            Self::Unknown(_) => None,
        }
    }

    /// When the entity was changed last, as far as the body says.
    pub fn updated_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Lead(event) => event.updated_at,
            Self::Contact(event) => event.updated_at,
            Self::Company(event) => event.updated_at,
            Self::Customer(event) => event.updated_at,
            Self::Task(event) => event.updated_at,
            Self::Unsorted(event) => event.created_at,
            Self::CatalogElement(event) => event.updated_at,
            Self::Message(event) => event.created_at,
            Self::Talk(event) => event.updated_at,
            Self::Widget(event) => event.time,
            Self::TemplateReview(_) | Self::Integration(_) | Self::Unknown(_) => None,
        }
    }

    /// All that came for this event.
    pub fn raw(&self) -> &Tree {
        each!(self, event => &event.raw, event => &event.raw)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, event => event.fmt(f), event => event.fmt(f))
    }
}

impl fmt::Debug for UnknownEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownEvent")
            .field("key", &self.key)
            .field("action", &self.action)
            .field("raw", &self.raw)
            .finish()
    }
}

/// `Debug` that shows these fields and hides the rest.
macro_rules! brief_debug {
    ($name:ident $(<$param:ident>)?: $($field:ident),+) => {
        impl$(<$param>)? std::fmt::Debug for $name$(<$param>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))+
                    .finish_non_exhaustive()
            }
        }
    };
}

use brief_debug;
