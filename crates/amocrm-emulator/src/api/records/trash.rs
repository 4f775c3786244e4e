//! The trash. v4 has no DELETE for cards; the interface's own private call is what integrations use. For lists and their elements
//! its address is the emulator's guess, so that the webhooks of their deletion can be seen.

use form_urlencoded::parse;
use serde_json::json;

use crate::{
    api::call::Context,
    hal::{Answer, Reply},
    world::events::Change,
};

/// `POST /ajax/{entity}/multiple/delete/` with a form of `ID[]`.
pub(crate) fn delete_many(cx: &mut Context<'_>) -> Answer {
    put(cx, true)
}

/// `POST /ajax/{entity}/multiple/restore/`: the way back, which in amoCRM only a person has.
pub(crate) fn restore_many(cx: &mut Context<'_>) -> Answer {
    put(cx, false)
}

fn put(cx: &mut Context<'_>, deleted: bool) -> Answer {
    let ids = parse(cx.body()).filter(|(key, _)| key == "ID" || key.starts_with("ID["));
    let ids: Vec<u64> = ids.filter_map(|(_, id)| id.parse().ok()).collect();
    match cx.param("entity") {
        "catalogs" if deleted => return delete_catalogs(cx, &ids),
        "catalog_elements" => {
            put_elements(cx, &ids, deleted);
            return Ok(success());
        }
        _ => {}
    }
    let entity = cx.entity_named(cx.param("entity"))?;
    for id in ids {
        cx.actor().set_deleted(entity, id, deleted);
    }
    Ok(success())
}

/// Deletes lists with all they have; those amoCRM keeps stay.
fn delete_catalogs(cx: &mut Context<'_>, ids: &[u64]) -> Answer {
    cx.admin()?;
    for id in ids {
        let catalog = cx.account.catalogs.get(*id);
        let Some(catalog) = catalog.filter(|catalog| catalog.can_be_deleted) else {
            continue;
        };
        let elements: Vec<u64> = catalog.elements.iter().map(|record| record.id).collect();
        for element in elements {
            cx.emit_element(*id, element, Change::Deleted);
        }
        cx.account.remove_catalog(*id);
    }
    Ok(success())
}

fn success() -> Reply {
    Reply::ok(json!({"status": "success"}))
}

fn put_elements(cx: &mut Context<'_>, ids: &[u64], deleted: bool) {
    let (now, user) = (cx.now(), cx.user_id());
    let lists = cx.account.catalogs.by_id.iter();
    let places: Vec<(u64, u64)> = lists
        .flat_map(|(list, catalog)| {
            let found = ids.iter().filter_map(|id| catalog.elements.get(*id));
            let found = found.filter(|record| record.is_deleted != deleted);
            found.map(|record| (*list, record.id))
        })
        .collect();
    for (list, id) in places {
        if let Some(elements) = cx.account.catalogs.elements_mut(list) {
            elements.update(id, |record| {
                record.is_deleted = deleted;
                record.updated_at = now.max(record.updated_at);
                record.updated_by = user;
            });
        }
        let change = if deleted {
            Change::Deleted
        } else {
            Change::Restored
        };
        cx.emit_element(list, id, change);
    }
}
