//! Who may do what, and that it is written down first.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::SecretString;
use service_kit::http::{
    AdminAccess, AuditLog, AuditedRequest, OpenRoute, Problem, Role, RouteGuard, StackConfig,
    with_stack,
};
use tower::util::ServiceExt as _;

const VIEWER: &str = "viewer-token-0123456789";
const OPERATOR: &str = "operator-token-0123456789";
const ADMIN: &str = "admin-token-0123456789";

/// What was written down; `is_away`: nothing can be.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<AuditedRequest>>,
    is_away: bool,
}

impl AuditLog for Log {
    fn append(
        &self,
        request: AuditedRequest,
    ) -> BoxFuture<'_, Result<(), Box<dyn Error + Send + Sync>>> {
        Box::pin(async move {
            if self.is_away {
                return Err("the database is away".into());
            }
            self.lines.lock().unwrap().push(request);
            Ok(())
        })
    }
}

fn access() -> AdminAccess {
    let token = |text: &str| Some(SecretString::from(text));
    AdminAccess::new(token(ADMIN))
        .operator(token(OPERATOR))
        .viewer(token(VIEWER))
}

fn app(access: AdminAccess, log: Arc<Log>, changed: Arc<AtomicU32>) -> Router {
    let change = move || {
        changed.fetch_add(1, Ordering::SeqCst);
        async { "changed" }
    };
    let routes = Router::new()
        .route("/open", get(|| async { "open" }).post(change.clone()))
        .route("/list", get(|| async { "list" }).post(change.clone()))
        .route("/begin", get(change.clone()))
        .route("/things/{id}/retry", post(change.clone()))
        .route("/things/{id}", get(|| async { "thing" }).delete(change));
    let open = [
        OpenRoute::new("GET", "/open", "a test"),
        OpenRoute::new("POST", "/open", "a test"),
    ];
    let guard = RouteGuard::new(access, &open)
        .viewer(&[("GET", "/list")])
        .operator(&[("GET", "/things/{id}"), ("POST", "/things/{id}/retry")])
        .audit(log, &[("GET", "/begin")]);
    let config = StackConfig {
        request_timeout: Duration::from_secs(5),
        origins: Vec::new(),
        guard,
    };
    with_stack(routes, &config)
}

async fn send(
    app: &Router,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> (StatusCode, Option<Problem>) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("x-request-id", "r-1");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, serde_json::from_slice(&bytes).ok())
}

#[tokio::test]
async fn each_role_may_what_it_is_given_and_what_nobody_thought_of_is_the_administrators() {
    let (log, changed) = (Arc::new(Log::default()), Arc::default());
    let app = app(access(), log, changed);
    let wrong = "viewer-token-012345678X";
    let who = [None, Some(wrong), Some(VIEWER), Some(OPERATOR), Some(ADMIN)];
    for (method, path, statuses) in [
        ("GET", "/open", [200, 200, 200, 200, 200]),
        ("POST", "/open", [200, 200, 200, 200, 200]),
        ("GET", "/list", [401, 401, 200, 200, 200]),
        ("HEAD", "/list", [401, 401, 200, 200, 200]),
        ("POST", "/list", [401, 401, 403, 403, 200]),
        ("GET", "/things/1", [401, 401, 403, 200, 200]),
        ("POST", "/things/1/retry", [401, 401, 403, 200, 200]),
        ("DELETE", "/things/1", [401, 401, 403, 403, 200]),
        ("GET", "/begin", [401, 401, 403, 403, 200]),
        // No such method, and no such route.
        ("PATCH", "/list", [401, 401, 403, 403, 405]),
        ("GET", "/nothing", [404, 404, 404, 404, 404]),
    ] {
        for (token, expected) in who.into_iter().zip(statuses) {
            let (status, problem) = send(&app, method, path, token).await;
            assert_eq!(status, expected, "{method} {path} {token:?}");
            if expected == 403 {
                let needed = match path {
                    _ if method == "HEAD" => continue,
                    "/things/1" | "/things/1/retry" if method != "DELETE" => "operator",
                    _ => "admin",
                };
                let detail = problem.unwrap().detail.unwrap();
                assert!(detail.contains(&format!("the role {needed}")), "{detail}");
            }
        }
    }
}

#[test]
fn without_tokens_everybody_is_administrator_and_nobody_proves_it() {
    let headers = http::HeaderMap::new();
    let nobody = AdminAccess::default();
    assert_eq!(nobody.role(&headers), Some(Role::Admin));
    assert!(!nobody.proves(&headers, Role::Viewer));
    assert_eq!(access().role(&headers), None);
    let mut headers = headers;
    let bearer = format!("Bearer {OPERATOR}").parse().unwrap();
    headers.insert(header::AUTHORIZATION, bearer);
    let access = access();
    let proven = Role::ALL.map(|role| access.proves(&headers, role));
    assert_eq!(proven, [true, true, false]);
}

#[tokio::test]
async fn what_changes_something_is_written_down_before_it_is_done() {
    let (log, changed) = (Arc::new(Log::default()), Arc::new(AtomicU32::new(0)));
    let app = app(access(), Arc::clone(&log), Arc::clone(&changed));
    for (method, path, token) in [
        ("POST", "/things/7/retry?phone=79001234567", Some(OPERATOR)),
        ("DELETE", "/things/ivan@example.ru", Some(ADMIN)),
        ("GET", "/begin", Some(ADMIN)),
        // Refused, only read, or open: no lines.
        ("DELETE", "/things/7", Some(OPERATOR)),
        ("GET", "/things/7", Some(ADMIN)),
        ("GET", "/list", Some(VIEWER)),
        ("POST", "/open", None),
    ] {
        send(&app, method, path, token).await;
    }
    let line = |role, method, route: &str, path: &str| AuditedRequest {
        role,
        method,
        route: route.to_owned(),
        path: path.to_owned(),
        request_id: Some("r-1".to_owned()),
    };
    assert_eq!(
        *log.lines.lock().unwrap(),
        [
            line(
                Role::Operator,
                Method::POST,
                "/things/{id}/retry",
                "/things/7/retry"
            ),
            line(Role::Admin, Method::DELETE, "/things/{id}", "/things/{id}"),
            line(Role::Admin, Method::GET, "/begin", "/begin"),
        ]
    );
    assert_eq!(changed.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let log = Log {
        is_away: true,
        ..Log::default()
    };
    let changed = Arc::new(AtomicU32::new(0));
    let app = app(access(), Arc::new(log), Arc::clone(&changed));
    for (method, path) in [("DELETE", "/things/7"), ("GET", "/begin")] {
        let (status, problem) = send(&app, method, path, Some(ADMIN)).await;
        assert_eq!(status, 503);
        let problem = problem.unwrap();
        assert!(problem.detail.unwrap().contains("nothing was changed"));
        assert!(problem.retry_after.is_some());
    }
    assert_eq!(changed.load(Ordering::SeqCst), 0);
    assert_eq!(send(&app, "GET", "/list", Some(VIEWER)).await.0, 200);
}
