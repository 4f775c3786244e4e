//! `/api/v4/tasks`. There is no way to delete one.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/tasks-api>

mod apply;
mod draft;
mod list;

use axum::{Router, routing::get};
use http::StatusCode;
use serde_json::{Value, json};

use self::{
    apply::{create, update},
    draft::{read_change, read_new},
};
use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::Task,
};

/// The routes of tasks.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(
            "/api/v4/tasks",
            get(on(list::list))
                .post(on(create_many))
                .patch(on(update_many)),
        )
        .route(
            "/api/v4/tasks/{id}",
            get(on(show)).patch(on(update_one)).delete(on(refuse)),
        )
}

/// One task; 204 when there is none, although the documentation does not say so.
fn show(cx: &mut Context<'_>) -> Answer {
    let task = cx.account.tasks.get(cx.id("id")?);
    Ok(task.map_or_else(Reply::no_content, |task| Reply::ok(render(cx, task))))
}

/// Adds tasks: all of the items, or none.
fn create_many(cx: &mut Context<'_>) -> Answer {
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let request_id = item.request_id(index);
        let mut out = Violations::default();
        let draft = read_new(cx, &item, &mut out)?;
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let made: Vec<Value> = drafts
        .into_iter()
        .map(|(request_id, draft)| {
            let id = create(cx, draft);
            json!({"id": id, "request_id": request_id, "_links": link(cx, id)})
        })
        .collect();
    Ok(envelope(cx, &made))
}

/// Changes tasks: all of the items, or none.
fn update_many(cx: &mut Context<'_>) -> Answer {
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let request_id = item.request_id(index);
        let mut out = Violations::default();
        if let Some(id) = item.required_id("id", &mut out) {
            match cx.account.tasks.get(id) {
                Some(task) => {
                    let draft = read_change(cx, task, &item, &mut out)?;
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
            update(cx, id, draft);
            updated_item(cx, id, &request_id)
        })
        .collect();
    Ok(envelope(cx, &changed))
}

/// Changes one task.
fn update_one(cx: &mut Context<'_>) -> Answer {
    let id = cx.id("id")?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let task = cx.account.tasks.get(id);
    let task = task.ok_or_else(|| Problem::not_found("Task not found"))?;
    let draft = read_change(cx, task, &item, &mut out)?;
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    update(cx, id, draft);
    Ok(Reply::ok(updated_item(cx, id, &item.request_id(0))))
}

/// Tasks are deleted by people only.
fn refuse(_: &mut Context<'_>) -> Answer {
    Err(Problem::plain(StatusCode::FORBIDDEN, "Invalid scope"))
}

fn envelope(cx: &Context<'_>, items: &[Value]) -> Reply {
    Reply::ok(json!({"_links": self_link(&cx.url()), "_embedded": {"tasks": items}}))
}

fn updated_item(cx: &Context<'_>, id: u64, request_id: &str) -> Value {
    let updated_at = cx.account.tasks.get(id).map(|task| task.updated_at);
    json!({"id": id, "updated_at": updated_at, "request_id": request_id, "_links": link(cx, id)})
}

fn link(cx: &Context<'_>, id: u64) -> Value {
    self_link(&cx.api(&format!("tasks/{id}")))
}

/// A task as amoCRM answers it.
fn render(cx: &Context<'_>, task: &Task) -> Value {
    // PHP writes an empty object as a list.
    let result = match &task.result {
        Some(result) => json!({"text": result.text}),
        None => json!([]),
    };
    json!({
        "id": task.id,
        "created_by": task.created_by,
        "updated_by": task.updated_by,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "responsible_user_id": task.responsible_user_id,
        "group_id": task.group_id,
        "entity_id": task.card.map(|(_, id)| id),
        "entity_type": task.card.map(|(entity, _)| entity.as_str()),
        "duration": task.duration,
        "is_completed": task.is_completed,
        "task_type_id": task.kind,
        "text": task.text,
        "result": result,
        "complete_till": task.complete_till,
        "account_id": cx.account.id,
        "_links": link(cx, task.id),
    })
}
