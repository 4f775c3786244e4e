//! The HTTP interface.

mod completed;
mod error;
mod key;
mod log;
mod progress;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use connection::{AUTH_OPEN_ROUTES, auth_routes};
use service_kit::health::Health;
use service_kit::http::{
    AdminAccess, OpenRoute, RouteGuard, StackConfig, documentation, operations, with_stack,
    without_trailing_slash,
};
use service_kit::metrics::Metrics;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::error::ApiError;
pub(crate) use self::state::AppState;
use crate::sync::QUEUE;

/// The routes that need no ADMIN_TOKEN. Every other one does, whether it is thought of here or not.
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

#[derive(OpenApi)]
#[openapi(
    info(
        title = "lesson-sync",
        description = "A finished lesson moves the student's deal in amoCRM.\n\n\
                       Пройденный урок двигает сделку студента в amoCRM."
    ),
    tags(
        (name = "lessons", description = "Finished lessons / Пройденные уроки"),
        (name = "auth", description = "Connection to amoCRM / Подключение к amoCRM"),
    )
)]
struct ApiDoc;

/// All routes, with the middleware around them.
pub(crate) fn routes(state: &AppState, health: Health, metrics: Metrics) -> Router {
    let admin = AdminAccess::new(state.config.security.admin_token.clone());
    let (routes, mut api) = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(completed::one))
        .routes(routes!(completed::batch))
        .routes(routes!(progress::progress))
        .routes(routes!(log::list))
        .merge(auth_routes(Arc::clone(&state.crm)))
        .with_state(state.clone())
        .split_for_parts();
    let guard = RouteGuard::new(admin.clone(), OPEN_ROUTES);
    guard.describe(&mut api);
    let store = state.store.clone();
    let gauges = move || {
        let store = store.clone();
        async move { QUEUE.measure(&store).await }
    };
    let routes = routes
        .route("/", get(|| async { Redirect::to("/docs/") }))
        .merge(documentation(api))
        .merge(operations(health, metrics, admin, gauges));
    without_trailing_slash(with_stack(
        routes,
        &StackConfig {
            request_timeout: state.config.server.request_timeout(),
            origins: state.config.server.frontend_origins(),
            guard,
        },
    ))
}
