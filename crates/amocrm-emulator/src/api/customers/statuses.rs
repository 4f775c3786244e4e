//! `/api/v4/customers/statuses`: where customers stand, in periodicity mode.

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::in_mode;
use crate::{
    api::{
        call::{Context, on},
        reader::Reader,
        statuses::COLORS,
    },
    app::App,
    hal::{Answer, Reply, collection, self_link},
    problem::{BatchErrors, Problem, Violations},
    world::{
        Counters, CustomerStatus, CustomersMode, EntityType,
        events::Change,
        feed::{Fact, Happening, Subject},
    },
};

/// Statuses of an account, amoCRM's own included.
const MAX_STATUSES: usize = 30;

/// The routes of statuses.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(
            "/api/v4/customers/statuses",
            get(on(list)).post(on(create_many)),
        )
        .route(
            "/api/v4/customers/statuses/{status_id}",
            get(on(show)).patch(on(update)).delete(on(delete)),
        )
}

/// A checked write to a status.
#[derive(Debug, Default)]
struct Draft {
    name: Option<String>,
    sort: Option<i64>,
    color: Option<String>,
    conditions: Option<Value>,
}

fn list(cx: &mut Context<'_>) -> Answer {
    in_mode(cx, CustomersMode::Periodicity)?;
    let statuses = &cx.account.customers.statuses;
    let items: Vec<Value> = statuses.iter().map(|status| render(cx, status)).collect();
    Ok(Reply::ok(collection(&cx.url(), "statuses", &items)))
}

fn show(cx: &mut Context<'_>) -> Answer {
    in_mode(cx, CustomersMode::Periodicity)?;
    let status = cx.account.customers.status(cx.id("status_id")?);
    let status = status.ok_or_else(|| Problem::not_found("Status not found"))?;
    Ok(Reply::ok(render(cx, status)))
}

fn create_many(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    in_mode(cx, CustomersMode::Periodicity)?;
    let items = cx.items()?;
    let mut errors = BatchErrors::default();
    let mut drafts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item = Reader::new(item);
        let mut out = Violations::default();
        item.require("name", &mut out);
        item.require("sort", &mut out);
        let draft = read(&item, &mut out);
        let request_id = item.request_id(index);
        errors.item(&request_id, out);
        drafts.push((request_id, draft));
    }
    errors.check()?;
    if cx.account.customers.statuses.len() + drafts.len() > MAX_STATUSES {
        return Err(Problem::bad_request(format!(
            "Limit {MAX_STATUSES} statuses per account"
        )));
    }
    let mut made = Vec::with_capacity(drafts.len());
    for (request_id, draft) in drafts {
        let id = Counters::take(&mut cx.account.counters.customer_status);
        let status = CustomerStatus {
            id,
            name: draft.name.unwrap_or_default(),
            sort: draft.sort.unwrap_or_default(),
            is_default: false,
            color: draft.color.unwrap_or_else(|| COLORS[0].to_owned()),
            kind: 0,
            conditions: draft.conditions.unwrap_or_else(|| json!([])),
        };
        let statuses = &mut cx.account.customers.statuses;
        statuses.push(status);
        statuses.sort_by_key(|status| status.sort);
        made.push(json!({"id": id, "request_id": request_id, "_links": link(cx, id)}));
    }
    Ok(Reply::ok(collection(&cx.url(), "statuses", &made)))
}

fn update(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    in_mode(cx, CustomersMode::Periodicity)?;
    let id = cx.id("status_id")?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let draft = read(&item, &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let statuses = &mut cx.account.customers.statuses;
    let status = statuses.iter_mut().find(|status| status.id == id);
    let status = status.ok_or_else(|| Problem::choice("id"))?;
    status.name = draft.name.unwrap_or_else(|| status.name.clone());
    status.sort = draft.sort.unwrap_or(status.sort);
    status.color = draft.color.unwrap_or_else(|| status.color.clone());
    status.conditions = draft.conditions.unwrap_or_else(|| status.conditions.take());
    statuses.sort_by_key(|status| status.sort);
    let status = cx.account.customers.status(id);
    let mut document = render(cx, status.ok_or_else(|| Problem::choice("id"))?);
    document["request_id"] = item.request_id(0).into();
    Ok(Reply::ok(document))
}

/// Deletes an own status. Its customers move to the default one; amoCRM does that some time later.
fn delete(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    in_mode(cx, CustomersMode::Periodicity)?;
    let id = cx.id("status_id")?;
    let customers = &mut cx.account.customers;
    if customers.status(id).is_none_or(|status| status.kind != 0) {
        return Err(Problem::choice("id"));
    }
    customers.statuses.retain(|status| status.id != id);
    let default = customers.default_status();
    let moved: Vec<u64> = customers
        .cards
        .iter()
        .filter(|record| {
            let state = record.customer.as_ref();
            state.is_some_and(|state| state.status_id == Some(id))
        })
        .map(|record| record.id)
        .collect();
    let now = cx.now();
    for customer in moved {
        cx.account.customers.cards.update(customer, |record| {
            record.updated_at = now.max(record.updated_at);
            record.customer.get_or_insert_default().status_id = default;
        });
        cx.emit(EntityType::Customers, customer, Change::Updated);
        let subject = Subject::Card(EntityType::Customers, customer);
        cx.record(
            Happening::new("customer_status_changed", subject)
                .before([Fact::CustomerStatus(id)])
                .after(default.map(Fact::CustomerStatus))
                .by(0),
        );
    }
    Ok(Reply::no_content())
}

fn read(item: &Reader<'_>, out: &mut Violations) -> Draft {
    Draft {
        name: item.string("name", out).map(str::to_owned),
        sort: item.int("sort", out),
        color: item.choice("color", &COLORS, out).map(str::to_owned),
        conditions: item
            .array("conditions", out)
            .map(|conditions| Value::Array(conditions.to_vec())),
    }
}

fn link(cx: &Context<'_>, id: u64) -> Value {
    self_link(&cx.api(&format!("customers/statuses/{id}")))
}

fn render(cx: &Context<'_>, status: &CustomerStatus) -> Value {
    json!({
        "id": status.id,
        "name": status.name,
        "sort": status.sort,
        "is_default": status.is_default,
        "color": status.color,
        "type": status.kind,
        "conditions": status.conditions,
        "account_id": cx.account.id,
        "_links": link(cx, status.id),
    })
}
