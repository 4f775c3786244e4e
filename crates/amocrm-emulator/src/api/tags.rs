//! `/api/v4/{entity}/tags`.

use serde_json::{Value, json};

use super::{call::Context, reader::Reader};
use crate::{
    hal::{Answer, Reply, collection, page},
    problem::{BatchErrors, Problem, Violations},
    world::{EntityType, Tag},
};

/// The colours a tag of a lead may have.
const COLORS: [&str; 23] = [
    "EBEBEB", "D0D0D0", "F2DDF7", "D1A4DC", "FF8F92", "FFC8C8", "C7DB8C", "DDEBB5", "8699DA",
    "AABDFF", "FFCE5A", "FFE193", "90CDB0", "C6F4DE", "A9A5D7", "D8D5FF", "86C0FC", "832161",
    "6A0F49", "0C7C59", "10599D", "9D2B32", "247BA0",
];

/// A page of tags.
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
    let (entity, query) = (cx.entity()?, cx.query());
    let ids: Vec<u64> = query
        .list(&["filter", "id"])
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let name = query
        .get(&["filter", "name"])
        .filter(|name| !name.is_empty());
    let part = query.get(&["query"]).map(str::to_lowercase);
    let limit = query.limit();
    let tags = cx
        .account
        .tags
        .get(&entity)
        .into_iter()
        .flat_map(|tags| tags.values());
    let found: Vec<Value> = tags
        .filter(|tag| ids.is_empty() || ids.contains(&tag.id))
        .filter(|tag| name.is_none_or(|name| tag.name == name))
        .filter(|tag| {
            part.as_ref()
                .is_none_or(|part| tag.name.to_lowercase().contains(part))
        })
        .skip((query.page() - 1).saturating_mul(limit))
        .take(limit + 1)
        .map(render)
        .collect();
    Ok(page(&cx.url(), query, "tags", found))
}

/// Creates tags; a name that is there already is not an error, its id comes back.
pub(crate) fn create_many(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let name = item.required_string("name", &mut out).map(str::to_owned);
        let color = color(&item, &mut out);
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, name, color));
    }
    errors.check()?;
    let mut made = Vec::with_capacity(drafts.len());
    for (request_id, name, color) in drafts {
        let id = cx.account.tag_id(entity, &name.unwrap_or_default());
        let tag = change(cx, entity, id, None, color)?;
        made.push(with_request_id(tag, request_id));
    }
    Ok(Reply::ok(collection(&cx.url(), "tags", &made)))
}

/// Changes tags; leads only.
pub(crate) fn update_many(cx: &mut Context<'_>) -> Answer {
    let entity = leads_only(cx)?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let id = item.required_id("id", &mut out).unwrap_or_default();
        if item.value("id").is_some() && cx.account.tag(entity, id).is_none() {
            out.choice("id");
        }
        let name = item.string("name", &mut out).map(str::to_owned);
        let color = color(&item, &mut out);
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, id, name, color));
    }
    errors.check()?;
    let mut changed = Vec::with_capacity(drafts.len());
    for (request_id, id, name, color) in drafts {
        let tag = change(cx, entity, id, name, color)?;
        changed.push(with_request_id(tag, request_id));
    }
    Ok(Reply::ok(collection(&cx.url(), "tags", &changed)))
}

/// Changes one tag; leads only.
pub(crate) fn update_one(cx: &mut Context<'_>) -> Answer {
    let (entity, id) = (leads_only(cx)?, cx.id("id")?);
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let name = item.string("name", &mut out).map(str::to_owned);
    let color = color(&item, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    Ok(Reply::ok(change(cx, entity, id, name, color)?))
}

fn leads_only(cx: &Context<'_>) -> Result<EntityType, Problem> {
    match cx.entity()? {
        EntityType::Leads => Ok(EntityType::Leads),
        _ => Err(cx.no_route()),
    }
}

/// What happens to the colour of a tag.
#[derive(Debug)]
enum Coloring {
    Keep,
    Clear,
    Set(String),
}

fn color(item: &Reader<'_>, out: &mut Violations) -> Coloring {
    if item.is_null("color") {
        return Coloring::Clear;
    }
    let Some(color) = item.string("color", out) else {
        return Coloring::Keep;
    };
    let color = color.trim_start_matches('#').to_ascii_uppercase();
    if !COLORS.contains(&color.as_str()) {
        out.choice(item.path("color"));
    }
    Coloring::Set(color)
}

fn change(
    cx: &mut Context<'_>,
    entity: EntityType,
    id: u64,
    name: Option<String>,
    color: Coloring,
) -> Result<Value, Problem> {
    let tags = cx.account.tags.entry(entity).or_default();
    let tag = tags.get_mut(&id).ok_or_else(|| Problem::choice("id"))?;
    if let Some(name) = name {
        tag.name = name;
    }
    // Only tags of leads have colours; on the others a colour is dropped without a word.
    match color {
        Coloring::Set(color) if entity == EntityType::Leads => tag.color = Some(color),
        Coloring::Clear => tag.color = None,
        Coloring::Set(_) | Coloring::Keep => {}
    }
    Ok(render(tag))
}

fn render(tag: &Tag) -> Value {
    json!({"id": tag.id, "name": tag.name, "color": tag.color})
}

fn with_request_id(mut item: Value, request_id: String) -> Value {
    item["request_id"] = request_id.into();
    item
}
