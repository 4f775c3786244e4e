//! The routes of `/api/v4` that keep the CRM's own data.

mod account;
mod bots;
mod call;
mod calls;
mod catalogs;
mod complex;
mod contact_chats;
mod currencies;
mod customers;
pub(crate) mod drive;
mod feed;
mod field_groups;
mod fields;
mod links;
mod loss_reasons;
mod notes;
mod pipelines;
mod reader;
mod records;
mod rights;
mod roles;
pub(crate) mod short_links;
mod sources;
mod statuses;
mod subscriptions;
mod tags;
mod talks;
mod tasks;
mod templates;
mod unsorted;
mod users;
mod values;
mod webhooks;
mod website_buttons;
mod widgets;

use axum::{
    Router,
    routing::{any, get, patch, post},
};
use http::StatusCode;

use self::call::{Context, on};
pub(crate) use self::reader::Reader;
use crate::{app::App, hal::Answer, problem::Problem, world::EntityType};

/// All routes of the CRM. Authentication, limits and faults are layers around them.
pub(crate) fn routes() -> Router<App> {
    let mut router = Router::new()
        .route("/api/v4/account", get(on(account::show)))
        .route("/api/v4/leads/complex", post(on(complex::create_many)))
        .route(
            "/api/v4/leads/pipelines",
            get(on(pipelines::list)).post(on(pipelines::create_many)),
        )
        .route(
            "/api/v4/leads/pipelines/{id}",
            get(on(pipelines::show))
                .patch(on(pipelines::update))
                .delete(on(pipelines::delete)),
        )
        .route(
            "/api/v4/leads/pipelines/{id}/statuses",
            get(on(statuses::list)).post(on(statuses::create_many)),
        )
        .route(
            "/api/v4/leads/pipelines/{id}/statuses/{status_id}",
            get(on(statuses::show))
                .patch(on(statuses::update))
                .delete(on(statuses::delete)),
        )
        .route(
            "/api/v4/webhooks",
            get(on(webhooks::list))
                .post(on(webhooks::subscribe))
                .delete(on(webhooks::unsubscribe)),
        )
        .route(
            "/ajax/{entity}/multiple/delete/",
            post(on(records::delete_many)),
        )
        .route(
            "/ajax/{entity}/multiple/restore/",
            post(on(records::restore_many)),
        )
        .merge(calls::routes())
        .merge(feed::routes())
        .merge(loss_reasons::routes())
        .merge(subscriptions::routes())
        .merge(tasks::routes())
        .merge(unsorted::routes())
        .merge(catalogs::routes())
        .merge(currencies::routes())
        .merge(customers::routes())
        .merge(short_links::routes());
    for entity in EntityType::ALL {
        router = card_routes(router, &format!("/api/v4/{}", entity.as_str()));
    }
    router
        .merge(bots::routes())
        .merge(contact_chats::routes())
        .merge(drive::routes())
        .merge(roles::routes())
        .merge(sources::routes())
        .merge(talks::routes())
        .merge(templates::routes())
        .merge(users::routes())
        .merge(website_buttons::routes())
        .merge(widgets::routes())
        // amoCRM answers a wrong method without a body.
        .method_not_allowed_fallback(|| std::future::ready(StatusCode::METHOD_NOT_ALLOWED))
        .route("/api/v4", any(on(no_route)))
        .route("/api/v4/{*rest}", any(on(no_route)))
}

/// What leads, contacts, companies and customers have in common.
fn card_routes(router: Router<App>, base: &str) -> Router<App> {
    let at = |path: &str| format!("{base}{path}");
    router
        .route(
            base,
            get(on(records::list))
                .post(on(records::create_many))
                .patch(on(records::update_many)),
        )
        .route(
            &at("/{id}"),
            get(on(records::show)).patch(on(records::update_one)),
        )
        .route(
            &at("/tags"),
            get(on(tags::list))
                .post(on(tags::create_many))
                .patch(on(tags::update_many)),
        )
        .route(&at("/tags/{id}"), patch(on(tags::update_one)))
        .merge(fields::routes(base))
        .merge(field_groups::routes(base))
        .route(&at("/links"), get(on(links::list_many)))
        .route(&at("/link"), post(on(links::link_many)))
        .route(&at("/unlink"), post(on(links::unlink_many)))
        .route(&at("/{id}/links"), get(on(links::list_one)))
        .route(&at("/{id}/link"), post(on(links::link_one)))
        .route(&at("/{id}/unlink"), post(on(links::unlink_one)))
        .merge(notes::routes(base))
}

fn no_route(cx: &mut Context<'_>) -> Answer {
    if cx.is_below("customers") && !cx.account.customers.mode.is_on() {
        return Err(Problem::customers_off());
    }
    Err(cx.no_route())
}
