//! `/api/v4/currencies`: what prices may be in. Only the official client knows this list, and of its items only the code.

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::call::{Context, on};
use crate::{
    app::App,
    hal::{Answer, page},
};

const CURRENCIES: [(&str, &str, &str); 8] = [
    ("RUB", "Российский рубль", "₽"),
    ("USD", "Доллар США", "$"),
    ("EUR", "Евро", "€"),
    ("KZT", "Казахстанский тенге", "₸"),
    ("BYN", "Белорусский рубль", "Br"),
    ("UZS", "Узбекский сум", "сум"),
    ("CNY", "Китайский юань", "¥"),
    ("THB", "Тайский бат", "฿"),
];

/// The route of currencies.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/api/v4/currencies", get(on(list)))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn list(cx: &mut Context<'_>) -> Answer {
    let query = cx.query();
    let limit = query.limit();
    let items: Vec<Value> = CURRENCIES
        .iter()
        .skip((query.page() - 1).saturating_mul(limit))
        .take(limit + 1)
        .map(|(code, name, symbol)| json!({"code": code, "name": name, "symbol": symbol}))
        .collect();
    Ok(page(&cx.url(), query, "currencies", items))
}
