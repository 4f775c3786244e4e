//! `/api/v4/{entity}/custom_fields`: definitions of custom fields.

mod draft;
mod nested;

use std::collections::BTreeMap;

use axum::{Router, routing::get};
use serde_json::{Map, Value, json};

use self::draft::{Draft, EnumDraft, Parent, read};
use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, collection, counted_page, self_link},
    problem::{BatchErrors, Problem, Violations},
    query::Direction,
    world::{Counters, DEFAULT_GROUP, EnumOption, FieldDefinition, FieldOwner},
};

/// Custom fields segments may have.
const MAX_SEGMENT_FIELDS: usize = 30;

/// The routes below whatever has custom fields.
pub(crate) fn routes(base: &str) -> Router<App> {
    Router::new()
        .route(
            &format!("{base}/custom_fields"),
            get(on(list)).post(on(create_many)).patch(on(update_many)),
        )
        .route(
            &format!("{base}/custom_fields/{{id}}"),
            get(on(show)).patch(on(update_one)).delete(on(delete)),
        )
}

/// A page of definitions.
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
    let (owner, query) = (cx.owner()?, cx.query());
    let kinds = query.list(&["filter", "type"]);
    let ids: Vec<u64> = query
        .list(&["filter", "id"])
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let mut found: Vec<&FieldDefinition> = cx
        .account
        .fields_of(owner)
        .filter(|field| kinds.is_empty() || kinds.contains(&field.kind.as_str()))
        .filter(|field| ids.is_empty() || ids.contains(&field.id))
        .collect();
    let (key, direction) = query
        .order(&["sort", "id"])
        .unwrap_or(("sort", Direction::Ascending));
    found.sort_by_key(|field| {
        if key == "id" {
            (0, field.id)
        } else {
            (field.sort, field.id)
        }
    });
    if direction == Direction::Descending {
        found.reverse();
    }
    let items = found.into_iter().map(|field| render(cx, field)).collect();
    Ok(counted_page(&cx.url(), query, "custom_fields", items))
}

/// One definition.
pub(crate) fn show(cx: &mut Context<'_>) -> Answer {
    let (owner, id) = (cx.owner()?, cx.id("id")?);
    let field = cx
        .account
        .field(owner, id)
        .ok_or_else(|| Problem::not_found("Custom field not found"))?;
    Ok(Reply::ok(render(cx, field)))
}

/// Adds definitions.
pub(crate) fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let owner = cx.owner()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts: Vec<(String, Draft)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let draft = read(cx, owner, None, &item, &mut out);
        // A code is unique also among the fields that are created together.
        if draft.code.is_some() && drafts.iter().any(|(_, other)| other.code == draft.code) {
            out.choice("code");
        }
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let is_full = |count: usize| count > MAX_SEGMENT_FIELDS;
    if owner == FieldOwner::Segments && is_full(cx.account.fields_of(owner).count() + drafts.len())
    {
        return Err(Problem::bad_request(format!(
            "Limit {MAX_SEGMENT_FIELDS} custom fields of segments"
        )));
    }
    let made = drafts.into_iter().map(|(request_id, draft)| {
        let mut field = FieldDefinition::new(
            Counters::take(&mut cx.account.counters.field),
            owner,
            draft.kind.as_deref().unwrap_or_default(),
            "",
        );
        field.sort = next_sort(cx, owner);
        apply(cx, &mut field, draft);
        let mut item = render(cx, &field);
        item["request_id"] = request_id.into();
        cx.account
            .fields
            .entry(owner)
            .or_default()
            .insert(field.id, field);
        item
    });
    let made: Vec<Value> = made.collect();
    Ok(Reply::created(collection(
        &cx.url(),
        "custom_fields",
        &made,
    )))
}

/// Changes definitions.
pub(crate) fn update_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let owner = cx.owner()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let request_id = item.request_id(index);
        if let Some(id) = item.required_id("id", &mut out) {
            match cx.account.field(owner, id) {
                Some(field) => drafts.push((
                    id,
                    request_id.clone(),
                    read(cx, owner, Some(field), &item, &mut out),
                )),
                None => out.choice("id"),
            }
        }
        errors.item(&request_id, out);
    }
    errors.check()?;
    let mut changed = Vec::with_capacity(drafts.len());
    for (id, request_id, draft) in drafts {
        let mut item = update(cx, owner, id, draft)?;
        item["request_id"] = request_id.into();
        changed.push(item);
    }
    Ok(Reply::ok(collection(&cx.url(), "custom_fields", &changed)))
}

/// Changes one definition.
pub(crate) fn update_one(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (owner, id) = (cx.owner()?, cx.id("id")?);
    let object = cx.object()?;
    let item = Reader::new(&object);
    let field = cx
        .account
        .field(owner, id)
        .ok_or_else(|| Problem::choice("id"))?;
    let mut out = Violations::default();
    let draft = read(cx, owner, Some(field), &item, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    Ok(Reply::ok(update(cx, owner, id, draft)?))
}

/// Deletes a definition and its values; the predefined ones stay.
pub(crate) fn delete(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (owner, id) = (cx.owner()?, cx.id("id")?);
    let field = cx
        .account
        .field(owner, id)
        .ok_or_else(|| Problem::choice("id"))?;
    if !is_deletable(field) {
        return Err(Problem::choice("id"));
    }
    cx.account.fields.entry(owner).or_default().remove(&id);
    cx.account.forget_field(owner, id);
    Ok(Reply::no_content())
}

fn next_sort(cx: &Context<'_>, owner: FieldOwner) -> i64 {
    cx.account
        .fields_of(owner)
        .map(|field| field.sort)
        .max()
        .unwrap_or_default()
        .max(500)
        .saturating_add(1)
}

fn update(
    cx: &mut Context<'_>,
    owner: FieldOwner,
    id: u64,
    draft: Draft,
) -> Result<Value, Problem> {
    let mut field = cx
        .account
        .field(owner, id)
        .cloned()
        .ok_or_else(|| Problem::choice("id"))?;
    let before: Vec<u64> = options(&field).collect();
    apply(cx, &mut field, draft);
    let lost_options = before.iter().any(|id| field.option(*id).is_none());
    if lost_options {
        cx.account
            .forget_options(owner, id, |option| field.option(option).is_some());
    }
    let mut document = render(cx, &field);
    if lost_options && let Some(Value::Array(enums)) = document.get_mut("enums").map(Value::take) {
        // PHP writes a list with gaps as an object, and amoCRM leaves gaps when it takes options out.
        let keyed = enums.into_iter().enumerate();
        document["enums"] = keyed
            .map(|(index, option)| (index.to_string(), option))
            .collect::<Map<_, _>>()
            .into();
    }
    cx.account
        .fields
        .entry(owner)
        .or_default()
        .insert(id, field);
    Ok(document)
}

fn options(field: &FieldDefinition) -> impl Iterator<Item = u64> {
    field.enums.iter().flatten().map(|option| option.id)
}

fn apply(cx: &mut Context<'_>, field: &mut FieldDefinition, draft: Draft) {
    field.name = draft
        .name
        .unwrap_or_else(|| std::mem::take(&mut field.name));
    field.sort = draft.sort.unwrap_or(field.sort);
    field.is_api_only = draft.is_api_only.unwrap_or(field.is_api_only);
    field.code = draft.code.or(field.code.take());
    if let Some(group) = draft.group_id {
        field.group_id = (group != DEFAULT_GROUP).then_some(group);
    }
    field.currency = draft.currency.or(field.currency.take());
    field.remind = draft.remind.or(field.remind.take());
    field.tracking_callback = draft.tracking_callback.or(field.tracking_callback.take());
    field.search_in = draft.search_in.or(field.search_in.take());
    field.chained_lists = draft.chained_lists.or(field.chained_lists.take());
    field.required_statuses = draft
        .required_statuses
        .unwrap_or_else(|| std::mem::take(&mut field.required_statuses));
    field.hidden_statuses = draft
        .hidden_statuses
        .unwrap_or_else(|| std::mem::take(&mut field.hidden_statuses));
    if let Some(listing) = &mut field.listing {
        listing.is_visible = draft.is_visible.unwrap_or(listing.is_visible);
        listing.is_required = draft.is_required.unwrap_or(listing.is_required);
        listing.is_deletable = draft.is_deletable.unwrap_or(listing.is_deletable);
        listing.settings = draft.settings.or(listing.settings.take());
    }
    if let Some(enums) = draft.enums {
        field.enums = Some(settle_options(cx, field, enums));
    }
}

/// The sent list is the new list: known ids keep theirs, the others are new, the missing ones are gone.
fn settle_options(
    cx: &mut Context<'_>,
    field: &FieldDefinition,
    drafts: Vec<EnumDraft>,
) -> Vec<EnumOption> {
    let mut ids_by_request: BTreeMap<String, u64> = BTreeMap::new();
    let mut options: Vec<EnumOption> = drafts
        .into_iter()
        .map(|draft| {
            let old = draft.id.and_then(|id| field.option(id));
            // Options of a tree name what is above them, which came before them in the request.
            let parent_id = match draft.parent {
                Some(Parent::Id(id)) => Some(id),
                Some(Parent::Request(request_id)) => ids_by_request.get(&request_id).copied(),
                None => None,
            };
            let option = EnumOption {
                id: old.map_or_else(
                    || Counters::take(&mut cx.account.counters.option),
                    |old| old.id,
                ),
                value: draft
                    .value
                    .or(old.map(|old| old.value.clone()))
                    .unwrap_or_default(),
                sort: draft.sort,
                code: draft.code.or(old.and_then(|old| old.code.clone())),
                parent_id,
            };
            ids_by_request.extend(draft.request_id.map(|request_id| (request_id, option.id)));
            option
        })
        .collect();
    options.sort_by_key(|option| option.sort);
    options
}

fn render(cx: &Context<'_>, field: &FieldDefinition) -> Value {
    let enums = field.enums.as_ref().filter(|_| field.kind != "category");
    let mut document = json!({
        "id": field.id,
        "name": field.name,
        "type": field.kind,
        "account_id": cx.account.id,
        "code": field.code,
        "sort": field.sort,
        "is_api_only": field.is_api_only,
        "enums": enums,
        "group_id": field.group_id,
        "required_statuses": field.required_statuses,
        "hidden_statuses": field.hidden_statuses,
        "is_deletable": is_deletable(field),
        "is_predefined": field.is_predefined,
        "entity_type": field.entity.as_str(),
        "tracking_callback": field.tracking_callback,
        "remind": field.remind,
        "triggers": [],
        "currency": field.currency,
        "chained_lists": field.chained_lists,
        "search_in": field.search_in,
        "_links": self_link(&cx.api(&format!("{}/custom_fields/{}", field.entity.path(), field.id))),
    });
    if let FieldOwner::Catalog(id) = field.entity {
        let listing = field.listing.clone().unwrap_or_default();
        document["catalog_id"] = id.into();
        document["is_visible"] = listing.is_visible.into();
        document["is_required"] = listing.is_required.into();
        document["settings"] = listing.settings.into();
        document["nested"] = if field.kind == "category" {
            field.enums.iter().flatten().map(render_nested).collect()
        } else {
            Value::Null
        };
    }
    document
}

fn render_nested(option: &EnumOption) -> Value {
    json!({"id": option.id, "parent_id": option.parent_id, "value": option.value, "sort": option.sort})
}

fn is_deletable(field: &FieldDefinition) -> bool {
    let listing = field.listing.as_ref();
    !field.is_predefined && listing.is_none_or(|listing| listing.is_deletable)
}
