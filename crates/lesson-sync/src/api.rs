//! The HTTP interface.

mod completed;
mod error;
mod key;
mod log;
mod progress;
mod state;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use connection::{AUDITED_READS, AUTH_OPEN_ROUTES, audit_log, audit_routes, auth_routes};
use service_kit::health::Health;
use service_kit::http::{
    OpenRoute, Route, RouteGuard, StackConfig, documentation, operations, with_stack,
    without_trailing_slash,
};
use service_kit::metrics::Metrics;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::error::ApiError;
pub(crate) use self::state::AppState;
use crate::sync::QUEUE;

/// The routes that need no role. Every other one does: the administrator's unless it stands in one of the lists below.
pub const OPEN_ROUTES: &[OpenRoute] = &[
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
    AUTH_OPEN_ROUTES[0],
    AUTH_OPEN_ROUTES[1],
    OpenRoute::new(
        "GET",
        "/health",
        "load balancers ask; tells of the service, of no person",
    ),
    OpenRoute::new("GET", "/health/live", "supervisors ask; tells nothing"),
    OpenRoute::new("GET", "/", "leads to the documentation"),
    OpenRoute::new("GET", "/docs", "describes the interface"),
    OpenRoute::new("GET", "/docs/", "describes the interface"),
    OpenRoute::new("GET", "/docs/{*rest}", "describes the interface"),
    OpenRoute::new("GET", "/openapi.json", "describes the interface"),
];

/// What viewers may read.
const VIEWER: &[Route] = &[
    ("GET", "/api/sync/log"),
    ("GET", "/api/auth/amo/status"),
    ("GET", "/metrics"),
];

/// What operators may do besides.
const OPERATOR: &[Route] = &[("GET", "/api/auth/amo/test")];

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
        .routes(routes!(log::list))
        .routes(routes!(webhooks::amocrm))
        .routes(routes!(webhooks::gateway))
        .routes(routes!(webhooks::test))
        .merge(auth_routes(Arc::clone(&state.crm)))
        .merge(audit_routes(&state.store))
        .with_state(state.clone())
        .split_for_parts();
    let guard = RouteGuard::new(access.clone(), OPEN_ROUTES)
        .viewer(VIEWER)
        .operator(OPERATOR)
        .audit(audit_log(&state.store), AUDITED_READS);
    guard.describe(&mut api);
    let store = state.store.clone();
    let gauges = move || {
        let store = store.clone();
        async move { QUEUE.measure(&store).await }
    };
    let routes = routes
        .route("/", get(|| async { Redirect::to("/docs/") }))
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
