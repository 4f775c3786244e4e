//! The trash. v4 has no DELETE for cards; the interface's own private call is what integrations use.

use form_urlencoded::parse;
use serde_json::json;

use crate::{
    api::call::Context,
    hal::{Answer, Reply},
    world::{EntityType, events::Change},
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
    let entity = cx.entity_named(cx.param("entity"))?;
    let (now, user) = (cx.now(), cx.user_id());
    let ids = parse(cx.body()).filter(|(key, _)| key == "ID" || key.starts_with("ID["));
    for id in ids.filter_map(|(_, id)| id.parse().ok()) {
        if cx
            .account
            .records(entity)
            .get(id)
            .is_none_or(|record| record.is_deleted == deleted)
        {
            continue;
        }
        cx.account.records_mut(entity).update(id, |record| {
            record.is_deleted = deleted;
            record.updated_at = now.max(record.updated_at);
            record.updated_by = user;
        });
        cx.emit(
            entity,
            id,
            if deleted {
                Change::Deleted
            } else {
                Change::Restored
            },
        );
        if deleted {
            delete_tasks(cx, entity, id);
        }
    }
    Ok(Reply::ok(json!({"status": "success"})))
}

/// Notes go out of sight with their card and come back with it; tasks are gone for good.
fn delete_tasks(cx: &mut Context<'_>, entity: EntityType, id: u64) {
    let tasks = cx.account.tasks.iter();
    let of_card = tasks.filter(|task| task.card == Some((entity, id)));
    for task in of_card.map(|task| task.id).collect::<Vec<_>>() {
        cx.actor().delete_task(task);
    }
}
