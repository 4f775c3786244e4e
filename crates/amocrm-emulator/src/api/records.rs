//! Leads, contacts, companies and customers: the same five operations for all of them.

mod apply;
mod customer;
mod draft;
mod filter;
mod list;
mod render;
mod stage;
mod tagging;
mod trash;

use serde_json::{Value, json};

pub(crate) use self::{
    apply::{create, update},
    draft::{Draft, read_new_unlinked, read_user},
    list::list,
    trash::{delete_many, restore_many},
};
use self::{
    draft::{read_new, read_update},
    render::render,
};
use super::{call::Context, reader::Reader};
use crate::{
    hal::{Answer, Reply, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::EntityType,
};

/// `GET /{entity}/{id}`; 204 when there is none.
pub(crate) fn show(cx: &mut Context<'_>) -> Answer {
    let (entity, id) = (cx.entity()?, cx.id("id")?);
    Ok(match cx.account.records(entity).live(id) {
        Some(record) => Reply::ok(render(cx, entity, record)),
        None => Reply::no_content(),
    })
}

/// `POST /{entity}`: all of the items, or none.
pub(crate) fn create_many(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let request_id = item.request_id(index);
        let mut out = Violations::default();
        let draft = read_new(cx, entity, &item, &mut out);
        if let Some(message) = draft.broken_rule() {
            errors.business(request_id.clone(), message);
        }
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let made: Vec<Value> = drafts
        .into_iter()
        .map(|(request_id, draft)| {
            let id = create(cx, entity, draft);
            created_item(cx, entity, id, &request_id)
        })
        .collect();
    Ok(Reply::ok(envelope(cx, entity, &made)))
}

/// `PATCH /{entity}`: all of the items, or none.
pub(crate) fn update_many(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let request_id = item.request_id(index);
        let mut out = Violations::default();
        if let Some(id) = item.required_id("id", &mut out) {
            match cx.account.records(entity).get(id) {
                Some(record) if record.is_deleted => return Err(Problem::in_trash()),
                Some(record) => {
                    let draft = read_update(cx, entity, record, &item, &mut out);
                    if let Some(message) = draft.broken_rule() {
                        errors.business(id.to_string(), message);
                    }
                    drafts.push((id, request_id.clone(), draft));
                }
                None => out.choice("id"),
            }
        }
        errors.item(&request_id, out);
    }
    errors.check()?;
    let changed: Vec<Value> = drafts
        .into_iter()
        .map(|(id, request_id, draft)| {
            update(cx, entity, id, draft);
            updated_item(cx, entity, id, &request_id)
        })
        .collect();
    Ok(Reply::ok(envelope(cx, entity, &changed)))
}

/// `PATCH /{entity}/{id}`: the answer is the item itself, without an envelope.
pub(crate) fn update_one(cx: &mut Context<'_>) -> Answer {
    let (entity, id) = (cx.entity()?, cx.id("id")?);
    let object = cx.object()?;
    let item = Reader::new(&object);
    let Some(record) = cx.account.records(entity).get(id) else {
        return Err(Problem::choice("id"));
    };
    if record.is_deleted {
        return Err(Problem::in_trash());
    }
    let mut out = Violations::default();
    let draft = read_update(cx, entity, record, &item, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    if let Some(message) = draft.broken_rule() {
        let mut errors = BatchErrors::default();
        errors.business(id.to_string(), message);
        errors.check()?;
    }
    let request_id = item.request_id(0);
    update(cx, entity, id, draft);
    Ok(Reply::ok(updated_item(cx, entity, id, &request_id)))
}

fn envelope(cx: &Context<'_>, entity: EntityType, items: &[Value]) -> Value {
    json!({"_links": self_link(&cx.url()), "_embedded": {entity.as_str(): items}})
}

fn created_item(cx: &Context<'_>, entity: EntityType, id: u64, request_id: &str) -> Value {
    let mut item = json!({"id": id, "request_id": request_id, "_links": link(cx, entity, id)});
    if has_unsorted(entity) {
        item["is_deleted"] = false.into();
        item["is_unsorted"] = cx
            .account
            .records(entity)
            .get(id)
            .is_some_and(|record| record.is_unsorted)
            .into();
    }
    item
}

fn updated_item(cx: &Context<'_>, entity: EntityType, id: u64, request_id: &str) -> Value {
    let record = cx.account.records(entity).get(id);
    let updated_at = record.map(|record| record.updated_at);
    let mut item = json!({"id": id, "updated_at": updated_at, "request_id": request_id, "_links": link(cx, entity, id)});
    if has_unsorted(entity) {
        item["name"] = record.map(|record| record.name.as_str()).into();
        item["is_deleted"] = false.into();
        item["is_unsorted"] = record.is_some_and(|record| record.is_unsorted).into();
    }
    item
}

/// Contacts and companies say more in the answer to a write, because they may wait among the unsorted.
fn has_unsorted(entity: EntityType) -> bool {
    matches!(entity, EntityType::Contacts | EntityType::Companies)
}

/// `_links` of a record.
pub(crate) fn link(cx: &Context<'_>, entity: EntityType, id: u64) -> Value {
    self_link(&cx.api(&format!("{}/{id}", entity.as_str())))
}
