//! `/api/v4/{entity}/custom_fields/groups`: the tabs of a card.

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, collection, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{Counters, DEFAULT_GROUP, FieldGroup, FieldOwner},
};

/// The routes below whatever has custom fields in groups.
pub(crate) fn routes(base: &str) -> Router<App> {
    Router::new()
        .route(
            &format!("{base}/custom_fields/groups"),
            get(on(list)).post(on(create_many)),
        )
        .route(
            &format!("{base}/custom_fields/groups/{{group_id}}"),
            get(on(show)).patch(on(update)).delete(on(delete)),
        )
}

/// All groups.
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
    let owner = cx.owner()?;
    let mut groups: Vec<&FieldGroup> = cx.account.groups_of(owner).iter().collect();
    groups.sort_by_key(|group| group.sort);
    let items: Vec<Value> = groups
        .into_iter()
        .map(|group| render(cx, owner, group))
        .collect();
    Ok(Reply::ok(collection(
        &cx.url(),
        "custom_field_groups",
        &items,
    )))
}

/// One group.
pub(crate) fn show(cx: &mut Context<'_>) -> Answer {
    let owner = cx.owner()?;
    let group = find(cx, owner).ok_or_else(|| Problem::not_found("Group not found"))?;
    Ok(Reply::ok(render(cx, owner, group)))
}

/// Adds groups.
pub(crate) fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let owner = cx.owner()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let name = item
            .required_string("name", &mut out)
            .unwrap_or_default()
            .to_owned();
        item.require("sort", &mut out);
        let sort = item.int("sort", &mut out).unwrap_or_default();
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, name, sort));
    }
    errors.check()?;
    let mut made = Vec::with_capacity(drafts.len());
    for (request_id, name, sort) in drafts {
        let number = Counters::take(&mut cx.account.counters.group);
        let group = FieldGroup {
            id: format!("{}_{number}", owner.as_str()),
            name,
            is_predefined: false,
            sort,
        };
        let mut item = render(cx, owner, &group);
        item["request_id"] = request_id.into();
        made.push(item);
        cx.account.groups.entry(owner).or_default().push(group);
    }
    Ok(Reply::created(collection(
        &cx.url(),
        "custom_field_groups",
        &made,
    )))
}

/// Changes a group; `fields` moves these fields into it, in this order.
pub(crate) fn update(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let owner = cx.owner()?;
    let group_id = cx.param("group_id");
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let name = item.string("name", &mut out).map(str::to_owned);
    let sort = item.int("sort", &mut out);
    let mut fields = Vec::new();
    for (index, id) in item
        .array("fields", &mut out)
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        match id.as_u64() {
            Some(id) if cx.account.field(owner, id).is_some() => fields.push(id),
            Some(_) => out.choice(format!("fields.{index}")),
            None => out.kind(format!("fields.{index}"), "int"),
        }
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let groups = cx.account.groups.entry(owner).or_default();
    let group = groups
        .iter_mut()
        .find(|group| group.id == group_id)
        .ok_or_else(|| Problem::choice("id"))?;
    group.name = name.unwrap_or_else(|| group.name.clone());
    group.sort = sort.unwrap_or(group.sort);
    let definitions = cx.account.fields.entry(owner).or_default();
    for (sort, id) in (0..).zip(fields) {
        if let Some(field) = definitions.get_mut(&id) {
            field.group_id = (group_id != DEFAULT_GROUP).then(|| group_id.to_owned());
            field.sort = sort;
        }
    }
    show(cx)
}

/// Deletes a group; its fields go back to the default one.
pub(crate) fn delete(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let owner = cx.owner()?;
    let group = find(cx, owner).ok_or_else(|| Problem::choice("id"))?;
    if group.is_predefined {
        return Err(Problem::choice("id"));
    }
    let id = group.id.clone();
    cx.account
        .groups
        .entry(owner)
        .or_default()
        .retain(|group| group.id != id);
    for field in cx.account.fields.entry(owner).or_default().values_mut() {
        field.group_id.take_if(|group| *group == id);
    }
    Ok(Reply::no_content())
}

fn find<'a>(cx: &'a Context<'_>, owner: FieldOwner) -> Option<&'a FieldGroup> {
    let id = cx.param("group_id");
    cx.account
        .groups_of(owner)
        .iter()
        .find(|group| group.id == id)
}

fn render(cx: &Context<'_>, owner: FieldOwner, group: &FieldGroup) -> Value {
    let fields = cx.account.fields_of(owner);
    let mut inside: Vec<(i64, u64)> = fields
        .filter(|field| field.group_id.as_deref().unwrap_or(DEFAULT_GROUP) == group.id)
        .map(|field| (field.sort, field.id))
        .collect();
    inside.sort_unstable();
    json!({
        "id": group.id,
        "name": group.name,
        "is_predefined": group.is_predefined,
        "type": "custom_field_group",
        "entity_type": owner.as_str(),
        "sort": group.sort,
        "fields": inside.into_iter().map(|(_, id)| id).collect::<Vec<_>>(),
        "_links": self_link(&cx.api(&format!("{}/custom_fields/groups/{}", owner.path(), group.id))),
    })
}
