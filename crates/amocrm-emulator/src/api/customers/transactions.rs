//! `/api/v4/customers/transactions`: what customers bought.

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::points::accrual;
use crate::{
    api::{
        call::{Context, on},
        links::read_element,
        reader::Reader,
        records,
    },
    app::App,
    hal::{Answer, Reply, page, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{
        Counters, ElementLink, EntityType, Transaction,
        events::Change,
        feed::{Fact, Happening, Subject},
    },
};

/// The routes of purchases: below their customer, and all together.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/customers/transactions", get(on(list)))
        .route(
            "/api/v4/customers/transactions/{transaction_id}",
            get(on(show)).delete(on(delete)),
        )
        .route(
            "/api/v4/customers/{id}/transactions",
            get(on(list)).post(on(create_many)),
        )
        .route(
            "/api/v4/customers/{id}/transactions/{transaction_id}",
            get(on(show)).delete(on(delete)),
        )
}

/// A checked purchase.
struct Draft {
    price: i64,
    comment: Option<String>,
    completed_at: i64,
    next_price: Option<i64>,
    next_date: Option<i64>,
    created_by: u64,
    elements: Vec<ElementLink>,
}

fn list(cx: &mut Context<'_>) -> Answer {
    cx.entity()?;
    let query = cx.query();
    let owner = customer(cx)?;
    let ids: Vec<u64> = query
        .list(&["filter", "id"])
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let limit = query.limit();
    let transactions = cx.account.customers.transactions.values();
    let items: Vec<Value> = transactions
        .filter(|it| owner.is_none_or(|owner| it.customer_id == owner))
        .filter(|it| ids.is_empty() || ids.contains(&it.id))
        .skip((query.page() - 1).saturating_mul(limit))
        .take(limit + 1)
        .map(|transaction| render(cx, transaction))
        .collect();
    Ok(page(&cx.url(), query, "transactions", items))
}

fn show(cx: &mut Context<'_>) -> Answer {
    cx.entity()?;
    Ok(match find(cx)? {
        Some(transaction) => Reply::ok(render(cx, transaction)),
        None => Reply::no_content(),
    })
}

fn create_many(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let customer_id = cx.id("id")?;
    if cx.account.records(entity).live(customer_id).is_none() {
        return Err(Problem::choice("customer_id"));
    }
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        let draft = read(cx, &item, &mut out);
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    let accrues = matches!(cx.query().get(&["accrue_bonus"]), Some("true" | "1"));
    let mut made = Vec::with_capacity(drafts.len());
    for (request_id, draft) in drafts {
        let id = create(cx, customer_id, draft, accrues);
        made.push(json!({
            "id": id,
            "customer_id": customer_id,
            "request_id": request_id,
            "_links": link(cx, customer_id, id),
        }));
    }
    touch(cx, customer_id);
    Ok(Reply::ok(
        json!({"_links": self_link(&cx.url()), "_embedded": {"transactions": made}}),
    ))
}

fn delete(cx: &mut Context<'_>) -> Answer {
    cx.entity()?;
    let found = find(cx)?.map(|transaction| (transaction.id, transaction.customer_id));
    let (id, customer_id) = found.ok_or_else(|| Problem::choice("id"))?;
    cx.account.customers.transactions.remove(&id);
    cx.account.customers.recount(customer_id);
    touch(cx, customer_id);
    Ok(Reply::no_content())
}

/// The customer of the path, when there is one in it.
fn customer(cx: &Context<'_>) -> Result<Option<u64>, Problem> {
    if cx.param("id").is_empty() {
        return Ok(None);
    }
    cx.id("id").map(Some)
}

fn find<'a>(cx: &'a Context<'_>) -> Result<Option<&'a Transaction>, Problem> {
    let (id, owner) = (cx.id("transaction_id")?, customer(cx)?);
    let transaction = cx.account.customers.transactions.get(&id);
    Ok(transaction.filter(|it| owner.is_none_or(|owner| it.customer_id == owner)))
}

fn read(cx: &Context<'_>, item: &Reader<'_>, out: &mut Violations) -> Draft {
    item.require("price", out);
    let draft = Draft {
        price: item.int("price", out).unwrap_or_default(),
        comment: item.string("comment", out).map(str::to_owned),
        completed_at: item.int("completed_at", out).unwrap_or_else(|| cx.now()),
        next_price: item.int("next_price", out),
        next_date: item.int("next_date", out),
        created_by: records::read_user(cx, item, "created_by", true, out).unwrap_or(cx.user_id()),
        elements: read_elements(cx, item, out),
    };
    // Where the receipt is, and what others call the purchase: taken, and never read back.
    if let Some(metadata) = item.child("metadata", out) {
        metadata.only(&["receipt_link", "external_id"], out);
        metadata.string("receipt_link", out);
        metadata.string("external_id", out);
    }
    draft
}

fn read_elements(cx: &Context<'_>, item: &Reader<'_>, out: &mut Violations) -> Vec<ElementLink> {
    let embedded = item.child("_embedded", out);
    let items = embedded.and_then(|embedded| embedded.children("catalog_elements", out));
    let mut links = Vec::new();
    for item in items.unwrap_or_default() {
        let id = item.required_id("id", out);
        let metadata = item.child("metadata", out);
        let Some(id) = id else { continue };
        let link = read_element(cx, id, &item, metadata.as_ref(), out);
        let catalogs = &cx.account.catalogs;
        if let Some(link) = &link
            && !catalogs.has_element(link.catalog_id, link.element_id)
        {
            out.choice(item.path("id"));
        }
        links.extend(link);
    }
    links
}

fn create(cx: &mut Context<'_>, customer_id: u64, draft: Draft, accrues: bool) -> u64 {
    let now = cx.now();
    let id = Counters::take(&mut cx.account.counters.transaction);
    let price = draft.price;
    let transaction = Transaction {
        id,
        customer_id,
        price,
        comment: draft.comment,
        completed_at: draft.completed_at,
        elements: draft.elements,
        created_by: draft.created_by,
        updated_by: draft.created_by,
        created_at: now,
        updated_at: now,
    };
    let customers = &mut cx.account.customers;
    customers.transactions.insert(id, transaction);
    customers.recount(customer_id);
    customers.cards.update(customer_id, |record| {
        let state = record.customer.get_or_insert_default();
        state.next_price = draft.next_price.unwrap_or(state.next_price);
        state.next_date = draft.next_date.or(state.next_date);
        if accrues {
            state.bonus_points = state.bonus_points.saturating_add(accrual(price));
        }
    });
    let subject = Subject::Card(EntityType::Customers, customer_id);
    cx.record(Happening::new("transaction_added", subject).after([Fact::Transaction(id)]));
    id
}

/// A purchase changes its customer.
fn touch(cx: &mut Context<'_>, customer_id: u64) {
    let (now, user) = (cx.now(), cx.user_id());
    cx.account.customers.cards.update(customer_id, |record| {
        record.updated_at = now.max(record.updated_at);
        record.updated_by = user;
    });
    cx.emit(EntityType::Customers, customer_id, Change::Updated);
}

fn link(cx: &Context<'_>, customer_id: u64, id: u64) -> Value {
    self_link(&cx.api(&format!("customers/{customer_id}/transactions/{id}")))
}

fn render(cx: &Context<'_>, transaction: &Transaction) -> Value {
    let customer = transaction.customer_id;
    let elements = transaction.elements.iter().map(|link| {
        let path = format!("catalogs/{}/elements/{}", link.catalog_id, link.element_id);
        json!({
            "id": link.element_id,
            "metadata": {"catalog_id": link.catalog_id, "quantity": link.quantity},
            "_links": self_link(&cx.api(&path)),
        })
    });
    json!({
        "id": transaction.id,
        "comment": transaction.comment,
        "price": transaction.price,
        "completed_at": transaction.completed_at,
        "customer_id": customer,
        "created_by": transaction.created_by,
        "updated_by": transaction.updated_by,
        "created_at": transaction.created_at,
        "updated_at": transaction.updated_at,
        "is_deleted": false,
        "account_id": cx.account.id,
        "_links": link(cx, customer, transaction.id),
        "_embedded": {
            "customer": {"id": customer, "_links": records::link(cx, EntityType::Customers, customer)},
            "catalog_elements": elements.collect::<Vec<_>>(),
        },
    })
}
