//! `/api/v4/leads/loss_reasons`: everybody may read them, administrators may write them, one at a time once they are there.

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, collection, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{Counters, LeadState, LossReason},
};

/// What the interface leaves between two reasons.
const SORT_STEP: i64 = 100_000;

/// The routes of loss reasons.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(
            "/api/v4/leads/loss_reasons",
            get(on(list)).post(on(create_many)),
        )
        .route(
            "/api/v4/leads/loss_reasons/{id}",
            get(on(show)).patch(on(update)).delete(on(delete)),
        )
}

/// All loss reasons.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn list(cx: &mut Context<'_>) -> Answer {
    let reasons: Vec<Value> = cx
        .account
        .loss_reasons
        .iter()
        .map(|reason| render(cx, reason))
        .collect();
    if reasons.is_empty() {
        return Ok(Reply::no_content());
    }
    Ok(Reply::ok(collection(&cx.url(), "loss_reasons", &reasons)))
}

/// One loss reason.
fn show(cx: &mut Context<'_>) -> Answer {
    let id = cx.id("id")?;
    let reason = cx
        .account
        .loss_reasons
        .iter()
        .find(|reason| reason.id == id);
    Ok(reason.map_or_else(Reply::no_content, |reason| Reply::ok(render(cx, reason))))
}

/// Adds loss reasons: all of the items, or none.
fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let request_id = item.request_id(index);
        let mut out = Violations::default();
        item.require("name", &mut out);
        let draft = read(&item, &mut out);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let now = cx.now();
    let made: Vec<Value> = drafts
        .into_iter()
        .map(|(request_id, (name, sort))| {
            let last = cx.account.loss_reasons.iter().map(|reason| reason.sort);
            let next = last.max().unwrap_or_default().saturating_add(SORT_STEP);
            let reason = LossReason {
                id: Counters::take(&mut cx.account.counters.loss_reason),
                name: name.unwrap_or_default(),
                sort: sort.unwrap_or(next),
                created_at: now,
                updated_at: now,
            };
            cx.account.loss_reasons.push(reason.clone());
            let mut document = render(cx, &reason);
            document["request_id"] = request_id.into();
            document
        })
        .collect();
    Ok(Reply::ok(collection(&cx.url(), "loss_reasons", &made)))
}

/// Changes one.
fn update(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (id, now) = (cx.id("id")?, cx.now());
    let object = cx.object()?;
    let mut out = Violations::default();
    let (name, sort) = read(&Reader::new(&object), &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let mut reasons = cx.account.loss_reasons.iter_mut();
    let reason = reasons.find(|reason| reason.id == id);
    let reason = reason.ok_or_else(|| Problem::not_found("Loss reason not found"))?;
    reason.name = name.unwrap_or_else(|| reason.name.clone());
    reason.sort = sort.unwrap_or(reason.sort);
    reason.updated_at = now.max(reason.updated_at);
    let changed = reason.clone();
    Ok(Reply::ok(render(cx, &changed)))
}

/// Deletes one; leads that were lost for it forget why.
fn delete(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let id = cx.id("id")?;
    let before = cx.account.loss_reasons.len();
    cx.account.loss_reasons.retain(|reason| reason.id != id);
    if cx.account.loss_reasons.len() == before {
        return Err(Problem::not_found("Loss reason not found"));
    }
    let has_it = |lead: &LeadState| lead.loss_reason_id == Some(id);
    let leads = cx.account.leads.iter();
    let lost = leads.filter(|record| record.lead.as_ref().is_some_and(has_it));
    for lead in lost.map(|record| record.id).collect::<Vec<_>>() {
        cx.account.leads.update(lead, |record| {
            if let Some(lead) = &mut record.lead {
                lead.loss_reason_id = None;
            }
        });
    }
    Ok(Reply::no_content())
}

/// Name and place in the list.
fn read(item: &Reader<'_>, out: &mut Violations) -> (Option<String>, Option<i64>) {
    item.only(&["id", "name", "sort", "request_id"], out);
    let name = item.string("name", out).map(str::to_owned);
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        out.push(
            "NotBlank",
            item.path("name"),
            "This value should not be blank.",
        );
    }
    (name, item.int("sort", out))
}

/// A loss reason as amoCRM answers it.
pub(crate) fn render(cx: &Context<'_>, reason: &LossReason) -> Value {
    json!({
        "id": reason.id,
        "name": reason.name,
        "sort": reason.sort,
        "created_at": reason.created_at,
        "updated_at": reason.updated_at,
        "_links": self_link(&cx.api(&format!("leads/loss_reasons/{}", reason.id))),
    })
}
