//! `/api/v4/talks`: what managers talk about in chats.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/talks-api>

use axum::{
    Router,
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    chats,
    hal::{Answer, Reply, page, self_link},
    problem::{Problem, Violations},
    world::{WorldEvent, services::Talk},
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/talks", get(on(list)))
        .route("/api/v4/talks/{id}", get(on(show)))
        .route("/api/v4/talks/{id}/close", post(on(close)))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn list(cx: &mut Context<'_>) -> Answer {
    let query = cx.query();
    let ids = |key| -> Vec<u64> {
        let values = query.list(&["filter", key]);
        values.iter().filter_map(|id| id.parse().ok()).collect()
    };
    let (talks, contacts, entities) = (ids("talk_id"), ids("contact_id"), ids("entity_id"));
    let entity_type = query.get(&["filter", "entity_type"]);
    let only_in_work = query
        .get(&["filter", "only_in_work"])
        .is_some_and(|flag| matches!(flag, "1" | "true"));
    let is_wanted = |talk: &&Talk| {
        (talks.is_empty() || talks.contains(&talk.id))
            && (contacts.is_empty() || contacts.contains(&talk.contact_id))
            && (entities.is_empty() || talk.lead_id.is_some_and(|id| entities.contains(&id)))
            && entity_type
                .is_none_or(|word| talk.lead_id.is_some() && matches!(word, "lead" | "leads"))
            && (!only_in_work || talk.is_in_work)
    };
    let found: Vec<Value> = cx
        .account
        .services
        .chats
        .talks
        .iter()
        .filter(is_wanted)
        .skip((query.page() - 1).saturating_mul(query.limit()))
        .take(query.limit() + 1)
        .map(|talk| render(cx, talk))
        .collect();
    Ok(page(&cx.url(), query, "talks", found))
}

fn show(cx: &mut Context<'_>) -> Answer {
    let talk = &cx.account.services.chats.talks[position(cx)?];
    Ok(Reply::ok(render(cx, talk)))
}

/// Closes a talk. The bot that asks for a rating is not emulated, so it is always closed at once.
fn close(cx: &mut Context<'_>) -> Answer {
    let position = position(cx)?;
    if !cx.body().is_empty() {
        let object = cx.object()?;
        let (item, mut out) = (Reader::new(&object), Violations::default());
        item.only(&["force_close"], &mut out);
        item.bool("force_close", &mut out);
        if !out.is_empty() {
            return Err(Problem::invalid(out));
        }
    }
    let (now, account_id) = (cx.now(), cx.account.id);
    let talk = &mut cx.account.services.chats.talks[position];
    if !talk.is_in_work {
        return Err(Problem::unprocessable("The talk is closed already"));
    }
    talk.is_in_work = false;
    talk.updated_at = now;
    let talk = talk.clone();
    cx.tell(WorldEvent {
        account_id,
        code: "update_talk",
        entity: "talk",
        action: "update",
        fields: chats::talk_fields(&talk),
    });
    cx.record(chats::talk_closed(&talk));
    Ok(Reply::Empty(StatusCode::ACCEPTED))
}

fn position(cx: &Context<'_>) -> Result<usize, Problem> {
    let id = cx.id("id")?;
    let mut talks = cx.account.services.chats.talks.iter();
    talks
        .position(|talk| talk.id == id)
        .ok_or_else(|| Problem::not_found("Talk not found"))
}

fn render(cx: &Context<'_>, talk: &Talk) -> Value {
    let card = |kind: &str, id: u64| json!({"id": id, "_links": self_link(&cx.api(&format!("{kind}/{id}")))});
    let leads: Vec<Value> = talk.lead_id.iter().map(|id| card("leads", *id)).collect();
    json!({
        "talk_id": talk.id,
        "created_at": talk.created_at,
        "updated_at": talk.updated_at,
        "rate": 0,
        "contact_id": talk.contact_id,
        "chat_id": talk.chat_id,
        "entity_id": talk.lead_id,
        "entity_type": talk.lead_id.map(|_| "lead"),
        "is_in_work": talk.is_in_work,
        "is_read": talk.is_read,
        "origin": talk.origin,
        "missed_at": null,
        "account_id": cx.account.id,
        "status": if talk.is_in_work { "in_work" } else { "closed" },
        "source_id": talk.source_id,
        "_links": self_link(&cx.api(&format!("talks/{}", talk.id))),
        "_embedded": {
            "contacts": [card("contacts", talk.contact_id)],
            "leads": leads,
            "customers": [],
        },
    })
}
