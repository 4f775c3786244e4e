//! `/api/v4/{entity}/custom_fields`: definitions of custom fields.

mod draft;

use serde_json::{Map, Value, json};

use self::draft::{Draft, EnumDraft, read};
use super::{call::Context, reader::Reader};
use crate::{
    hal::{Answer, Reply, collection, counted_page, self_link},
    problem::{BatchErrors, Problem, Violations},
    query::Direction,
    world::{Counters, DEFAULT_GROUP, EntityType, EnumOption, FieldDefinition},
};

/// A page of definitions.
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
    let (entity, query) = (cx.entity()?, cx.query());
    let kinds = query.list(&["filter", "type"]);
    let ids: Vec<u64> = query
        .list(&["filter", "id"])
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let fields = cx
        .account
        .fields
        .get(&entity)
        .into_iter()
        .flat_map(|fields| fields.values());
    let mut found: Vec<&FieldDefinition> = fields
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
    let (entity, id) = (cx.entity()?, cx.id("id")?);
    let field = cx
        .account
        .field(entity, id)
        .ok_or_else(|| Problem::not_found("Custom field not found"))?;
    Ok(Reply::ok(render(cx, field)))
}

/// Adds definitions.
pub(crate) fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let entity = cx.entity()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts: Vec<(String, Draft)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let draft = read(cx, entity, None, &item, &mut out);
        // A code is unique also among the fields that are created together.
        if draft.code.is_some() && drafts.iter().any(|(_, other)| other.code == draft.code) {
            out.choice("code");
        }
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let made = drafts.into_iter().map(|(request_id, draft)| {
        let mut field = FieldDefinition::new(
            Counters::take(&mut cx.account.counters.field),
            entity,
            draft.kind.as_deref().unwrap_or_default(),
            "",
        );
        field.sort = next_sort(cx, entity);
        apply(cx, &mut field, draft);
        let mut item = render(cx, &field);
        item["request_id"] = request_id.into();
        cx.account
            .fields
            .entry(entity)
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
    let entity = cx.entity()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let request_id = item.request_id(index);
        if let Some(id) = item.required_id("id", &mut out) {
            match cx.account.field(entity, id) {
                Some(field) => drafts.push((
                    id,
                    request_id.clone(),
                    read(cx, entity, Some(field), &item, &mut out),
                )),
                None => out.choice("id"),
            }
        }
        errors.item(&request_id, out);
    }
    errors.check()?;
    let mut changed = Vec::with_capacity(drafts.len());
    for (id, request_id, draft) in drafts {
        let mut item = update(cx, entity, id, draft)?;
        item["request_id"] = request_id.into();
        changed.push(item);
    }
    Ok(Reply::ok(collection(&cx.url(), "custom_fields", &changed)))
}

/// Changes one definition.
pub(crate) fn update_one(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (entity, id) = (cx.entity()?, cx.id("id")?);
    let object = cx.object()?;
    let item = Reader::new(&object);
    let field = cx
        .account
        .field(entity, id)
        .ok_or_else(|| Problem::choice("id"))?;
    let mut out = Violations::default();
    let draft = read(cx, entity, Some(field), &item, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    Ok(Reply::ok(update(cx, entity, id, draft)?))
}

/// Deletes a definition and its values; the predefined ones stay.
pub(crate) fn delete(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (entity, id) = (cx.entity()?, cx.id("id")?);
    let field = cx
        .account
        .field(entity, id)
        .ok_or_else(|| Problem::choice("id"))?;
    if field.is_predefined {
        return Err(Problem::choice("id"));
    }
    cx.account.fields.entry(entity).or_default().remove(&id);
    cx.account.records_mut(entity).forget_field(id);
    Ok(Reply::no_content())
}

fn next_sort(cx: &Context<'_>, entity: EntityType) -> i64 {
    let fields = cx
        .account
        .fields
        .get(&entity)
        .into_iter()
        .flat_map(|fields| fields.values());
    fields
        .map(|field| field.sort)
        .max()
        .unwrap_or_default()
        .max(500)
        + 1
}

fn update(
    cx: &mut Context<'_>,
    entity: EntityType,
    id: u64,
    draft: Draft,
) -> Result<Value, Problem> {
    let mut field = cx
        .account
        .field(entity, id)
        .cloned()
        .ok_or_else(|| Problem::choice("id"))?;
    let before: Vec<u64> = options(&field).collect();
    apply(cx, &mut field, draft);
    let lost_options = before.iter().any(|id| field.option(*id).is_none());
    if lost_options {
        cx.account
            .records_mut(entity)
            .forget_options(id, |option| field.option(option).is_some());
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
        .entry(entity)
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
    let mut options: Vec<EnumOption> = drafts
        .into_iter()
        .map(|draft| {
            let old = draft.id.and_then(|id| field.option(id));
            EnumOption {
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
            }
        })
        .collect();
    options.sort_by_key(|option| option.sort);
    options
}

fn render(cx: &Context<'_>, field: &FieldDefinition) -> Value {
    let entity = field.entity.as_str();
    json!({
        "id": field.id,
        "name": field.name,
        "type": field.kind,
        "account_id": cx.account.id,
        "code": field.code,
        "sort": field.sort,
        "is_api_only": field.is_api_only,
        "enums": field.enums,
        "group_id": field.group_id,
        "required_statuses": field.required_statuses,
        "hidden_statuses": field.hidden_statuses,
        "is_deletable": !field.is_predefined,
        "is_predefined": field.is_predefined,
        "entity_type": entity,
        "tracking_callback": field.tracking_callback,
        "remind": field.remind,
        "triggers": [],
        "currency": field.currency,
        "chained_lists": field.chained_lists,
        "search_in": field.search_in,
        "_links": self_link(&cx.api(&format!("{entity}/custom_fields/{}", field.id))),
    })
}
