//! `/api/v4/catalogs`: lists, with their custom fields and elements.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/catalogs-api>

mod elements;
mod products;

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::{
    call::{Context, on},
    field_groups, fields,
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, page, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{Catalog, CatalogType},
};

const MAX_CATALOGS: usize = 10;
const BASE: &str = "/api/v4/catalogs/{catalog_id}";

/// The routes of lists and of what is in them. A list cannot be deleted here.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route(
            "/api/v4/catalogs",
            get(on(list)).post(on(create_many)).patch(on(update_many)),
        )
        .route(BASE, get(on(show)).patch(on(update_one)))
        .merge(fields::routes(BASE))
        .merge(field_groups::routes(BASE))
        .merge(elements::routes())
        .merge(products::routes())
}

/// A checked write to a list.
#[derive(Debug)]
struct Draft {
    name: Option<String>,
    kind: CatalogType,
    sort: Option<i64>,
    can_add_elements: Option<bool>,
    can_show_in_cards: Option<bool>,
    can_link_multiple: Option<bool>,
    sdk_widget_code: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn list(cx: &mut Context<'_>) -> Answer {
    let query = cx.query();
    let kinds = query.list(&["type"]);
    let limit = query.limit();
    let catalogs = cx.account.catalogs.by_id.values();
    let items: Vec<Value> = catalogs
        .filter(|catalog| kinds.is_empty() || kinds.contains(&catalog.kind.as_str()))
        .skip((query.page() - 1).saturating_mul(limit))
        .take(limit + 1)
        .map(|catalog| render(cx, catalog))
        .collect();
    Ok(page(&cx.url(), query, "catalogs", items))
}

fn show(cx: &mut Context<'_>) -> Answer {
    Ok(match cx.account.catalogs.get(cx.id("catalog_id")?) {
        Some(catalog) => Reply::ok(render(cx, catalog)),
        None => Reply::no_content(),
    })
}

fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts: Vec<(String, Draft)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        item.require("name", &mut out);
        let draft = read(&item, &mut out);
        // Of every kind but the regular one there is at most one list.
        let is_single = draft.kind != CatalogType::Regular;
        let is_there = cx.account.catalogs.of_kind(draft.kind).is_some()
            || drafts.iter().any(|(_, other)| other.kind == draft.kind);
        if is_single && is_there {
            out.choice("type");
        }
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    if cx.account.catalogs.by_id.len() + drafts.len() > MAX_CATALOGS {
        return Err(Problem::bad_request(format!(
            "Limit {MAX_CATALOGS} catalogs per account"
        )));
    }
    let (now, user) = (cx.now(), cx.user_id());
    let mut made = Vec::with_capacity(drafts.len());
    for (request_id, draft) in drafts {
        let name = draft.name.clone().unwrap_or_default();
        let id = cx.account.add_catalog(draft.kind, &name, user, now);
        if draft.kind == CatalogType::Products {
            cx.account.catalogs.is_products_enabled = true;
        }
        made.extend(apply(cx, id, draft, request_id));
    }
    Ok(envelope(cx, &made))
}

fn update_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let id = item.required_id("id", &mut out).unwrap_or_default();
        if item.value("id").is_some() && cx.account.catalogs.get(id).is_none() {
            out.choice("id");
        }
        let draft = read(&item, &mut out);
        errors.item(&item.request_id(index), out);
        drafts.push((id, request_id(&item, id), draft));
    }
    errors.check()?;
    let mut changed = Vec::with_capacity(drafts.len());
    for (id, request_id, draft) in drafts {
        changed.extend(update(cx, id, draft, request_id));
    }
    Ok(envelope(cx, &changed))
}

fn update_one(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let id = cx.id("catalog_id")?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let draft = read(&item, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let request_id = request_id(&item, id);
    update(cx, id, draft, request_id)
        .map(Reply::ok)
        .ok_or_else(|| Problem::choice("id"))
}

fn envelope(cx: &Context<'_>, items: &[Value]) -> Reply {
    Reply::ok(json!({"_links": self_link(&cx.url()), "_embedded": {"catalogs": items}}))
}

/// A change that is called nothing by its client is called by the id of the list.
fn request_id(item: &Reader<'_>, id: u64) -> String {
    match item.value("request_id") {
        Some(_) => item.request_id(0),
        None => id.to_string(),
    }
}

fn read(item: &Reader<'_>, out: &mut Violations) -> Draft {
    let words = CatalogType::ALL.map(CatalogType::as_str);
    Draft {
        name: item.string("name", out).map(str::to_owned),
        kind: item
            .choice("type", &words, out)
            .and_then(CatalogType::parse)
            .unwrap_or(CatalogType::Regular),
        sort: item.int("sort", out),
        can_add_elements: item.bool("can_add_elements", out),
        can_show_in_cards: item.bool("can_show_in_cards", out),
        can_link_multiple: item.bool("can_link_multiple", out),
        sdk_widget_code: item.string("sdk_widget_code", out).map(str::to_owned),
    }
}

fn update(cx: &mut Context<'_>, id: u64, draft: Draft, request_id: String) -> Option<Value> {
    let (now, user) = (cx.now(), cx.user_id());
    let catalog = cx.account.catalogs.by_id.get_mut(&id)?;
    catalog.updated_at = now.max(catalog.updated_at);
    catalog.updated_by = user;
    apply(cx, id, draft, request_id)
}

/// Writes a draft to a list; the list as it is then. The type stays what it was.
fn apply(cx: &mut Context<'_>, id: u64, draft: Draft, request_id: String) -> Option<Value> {
    let catalog = cx.account.catalogs.by_id.get_mut(&id)?;
    if let Some(name) = draft.name {
        catalog.name = name;
    }
    catalog.sort = draft.sort.unwrap_or(catalog.sort);
    catalog.can_add_elements = draft.can_add_elements.unwrap_or(catalog.can_add_elements);
    catalog.can_show_in_cards = draft.can_show_in_cards.unwrap_or(catalog.can_show_in_cards);
    catalog.can_link_multiple = draft.can_link_multiple.unwrap_or(catalog.can_link_multiple);
    catalog.sdk_widget_code = draft.sdk_widget_code.or(catalog.sdk_widget_code.take());
    let mut document = render(cx, cx.account.catalogs.get(id)?);
    document["request_id"] = request_id.into();
    Some(document)
}

fn render(cx: &Context<'_>, catalog: &Catalog) -> Value {
    json!({
        "id": catalog.id,
        "name": catalog.name,
        "created_by": catalog.created_by,
        "updated_by": catalog.updated_by,
        "created_at": catalog.created_at,
        "updated_at": catalog.updated_at,
        "sort": catalog.sort,
        "type": catalog.kind.as_str(),
        "can_add_elements": catalog.can_add_elements,
        "can_show_in_cards": catalog.can_show_in_cards,
        "can_link_multiple": catalog.can_link_multiple,
        "can_be_deleted": catalog.can_be_deleted,
        "sdk_widget_code": catalog.sdk_widget_code,
        "account_id": cx.account.id,
        "_links": self_link(&cx.api(&format!("catalogs/{}", catalog.id))),
    })
}
