//! Bonus points: one balance per customer, which may be earned to and redeemed from.

use axum::{Router, routing::post};
use serde_json::json;

use crate::{
    api::{
        call::{Context, on},
        reader::Reader,
    },
    app::App,
    hal::{Answer, Reply},
    problem::{Problem, Violations},
};

/// What a purchase with `accrue_bonus` has to cost for one point. Accounts set rules of their own; this is the emulator's.
const PRICE_PER_POINT: i64 = 100;

/// The route of bonus points.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v4/customers/{id}/bonus_points", post(on(change)))
}

/// The points of a purchase, without their fraction.
pub(super) fn accrual(price: i64) -> i64 {
    price.max(0) / PRICE_PER_POINT
}

/// `POST /customers/{id}/bonus_points` with `earn` or `redeem`, not both.
fn change(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let id = cx.id("id")?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    let read = |key: &str, out: &mut Violations| {
        let points = item.int(key, out)?;
        if points <= 0 {
            out.push(
                "TooLow",
                item.path(key),
                "This value should be greater than 0.",
            );
        }
        Some(points)
    };
    let (earn, redeem) = (read("earn", &mut out), read("redeem", &mut out));
    if out.is_empty() {
        match (earn, redeem) {
            (Some(_), Some(_)) => out.unexpected("redeem"),
            (None, None) => out.missing("earn"),
            _ => {}
        }
    }
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let record = cx.account.records(entity).live(id);
    let record = record.ok_or_else(|| Problem::choice("id"))?;
    let before = record.customer.as_ref().map_or(0, |it| it.bonus_points);
    let after = before
        .saturating_add(earn.unwrap_or_default())
        .saturating_sub(redeem.unwrap_or_default());
    if after < 0 {
        return Err(Problem::bad_request("There are not enough bonus points"));
    }
    cx.account.records_mut(entity).update(id, |record| {
        record.customer.get_or_insert_default().bonus_points = after;
    });
    Ok(Reply::ok(json!({"bonus_points": after})))
}
