//! `/api/v4/catalogs/{id}/elements`: what a list has. Nothing can be deleted here.

use std::collections::BTreeSet;

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::BASE;
use crate::{
    api::{
        call::{Context, on},
        reader::Reader,
        values::{self, ValueChange},
    },
    app::App,
    hal::{Answer, Reply, page_up_to, self_link},
    problem::{BatchErrors, Problem, Violations},
    query::MAX_LIMIT,
    world::{Account, CatalogType, Counters, FieldOwner, Needle, Record, Records, events::Change},
};

/// What an invoice cannot be made without.
const MANDATORY_OF_INVOICES: [&str; 2] = ["BILL_STATUS", "PAYER"];

/// The largest page in accounts that cut them (issue 528 of the official client).
const CUT_PAGE: usize = 100;

/// The routes of elements.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(
            &format!("{BASE}/elements"),
            get(on(list)).post(on(create_many)).patch(on(update_many)),
        )
        .route(
            &format!("{BASE}/elements/{{element_id}}"),
            get(on(show)).patch(on(update_one)),
        )
}

/// A checked write to an element.
struct Draft {
    name: Option<String>,
    values: Vec<ValueChange>,
    /// As it was sent; what was not is a number here, of all places.
    request_id: Value,
}

/// By `filter[id]`, by `id` as the official client has it, and by text; nothing else filters.
fn list(cx: &mut Context<'_>) -> Answer {
    let (catalog_id, records) = records(cx)?;
    let query = cx.query();
    let ids: BTreeSet<u64> = [query.list(&["filter", "id"]), query.list(&["id"])]
        .concat()
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let text = query.get(&["query"]).filter(|text| !text.trim().is_empty());
    let needle = text.map(Needle::new);
    let now_ms = cx.now_ms();
    let cuts_pages = cx.account.catalogs.cuts_pages;
    let max = if cuts_pages { CUT_PAGE } else { MAX_LIMIT };
    let limit = query.limit_up_to(max);
    let items: Vec<Value> = records
        .iter()
        .filter(|record| ids.is_empty() || ids.contains(&record.id))
        .filter(|record| {
            let needle = needle.as_ref();
            needle.is_none_or(|needle| record.matches(needle, now_ms))
        })
        .skip((query.page() - 1).saturating_mul(limit))
        // One more than fits tells that there is a next page.
        .take(limit + usize::from(!cuts_pages))
        .map(|record| render_read(cx, catalog_id, record))
        .collect();
    Ok(page_up_to(max, &cx.url(), query, "elements", items))
}

fn show(cx: &mut Context<'_>) -> Answer {
    let (catalog_id, records) = records(cx)?;
    Ok(match records.live(cx.id("element_id")?) {
        Some(record) => Reply::ok(render_read(cx, catalog_id, record)),
        None => Reply::no_content(),
    })
}

fn create_many(cx: &mut Context<'_>) -> Answer {
    let (catalog_id, _) = records(cx)?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        item.require("name", &mut out);
        let draft = read(cx, catalog_id, &item, index.into(), &mut out);
        errors.item(&item.request_id(index), out);
        drafts.push(draft);
    }
    errors.check()?;
    let is_invoices = is_invoices(cx.account, catalog_id);
    if is_invoices && drafts.iter().any(|draft| lacks(cx, catalog_id, draft)) {
        return Err(Problem::bad_request("Error 285"));
    }
    let mut made = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let id = Counters::take(&mut cx.account.counters.element);
        let mut record = Record::new(id, cx.user_id(), cx.now());
        record.indexed_at_ms = cx.indexed_at_ms();
        made.extend(save(cx, catalog_id, record, draft, Change::Added));
    }
    Ok(envelope(cx, &made))
}

fn update_many(cx: &mut Context<'_>) -> Answer {
    let (catalog_id, records) = records(cx)?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let id = item.required_id("id", &mut out).unwrap_or_default();
        if item.value("id").is_some() && records.live(id).is_none() {
            out.choice("id");
        }
        let draft = read(cx, catalog_id, &item, id.into(), &mut out);
        errors.item(&item.request_id(index), out);
        drafts.push((id, draft));
    }
    errors.check()?;
    let mut changed = Vec::with_capacity(drafts.len());
    for (id, draft) in drafts {
        changed.extend(update(cx, catalog_id, id, draft));
    }
    Ok(envelope(cx, &changed))
}

fn update_one(cx: &mut Context<'_>) -> Answer {
    let (catalog_id, _) = records(cx)?;
    let id = cx.id("element_id")?;
    let object = cx.object()?;
    let mut out = Violations::default();
    let draft = read(cx, catalog_id, &Reader::new(&object), id.into(), &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    update(cx, catalog_id, id, draft)
        .map(Reply::ok)
        .ok_or_else(|| Problem::choice("id"))
}

fn envelope(cx: &Context<'_>, items: &[Value]) -> Reply {
    Reply::ok(json!({"_links": self_link(&cx.url()), "_embedded": {"elements": items}}))
}

/// The list of the path.
fn records<'a>(cx: &'a Context<'_>) -> Result<(u64, &'a Records), Problem> {
    let id = cx.id("catalog_id")?;
    let elements = cx.account.catalogs.elements(id);
    elements
        .map(|elements| (id, elements))
        .ok_or_else(|| Problem::not_found("Catalog not found"))
}

fn is_invoices(account: &Account, catalog_id: u64) -> bool {
    let catalog = account.catalogs.get(catalog_id);
    catalog.is_some_and(|catalog| catalog.kind == CatalogType::Invoices)
}

fn read(
    cx: &Context<'_>,
    catalog_id: u64,
    item: &Reader<'_>,
    otherwise: Value,
    out: &mut Violations,
) -> Draft {
    let owner = FieldOwner::Catalog(catalog_id);
    Draft {
        name: item.string("name", out).map(str::to_owned),
        values: values::read_changes(cx.account, owner, item, out),
        request_id: item.value("request_id").cloned().unwrap_or(otherwise),
    }
}

/// Whether a new invoice lacks what it must have.
fn lacks(cx: &Context<'_>, catalog_id: u64, draft: &Draft) -> bool {
    MANDATORY_OF_INVOICES.iter().any(|code| {
        let field = cx
            .account
            .field_by_code(FieldOwner::Catalog(catalog_id), code);
        let mut filled = draft.values.iter().filter(|it| !it.values.is_empty());
        field.is_some_and(|field| !filled.any(|change| change.field_id == field.id))
    })
}

fn update(cx: &mut Context<'_>, catalog_id: u64, id: u64, draft: Draft) -> Option<Value> {
    let records = cx.account.catalogs.elements(catalog_id)?;
    let mut record = records.live(id)?.clone();
    record.lag_search(cx.now_ms(), cx.indexed_at_ms());
    record.updated_at = cx.now().max(record.updated_at);
    record.updated_by = cx.user_id();
    save(cx, catalog_id, record, draft, Change::Updated)
}

/// Writes a draft to a record and the record to its list; the whole element comes back.
fn save(
    cx: &mut Context<'_>,
    catalog_id: u64,
    mut record: Record,
    draft: Draft,
    change: Change,
) -> Option<Value> {
    let id = record.id;
    if let Some(name) = draft.name {
        record.name = name;
    }
    for change in draft.values {
        change.apply(&mut record.values);
    }
    cx.account.catalogs.elements_mut(catalog_id)?.insert(record);
    cx.emit_element(catalog_id, id, change);
    let record = cx.account.catalogs.elements(catalog_id)?.get(id)?;
    let mut document = render_element(cx, catalog_id, record);
    document["is_deleted"] = false.into();
    document["invoice_link"] = invoice_link(cx, catalog_id, id);
    document["request_id"] = draft.request_id;
    if is_invoices(cx.account, catalog_id) {
        document["_embedded"] = json!({"warning": {"message": warning(cx, catalog_id, record)}});
    }
    Some(document)
}

fn render_read(cx: &Context<'_>, catalog_id: u64, record: &Record) -> Value {
    let mut document = render_element(cx, catalog_id, record);
    if cx.query().with("invoice_link") {
        document["invoice_link"] = invoice_link(cx, catalog_id, record.id);
    }
    if cx.query().with("supplier_field_values") {
        document["supplier_field_values"] = values::supplier_fields(cx.account, &record.values);
    }
    document
}

/// An element as it is read: whether it is deleted is not said.
fn render_element(cx: &Context<'_>, catalog_id: u64, record: &Record) -> Value {
    let owner = FieldOwner::Catalog(catalog_id);
    let path = format!("catalogs/{catalog_id}/elements/{}", record.id);
    json!({
        "id": record.id,
        "name": record.name,
        "created_by": record.created_by,
        "updated_by": record.updated_by,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "is_deleted": null,
        "custom_fields_values": values::render(cx.account, owner, &record.values),
        "catalog_id": catalog_id,
        "account_id": cx.account.id,
        "_links": self_link(&cx.api(&path)),
    })
}

/// Where a buyer would see the invoice. The emulator shows nobody a page there.
fn invoice_link(cx: &Context<'_>, catalog_id: u64, id: u64) -> Value {
    if !is_invoices(cx.account, catalog_id) {
        return Value::Null;
    }
    format!("{}/invoices/{catalog_id}/{id}", cx.base()).into()
}

/// amoCRM does not sum an invoice up for its client; it tells when the sums disagree.
fn warning(cx: &Context<'_>, catalog_id: u64, record: &Record) -> Option<&'static str> {
    const CENT: f64 = 0.01;
    let filled = |code: &str| {
        let field = cx
            .account
            .field_by_code(FieldOwner::Catalog(catalog_id), code)?;
        record.values.get(&field.id)
    };
    let items = filled("ITEMS")?;
    let total: f64 = items
        .iter()
        .map(|item| values::total_sum(&item.value))
        .sum();
    let price = filled("BILL_PRICE")
        .and_then(|values| values.first())
        .and_then(values::as_number);
    let agrees = price.is_some_and(|price| (price - total).abs() < CENT);
    (!agrees).then_some("The price of the invoice differs from the sum of its items")
}
