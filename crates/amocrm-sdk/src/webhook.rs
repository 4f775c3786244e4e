//! Webhook bodies: amoCRM's bracket forms parsed into typed events.
//!
//! amoCRM posts `application/x-www-form-urlencoded` bodies with PHP-style keys, everything a string. [`parse`] makes a
//! [`Tree`] of them and typed [`Event`]s of the tree:
//!
//! ```
//! use amocrm_sdk::webhook::{self, Action, Event};
//! use amocrm_sdk::{LeadId, StatusId};
//!
//! let body = b"account%5Bid%5D=31000001&account%5Bsubdomain%5D=acme-demo\
//!     &leads%5Bstatus%5D%5B0%5D%5Bid%5D=40000001&leads%5Bstatus%5D%5B0%5D%5Bstatus_id%5D=142\
//!     &leads%5Bstatus%5D%5B0%5D%5Bold_status_id%5D=60000002";
//!
//! let payload = webhook::parse(body)?;
//! for event in &payload.events {
//!     match event {
//!         Event::Lead(lead) if lead.action == Action::Status => {
//!             assert_eq!(lead.id, LeadId::new(40_000_001));
//!             assert_eq!(lead.status_id, Some(StatusId::new(142)));
//!         }
//!         other => println!("{} {}", other.entity_kind(), other.action()),
//!     }
//! }
//! # Ok::<(), webhook::ParseError>(())
//! ```
//!
//! What a newcomer gets wrong:
//!
//! * Ordinary webhooks carry **no signature**. Put a secret into the URL and compare [`Payload::account`].
//! * amoCRM waits 2 seconds, repeats, reorders, and disables a hook after 100 bad answers in 2 hours. Store the bytes, answer,
//!   parse later; [`Event::dedup_key`] tells repetitions.
//! * Companies come under `contacts`. Here they are [`Event::Company`].
//!
//! Between systems of ours an event travels alone, as a [`CloudEvent`].
//!
//! The parser never panics and is strict only about what an event is about: an item without a usable id is a problem that
//! names the key, and costs none of the items beside it: see [`Payload::problems`]. Any other value it cannot read is `None` in the typed event and stays in its `raw` tree, because a body
//! refused for one odd price would be repeated and refused again. What is unknown becomes [`Event::Unknown`].

mod cloud_event;
mod decode;
mod error;
mod event;
mod fields;
mod subscription;
mod tree;

use serde::Serialize;

use crate::AccountId;

pub use cloud_event::{CLOUD_EVENTS_JSON, CloudEvent, CloudEventError};
pub use error::{ParseError, ParseErrorKind};
pub use event::{
    Action, Attachment, CatalogElementEvent, CompanyEvent, ContactEvent, CustomerEvent, EntityKind,
    Event, EventTag, IntegrationEvent, LeadEvent, MessageAuthor, MessageEvent, NoteBody,
    PartyEvent, TalkEvent, TaskEvent, TaskResult, TemplateReviewEvent, UnknownEvent, UnsortedEvent,
    UnsortedOutcome, WidgetEvent,
};
pub use subscription::WebhookEvent;
pub use tree::{Key, MAX_BODY_BYTES, MAX_DEPTH, MAX_VALUES, Tree};

/// A parsed webhook body.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Payload {
    /// The account that sent it, as it says. Nothing proves it.
    pub account: AccountRef,
    /// What happened, in the order of the body. A body may carry several events.
    pub events: Vec<Event>,
    /// Items that are no events because they have no usable id. Keep the body then, and have somebody look at it.
    #[serde(skip)]
    pub problems: Vec<ParseError>,
}

/// The account a webhook came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccountRef {
    /// Its id.
    pub id: Option<AccountId>,
    /// Its subdomain: `acme-demo`.
    pub subdomain: Option<String>,
    /// Its address: `https://acme-demo.amocrm.ru`.
    pub self_href: Option<String>,
}

/// Parses a form-urlencoded webhook body.
///
/// # Errors
///
/// The body is beyond the limits ([`MAX_BODY_BYTES`], [`MAX_VALUES`], [`MAX_DEPTH`]), uses one key as a value and as a group, or has
/// nothing but items without a usable id. A body with no events in it is no error.
pub fn parse(body: &[u8]) -> Result<Payload, ParseError> {
    decode::payload(&Tree::from_form(body)?)
}

/// Parses the same structure sent as JSON: `{"leads": {"add": [{"id": 123, "name": "…"}]}}`.
///
/// # Errors
///
/// As [`parse`], and if the body is no JSON object.
pub fn parse_json(body: &[u8]) -> Result<Payload, ParseError> {
    decode::payload(&Tree::from_json(body)?)
}
