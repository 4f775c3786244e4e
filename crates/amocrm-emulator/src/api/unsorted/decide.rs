//! What becomes of an incoming lead: accepted, declined, or given to a card that is there already.

use serde_json::{Map, Value, json};

use super::{card, embedded, find};
use crate::{
    api::{call::Context, reader::Reader},
    hal::{Answer, Reply},
    problem::{Problem, Violations},
    world::{EntityType, Unsorted},
};

/// `POST …/{uid}/accept`: to the stage named, or the first one.
pub(super) fn accept(cx: &mut Context<'_>) -> Answer {
    let item = waiting(cx)?;
    let body = optional_object(cx)?;
    let body = Reader::new(&body);
    let mut out = Violations::default();
    let user = user(cx, &body, &mut out);
    let pipeline = cx.account.pipeline(item.pipeline_id);
    let pipeline = pipeline.ok_or_else(|| Problem::choice("pipeline_id"))?;
    let status = body.id("status_id", &mut out);
    let is_stage = |id| pipeline.status(id).is_some_and(|status| status.kind == 0);
    if status.is_some_and(|id| !is_stage(id)) {
        out.choice("status_id");
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let status = status.unwrap_or(pipeline.first_stage());
    cx.actor().accept_unsorted(&item.uid, status, user);
    Ok(Reply::ok(decided(cx, &item)))
}

/// `DELETE …/{uid}/decline`, with a body or without.
pub(super) fn decline(cx: &mut Context<'_>) -> Answer {
    let item = waiting(cx)?;
    let body = optional_object(cx)?;
    let mut out = Violations::default();
    user(cx, &Reader::new(&body), &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    cx.actor().decline_unsorted(&item.uid);
    let mut document = decided(cx, &item);
    if let Some(cards) = document["_embedded"].as_object_mut() {
        cards.remove("companies");
    }
    Ok(Reply::ok(document))
}

/// `POST …/{uid}/link`: a chat or a letter goes on in a lead or customer.
pub(super) fn link(cx: &mut Context<'_>) -> Answer {
    let item = waiting(cx)?;
    if !matches!(item.category.as_str(), "chats" | "mail") {
        return Err(Problem::bad_request(
            "Only incoming leads of the categories chats and mail can be linked",
        ));
    }
    let object = cx.object()?;
    let body = Reader::new(&object);
    let mut out = Violations::default();
    body.require("link", &mut out);
    user(cx, &body, &mut out);
    let target = body
        .child("link", &mut out)
        .and_then(|link| read_target(cx, &link, &mut out));
    let Some((entity, id, contact)) = target.filter(|_| out.is_empty()) else {
        return Err(Problem::invalid(out));
    };
    cx.actor().link_unsorted(&item.uid, (entity, id), contact);
    let contacts = contact.map_or(item.contacts.clone(), |contact| vec![contact]);
    let one_of = |of: EntityType| -> Vec<Value> {
        (of == entity)
            .then(|| card(cx, entity, id))
            .into_iter()
            .collect()
    };
    let contacts: Vec<Value> = contacts
        .iter()
        .map(|id| card(cx, EntityType::Contacts, *id))
        .collect();
    Ok(Reply::ok(json!({
        "uid": item.uid,
        "_embedded": {
            "leads": one_of(EntityType::Leads),
            "contacts": contacts,
            "companies": [],
            "customers": one_of(EntityType::Customers),
        },
    })))
}

/// The card, and which of its contacts gets the chat.
fn read_target(
    cx: &Context<'_>,
    link: &Reader<'_>,
    out: &mut Violations,
) -> Option<(EntityType, u64, Option<u64>)> {
    let id = link.required_id("entity_id", out);
    link.require("entity_type", out);
    let entity = match link.choice("entity_type", &["leads", "customers"], out)? {
        "leads" => EntityType::Leads,
        _ => EntityType::Customers,
    };
    let id = id?;
    if cx.account.records(entity).live(id).is_none() {
        out.choice(link.path("entity_id"));
    }
    let metadata = link.child("metadata", out);
    let contact = metadata.and_then(|metadata| {
        let contact = metadata.id("contact_id", out)?;
        let mut linked = cx.account.links.linked(entity, id, EntityType::Contacts);
        if !linked.any(|linked| linked == contact) {
            out.choice(metadata.path("contact_id"));
        }
        Some(contact)
    });
    Some((entity, id, contact))
}

fn waiting(cx: &Context<'_>) -> Result<Unsorted, Problem> {
    let item = find(cx).cloned();
    item.ok_or_else(|| Problem::not_found("Unsorted not found"))
}

fn optional_object(cx: &Context<'_>) -> Result<Map<String, Value>, Problem> {
    if cx.body().is_empty() {
        return Ok(Map::new());
    }
    cx.object()
}

/// On whose behalf; 0 is taken and means nobody.
fn user(cx: &Context<'_>, body: &Reader<'_>, out: &mut Violations) -> Option<u64> {
    let id = body.id("user_id", out).filter(|id| *id != 0)?;
    if cx.account.user(id).is_none() {
        out.choice(body.path("user_id"));
    }
    Some(id)
}

fn decided(cx: &Context<'_>, item: &Unsorted) -> Value {
    let mut cards = embedded(cx, item);
    for contact in cards["contacts"].as_array_mut().into_iter().flatten() {
        let id = contact["id"].as_u64().unwrap_or_default();
        let record = cx.account.contacts.get(id);
        contact["is_deleted"] = record.is_some_and(|record| record.is_deleted).into();
        contact["is_unsorted"] = record.is_some_and(|record| record.is_unsorted).into();
    }
    json!({
        "uid": item.uid,
        "pipeline_id": item.pipeline_id,
        "category": item.category,
        "created_at": item.created_at,
        "_embedded": cards,
    })
}
