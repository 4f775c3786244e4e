//! `/api/v4/events`: the activity feed, to be read only.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/events-and-notes>

mod filter;
mod render;
mod types;

use axum::{Router, routing::get};
use serde_json::Value;

use self::{filter::Filter, render::render};
use super::call::{Context, on};
use crate::{
    app::App,
    hal::{Answer, Reply, page_up_to},
};

/// The feed has smaller pages than anything else.
const MAX_LIMIT: usize = 100;

/// The routes of the feed.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/events", get(on(list)))
        .route("/api/v4/events/types", get(on(types::list)))
        .route("/api/v4/events/{id}", get(on(show)))
}

/// Events that match, newest first.
fn list(cx: &mut Context<'_>) -> Answer {
    let filter = Filter::read(cx.query())?;
    let (url, query, feed) = (cx.url(), cx.query(), &cx.account.feed);
    let limit = query.limit_up_to(MAX_LIMIT);
    let found = feed
        .visible(cx.now_ms())
        .filter(|event| filter.matches(event))
        .skip((query.page() - 1).saturating_mul(limit))
        // One more than fits tells that there is a next page.
        .take(limit + usize::from(!feed.rules.omits_next));
    let items: Vec<Value> = found.map(|event| render(cx, event)).collect();
    Ok(page_up_to(MAX_LIMIT, &url, query, "events", items))
}

/// One event; 204 when there is none, although the documentation does not say so.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn show(cx: &mut Context<'_>) -> Answer {
    let id = cx.param("id");
    let mut events = cx.account.feed.visible(cx.now_ms());
    let event = events.find(|event| event.id == id);
    Ok(event.map_or_else(Reply::no_content, |event| Reply::ok(render(cx, event))))
}
