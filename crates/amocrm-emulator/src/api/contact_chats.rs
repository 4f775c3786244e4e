//! `/api/v4/contacts/chats`: whose chat is it. A chat belongs to one contact.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/contacts-api#contacts-chat-list>

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, collection},
    problem::{BatchErrors, Violations},
};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v4/contacts/chats", get(on(list)).post(on(bind_many)))
}

/// The links of contacts or chats. The two parameters stand at the top of the query, not under `filter`.
fn list(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (contacts, chats) = (
        cx.query().list(&["contact_id"]),
        cx.query().list(&["chat_id"]),
    );
    let links: Vec<Value> = cx
        .account
        .services
        .chats
        .list
        .iter()
        .filter_map(|chat| Some((chat, chat.link_id?, chat.contact_id?)))
        .filter(|(chat, _, contact_id)| {
            (contacts.is_empty() || contacts.contains(&contact_id.to_string().as_str()))
                && (chats.is_empty() || chats.contains(&chat.id.as_str()))
        })
        .map(|(chat, id, contact_id)| json!({"id": id, "contact_id": contact_id, "chat_id": chat.id}))
        .collect();
    if links.is_empty() {
        return Ok(Reply::no_content());
    }
    Ok(Reply::ok(collection(&cx.url(), "chats", &links)))
}

/// Binds chats to contacts; a chat that had another contact leaves it.
fn bind_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut wanted = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        item.only(&["contact_id", "chat_id", "request_id"], &mut out);
        let contact_id = item.required_id("contact_id", &mut out);
        if contact_id.is_some_and(|id| cx.account.contacts.live(id).is_none()) {
            out.choice("contact_id");
        }
        let chat_id = item.required_string("chat_id", &mut out);
        if chat_id.is_some_and(|id| cx.account.services.chats.find(id).is_none()) {
            out.choice("chat_id");
        }
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        wanted.extend(contact_id.zip(chat_id).map(|pair| (pair, request_id)));
    }
    errors.check()?;
    let account_id = cx.account.id;
    let mut made = Vec::with_capacity(wanted.len());
    for ((contact_id, chat_id), request_id) in wanted {
        let id = cx
            .account
            .services
            .chats
            .bind(account_id, chat_id, contact_id);
        made.push(json!({
            "id": id, "contact_id": contact_id, "chat_id": chat_id, "request_id": request_id,
        }));
    }
    Ok(Reply::ok(collection(&cx.url(), "chats", &made)))
}
