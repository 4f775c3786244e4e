//! The HTTP interface.

mod completed;
mod erase;
mod error;
mod key;
mod log;
mod progress;
mod state;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use connection::dashboard::{DASHBOARD_OPERATOR, DASHBOARD_VIEWER, dashboard_routes};
use connection::{
    AUDITED_READS, AUTH_OPERATOR, AUTH_VIEWER, COMMON_OPEN, audit_log, audit_routes, auth_routes,
};
use service_kit::dashboard::stylesheet;
use service_kit::health::Health;
use service_kit::http::{
    OPERATIONS_VIEWER, OpenRoute, Route, RouteGuard, StackConfig, count_joined, documentation,
    joined, operations, with_stack, without_trailing_slash,
};
use service_kit::metrics::Metrics;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::error::ApiError;
pub(crate) use self::state::AppState;
use crate::dashboard;
use crate::sync::QUEUE;

/// The routes that need no role. Every other one does: the administrator's unless it stands in one of the lists below.
pub const OPEN_ROUTES: &[OpenRoute] = &joined::<{ count_joined(LISTS) }>(LISTS);

const LISTS: &[&[OpenRoute]] = &[OWN, COMMON_OPEN];

/// Our own, with what protects them instead.
const OWN: &[OpenRoute] = &[
    OpenRoute::new(
        "POST",
        "/api/lessons/completed",
        "the platform tells of lessons; it knows LESSON_API_KEY",
    ),
    OpenRoute::new(
        "POST",
        "/api/lessons/completed/batch",
        "the platform tells of lessons; it knows LESSON_API_KEY",
    ),
    OpenRoute::new(
        "GET",
        "/api/lessons/progress",
        "the platform asks for a student; it knows LESSON_API_KEY",
    ),
    OpenRoute::new(
        "POST",
        "/webhooks/amocrm/{secret}",
        "amoCRM posts webhooks; the address is the proof",
    ),
    OpenRoute::new(
        "POST",
        "/webhooks/gateway",
        "webhook-gateway delivers; every delivery is signed",
    ),
    OpenRoute::new("GET", "/webhooks/test", "the doctor asks; tells nothing"),
];

/// What viewers may read.
const VIEWER: &[Route] = &[("GET", "/api/sync/log"), ("GET", "/api/stats")];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "lesson-sync",
        description = "A finished lesson moves the student's deal in amoCRM.\n\n\
                       Пройденный урок двигает сделку студента в amoCRM."
    ),
    tags(
        (name = "lessons", description = "Finished lessons / Пройденные уроки"),
        (name = "webhooks", description = "What managers do in amoCRM / Что менеджеры делают в amoCRM"),
        (name = "auth", description = "Connection to amoCRM / Подключение к amoCRM"),
        (name = "audit", description = "Who has changed what / Кто что менял"),
    )
)]
struct ApiDoc;

/// All routes, with the middleware around them.
pub(crate) fn routes(state: &AppState, health: Health, metrics: Metrics) -> Router {
    let access = state.config.security.access();
    let (routes, mut api) = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(completed::one))
        .routes(routes!(completed::batch))
        .routes(routes!(progress::progress))
        .routes(routes!(erase::erase))
        .routes(routes!(log::list))
        .routes(routes!(webhooks::amocrm))
        .routes(routes!(webhooks::gateway))
        .routes(routes!(webhooks::test))
        .routes(routes!(dashboard::stats))
        .merge(dashboard_routes::<AppState>())
        .merge(auth_routes(Arc::clone(&state.crm)))
        .merge(audit_routes(&state.store))
        .with_state(state.clone())
        .split_for_parts();
    let guard = RouteGuard::new(access.clone(), OPEN_ROUTES)
        .viewer(OPERATIONS_VIEWER)
        .viewer(AUTH_VIEWER)
        .viewer(DASHBOARD_VIEWER)
        .viewer(VIEWER)
        .operator(AUTH_OPERATOR)
        .operator(DASHBOARD_OPERATOR)
        .audit(audit_log(&state.store), AUDITED_READS);
    guard.describe(&mut api);
    let store = state.store.clone();
    let gauges = move || {
        let store = store.clone();
        async move { QUEUE.measure(&store).await }
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
