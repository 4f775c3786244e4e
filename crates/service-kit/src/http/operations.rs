//! What operators and their tools ask: health and metrics.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use http::{StatusCode, header};

use super::{AdminAccess, OpenRoute, Role, Route, require_role};
use crate::health::Health;
use crate::metrics::Metrics;

/// The routes of [`operations`] that anybody may call.
pub const OPERATIONS_OPEN: &[OpenRoute] = &[
    OpenRoute::new(
        "GET",
        "/health",
        "load balancers ask; tells of the service, of no person",
    ),
    OpenRoute::new("GET", "/health/live", "supervisors ask; tells nothing"),
];

/// The routes of [`operations`] that viewers may read.
pub const OPERATIONS_VIEWER: &[Route] = &[("GET", "/metrics")];

type Gauges = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Routes `GET /health` (can requests be served?) and `GET /health/live` (does the process live?), open to everybody,
/// and `GET /metrics`, for viewers.
///
/// `gauges` is awaited before every rendering; it sets what is measured rather than counted, such as the length of a
/// queue, and must be cheap.
pub fn operations<S, F, R>(
    health: Health,
    metrics: Metrics,
    access: AdminAccess,
    gauges: F,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let gauges: Gauges = Arc::new(move || Box::pin(gauges()));
    let metrics = Router::new()
        .route("/metrics", get(render).with_state((metrics, gauges)))
        .route_layer(middleware::from_fn_with_state(
            (access, Role::Viewer),
            require_role,
        ));
    Router::new()
        .route("/health", get(report).with_state(health))
        .route("/health/live", get(live))
        .merge(metrics)
}

/// The process answers: a supervisor that restarts what is not alive asks this. A database that is away is no reason to
/// restart anything.
async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({"live": true}))
}

async fn report(State(health): State<Health>) -> Response {
    let report = health.recent().await;
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

async fn render(State((metrics, gauges)): State<(Metrics, Gauges)>) -> Response {
    gauges().await;
    let text_format = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (text_format, metrics.render()).into_response()
}
