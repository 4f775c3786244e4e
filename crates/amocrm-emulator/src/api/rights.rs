//! Rights of users and roles: letters per entity, flags, and exceptions per stage and list.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/users-api#users-rights>

use serde_json::{Map, Value, json};

use super::{call::Context, reader::Reader};
use crate::problem::Violations;

const ENTITIES: [&str; 3] = ["leads", "contacts", "companies"];
const ACTIONS: [&str; 5] = ["view", "edit", "add", "delete", "export"];
const FLAGS: [&str; 3] = ["mail_access", "catalog_access", "files_access"];
/// From the widest to the narrowest.
const LETTERS: [&str; 4] = ["A", "G", "M", "D"];
const YES_OR_NO: [&str; 2] = ["A", "D"];
/// Rights that may not be wider than another one: the second.
const PREREQUISITES: [(&str, &str); 4] = [
    ("edit", "view"),
    ("delete", "view"),
    ("delete", "edit"),
    ("export", "view"),
];

/// What may stand beside the rights proper, of users only.
const USER_KEYS: [&str; 5] = ["is_free", "role_id", "group_id", "is_admin", "is_active"];

/// The rights of somebody about whom nothing was said: everything for administrators; others change all and delete and export nothing,
/// as amoCRM proposes for a new user.
pub(super) fn proposed(is_admin: bool) -> Value {
    let strong = if is_admin { "A" } else { "D" };
    let entity = json!({"view": "A", "edit": "A", "add": "A", "delete": strong, "export": strong});
    json!({
        "leads": entity,
        "contacts": entity,
        "companies": entity,
        "tasks": {"edit": "A", "delete": "A"},
        "mail_access": is_admin,
        "catalog_access": is_admin,
        "files_access": true,
        "status_rights": null,
        "catalog_rights": null,
    })
}

/// Checks rights and gives them back with everything present: what is not named is as in `before`, or denied.
pub(super) fn read(
    cx: &Context<'_>,
    rights: &Reader<'_>,
    is_user: bool,
    before: Option<&Value>,
    out: &mut Violations,
) -> Value {
    let mut allowed: Vec<&str> = [&ENTITIES[..], &FLAGS].concat();
    allowed.extend(["tasks", "status_rights", "catalog_rights"]);
    if is_user {
        allowed.extend(USER_KEYS);
    }
    rights.only(&allowed, out);
    let mut document = before.cloned().unwrap_or_else(nothing);
    for entity in ENTITIES {
        if let Some(letters) = rights.child(entity, out) {
            document[entity] = read_letters(&letters, &ACTIONS, &LETTERS, out);
        }
    }
    if let Some(letters) = rights.child("tasks", out) {
        document["tasks"] = read_letters(&letters, &["edit", "delete"], &LETTERS, out);
    }
    for flag in FLAGS {
        if let Some(value) = rights.bool(flag, out) {
            document[flag] = value.into();
        }
    }
    if let Some(exceptions) = rights.children("status_rights", out) {
        for exception in &exceptions {
            read_status(cx, exception, out);
        }
    }
    if let Some(exceptions) = rights.children("catalog_rights", out) {
        for exception in &exceptions {
            exception.required_id("catalog_id", out);
            if let Some(letters) = exception.child("rights", out) {
                read_letters(&letters, &ACTIONS, &["L", "A", "D"], out);
            }
        }
    }
    for key in ["status_rights", "catalog_rights"] {
        // Null and an empty list alike take the exceptions away.
        match rights.value(key) {
            Some(Value::Array(items)) if !items.is_empty() => {
                document[key] = Value::Array(items.clone());
            }
            Some(_) => document[key] = Value::Null,
            None if rights.is_null(key) => document[key] = Value::Null,
            None => {}
        }
    }
    document
}

/// Complains about entities whose rights were not given.
pub(super) fn require(rights: &Reader<'_>, out: &mut Violations) {
    for key in ["leads", "contacts", "companies", "tasks"] {
        rights.require(key, out);
    }
}

fn nothing() -> Value {
    let mut document = proposed(false);
    for entity in ENTITIES {
        document[entity] = ACTIONS.iter().map(|action| (*action, "D")).collect();
    }
    document["tasks"] = json!({"edit": "D", "delete": "D"});
    document["files_access"] = false.into();
    document
}

fn read_letters(
    letters: &Reader<'_>,
    actions: &[&str],
    allowed: &[&str],
    out: &mut Violations,
) -> Value {
    letters.only(actions, out);
    let mut document = Map::new();
    for action in actions {
        let allowed = if *action == "add" && !allowed.contains(&"L") {
            &YES_OR_NO
        } else {
            allowed
        };
        let letter = letters.choice(action, allowed, out).unwrap_or("D");
        document.insert((*action).to_owned(), letter.into());
    }
    let width = |action: &str| {
        let letter = document.get(action).and_then(Value::as_str)?;
        LETTERS.iter().position(|known| *known == letter)
    };
    for (right, needed) in PREREQUISITES {
        if let (Some(right_width), Some(needed_width)) = (width(right), width(needed))
            && right_width < needed_width
        {
            out.choice(letters.path(right));
        }
    }
    document.into()
}

fn read_status(cx: &Context<'_>, exception: &Reader<'_>, out: &mut Violations) {
    exception.only(&["entity_type", "pipeline_id", "status_id", "rights"], out);
    exception.choice("entity_type", &["leads"], out);
    let pipeline = exception.required_id("pipeline_id", out);
    let status = exception.required_id("status_id", out);
    if let Some(id) = pipeline {
        match cx.account.pipeline(id) {
            None => out.choice(exception.path("pipeline_id")),
            Some(pipeline) => {
                if status.is_some_and(|id| !pipeline.statuses.iter().any(|known| known.id == id)) {
                    out.choice(exception.path("status_id"));
                }
            }
        }
    }
    if let Some(letters) = exception.child("rights", out) {
        read_letters(
            &letters,
            &["view", "edit", "delete", "export"],
            &YES_OR_NO,
            out,
        );
    }
}
