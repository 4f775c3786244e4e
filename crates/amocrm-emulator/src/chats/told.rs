//! What the account's webhooks and its feed hear of chats.

use serde_json::Value;

use crate::world::feed::{Fact, Happening, Subject};
use crate::world::services::{Chat, Message, Talk, Writer};
use crate::world::{Account, Actor, EntityType, WorldEvent};

/// The fields of a talk in webhook bodies.
pub(crate) fn talk_fields(talk: &Talk) -> Vec<(String, String)> {
    let flag = |is: bool| if is { "1" } else { "0" }.to_owned();
    [
        ("talk_id", talk.id.to_string()),
        ("created_at", talk.created_at.to_string()),
        ("updated_at", talk.updated_at.to_string()),
        ("rate", "0".to_owned()),
        ("contact_id", talk.contact_id.to_string()),
        ("chat_id", talk.chat_id.clone()),
        ("entity_id", talk.lead_id.unwrap_or_default().to_string()),
        (
            "entity_type",
            talk.lead_id.map_or("", |_| "lead").to_owned(),
        ),
        ("is_in_work", flag(talk.is_in_work)),
        ("is_read", flag(talk.is_read)),
        ("origin", talk.origin.clone()),
    ]
    .map(|(key, value)| (format!("[{key}]"), value))
    .to_vec()
}

/// A talk began or changed.
pub(super) fn talk(actor: &mut Actor<'_>, talk: &Talk, is_new: bool) {
    actor.tell(WorldEvent {
        account_id: actor.account.id,
        code: if is_new { "add_talk" } else { "update_talk" },
        entity: "talk",
        action: if is_new { "add" } else { "update" },
        fields: talk_fields(talk),
    });
    if is_new {
        actor.record(Happening::new("talk_created", subject(talk)).by(0));
    }
}

/// A talk was closed.
pub(crate) fn talk_closed(talk: &Talk) -> Happening {
    Happening::new("talk_closed", subject(talk))
}

/// A message was written.
pub(super) fn message(actor: &mut Actor<'_>, chat: &Chat, talk: &Talk, message: &Message) {
    let is_incoming = message.writer == Writer::Client;
    actor.tell(WorldEvent {
        account_id: actor.account.id,
        code: if is_incoming {
            "add_message"
        } else {
            "add_outgoing_message"
        },
        entity: if is_incoming {
            "message"
        } else {
            "outgoing_message"
        },
        action: "add",
        fields: message_fields(actor.account, chat, talk, message),
    });
    let kind = if is_incoming {
        "incoming_chat_message"
    } else {
        "outgoing_chat_message"
    };
    let user = match message.writer {
        Writer::Manager(user) => user,
        Writer::Client | Writer::Bot => 0,
    };
    let happening = Happening::new(kind, subject(talk))
        .after([Fact::Message {
            id: message.id.clone(),
            talk_id: Some(talk.id),
            origin: Some(talk.origin.clone()),
        }])
        .by(user)
        .in_talk_with(talk.contact_id);
    actor.record(happening);
}

fn subject(talk: &Talk) -> Subject {
    match talk.lead_id {
        Some(lead) => Subject::Card(EntityType::Leads, lead),
        None => Subject::Card(EntityType::Contacts, talk.contact_id),
    }
}

fn message_fields(
    account: &Account,
    chat: &Chat,
    talk: &Talk,
    message: &Message,
) -> Vec<(String, String)> {
    let text = |key: &str| {
        message
            .body
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (entity_id, entity_type, element_type) = match talk.lead_id {
        Some(lead) => (lead, "lead", "2"),
        None => (talk.contact_id, "contact", "1"),
    };
    let (kind, author_kind, author_id, author_name, avatar) = match message.writer {
        Writer::Client => {
            let client = &chat.client;
            (
                "incoming",
                "external",
                client.id.clone(),
                client.name.clone(),
                client.avatar.clone(),
            )
        }
        Writer::Manager(id) => {
            let user = account.user(id);
            let name = user.map(|user| user.name.clone()).unwrap_or_default();
            let id = user
                .map(|user| user.amojo_id(account.id))
                .unwrap_or_default();
            ("outgoing", "internal", id, name, String::new())
        }
        Writer::Bot => (
            "outgoing",
            "internal",
            String::new(),
            String::new(),
            String::new(),
        ),
    };
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut put = |key: &str, value: &str| fields.push((key.to_owned(), value.to_owned()));
    put("[id]", &message.id);
    put("[chat_id]", &chat.id);
    put("[talk_id]", &talk.id.to_string());
    put("[contact_id]", &talk.contact_id.to_string());
    put("[text]", text("text"));
    put("[created_at]", &message.at_ms.div_euclid(1000).to_string());
    put("[element_type]", element_type);
    put("[entity_type]", entity_type);
    put("[element_id]", &entity_id.to_string());
    put("[entity_id]", &entity_id.to_string());
    put("[type]", kind);
    put("[author][id]", &author_id);
    put("[author][type]", author_kind);
    put("[author][name]", &author_name);
    if !avatar.is_empty() {
        put("[author][avatar_url]", &avatar);
    }
    put("[origin]", &talk.origin);
    if !text("media").is_empty() {
        put("[attachment][type]", text("type"));
        put("[attachment][link]", text("media"));
        put("[attachment][file_name]", text("file_name"));
    }
    fields
}
