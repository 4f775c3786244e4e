//! `/api/v4/leads/unsorted`: incoming leads.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/unsorted-api>

mod create;
mod decide;
mod metadata;
mod summary;

use axum::{
    Router,
    routing::{any, delete, get, post},
};
use serde_json::{Value, json};

pub(crate) use self::create::keep;
pub(super) use self::metadata::read as read_metadata;
use super::call::{Context, on};
use crate::{
    app::App,
    hal::{Answer, Reply, page, self_link},
    world::{EntityType, Unsorted},
};

/// The routes of incoming leads.
pub(super) fn routes() -> Router<App> {
    let base = "/api/v4/leads/unsorted";
    let at = |path: &str| format!("{base}{path}");
    Router::new()
        .route(base, get(on(list)))
        .route(&at("/summary"), get(on(summary::show)))
        .route(&at("/forms"), post(on(create::forms)))
        .route(&at("/sip"), post(on(create::sip)))
        .route(&at("/{uid}"), get(on(show)).delete(on(no_route)))
        .route(&at("/{uid}/accept"), post(on(decide::accept)))
        .route(&at("/{uid}/decline"), delete(on(decide::decline)))
        .route(&at("/{uid}/link"), post(on(decide::link)))
        .route(&at("/{uid}/{*rest}"), any(on(no_route)))
}

/// What waits to be sorted, newest first whatever order is asked for.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn list(cx: &mut Context<'_>) -> Answer {
    let query = cx.query();
    let uids = query.comma_list(&["filter", "uid"]);
    let categories = query.comma_list(&["filter", "category"]);
    let pipelines = query.comma_list(&["filter", "pipeline_id"]);
    let limit = query.limit();
    let found = waiting(cx)
        .filter(|item| uids.is_empty() || uids.contains(&item.uid.as_str()))
        .filter(|item| categories.is_empty() || categories.contains(&item.category.as_str()))
        .filter(|item| {
            pipelines.is_empty() || pipelines.contains(&item.pipeline_id.to_string().as_str())
        })
        .skip((query.page() - 1).saturating_mul(limit))
        .take(limit + 1);
    let items: Vec<Value> = found.map(|item| render(cx, item)).collect();
    Ok(page(&cx.url(), query, "unsorted", items))
}

/// One of them; 204 when there is none or none any more.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn show(cx: &mut Context<'_>) -> Answer {
    let item = find(cx);
    Ok(item.map_or_else(Reply::no_content, |item| Reply::ok(render(cx, item))))
}

fn no_route(cx: &mut Context<'_>) -> Answer {
    Err(cx.no_route())
}

/// Those nobody has decided on and whose lead was not deleted otherwise, newest first.
fn waiting<'a>(cx: &'a Context<'_>) -> impl Iterator<Item = &'a Unsorted> {
    let items = cx.account.unsorted.iter().rev();
    items.filter(|item| item.outcome.is_none() && cx.account.leads.live(item.lead_id).is_some())
}

/// The one the path names.
fn find<'a>(cx: &'a Context<'_>) -> Option<&'a Unsorted> {
    let uid = cx.param("uid");
    waiting(cx).find(|item| item.uid == uid)
}

fn link(cx: &Context<'_>, uid: &str) -> Value {
    self_link(&cx.api(&format!("leads/unsorted/{uid}")))
}

fn render(cx: &Context<'_>, item: &Unsorted) -> Value {
    json!({
        "uid": item.uid,
        "source_uid": item.source_uid,
        "source_name": item.source_name,
        "category": item.category,
        "pipeline_id": item.pipeline_id,
        "created_at": item.created_at,
        "metadata": item.metadata,
        "account_id": cx.account.id,
        "_links": link(cx, &item.uid),
        "_embedded": embedded(cx, item),
    })
}

/// The cards of an incoming lead, by their ids.
fn embedded(cx: &Context<'_>, item: &Unsorted) -> Value {
    let cards = |entity: EntityType, ids: &[u64]| -> Value {
        ids.iter().map(|id| card(cx, entity, *id)).collect()
    };
    json!({
        "contacts": cards(EntityType::Contacts, &item.contacts),
        "leads": cards(EntityType::Leads, &[item.lead_id]),
        "companies": cards(EntityType::Companies, &item.companies),
    })
}

fn card(cx: &Context<'_>, entity: EntityType, id: u64) -> Value {
    json!({"id": id, "_links": super::records::link(cx, entity, id)})
}
