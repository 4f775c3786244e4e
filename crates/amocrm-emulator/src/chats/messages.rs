//! `new_message`, `edit_message`, what became of a message, and reactions to it.

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::call::{ChatAnswer, ChatReply, ScopeCall};
use super::incoming;
use super::people::{read_person, read_writer};
use super::problem::ChatProblem;
use crate::api::Reader;
use crate::problem::Violations;
use crate::world::services::{Chat, Message, Person, Writer};

/// The kinds of messages (03 §8.4).
const TYPES: [&str; 9] = [
    "text", "contact", "file", "video", "picture", "voice", "audio", "sticker", "location",
];
/// Those that must say the name and size of their file.
const FILES: [&str; 3] = ["file", "video", "picture"];
const MAX_EXTERNAL_ID: usize = 40;

/// Takes a message, or another version of one.
pub(super) fn take(call: &mut ScopeCall<'_>) -> ChatAnswer {
    let (body, mut out) = (call.body.clone(), Violations::default());
    let item = Reader::new(&body);
    item.require("event_type", &mut out);
    item.require("payload", &mut out);
    let kind = item.choice("event_type", &["new_message", "edit_message"], &mut out);
    let Some((kind, payload)) = kind.zip(item.child("payload", &mut out)) else {
        return Err(ChatProblem::invalid(out.describe()));
    };
    if kind == "edit_message" {
        edit(call, &payload, out)
    } else {
        add(call, &payload, out)
    }
}

fn add(call: &mut ScopeCall<'_>, payload: &Reader<'_>, mut out: Violations) -> ChatAnswer {
    let msgid = payload
        .required_string("msgid", &mut out)
        .unwrap_or_default();
    let conversation = payload
        .required_string("conversation_id", &mut out)
        .unwrap_or_default();
    let reference = payload.string("conversation_ref_id", &mut out);
    payload.require("timestamp", &mut out);
    payload.int("timestamp", &mut out);
    payload.require("msec_timestamp", &mut out);
    let at_ms = payload.int("msec_timestamp", &mut out).unwrap_or_default();
    let is_silent = payload.bool("silent", &mut out).unwrap_or(false);
    let source = read_source(payload, &mut out);
    payload.require("sender", &mut out);
    let sender = payload.child("sender", &mut out);
    let receiver = payload.child("receiver", &mut out);
    let writer = sender.as_ref().map_or(Writer::Client, |sender| {
        read_writer(call.account, &call.channel, sender, &mut out)
    });
    let client = if writer == Writer::Client {
        sender.map(|sender| read_person(&sender, &mut out))
    } else {
        payload.require("receiver", &mut out);
        receiver.map(|receiver| read_person(&receiver, &mut out))
    };
    payload.require("message", &mut out);
    let message = payload.child("message", &mut out);
    let body = message.map(|message| read_message(&message, &mut out));
    let (Some(client), Some(body)) = (client, body) else {
        return Err(ChatProblem::invalid(out.describe()));
    };
    ChatProblem::check(&out)?;
    let chat_id = find_or_open(call, conversation, reference, client, source)?;
    // A message that came before is answered as it was: its answer may have been lost.
    let known = call.account.services.chats.find(&chat_id).and_then(|chat| {
        let mut messages = chat.messages.iter();
        messages.find(|known| known.msgid.as_deref() == Some(msgid))
    });
    if let Some(known) = known {
        return Ok(accepted(&known.id, msgid));
    }
    let id = Uuid::new_v4().to_string();
    let message = Message {
        id: id.clone(),
        msgid: Some(msgid.to_owned()),
        writer,
        at_ms,
        body,
        delivery_status: None,
        error_code: None,
        reactions: Vec::new(),
    };
    let channel = call.channel.clone();
    incoming::put(&mut call.actor(0), &channel, &chat_id, &message, is_silent);
    Ok(accepted(&id, msgid))
}

/// Only the message itself and what became of it can be changed.
fn edit(call: &mut ScopeCall<'_>, payload: &Reader<'_>, mut out: Violations) -> ChatAnswer {
    let id = payload.string("id", &mut out);
    let msgid = payload.string("msgid", &mut out);
    payload.require("message", &mut out);
    let message = payload.child("message", &mut out);
    let body = message.map(|message| read_message(&message, &mut out));
    let status = payload.child("delivery_status", &mut out);
    let status = status.and_then(|status| status.int("status_code", &mut out));
    ChatProblem::check(&out)?;
    let message = find(call, id, msgid)?;
    if let Some(body) = body {
        message.body = body;
    }
    message.delivery_status = status.or(message.delivery_status);
    Ok(accepted(&message.id.clone(), msgid.unwrap_or_default()))
}

/// What became of a message a manager wrote.
pub(super) fn delivery_status(call: &mut ScopeCall<'_>) -> ChatAnswer {
    let (body, mut out) = (call.body.clone(), Violations::default());
    let item = Reader::new(&body);
    item.required_string("msgid", &mut out);
    item.require("delivery_status", &mut out);
    let status = item.int("delivery_status", &mut out);
    if status.is_some_and(|status| ![1, 2, -1].contains(&status)) {
        out.choice("delivery_status");
    }
    let error_code = item.int("error_code", &mut out);
    if error_code.is_some_and(|code| !(901..=905).contains(&code)) {
        out.choice("error_code");
    }
    let text = item.string("error", &mut out);
    if error_code == Some(905) && text.is_none() {
        // "Another error" has to be put into words.
        out.missing("error");
    }
    ChatProblem::check(&out)?;
    let id = call.param("msgid").to_owned();
    let message = find(call, Some(&id), None)?;
    message.delivery_status = status;
    message.error_code = error_code;
    Ok(ChatReply::Empty(StatusCode::OK))
}

/// Somebody reacts to a message, or takes it back.
pub(super) fn react(call: &mut ScopeCall<'_>) -> ChatAnswer {
    let (body, mut out) = (call.body.clone(), Violations::default());
    let item = Reader::new(&body);
    item.required_string("conversation_id", &mut out);
    let (id, msgid) = (item.string("id", &mut out), item.string("msgid", &mut out));
    if id.or(msgid).is_none() {
        out.missing("msgid");
    }
    item.require("user", &mut out);
    let user = item.child("user", &mut out);
    let user = user.and_then(|user| user.required_string("id", &mut out));
    item.require("type", &mut out);
    let kind = item.choice("type", &["react", "unreact"], &mut out);
    let emoji = item.string("emoji", &mut out);
    if kind == Some("react") && emoji.is_none() {
        out.missing("emoji");
    }
    ChatProblem::check(&out)?;
    let message = find(call, id, msgid)?;
    let user = user.unwrap_or_default();
    message.reactions.retain(|(known, _)| known != user);
    if kind == Some("react") {
        let reaction = (user.to_owned(), emoji.unwrap_or_default().to_owned());
        message.reactions.push(reaction);
    }
    Ok(ChatReply::Empty(StatusCode::OK))
}

fn accepted(id: &str, msgid: &str) -> ChatReply {
    ChatReply::Json(json!({"new_message": {"msgid": id, "ref_id": msgid}}))
}

/// The `external_id` of a source.
pub(super) fn read_source(item: &Reader<'_>, out: &mut Violations) -> Option<String> {
    let source = item.child("source", out)?;
    let external_id = source.string("external_id", out)?;
    if external_id.chars().count() > MAX_EXTERNAL_ID {
        out.too_long(source.path("external_id"), MAX_EXTERNAL_ID);
    }
    Some(external_id.to_owned())
}

/// Checks the message proper and gives it back as it is.
pub(super) fn read_message(message: &Reader<'_>, out: &mut Violations) -> Value {
    message.require("type", out);
    let kind = message.choice("type", &TYPES, out).unwrap_or_default();
    let text = message.string("text", out);
    if kind == "text" && text.is_none_or(str::is_empty) {
        out.missing(message.path("text"));
    }
    message.string("media", out);
    if FILES.contains(&kind) {
        for key in ["media", "file_name"] {
            message.required_string(key, out);
        }
        message.require("file_size", out);
    }
    message.int("file_size", out);
    if kind == "location" {
        message.require("location", out);
    }
    if kind == "contact" {
        message.require("contact", out);
    }
    message.as_json()
}

/// A message as the service sends it: what it has not is an empty text.
pub(super) fn with_every_part(message: &Value) -> Map<String, Value> {
    let mut document = Map::new();
    for key in ["type", "text", "media", "thumbnail", "file_name"] {
        document.insert(key.into(), "".into());
    }
    document.insert("file_size".into(), 0.into());
    document.extend(message.as_object().cloned().unwrap_or_default());
    document
}

/// The chat the channel calls so, or the one amoCRM calls so because a manager wrote first, or a new one.
fn find_or_open(
    call: &mut ScopeCall<'_>,
    conversation: &str,
    reference: Option<&str>,
    client: Person,
    source: Option<String>,
) -> Result<String, ChatProblem> {
    let chats = &mut call.account.services.chats;
    let known = chats
        .of_conversation(&call.channel.id, conversation)
        .map(|chat| chat.id.clone());
    let id = match (known, reference) {
        (Some(id), _) => id,
        (None, Some(reference)) => {
            let chat = chats
                .find_mut(reference)
                .filter(|chat| chat.channel_id == call.channel.id)
                .ok_or_else(|| ChatProblem::not_found("conversation not found"))?;
            chat.conversation_id = Some(conversation.to_owned());
            chat.id.clone()
        }
        (None, None) => {
            let chat = Chat::new(&call.channel.id, Some(conversation), client.clone());
            let id = chat.id.clone();
            chats.list.push(chat);
            id
        }
    };
    if let Some(chat) = chats.find_mut(&id) {
        chat.source = source.or(chat.source.take());
        // The person keeps the id they were given first.
        let person_id = chat.client.id.clone();
        chat.client = Person {
            id: person_id,
            phone: client.phone.or(chat.client.phone.take()),
            email: client.email.or(chat.client.email.take()),
            ..client
        };
    }
    Ok(id)
}

/// A message of this channel by either of its names.
fn find<'a>(
    call: &'a mut ScopeCall<'_>,
    id: Option<&str>,
    msgid: Option<&str>,
) -> Result<&'a mut Message, ChatProblem> {
    let channel = &call.channel.id;
    let chats = call.account.services.chats.list.iter_mut();
    let own = chats.filter(|chat| chat.channel_id == *channel);
    own.flat_map(|chat| &mut chat.messages)
        .find(|message| match id {
            Some(id) => message.id == id,
            None => msgid.is_some() && message.msgid.as_deref() == msgid,
        })
        .ok_or_else(|| ChatProblem::not_found("message not found"))
}
