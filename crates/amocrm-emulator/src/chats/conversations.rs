//! Chats without messages, their history, and who is typing.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::{ChatAnswer, ChatReply, ScopeCall};
use super::messages::{read_source, with_every_part};
use super::people::read_person;
use super::problem::ChatProblem;
use crate::api::Reader;
use crate::problem::Violations;
use crate::world::Account;
use crate::world::services::{Chat, Message, Person, Writer};

/// The longest page of a history (03 §8.3).
const MAX_HISTORY: usize = 50;

/// Opens a chat, or finds the one of this name: nobody sees it until somebody writes.
pub(super) fn open(call: &mut ScopeCall<'_>) -> ChatAnswer {
    let (body, mut out) = (call.body.clone(), Violations::default());
    let item = Reader::new(&body);
    let conversation = item
        .required_string("conversation_id", &mut out)
        .unwrap_or_default();
    let source = read_source(&item, &mut out);
    item.require("user", &mut out);
    let user = item.child("user", &mut out);
    let person = user
        .map(|user| read_person(&user, &mut out))
        .unwrap_or_default();
    ChatProblem::check(&out)?;
    let channel_id = call.channel.id.clone();
    let chats = &mut call.account.services.chats;
    if chats.of_conversation(&channel_id, conversation).is_none() {
        let mut chat = Chat::new(&channel_id, Some(conversation), person);
        chat.source = source;
        chats.list.push(chat);
    }
    let chat = chats
        .of_conversation(&channel_id, conversation)
        .ok_or_else(|| ChatProblem::not_found("conversation not found"))?;
    Ok(ChatReply::Json(json!({
        "id": chat.id,
        "user": {
            "id": chat.client.id,
            "client_id": chat.client.client_id,
            "name": chat.client.name,
            "avatar": chat.client.avatar,
            "phone": chat.client.phone,
            "email": chat.client.email,
        },
    })))
}

/// What was written in a chat, newest first: the order is not documented.
pub(super) fn history(call: &mut ScopeCall<'_>) -> ChatAnswer {
    let number = |name: &str| -> Option<usize> { call.query.get(&[name])?.parse().ok() };
    let limit = number("limit").unwrap_or(MAX_HISTORY).min(MAX_HISTORY);
    let offset = number("offset").unwrap_or_default();
    let chat = call
        .account
        .services
        .chats
        .find(call.param("conversation"))
        .filter(|chat| chat.channel_id == call.channel.id)
        .ok_or_else(|| ChatProblem::not_found("conversation not found"))?;
    let messages: Vec<Value> = chat
        .messages
        .iter()
        .rev()
        .skip(offset)
        .take(limit)
        .map(|message| render(call.account, &call.channel.bot_id, chat, message))
        .collect();
    if messages.is_empty() {
        return Ok(ChatReply::Empty(StatusCode::NO_CONTENT));
    }
    Ok(ChatReply::Json(json!({"messages": messages})))
}

/// A client is typing.
pub(super) fn typing(call: &mut ScopeCall<'_>) -> ChatAnswer {
    let (body, mut out) = (call.body.clone(), Violations::default());
    let item = Reader::new(&body);
    let conversation = item
        .required_string("conversation_id", &mut out)
        .unwrap_or_default();
    item.require("sender", &mut out);
    if let Some(sender) = item.child("sender", &mut out) {
        sender.required_string("id", &mut out);
    }
    ChatProblem::check(&out)?;
    let chats = &call.account.services.chats;
    if chats
        .of_conversation(&call.channel.id, conversation)
        .is_none()
    {
        return Err(ChatProblem::not_found("conversation not found"));
    }
    Ok(ChatReply::Empty(StatusCode::NO_CONTENT))
}

fn render(account: &Account, bot_id: &str, chat: &Chat, message: &Message) -> Value {
    let client = person(&chat.client);
    let mut body = with_every_part(&message.body);
    body.insert("id".into(), message.id.as_str().into());
    body.insert("client_id".into(), message.msgid.clone().into());
    let mut document = Map::new();
    let timestamp = message.at_ms.div_euclid(1000);
    document.insert("timestamp".into(), timestamp.into());
    let inside = match message.writer {
        Writer::Client => None,
        Writer::Bot => Some(json!({"id": bot_id, "name": ""})),
        Writer::Manager(id) => {
            let name = account.user(id).map(|user| user.name.as_str());
            let id = account.user(id).map(|user| user.amojo_id(account.id));
            Some(json!({"id": id, "name": name.unwrap_or_default()}))
        }
    };
    match inside {
        None => document.insert("sender".into(), client),
        Some(sender) => {
            document.insert("sender".into(), sender);
            document.insert("receiver".into(), client)
        }
    };
    document.insert("message".into(), body.into());
    document.into()
}

fn person(person: &Person) -> Value {
    json!({
        "id": person.id,
        "client_id": person.client_id,
        "name": person.name,
        "avatar": person.avatar,
        "phone": person.phone,
        "email": person.email,
    })
}
