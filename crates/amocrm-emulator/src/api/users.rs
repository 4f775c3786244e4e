//! `GET /api/v4/users`, for administrators.

use serde_json::{Value, json};

use super::call::Context;
use crate::{
    hal::{Answer, Reply, counted_page, self_link},
    problem::Problem,
    world::User,
};

/// All users.
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
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
pub(crate) fn show(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let user = cx
        .account
        .user(cx.id("id")?)
        .ok_or_else(|| Problem::not_found("User not found"))?;
    Ok(Reply::ok(render(cx, user)))
}

fn render(cx: &Context<'_>, user: &User) -> Value {
    let query = cx.query();
    // Managers see and change everything but delete and export nothing, as amoCRM proposes for a new user.
    let strong = if user.is_admin { "A" } else { "D" };
    let entity = json!({"view": "A", "edit": "A", "add": "A", "delete": strong, "export": strong});
    let mut document = json!({
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "lang": user.lang,
        "rights": {
            "leads": entity,
            "contacts": entity,
            "companies": entity,
            "tasks": {"edit": "A", "delete": "A"},
            "mail_access": user.is_admin,
            "catalog_access": user.is_admin,
            "files_access": true,
            "status_rights": null,
            "catalog_rights": null,
            "is_admin": user.is_admin,
            "is_free": false,
            "is_active": user.is_active,
            "group_id": if user.group_id == 0 { Value::Null } else { user.group_id.into() },
            "role_id": null,
        },
        "_links": self_link(&cx.api(&format!("users/{}", user.id))),
        "_embedded": {"roles": [], "groups": []},
    });
    if query.with("group") {
        document["_embedded"]["groups"] =
            json!([{"id": user.group_id, "name": "Отдел продаж", "uuid": null}]);
    }
    for key in ["uuid", "amojo_id", "user_rank", "phone_number"] {
        if query.with(key) {
            document[key] = Value::Null;
        }
    }
    document
}
