//! The whole middleware stack on one page.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri};
use tokio::time::Instant;
use tower::{Layer as _, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::Instrument as _;

use super::Problem;
use super::guard::{RouteGuard, guard};
use crate::telemetry::panic_text;

/// Largest body of a form or of the API.
pub const FORM_BODY_LIMIT: usize = 64 * 1024;

/// Largest body of a webhook: amoCRM sends many entities in one.
pub const WEBHOOK_BODY_LIMIT: usize = 1024 * 1024;

/// A request id of a caller is kept only if it is short and plain, for it is written into the log.
const MAX_REQUEST_ID: usize = 64;

pub(super) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the stack needs to know.
#[derive(Debug, Clone)]
pub struct StackConfig {
    /// A request that takes longer is answered with 503.
    pub request_timeout: Duration,
    /// Origins whose pages may call the API.
    pub origins: Vec<String>,
    /// Who may call what.
    pub guard: RouteGuard,
}

/// Puts the stack around a service's routes. The first layer sees the request first.
pub fn with_stack(routes: Router, config: &StackConfig) -> Router {
    let header =
        |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let stack = ServiceBuilder::new()
        // Somebody else's id is data: cut it before it is used.
        .map_request(drop_strange_request_id)
        // One id joins the caller's answer with our log lines.
        .layer(SetRequestIdLayer::new(REQUEST_ID.clone(), MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID.clone()))
        // Before the trace, so that no layer inside can print them.
        .layer(SetSensitiveRequestHeadersLayer::new([
            header::AUTHORIZATION,
            header::COOKIE,
            HeaderName::from_static("x-form-key"),
        ]))
        // Outside the timeout and the panic, so that both are logged and counted with their status.
        .layer(middleware::from_fn(trace))
        // Answers of every kind get them, also the timeout's.
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        // Answers hold people's data; no proxy keeps them.
        .layer(header(header::CACHE_CONTROL, "no-store"))
        // Pages of FRONTEND_URL may call us; preflights end here.
        .layer(cors(&config.origins))
        // A panic is one request's problem, not the process's.
        .layer(CatchPanicLayer::custom(on_panic))
        // Inside the trace; a handler that hangs is dropped.
        .layer(middleware::from_fn_with_state(
            config.request_timeout,
            time_out,
        ))
        // Inside CORS, whose preflights carry no token; outside everything that reads a body.
        .layer(middleware::from_fn_with_state(config.guard.clone(), guard))
        // Who says that he will send more than anybody may is not waited for.
        .layer(middleware::from_fn(refuse_giants))
        // Routes for webhooks raise it with a layer of their own.
        .layer(DefaultBodyLimit::max(FORM_BODY_LIMIT));
    routes
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(stack)
}

/// Lets `/api/leads/` reach `/api/leads`. It has to stand outside the router, which chooses the route by the path.
pub fn without_trailing_slash(routes: Router) -> Router {
    let service = tower::util::MapRequestLayer::new(trim_trailing_slash).layer(routes);
    Router::new().fallback_service(service)
}

fn trim_trailing_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    // Only the API: the pages under /docs/ are directories to a browser.
    if trimmed.len() < path.len() && trimmed.starts_with("/api/") {
        let path_and_query = match request.uri().query() {
            Some(query) => format!("{trimmed}?{query}"),
            None => trimmed.to_owned(),
        };
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = uri::PathAndQuery::try_from(path_and_query).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

fn drop_strange_request_id(mut request: Request) -> Request {
    let plain = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        bytes.len() <= MAX_REQUEST_ID
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_')
    };
    if request
        .headers()
        .get(&REQUEST_ID)
        .is_some_and(|value| !plain(value))
    {
        request.headers_mut().remove(&REQUEST_ID);
    }
    request
}

/// One line and one count per request. The route's pattern is named, not the path, which may hold a secret segment;
/// query strings never are.
async fn trace(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "(none)".to_owned(), |path| path.as_str().to_owned());
    let request_id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let span = tracing::info_span!(
        "request",
        http.method = %method_label(&method),
        http.route = route,
        request.id = request_id
    );
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    let elapsed = started.elapsed();
    span.in_scope(|| {
        let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let status = status.as_u16();
        // 503 says that we are waiting for somebody else, which is no fault to be looked at each time.
        if status >= 500 && status != 503 {
            tracing::error!(http.status = status, duration_ms, "request failed");
        } else if route == "/health" || route == "/metrics" {
            tracing::debug!(http.status = status, duration_ms, "request answered");
        } else {
            tracing::info!(http.status = status, duration_ms, "request answered");
        }
    });
    let labels = [
        ("method", method_label(&method).to_owned()),
        ("route", route),
        ("status", status.as_u16().to_string()),
    ];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels[..2])
        .record(elapsed.as_secs_f64());
    response
}

/// Anybody can make up methods; each would stay in the metrics for ever.
fn method_label(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}

async fn refuse_giants(request: Request, next: Next) -> Response {
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    let is_giant = length.is_some_and(|length| length > WEBHOOK_BODY_LIMIT);
    let mut response = if is_giant {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
            .detail("the body is longer than is taken here")
            .into_response()
    } else {
        next.run(request).await
    };
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        // The rest of the body is not read, so the connection ends: whoever is not told sends the next request on it.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn time_out(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail("the request took too long and was given up; it may have been carried out")
            .retry_after(5)
            .into_response(),
    }
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-form-key"),
        ])
        // A browser asks again after ten minutes, not before every form.
        .max_age(Duration::from_mins(10))
        .expose_headers([
            REQUEST_ID.clone(),
            HeaderName::from_static("idempotency-replayed"),
            header::RETRY_AFTER,
        ])
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that CatchPanicLayer wants"
)]
fn on_panic(payload: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked: {}", panic_text(payload.as_ref()));
    metrics::counter!("panics_total").increment(1);
    Problem::internal().into_response()
}

async fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND)
        .detail("there is nothing here; GET /docs shows what there is")
}

async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED)
        .detail("this address does not take that method; GET /docs shows which it takes")
}
