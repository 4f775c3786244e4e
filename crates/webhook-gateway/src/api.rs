//! The HTTP interface.

mod access;
mod error;
mod events;
mod replay;
mod state;
mod stats;
mod stream;
mod subscribers;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use connection::{AUDITED_READS, AUTH_OPERATOR, AUTH_VIEWER, audit_log, audit_routes, auth_routes};
use service_kit::dashboard::stylesheet;
use service_kit::health::Health;
use service_kit::http::{
    OPERATIONS_VIEWER, RouteGuard, StackConfig, documentation, operations, with_stack,
    without_trailing_slash,
};
use service_kit::metrics::Metrics;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::account::Accounts;
use crate::ingest::{disabled, page, receive};
use crate::page as dashboard;

pub use self::access::OPEN as OPEN_ROUTES;
pub(crate) use self::error::ApiError;
pub(crate) use self::state::AppState;

/// Addresses with the secret as their last segment, as programs that people had before call them.
const SECRET_PATHS: [&str; 2] = ["/api/webhooks/amo/{secret}", "/webhook/amocrm/{secret}"];
/// The same with the secret in the query.
const QUERY_PATHS: [&str; 3] = ["/webhooks/amocrm", "/api/webhooks/amo", "/webhook/amocrm"];

/// The addresses that amoCRM calls. Bodies are read, and limited, by the handlers themselves.
fn webhooks() -> OpenApiRouter<AppState> {
    let mut routes = OpenApiRouter::new()
        .routes(routes!(receive::receive))
        .route("/webhooks/amocrm/{secret}", get(page::page))
        .routes(routes!(disabled::disabled))
        .route(
            "/webhooks/amocrm/{secret}/disabled",
            post(disabled::disabled),
        );
    for path in SECRET_PATHS {
        routes = routes.route(path, get(page::page).post(receive::receive));
    }
    for path in QUERY_PATHS {
        routes = routes.route(path, get(page::page).post(receive::receive_query));
    }
    routes
}

/// Consent by the page of amoCRM, if there is one account: the redirect address can lead to one only. Several accounts
/// bring tokens of their own.
fn consent(accounts: &Accounts) -> OpenApiRouter<AppState> {
    let mut all = accounts.iter();
    match (all.next(), all.next()) {
        (Some(only), None) => auth_routes(Arc::clone(&only.crm)),
        _ => OpenApiRouter::new(),
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "webhook-gateway",
        description = "Takes amoCRM's webhooks and delivers each event, in order, to whoever subscribed.\n\n\
                       Принимает вебхуки amoCRM и доставляет каждое событие по порядку всем подписчикам."
    ),
    tags(
        (name = "webhooks", description = "Webhooks of amoCRM / Вебхуки amoCRM"),
        (name = "subscribers", description = "Who gets which events / Кто получает какие события"),
        (name = "events", description = "What came / Что пришло"),
        (name = "deliveries", description = "What is tried again / Что доставляется снова"),
        (name = "auth", description = "Connection to amoCRM / Подключение к amoCRM"),
        (name = "audit", description = "Who has changed what / Кто что менял"),
    )
)]
struct ApiDoc;

/// All routes, with the middleware around them.
pub(crate) fn routes(state: &AppState, health: Health, metrics: Metrics) -> Router {
    let access = state.config.security.access();
    // `access` says who may call them.
    let (routes, mut api) = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .merge(webhooks())
        .routes(routes!(subscribers::list, subscribers::create))
        .routes(routes!(
            subscribers::get,
            subscribers::replace,
            subscribers::remove
        ))
        .routes(routes!(subscribers::pause))
        .routes(routes!(subscribers::resume))
        .routes(routes!(subscribers::rotate))
        .routes(routes!(subscribers::test))
        .routes(routes!(events::list))
        .routes(routes!(events::get))
        .routes(routes!(events::body))
        .routes(routes!(events::deliveries))
        .routes(routes!(events::requests))
        .routes(routes!(events::request))
        .routes(routes!(events::request_body))
        .routes(routes!(replay::replay))
        .routes(routes!(replay::unread))
        .routes(routes!(replay::letters))
        .routes(routes!(replay::retry))
        .routes(routes!(replay::discard))
        .routes(routes!(stream::stream))
        .routes(routes!(stats::stats))
        // Pages, which the description of the API need not tell.
        .route(dashboard::PATH, get(dashboard::page))
        .route(dashboard::EVENT, get(dashboard::event))
        .route(dashboard::REPLAY, post(dashboard::replay))
        .route(dashboard::REQUEST, get(dashboard::request))
        .route(dashboard::SUBSCRIBER, get(dashboard::subscriber))
        .route(dashboard::SUBSCRIBER_ACTION, post(dashboard::act))
        .route(dashboard::RETRY, post(dashboard::retry))
        .merge(consent(&state.intake.accounts))
        .merge(audit_routes(&state.store))
        .with_state(state.clone())
        .split_for_parts();
    let guard = RouteGuard::new(access.clone(), access::OPEN)
        .viewer(OPERATIONS_VIEWER)
        .viewer(AUTH_VIEWER)
        .viewer(access::VIEWER)
        .operator(AUTH_OPERATOR)
        .operator(access::OPERATOR)
        .audit(audit_log(&state.store), AUDITED_READS);
    guard.describe(&mut api);
    let gauges_state = state.clone();
    let gauges = move || {
        let state = gauges_state.clone();
        async move { crate::gauges::measure(&state.store, &state.intake.accounts).await }
    };
    let routes = routes
        .merge(stylesheet())
        .merge(documentation(api))
        .merge(operations(health, metrics, access, gauges));
    without_trailing_slash(with_stack(
        routes,
        &StackConfig {
            request_timeout: state.config.server.request_timeout(),
            origins: state.config.server.frontend_origins(),
            guard,
        },
    ))
}
