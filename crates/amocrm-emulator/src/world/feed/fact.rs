//! The elements of `value_before` and `value_after`: always objects with one key.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Subject;

/// One element.
///
/// <https://www.amocrm.ru/developers/content/crm_platform/events-and-notes#events-params>; what the page leaves out (`sale`,
/// `name`) is as seen on live accounts.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    /// A note, also the unwritten one of a card's creation.
    Note(u64),
    /// A tag by its word.
    Tag(String),
    /// Stage and pipeline of a lead.
    LeadStatus { id: u64, pipeline_id: u64 },
    /// Stage of a customer.
    CustomerStatus(u64),
    /// The other end of a link.
    Link(Subject),
    /// Who answers for it.
    ResponsibleUser(u64),
    /// Text of a task.
    TaskText(String),
    /// Deadline of a task.
    TaskDeadline(i64),
    /// Type of a task.
    TaskType(u64),
    /// One value of a custom field.
    FieldValue {
        field_id: u64,
        field_type: u8,
        enum_id: Option<u64>,
        text: String,
    },
    /// Budget of a lead.
    Sale(i64),
    /// Name of a card.
    Name(String),
    /// A purchase of a customer.
    Transaction(u64),
    /// A message of a chat.
    Message {
        id: String,
        talk_id: Option<u64>,
        origin: Option<String>,
    },
    /// Anything else, as it is.
    Other(Value),
}

impl std::fmt::Debug for Fact {
    /// Names, texts and values are people's data, so they are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fact")
    }
}

impl Fact {
    /// As amoCRM answers it.
    pub(crate) fn render(&self) -> Value {
        match self {
            Self::Note(id) => json!({"note": {"id": id}}),
            Self::Tag(name) => json!({"tag": {"name": name}}),
            Self::LeadStatus { id, pipeline_id } => {
                json!({"lead_status": {"id": id, "pipeline_id": pipeline_id}})
            }
            Self::CustomerStatus(id) => json!({"customer_status": {"id": id}}),
            Self::Link(to) => json!({"link": {"entity": {"type": to.kind(), "id": to.id()}}}),
            Self::ResponsibleUser(id) => json!({"responsible_user": {"id": id}}),
            Self::TaskText(text) => json!({"task": {"text": text}}),
            Self::TaskDeadline(at) => json!({"task_deadline": {"timestamp": at}}),
            Self::TaskType(id) => json!({"task_type": {"id": id}}),
            Self::FieldValue {
                field_id,
                field_type,
                enum_id,
                text,
            } => json!({"custom_field_value": {
                "field_id": field_id, "field_type": field_type, "enum_id": enum_id, "text": text,
            }}),
            #[expect(clippy::cast_precision_loss, reason = "budgets are far below 2^53")]
            Self::Sale(sale) => {
                json!({"sale_field_value": {"sale": sale, "sale_with_minor_units": *sale as f64}})
            }
            Self::Name(name) => json!({"name_field_value": {"name": name}}),
            Self::Transaction(id) => json!({"transaction": {"id": id}}),
            Self::Message {
                id,
                talk_id,
                origin,
            } => json!({"message": {"id": id, "talk_id": talk_id, "origin": origin}}),
            Self::Other(value) => value.clone(),
        }
    }

    /// What `filter[value_after][value]` is compared with.
    pub(crate) fn value(&self) -> Option<String> {
        match self {
            Self::Sale(sale) => Some(sale.to_string()),
            Self::Name(text) | Self::FieldValue { text, .. } => Some(text.clone()),
            Self::Other(value) => {
                let inner = value.as_object()?.values().next()?.as_object()?;
                inner.values().next().map(|value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
            }
            _ => None,
        }
    }
}
