//! `GET /api/v4/{leads|customers}/{id}/subscriptions`: who follows a card. There is no way to write them.

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::call::{Context, on};
use crate::{
    app::App,
    hal::{Answer, counted_page},
    problem::Problem,
};

/// The routes of followers.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v4/leads/{id}/subscriptions", get(on(list)))
        .route("/api/v4/customers/{id}/subscriptions", get(on(list)))
}

fn list(cx: &mut Context<'_>) -> Answer {
    let (entity, id) = (cx.entity()?, cx.id("id")?);
    if cx.account.records(entity).live(id).is_none() {
        return Err(Problem::not_found("Entity not found"));
    }
    let followers = cx.account.followers((entity, id)).iter();
    let items: Vec<Value> = followers
        .map(|follower| {
            let kind = if follower.is_group { "group" } else { "user" };
            json!({"subscriber_id": follower.id, "type": kind})
        })
        .collect();
    Ok(counted_page(&cx.url(), cx.query(), "subscriptions", items))
}
