//! `/api/v4/roles`, for administrators.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/users-api#roles-list>

use axum::{Router, routing::get};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
    rights,
};
use crate::{
    app::App,
    hal::{Answer, Reply, counted_page, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::services::Role,
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/roles", get(on(list)).post(on(create_many)))
        .route(
            "/api/v4/roles/{id}",
            get(on(show)).patch(on(update)).delete(on(delete)),
        )
}

fn list(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let roles = &cx.account.services.roles.list;
    let roles = roles.iter().map(|role| render(cx, role)).collect();
    Ok(counted_page(&cx.url(), cx.query(), "roles", roles))
}

fn show(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    Ok(Reply::ok(render(cx, find(cx)?)))
}

/// Creates roles. The documentation says a list and shows one object, so both are taken.
fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let items = cx.items_or_object()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        item.only(&["name", "rights", "request_id"], &mut out);
        let name = read_name(&item, &mut out);
        item.require("name", &mut out);
        item.require("rights", &mut out);
        let rights = item.child("rights", &mut out).map(|given| {
            rights::require(&given, &mut out);
            rights::read(cx, &given, false, None, &mut out)
        });
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, name, rights));
    }
    errors.check()?;
    let account_id = cx.account.id;
    let mut documents = Vec::with_capacity(drafts.len());
    for (request_id, name, rights) in drafts {
        let roles = &mut cx.account.services.roles;
        let role = Role {
            id: roles.next_id(account_id),
            name: name.unwrap_or_default(),
            rights: rights.unwrap_or_default(),
        };
        roles.list.push(role.clone());
        let mut document = render(cx, &role);
        document["request_id"] = request_id.into();
        documents.push(document);
    }
    Ok(Reply::created(json!({
        "_links": self_link(&cx.url()),
        "_embedded": {"roles": documents},
    })))
}

/// Changes a role; what is not named stays.
fn update(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let role = find(cx)?.clone();
    let object = cx.object()?;
    if object.is_empty() {
        return Err(Problem::bad_request("Request data can not be empty"));
    }
    let (item, mut out) = (Reader::new(&object), Violations::default());
    item.only(&["id", "name", "rights", "request_id"], &mut out);
    let name = read_name(&item, &mut out);
    let rights = item
        .child("rights", &mut out)
        .map(|given| rights::read(cx, &given, false, Some(&role.rights), &mut out));
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let mut roles = cx.account.services.roles.list.iter_mut();
    if let Some(known) = roles.find(|known| known.id == role.id) {
        known.name = name.unwrap_or(role.name);
        known.rights = rights.unwrap_or(role.rights);
    }
    let document = render(cx, find(cx)?);
    Ok(Reply::Json(StatusCode::ACCEPTED, document))
}

/// Deletes a role; its users keep the rights it gave them.
fn delete(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let role = find(cx)?.clone();
    let users = &mut cx.account.users;
    for user in users
        .iter_mut()
        .filter(|user| user.role_id == Some(role.id))
    {
        user.role_id = None;
        user.rights = Some(role.rights.clone());
    }
    let roles = &mut cx.account.services.roles.list;
    roles.retain(|known| known.id != role.id);
    Ok(Reply::no_content())
}

fn find<'a>(cx: &'a Context<'_>) -> Result<&'a Role, Problem> {
    let role = cx.account.services.roles.find(cx.id("id")?);
    role.ok_or_else(|| Problem::not_found("Role not found"))
}

fn read_name(item: &Reader<'_>, out: &mut Violations) -> Option<String> {
    let name = item.string("name", out)?;
    if name.trim().is_empty() {
        out.push(
            "NotBlank",
            item.path("name"),
            "This value should not be blank.",
        );
    }
    Some(name.to_owned())
}

fn render(cx: &Context<'_>, role: &Role) -> Value {
    let mut embedded = Map::new();
    if cx.query().with("users") {
        let users = cx.account.users.iter();
        let users = users.filter(|user| user.role_id == Some(role.id));
        let users = users.map(|user| {
            json!({"id": user.id, "_links": self_link(&cx.api(&format!("users/{}", user.id)))})
        });
        embedded.insert("users".into(), users.collect());
    }
    json!({
        "id": role.id,
        "name": role.name,
        "rights": role.rights,
        "_links": self_link(&cx.api(&format!("roles/{}", role.id))),
        "_embedded": embedded,
    })
}
