//! Products: the list of that kind, and the switch that makes it.

use axum::{
    Router,
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    api::{
        call::{Context, on},
        reader::Reader,
    },
    app::App,
    hal::{Answer, Reply, self_link},
    problem::{Problem, Violations},
    world::CatalogType,
};

/// The routes of the switch, in the words of v4 and of v2.
pub(super) fn routes() -> Router<App> {
    let mut router = Router::new().route(
        "/api/v4/catalogs/products/settings",
        get(on(show)).patch(on(update)),
    );
    for path in ["/api/v2/products_settings", "/api/v2/products_settings/"] {
        router = router.route(path, post(on(update_v2)).get(on(show_v2)));
    }
    router
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn show(cx: &mut Context<'_>) -> Answer {
    Ok(Reply::ok(render(cx)))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn show_v2(cx: &mut Context<'_>) -> Answer {
    Ok(Reply::ok(render_v2(cx)))
}

/// `{"is_enabled": true}`.
fn update(cx: &mut Context<'_>) -> Answer {
    switch(cx, "is_enabled")?;
    Ok(Reply::ok(render(cx)))
}

/// `{"enabled": true}`.
fn update_v2(cx: &mut Context<'_>) -> Answer {
    switch(cx, "enabled")?;
    Ok(Reply::ok(render_v2(cx)))
}

/// Switches products on or off. The list is made the first time, and stays.
fn switch(cx: &mut Context<'_>, key: &str) -> Result<(), Problem> {
    cx.admin()?;
    let object = cx.object()?;
    let item = Reader::new(&object);
    let mut out = Violations::default();
    item.require(key, &mut out);
    let is_enabled = item.bool(key, &mut out).unwrap_or_default();
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    let (now, user) = (cx.now(), cx.user_id());
    let is_there = cx.account.catalogs.of_kind(CatalogType::Products).is_some();
    if is_enabled && !is_there {
        cx.account
            .add_catalog(CatalogType::Products, "Товары", user, now);
    }
    cx.account.catalogs.is_products_enabled = is_enabled;
    Ok(())
}

fn render(cx: &Context<'_>) -> Value {
    let catalogs = &cx.account.catalogs;
    let list = catalogs.of_kind(CatalogType::Products);
    json!({
        "is_enabled": catalogs.is_products_enabled,
        "catalog_id": list.map(|catalog| catalog.id),
    })
}

fn render_v2(cx: &Context<'_>) -> Value {
    let mut document = render(cx);
    document["_links"] = self_link(&cx.url());
    document
}
