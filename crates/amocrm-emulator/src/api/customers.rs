//! `/api/v4/customers` besides the cards: the switch, statuses, segments, purchases and bonus points.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/customers-api>

mod points;
mod segments;
mod statuses;
mod transactions;

use axum::{Router, routing::patch};
use http::StatusCode;
use serde_json::json;

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply},
    problem::{Problem, Violations},
    world::CustomersMode,
};

/// The routes of customers that other cards do not have.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/customers/mode", patch(on(switch)))
        .merge(statuses::routes())
        .merge(segments::routes())
        .merge(transactions::routes())
        .merge(points::routes())
}

/// Lets through what works in this mode only: 426 when customers are off, 422 in the other mode.
pub(crate) fn in_mode(cx: &Context<'_>, mode: CustomersMode) -> Result<(), Problem> {
    let current = cx.account.customers.mode;
    if !current.is_on() {
        return Err(Problem::customers_off());
    }
    if current != mode {
        let name = mode.as_str();
        return Err(Problem::unprocessable(format!(
            "The {name} mode of customers is off"
        )));
    }
    Ok(())
}

/// `PATCH /customers/mode`.
fn switch(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    item.require("mode", &mut out);
    item.require("is_enabled", &mut out);
    let mode = item.choice("mode", &["segments", "periodicity"], &mut out);
    let is_enabled = item.bool("is_enabled", &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    if cx.account.customers.mode == CustomersMode::Unavailable {
        return Err(Problem::plain(
            StatusCode::PAYMENT_REQUIRED,
            "The tariff of the account has no customers",
        ));
    }
    let wanted = match mode {
        _ if is_enabled != Some(true) => CustomersMode::Disabled,
        Some("periodicity") => CustomersMode::Periodicity,
        _ => CustomersMode::Segments,
    };
    cx.account.set_customers_mode(wanted);
    Ok(Reply::ok(json!({"mode": mode, "is_enabled": is_enabled})))
}
