//! Messages, talks and chat templates.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Action, FromItem, brief_debug};
use crate::webhook::Tree;
use crate::webhook::fields::{flag, id, number, text, time};
use crate::{ContactId, TalkId};

/// A message of a chat.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MessageEvent {
    /// What happened.
    pub action: Action,
    /// The message, a UUID.
    pub id: String,
    /// `incoming` or `outgoing`.
    pub direction: Option<String>,
    /// The chat, a UUID.
    pub chat_id: Option<String>,
    /// The talk.
    pub talk_id: Option<TalkId>,
    /// The contact.
    pub contact_id: Option<ContactId>,
    /// Text.
    pub text: Option<String>,
    /// Type of the entity the talk is about: `lead`, `contact`…
    pub entity_type: Option<String>,
    /// The entity the talk is about.
    pub entity_id: Option<u64>,
    /// Who wrote.
    pub author: Option<MessageAuthor>,
    /// The messenger: `telegram`.
    pub origin: Option<String>,
    /// A file.
    pub attachment: Option<Attachment>,
    /// When it was written.
    pub created_at: Option<DateTime<Utc>>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(MessageEvent: action, id, direction, talk_id, contact_id, created_at);

/// Author of a message.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MessageAuthor {
    /// The author, a UUID.
    pub id: Option<String>,
    /// `external` for clients, `internal` for users of the account.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Picture.
    pub avatar_url: Option<String>,
}

brief_debug!(MessageAuthor: id, kind);

/// A file of a message.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attachment {
    /// `picture`, `voice`, `file`, `document`…
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Where it is.
    pub link: Option<String>,
    /// Name.
    pub file_name: Option<String>,
}

brief_debug!(Attachment: kind);

impl FromItem for MessageEvent {
    const ID_KEY: &'static str = "id";
    const ID_EXPECTED: &'static str = "an id";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        Some(Self {
            action,
            id: text(item, "id")?,
            direction: text(item, "type").or_else(|| text(item, "message_type")),
            chat_id: text(item, "chat_id"),
            talk_id: id(item, "talk_id"),
            contact_id: id(item, "contact_id"),
            text: text(item, "text"),
            entity_type: text(item, "entity_type"),
            entity_id: number(item, "entity_id").or_else(|| number(item, "element_id")),
            author: item.get("author").map(|author| MessageAuthor {
                id: text(author, "id"),
                kind: text(author, "type"),
                name: text(author, "name"),
                avatar_url: text(author, "avatar_url"),
            }),
            origin: text(item, "origin"),
            attachment: item.get("attachment").map(|attachment| Attachment {
                kind: text(attachment, "type"),
                link: text(attachment, "link"),
                file_name: text(attachment, "file_name"),
            }),
            created_at: time(item, &["created_at"]),
            raw: item.clone(),
        })
    }
}

/// An event of a talk. A talk is closed by an update with `is_in_work` false, and answered by one with `is_read` true.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TalkEvent {
    /// What happened.
    pub action: Action,
    /// The talk.
    pub id: TalkId,
    /// The chat, a UUID.
    pub chat_id: Option<String>,
    /// The contact.
    pub contact_id: Option<ContactId>,
    /// Type of the entity the talk is about.
    pub entity_type: Option<String>,
    /// The entity the talk is about.
    pub entity_id: Option<u64>,
    /// The talk is open.
    pub is_in_work: Option<bool>,
    /// The last message was read.
    pub is_read: Option<bool>,
    /// The client's rating.
    pub rate: Option<i64>,
    /// The messenger.
    pub origin: Option<String>,
    /// When it began.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: Option<DateTime<Utc>>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(TalkEvent: action, id, contact_id, is_in_work, is_read, updated_at);

impl FromItem for TalkEvent {
    const ID_KEY: &'static str = "talk_id";
    const ID_EXPECTED: &'static str = "a numeric id";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        Some(Self {
            action,
            id: id(item, "talk_id").or_else(|| id(item, "id"))?,
            chat_id: text(item, "chat_id"),
            contact_id: id(item, "contact_id"),
            entity_type: text(item, "entity_type"),
            entity_id: number(item, "entity_id"),
            is_in_work: flag(item, "is_in_work"),
            is_read: flag(item, "is_read"),
            rate: number(item, "rate"),
            origin: text(item, "origin"),
            created_at: time(item, &["created_at"]),
            updated_at: time(item, &["updated_at"]),
            raw: item.clone(),
        })
    }
}

/// A chat template was sent for review. The shape is seen in the wild, not documented: the reviews are in `raw`.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TemplateReviewEvent {
    /// What happened.
    pub action: Action,
    /// The template.
    pub id: String,
    /// `waba`, the WhatsApp Business API.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The review is under way.
    pub is_on_review: Option<bool>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(TemplateReviewEvent: action, id, kind, is_on_review);

impl FromItem for TemplateReviewEvent {
    const ID_KEY: &'static str = "id";
    const ID_EXPECTED: &'static str = "an id";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        Some(Self {
            action,
            id: text(item, "id")?,
            kind: text(item, "type"),
            is_on_review: flag(item, "is_on_review"),
            raw: item.clone(),
        })
    }
}
