//! What an event changed.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::EntityKind;
use crate::de::Loose;
use crate::id::{
    BotId, CustomFieldId, CustomerStatusId, FieldEnumId, NoteId, PipelineId, StatusId, TalkId,
    TaskTypeId, TransactionId, UserId,
};
use crate::notes::Note;

/// An entry of an event's values. `Debug` shows ids and no texts.
///
/// Source: <https://www.amocrm.ru/developers/content/crm_platform/events-and-notes#events-values>.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum EventValue {
    /// A note: most events that add something to the feed point to one.
    Note {
        /// Its id.
        id: NoteId,
        /// The note, with [`EventWith::Note`](super::EventWith::Note).
        note: Option<Box<Note>>,
    },
    /// A message of a chat.
    Message {
        /// Its UUID.
        id: String,
        /// Its talk.
        talk_id: Option<TalkId>,
        /// The messenger.
        origin: Option<String>,
    },
    /// A tag.
    Tag {
        /// Its text.
        name: String,
    },
    /// A status of leads.
    LeadStatus {
        /// The status.
        status_id: StatusId,
        /// Its pipeline.
        pipeline_id: Option<PipelineId>,
    },
    /// A status of customers.
    CustomerStatus {
        /// The status.
        status_id: CustomerStatusId,
    },
    /// The other end of a link that was made or removed.
    Link {
        /// Its type.
        entity_type: EntityKind,
        /// Its id.
        entity_id: u64,
    },
    /// A responsible user.
    ResponsibleUser {
        /// The user.
        user_id: UserId,
    },
    /// The text of a task.
    TaskText {
        /// The text.
        text: String,
    },
    /// The deadline of a task.
    TaskDeadline {
        /// The deadline.
        complete_till: DateTime<Utc>,
    },
    /// The type of a task.
    TaskType {
        /// The type.
        task_type_id: TaskTypeId,
    },
    /// A value of a custom field.
    CustomFieldValue(FieldValue),
    /// A bot.
    Helpbot {
        /// The bot.
        bot_id: BotId,
    },
    /// A purchase.
    Transaction {
        /// The purchase.
        transaction_id: TransactionId,
    },
    /// A rating.
    Nps {
        /// From 0 to 10.
        rate: u64,
    },
    /// A budget. Not documented; seen in accounts.
    Sale {
        /// In whole units.
        sale: i64,
        /// With minor units.
        sale_with_minor_units: Option<f64>,
    },
    /// A name. Not documented; seen in accounts.
    Name {
        /// The name.
        name: String,
    },
    /// What this version does not know, or what came in another shape.
    Unknown(Value),
}

/// A value of a custom field, as an event tells it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldValue {
    /// The field.
    pub field_id: CustomFieldId,
    /// Its type, by the numbers of the old API: 8 is a multitext.
    pub field_type: Option<u64>,
    /// The option, of fields that have some.
    pub enum_id: Option<FieldEnumId>,
    /// The value as a text.
    pub text: Option<String>,
}

impl EventValue {
    fn read(value: Value) -> Self {
        Self::known(&value).unwrap_or(Self::Unknown(value))
    }

    /// An object with one key, which says what it is.
    fn known(value: &Value) -> Option<Self> {
        let one = |key: &str| value.get(key).map(Loose::of);
        if let Some(note) = one("note") {
            let id = note.get("id").id()?;
            let is_whole = !note.get("note_type").value().is_null();
            let whole = is_whole.then(|| serde_json::from_value(note.value()).ok());
            return Some(Self::Note {
                id,
                note: whole.flatten().map(Box::new),
            });
        }
        if let Some(message) = one("message") {
            return Some(Self::Message {
                id: message.get("id").text()?,
                talk_id: message.get("talk_id").id(),
                origin: message.get("origin").text(),
            });
        }
        if let Some(tag) = one("tag") {
            return tag.get("name").text().map(|name| Self::Tag { name });
        }
        if let Some(status) = one("lead_status") {
            return Some(Self::LeadStatus {
                status_id: status.get("id").id()?,
                pipeline_id: status.get("pipeline_id").id(),
            });
        }
        if let Some(status) = one("customer_status") {
            let status_id = status.get("id").id()?;
            return Some(Self::CustomerStatus { status_id });
        }
        // Which of the two keys a removed link has, the documentation does not agree with itself.
        if let Some(link) = one("link").or_else(|| one("unlink")) {
            let entity = link.get("entity");
            return Some(Self::Link {
                entity_type: entity.get("type").text()?.into(),
                entity_id: entity.get("id").number()?,
            });
        }
        if let Some(user) = one("responsible_user") {
            let user_id = user.get("id").id()?;
            return Some(Self::ResponsibleUser { user_id });
        }
        if let Some(task) = one("task") {
            return task.get("text").text().map(|text| Self::TaskText { text });
        }
        if let Some(deadline) = one("task_deadline") {
            let complete_till = deadline.get("timestamp").time()?;
            return Some(Self::TaskDeadline { complete_till });
        }
        if let Some(task_type) = one("task_type") {
            let task_type_id = task_type.get("id").id()?;
            return Some(Self::TaskType { task_type_id });
        }
        if let Some(field) = one("custom_field_value") {
            return Some(Self::CustomFieldValue(FieldValue {
                field_id: field.get("field_id").id()?,
                field_type: field.get("field_type").number(),
                enum_id: field.get("enum_id").id(),
                text: field.get("text").text(),
            }));
        }
        if let Some(bot) = one("helpbot") {
            return bot.get("id").id().map(|bot_id| Self::Helpbot { bot_id });
        }
        if let Some(purchase) = one("transaction") {
            let transaction_id = purchase.get("id").id()?;
            return Some(Self::Transaction { transaction_id });
        }
        if let Some(nps) = one("nps") {
            return nps.get("rate").number().map(|rate| Self::Nps { rate });
        }
        if let Some(sale) = one("sale_field_value") {
            return Some(Self::Sale {
                sale: sale.get("sale").number()?,
                sale_with_minor_units: sale.get("sale_with_minor_units").number(),
            });
        }
        let name = one("name_field_value")?.get("name").text()?;
        Some(Self::Name { name })
    }
}

/// Values as a list; a lone one, and PHP's ways to say "nothing", are read too.
pub(super) fn list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<EventValue>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let items = match value {
        Value::Array(items) => items,
        Value::Object(parts) if parts.is_empty() => Vec::new(),
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        one => vec![one],
    };
    Ok(items.into_iter().map(EventValue::read).collect())
}

impl fmt::Debug for EventValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note { id, .. } => f.debug_tuple("Note").field(id).finish(),
            Self::Message { id, .. } => f.debug_tuple("Message").field(id).finish(),
            Self::Tag { .. } => f.write_str("Tag(..)"),
            Self::LeadStatus {
                status_id,
                pipeline_id,
            } => f
                .debug_tuple("LeadStatus")
                .field(status_id)
                .field(pipeline_id)
                .finish(),
            Self::CustomerStatus { status_id } => {
                f.debug_tuple("CustomerStatus").field(status_id).finish()
            }
            Self::Link {
                entity_type,
                entity_id,
            } => f
                .debug_tuple("Link")
                .field(entity_type)
                .field(entity_id)
                .finish(),
            Self::ResponsibleUser { user_id } => {
                f.debug_tuple("ResponsibleUser").field(user_id).finish()
            }
            Self::TaskText { .. } => f.write_str("TaskText(..)"),
            Self::TaskDeadline { complete_till } => {
                f.debug_tuple("TaskDeadline").field(complete_till).finish()
            }
            Self::TaskType { task_type_id } => {
                f.debug_tuple("TaskType").field(task_type_id).finish()
            }
            Self::CustomFieldValue(value) => fmt::Debug::fmt(value, f),
            Self::Helpbot { bot_id } => f.debug_tuple("Helpbot").field(bot_id).finish(),
            Self::Transaction { transaction_id } => {
                f.debug_tuple("Transaction").field(transaction_id).finish()
            }
            Self::Nps { .. } => f.write_str("Nps(..)"),
            Self::Sale { .. } => f.write_str("Sale(..)"),
            Self::Name { .. } => f.write_str("Name(..)"),
            Self::Unknown(_) => f.write_str("Unknown(..)"),
        }
    }
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldValue")
            .field("field_id", &self.field_id)
            .field("field_type", &self.field_type)
            .field("enum_id", &self.enum_id)
            .finish_non_exhaustive()
    }
}
