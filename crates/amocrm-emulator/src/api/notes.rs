//! Notes of cards. There is no way to delete one.

mod params;

use axum::{
    Router,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, page, self_link},
    problem::{BatchErrors, Problem, Violations},
    query::Direction,
    world::{EntityType, Note},
};

/// What may stand in a new note; anything else is complained about.
const KEYS: [&str; 9] = [
    "entity_id",
    "note_type",
    "params",
    "created_by",
    "responsible_user_id",
    "created_at",
    "updated_at",
    "is_need_to_trigger_digital_pipeline",
    "request_id",
];

/// The routes of the notes of one type of cards.
pub(super) fn routes(base: &str) -> Router<App> {
    let mut router = Router::new();
    // All notes of the type, and those of one card.
    for at in [format!("{base}/notes"), format!("{base}/{{id}}/notes")] {
        router = router
            .route(
                &at,
                get(on(list)).post(on(create_many)).patch(on(update_many)),
            )
            .route(
                &format!("{at}/{{note_id}}"),
                get(on(show)).patch(on(update_one)),
            )
            .route(&format!("{at}/{{note_id}}/pin"), post(on(pin)))
            .route(&format!("{at}/{{note_id}}/unpin"), post(on(unpin)));
    }
    router
}

/// `GET /{entity}/notes` and `GET /{entity}/{id}/notes`.
fn list(cx: &mut Context<'_>) -> Answer {
    let (entity, query) = (cx.entity()?, cx.query());
    let numbers = |key| {
        query
            .comma_list(&["filter", key])
            .iter()
            .filter_map(|id| id.parse().ok())
            .collect::<Vec<u64>>()
    };
    let ids = numbers("id");
    let parents = if cx.param("id").is_empty() {
        numbers("entity_id")
    } else {
        vec![cx.id("id")?]
    };
    let kinds = query.comma_list(&["filter", "note_type"]);
    let changed = query.since(&["filter", "updated_at"]);

    let notes = cx
        .account
        .notes
        .get(&entity)
        .into_iter()
        .flat_map(|notes| notes.values());
    let mut found: Vec<&Note> = notes
        .filter(|note| ids.is_empty() || ids.contains(&note.id))
        .filter(|note| parents.is_empty() || parents.contains(&note.entity_id))
        .filter(|note| kinds.is_empty() || kinds.contains(&note.kind.as_str()))
        .filter(|note| changed.is_none_or(|range| range.contains(as_float(note.updated_at))))
        .filter(|note| cx.account.records(entity).live(note.entity_id).is_some())
        .collect();
    let (field, direction) = query
        .order(&["id", "updated_at"])
        .unwrap_or(("updated_at", Direction::Ascending));
    found.sort_by_key(|note| {
        if field == "id" {
            (0, note.id)
        } else {
            (note.updated_at, note.id)
        }
    });
    if direction == Direction::Descending {
        found.reverse();
    }
    let limit = query.limit();
    let found = found
        .into_iter()
        .skip((query.page() - 1).saturating_mul(limit))
        .take(limit + 1);
    let items: Vec<Value> = found.map(|note| render(cx, entity, note)).collect();
    Ok(page(&cx.url(), query, "notes", items))
}

/// One note; 204 when there is none.
fn show(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    Ok(match find(cx, entity)? {
        Some(note) => Reply::ok(render(cx, entity, note)),
        None => Reply::no_content(),
    })
}

/// Adds notes; without an entity in the path every item names its own.
fn create_many(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let parent = if cx.param("id").is_empty() {
        None
    } else {
        Some(cx.id("id")?)
    };
    let items = cx.items()?;
    let (now, user) = (cx.now(), cx.user_id());
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        item.only(&KEYS, &mut out);
        item.bool("is_need_to_trigger_digital_pipeline", &mut out);
        let entity_id = parent
            .or_else(|| item.required_id("entity_id", &mut out))
            .unwrap_or_default();
        match cx.account.records(entity).get(entity_id) {
            Some(record) if record.is_deleted => return Err(Problem::in_trash()),
            None if parent.is_some() || item.value("entity_id").is_some() => {
                out.choice("entity_id");
            }
            Some(_) | None => {}
        }
        let note_type = item
            .required_string("note_type", &mut out)
            .unwrap_or_default();
        let params = params::read(note_type, &item, &mut out);
        if !note_type.is_empty() && !params::is_writable(note_type) {
            out.choice("note_type");
        }
        let created_by = author(cx, &item, "created_by", &mut out).unwrap_or(user);
        let responsible = author(cx, &item, "responsible_user_id", &mut out);
        let created_at = item.int("created_at", &mut out).unwrap_or(now);
        let note = Note {
            id: 0,
            entity_id,
            kind: note_type.to_owned(),
            params,
            created_by,
            updated_by: created_by,
            created_at,
            updated_at: item.int("updated_at", &mut out).unwrap_or(now),
            responsible_user_id: responsible.unwrap_or(created_by),
            group_id: 0,
            is_pinned: false,
        };
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, note));
    }
    errors.check()?;
    let made: Vec<Value> = drafts
        .into_iter()
        .map(|(request_id, note)| {
            let entity_id = note.entity_id;
            let id = cx.actor().add_note(entity, note);
            json!({"id": id, "entity_id": entity_id, "request_id": request_id, "_links": link(cx, entity, entity_id, id)})
        })
        .collect();
    Ok(Reply::ok(
        json!({"_links": self_link(&cx.url()), "_embedded": {"notes": made}}),
    ))
}

/// Changes notes.
fn update_many(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let request_id = item.request_id(index);
        if let Some(id) = item.required_id("id", &mut out) {
            match cx
                .account
                .notes
                .get(&entity)
                .and_then(|notes| notes.get(&id))
            {
                Some(note) => {
                    drafts.push((id, request_id.clone(), read_change(note, &item, &mut out)));
                }
                None => out.choice("id"),
            }
        }
        errors.item(&request_id, out);
    }
    errors.check()?;
    let changed: Vec<Value> = drafts
        .into_iter()
        .filter_map(|(id, request_id, change)| {
            let mut item = update(cx, entity, id, change)?;
            item["request_id"] = request_id.into();
            Some(item)
        })
        .collect();
    Ok(Reply::ok(
        json!({"_links": self_link(&cx.url()), "_embedded": {"notes": changed}}),
    ))
}

/// Changes one note.
fn update_one(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let note = find(cx, entity)?.ok_or_else(|| Problem::choice("id"))?;
    let (id, change) = (note.id, read_change(note, &item, &mut out));
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    update(cx, entity, id, change)
        .map(Reply::ok)
        .ok_or_else(|| Problem::choice("id"))
}

/// Shows a note above the feed.
fn pin(cx: &mut Context<'_>) -> Answer {
    set_pinned(cx, true)
}

/// Puts a note back into the feed.
fn unpin(cx: &mut Context<'_>) -> Answer {
    set_pinned(cx, false)
}

fn set_pinned(cx: &mut Context<'_>, is_pinned: bool) -> Answer {
    let entity = cx.entity()?;
    let id = find(cx, entity)?.map(|note| note.id);
    let note = id.and_then(|id| cx.account.notes.get_mut(&entity)?.get_mut(&id));
    note.ok_or_else(|| Problem::not_found("Note not found"))?
        .is_pinned = is_pinned;
    Ok(Reply::no_content())
}

fn find<'a>(cx: &'a Context<'_>, entity: EntityType) -> Result<Option<&'a Note>, Problem> {
    let id = cx.id("note_id")?;
    let parent = if cx.param("id").is_empty() {
        None
    } else {
        Some(cx.id("id")?)
    };
    let note = cx
        .account
        .notes
        .get(&entity)
        .and_then(|notes| notes.get(&id));
    Ok(note
        .filter(|note| parent.is_none_or(|parent| note.entity_id == parent))
        .filter(|note| cx.account.records(entity).live(note.entity_id).is_some()))
}

/// A change of type or params.
type NoteChange = (Option<String>, Option<Value>);

fn read_change(note: &Note, item: &Reader<'_>, out: &mut Violations) -> NoteChange {
    let kind = item.string("note_type", out);
    if kind.is_some_and(|kind| !params::is_writable(kind)) {
        out.choice(item.path("note_type"));
    }
    let params = item
        .value("params")
        .is_some()
        .then(|| params::read(kind.unwrap_or(&note.kind), item, out));
    (kind.map(str::to_owned), params)
}

fn author(cx: &Context<'_>, item: &Reader<'_>, key: &str, out: &mut Violations) -> Option<u64> {
    let id = item.id(key, out)?;
    if id != 0 && cx.account.user(id).is_none() {
        out.choice(item.path(key));
    }
    Some(id)
}

fn update(cx: &mut Context<'_>, entity: EntityType, id: u64, change: NoteChange) -> Option<Value> {
    let (now, user) = (cx.now(), cx.user_id());
    let note = cx.account.notes.get_mut(&entity)?.get_mut(&id)?;
    note.kind = change.0.unwrap_or_else(|| note.kind.clone());
    note.params = change.1.unwrap_or_else(|| note.params.take());
    note.updated_at = now.max(note.updated_at);
    note.updated_by = user;
    let (entity_id, updated_at) = (note.entity_id, note.updated_at);
    Some(
        json!({"id": id, "entity_id": entity_id, "updated_at": updated_at, "_links": link(cx, entity, entity_id, id)}),
    )
}

/// The link of a note always goes through its card.
fn link(cx: &Context<'_>, entity: EntityType, entity_id: u64, id: u64) -> Value {
    self_link(&cx.api(&format!("{}/{entity_id}/notes/{id}", entity.as_str())))
}

/// A note as amoCRM answers it.
pub(crate) fn render(cx: &Context<'_>, entity: EntityType, note: &Note) -> Value {
    // The oldest rows have numbers for types.
    let kind = match note.kind.parse::<u64>() {
        Ok(number) => Value::from(number),
        Err(_) => Value::from(note.kind.as_str()),
    };
    let mut document = json!({
        "id": note.id,
        "entity_id": note.entity_id,
        "created_by": note.created_by,
        "updated_by": note.updated_by,
        "created_at": note.created_at,
        "updated_at": note.updated_at,
        "responsible_user_id": note.responsible_user_id,
        "group_id": note.group_id,
        "note_type": kind,
        "params": note.params,
        "account_id": cx.account.id,
        "_links": link(cx, entity, note.entity_id, note.id),
    });
    if cx.query().with("is_pinned") {
        document["is_pinned"] = note.is_pinned.into();
    }
    document
}

#[expect(
    clippy::cast_precision_loss,
    reason = "unix seconds are far below 2^53"
)]
fn as_float(value: i64) -> f64 {
    value as f64
}
