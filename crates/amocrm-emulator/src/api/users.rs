//! `/api/v4/users`, for administrators.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/users-api>

mod draft;

use axum::{
    Router,
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

use self::draft::Draft;
use super::{
    call::{Context, on},
    reader::Reader,
    rights,
};
use crate::{
    app::App,
    hal::{Answer, Reply, collection, counted_page, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::User,
};

/// Users in one request.
const MAX_BATCH: usize = 10;
/// Accounts with more users add them in the interface only.
const MAX_USERS: usize = 100;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/users", get(on(list)).post(on(create_many)))
        .route("/api/v4/users/{id}", get(on(show)))
        .route("/api/v4/users/activate", post(on(activate)))
        .route("/api/v4/users/deactivate", post(on(deactivate)))
}

/// All users.
fn list(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let users = cx
        .account
        .users
        .iter()
        .map(|user| render(cx, user))
        .collect();
    Ok(counted_page(&cx.url(), cx.query(), "users", users))
}

/// One user.
fn show(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let user = cx
        .account
        .user(cx.id("id")?)
        .ok_or_else(|| Problem::not_found("User not found"))?;
    Ok(Reply::ok(render(cx, user)))
}

/// Adds users, all of them or none.
fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    if cx.account.users.len() > MAX_USERS {
        return Err(Problem::plain(
            StatusCode::FORBIDDEN,
            format!("Accounts with more than {MAX_USERS} users add them in the interface"),
        ));
    }
    let items = cx.items_up_to(MAX_BATCH)?;
    let mut errors = BatchErrors::default();
    let mut drafts: Vec<(String, Draft)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        let draft = Draft::read(cx, &item, &mut out);
        if drafts.iter().any(|(_, other)| other.email == draft.email) {
            out.push(
                "NotUnique",
                "email",
                "A user with this email exists already.",
            );
        }
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let mut documents = Vec::with_capacity(drafts.len());
    for (request_id, draft) in drafts {
        let last = cx.account.users.iter().map(|user| user.id).max();
        let user = draft.into_user(last.unwrap_or_default() + 1);
        let mut document = render(cx, &user);
        document["request_id"] = request_id.into();
        cx.account.users.push(user);
        documents.push(document);
    }
    Ok(Reply::created(collection(&cx.url(), "users", &documents)))
}

/// Lets users log in again. 202 as the documentation says; the vendor's client waits for 204.
fn activate(cx: &mut Context<'_>) -> Answer {
    set_active(cx, true)?;
    Ok(Reply::Empty(StatusCode::ACCEPTED))
}

/// Takes users' logins away.
fn deactivate(cx: &mut Context<'_>) -> Answer {
    set_active(cx, false)?;
    Ok(Reply::no_content())
}

fn set_active(cx: &mut Context<'_>, is_active: bool) -> Result<(), Problem> {
    cx.admin()?;
    let items = cx.items_up_to(MAX_BATCH)?;
    let mut errors = BatchErrors::default();
    let mut ids = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (item, mut out) = (Reader::new(item), Violations::default());
        let id = item.required_id("id", &mut out).unwrap_or_default();
        // Administrators cannot be switched off.
        if item.value("id").is_some() && cx.account.user(id).is_none_or(|user| user.is_admin) {
            out.choice("id");
        }
        errors.item(&item.request_id(index), out);
        ids.push(id);
    }
    errors.check()?;
    let users = &mut cx.account.users;
    for user in users.iter_mut().filter(|user| ids.contains(&user.id)) {
        user.is_active = is_active;
    }
    Ok(())
}

fn render(cx: &Context<'_>, user: &User) -> Value {
    let query = cx.query();
    let role = user
        .role_id
        .and_then(|id| cx.account.services.roles.find(id));
    let mut rights = match (role, &user.rights) {
        (Some(role), _) => role.rights.clone(),
        (None, Some(own)) => own.clone(),
        (None, None) => rights::proposed(user.is_admin),
    };
    rights["is_admin"] = user.is_admin.into();
    rights["is_free"] = user.is_free.into();
    rights["is_active"] = user.is_active.into();
    rights["group_id"] = Some(user.group_id).filter(|id| *id != 0).into();
    rights["role_id"] = user.role_id.into();
    let mut document = json!({
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "lang": user.lang,
        "rights": rights,
        "_links": self_link(&cx.api(&format!("users/{}", user.id))),
        "_embedded": {"roles": [], "groups": []},
    });
    if let Some(role) = role.filter(|_| query.with("role")) {
        let link = self_link(&cx.api(&format!("roles/{}", role.id)));
        document["_embedded"]["roles"] =
            json!([{"id": role.id, "name": role.name, "_links": link}]);
    }
    if query.with("group") {
        document["_embedded"]["groups"] = cx
            .account
            .user_groups()
            .filter(|group| group.id == user.group_id)
            .map(|group| json!({"id": group.id, "name": group.name, "uuid": null}))
            .collect();
    }
    if query.with("uuid") {
        document["uuid"] = user.uuid(cx.account.id).into();
    }
    if query.with("amojo_id") {
        document["amojo_id"] = user.amojo_id(cx.account.id).into();
    }
    if query.with("user_rank") {
        document["user_rank"] = if user.is_admin { "master" } else { "newbie" }.into();
    }
    if query.with("phone_number") {
        document["phone_number"] = Value::Null;
    }
    document
}
