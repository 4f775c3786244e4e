//! Files on cards: `/api/v4/{entity}/{id}/files`, and from a file to its cards.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    api::{call::Context, reader::Reader},
    hal::{Answer, Reply},
    problem::{Problem, Violations},
    world::{Account, Attachment, Card, EntityType},
};

/// The files of a card, newest first; `before_id` goes on where a page ended.
pub(super) fn list(cx: &mut Context<'_>) -> Answer {
    let card = card(cx)?;
    let now = cx.now();
    cx.account.drive.expire(now);
    let query = cx.query();
    let limit = query.limit();
    let before: u64 = query
        .get(&["before_id"])
        .and_then(|id| id.parse().ok())
        .unwrap_or(u64::MAX);
    let drive = &cx.account.drive;
    let is_listed = |attachment: &&Attachment| {
        attachment.card == card
            && attachment.id < before
            && drive.live(&attachment.file_uuid).is_some()
    };
    let mut found = drive.attachments.iter().rev().filter(is_listed);
    let files: Vec<&Attachment> = found.by_ref().take(limit).collect();
    let Some(last) = files.last() else {
        return Ok(Reply::no_content());
    };
    let mut links = json!({"self": {"href": format!("{}?limit={limit}", cx.url())}});
    if found.next().is_some() {
        links["next"] =
            json!({"href": format!("{}?limit={limit}&before_id={}", cx.url(), last.id)});
    }
    let files: Vec<Value> = files
        .iter()
        .map(|attachment| json!({"file_uuid": attachment.file_uuid, "id": attachment.id}))
        .collect();
    Ok(Reply::ok(
        json!({"_links": links, "_embedded": {"files": files}}),
    ))
}

/// Hangs files on a card.
pub(super) fn attach(cx: &mut Context<'_>) -> Answer {
    let card = card(cx)?;
    let items = cx.items()?;
    let uuids = uuids(cx, &items)?;
    let account_id = cx.account.id;
    for uuid in uuids {
        cx.account.drive.attach(account_id, &card, uuid);
    }
    Ok(Reply::Empty(StatusCode::ACCEPTED))
}

/// Takes files off a card; the files stay.
pub(super) fn detach(cx: &mut Context<'_>) -> Answer {
    let card = card(cx)?;
    let items = cx.items()?;
    let uuids = uuids(cx, &items)?;
    cx.account.drive.attachments.retain(|attachment| {
        attachment.card != card || !uuids.contains(&attachment.file_uuid.as_str())
    });
    Ok(Reply::Empty(StatusCode::ACCEPTED))
}

/// The cards a file hangs on, in the words of the old API.
pub(super) fn cards(cx: &mut Context<'_>) -> Answer {
    let uuid = cx.param("uuid");
    if cx.account.drive.live(uuid).is_none() {
        return Err(Problem::not_found("File not found"));
    }
    let attachments = &cx.account.drive.attachments;
    let entities: Vec<Value> = attachments
        .iter()
        .filter(|attachment| attachment.file_uuid == uuid)
        .map(|attachment| describe(cx.account, &attachment.card))
        .collect();
    Ok(Reply::ok(json!({"file_uuid": uuid, "entities": entities})))
}

fn describe(account: &Account, card: &Card) -> Value {
    let entity = EntityType::parse(&card.kind);
    let Some(record) = entity.and_then(|entity| account.records(entity).get(card.id)) else {
        return json!({"id": card.id, "entity_type": card.kind});
    };
    let lead = record.lead.as_ref();
    json!({
        "id": record.id,
        "name": record.name,
        "created_by": record.created_by,
        "main_user_id": record.responsible_user_id,
        "date_create": record.created_at,
        "price": lead.map(|lead| lead.price),
        "pipeline_id": lead.map(|lead| lead.pipeline_id),
        "date_update": record.updated_at,
        "updated_by": record.updated_by,
        "entity_type": card.kind,
        "status_id": lead.map(|lead| lead.status_id),
        "closest_task_at": record.closest_task_at,
    })
}

/// The card the path names; it must be there.
fn card(cx: &Context<'_>) -> Result<Card, Problem> {
    let id = cx.id("id")?;
    let kind = cx.path_word(2);
    let exists = match kind {
        "catalogs" => {
            let catalogs = &cx.account.catalogs;
            catalogs.has_element(cx.id("catalog_id")?, id)
        }
        kind => {
            let entity = cx.entity_named(kind)?;
            cx.account.records(entity).live(id).is_some()
        }
    };
    if !exists {
        return Err(Problem::not_found("Entity not found"));
    }
    let kind = match kind {
        "catalogs" => format!("catalogs:{}", cx.id("catalog_id")?),
        kind => kind.to_owned(),
    };
    Ok(Card { kind, id })
}

/// The `file_uuid` of every item; all of them must be there.
fn uuids<'a>(cx: &Context<'_>, items: &'a [Map<String, Value>]) -> Result<Vec<&'a str>, Problem> {
    let mut out = Violations::default();
    let mut uuids = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(uuid) = Reader::new(item).required_string("file_uuid", &mut out) else {
            continue;
        };
        if cx.account.drive.live(uuid).is_none() {
            out.choice(format!("{index}.file_uuid"));
        }
        uuids.push(uuid);
    }
    if out.is_empty() {
        Ok(uuids)
    } else {
        Err(Problem::invalid(out))
    }
}
