use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use futures_util::future::join_all;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::config::ServerConfig;
use service_kit::health::{Health, probe};
use service_kit::http::{
    AdminAccess, ApiJson, FORM_BODY_LIMIT, OpenRoute, Problem, Role, RouteGuard, StackConfig,
    operations, require_role, with_stack, without_trailing_slash,
};
use service_kit::metrics::Metrics;
use tower::util::ServiceExt as _;

#[derive(Deserialize)]
struct Order {
    amount: u32,
}

async fn take(ApiJson(order): ApiJson<Order>) -> String {
    order.amount.to_string()
}

async fn hang() {
    std::future::pending::<()>().await;
}

async fn fall() {
    let number: Result<u32, _> = "a secret".parse();
    panic!("{number:?} of a secret");
}

fn admin_access(token: Option<&str>) -> AdminAccess {
    AdminAccess::new(token.map(SecretString::from))
}

const OPEN: &[OpenRoute] = &[
    OpenRoute::new("GET", "/health", "a test"),
    OpenRoute::new("GET", "/api/open/{id}", "a test"),
];

fn app(token: Option<&str>) -> Router {
    let admin = admin_access(token);
    let guarded = Router::new()
        .route("/api/orders", post(take))
        .route_layer(from_fn_with_state(
            (admin.clone(), Role::Admin),
            require_role,
        ));
    let health = Health::new()
        .needs("database", || async { Ok("answers".to_owned()) })
        .uses("crm", || async {
            std::future::pending::<()>().await;
            Ok(String::new())
        });
    let routes = Router::new()
        .route("/api/hang", get(hang))
        .route("/api/fall", get(fall))
        .route(
            "/api/open/{id}",
            get(|| async { "open" }).post(|| async { "closed" }),
        )
        .merge(guarded)
        .merge(operations(health, Metrics::install(), admin, || async {}));
    without_trailing_slash(with_stack(
        routes,
        &StackConfig {
            request_timeout: Duration::from_secs(5),
            origins: vec![
                "http://localhost:3000".to_owned(),
                "https://www.example.ru".to_owned(),
            ],
            guard: RouteGuard::new(admin_access(token), OPEN),
        },
    ))
}

async fn send(app: Router, request: Request<Body>) -> (Response<()>, String) {
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (
        Response::from_parts(parts, ()),
        String::from_utf8(bytes.to_vec()).unwrap(),
    )
}

fn order(body: &str) -> http::request::Builder {
    let _ = body;
    Request::post("/api/orders/").header(header::CONTENT_TYPE, "application/json")
}

async fn problem(app: Router, request: Request<Body>) -> Problem {
    let (response, body) = send(app, request).await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json",
        "{body}"
    );
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!(problem.status, response.status().as_u16());
    problem
}

#[tokio::test(start_paused = true)]
async fn every_error_is_a_problem_body() {
    let post = |body: &str| order(body).body(Body::from(body.to_owned())).unwrap();
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();

    let wrong_field = problem(app(None), post(r#"{"amount": -1}"#)).await;
    assert_eq!(wrong_field.status, 422);
    assert_eq!(wrong_field.errors[0].field, "amount");
    assert_eq!(problem(app(None), post("{")).await.status, 400);
    let large = format!(r#"{{"amount": 1, "x": "{}"}}"#, "x".repeat(FORM_BODY_LIMIT));
    let (too_large, _) = send(app(None), post(&large)).await;
    assert_eq!(too_large.status(), 413);
    assert_eq!(too_large.headers()[header::CONNECTION], "close");
    assert_eq!(problem(app(None), post(&large)).await.status, 413);
    assert_eq!(problem(app(None), get("/nothing")).await.status, 404);
    assert_eq!(problem(app(None), get("/api/orders")).await.status, 405);
    assert_eq!(problem(app(None), get("/api/hang")).await.status, 503);
    let panicked = problem(app(None), get("/api/fall")).await;
    assert_eq!(panicked.status, 500);
    assert!(!panicked.detail.unwrap().contains("a secret"));
}

#[tokio::test]
async fn only_the_token_opens_the_door_and_a_foreign_page_never() {
    let request = |authorization: Option<&str>| {
        let mut request = order("").body(Body::from(r#"{"amount": 7}"#)).unwrap();
        if let Some(value) = authorization {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        request
    };
    let guarded = || app(Some("0123456789abcdef"));
    for refused in [
        None,
        Some("Bearer 0123456789abcdeX"),
        Some("Bearer "),
        Some("Basic !!!"),
    ] {
        let problem = problem(guarded(), request(refused)).await;
        assert_eq!(problem.status, 401, "{refused:?}");
    }
    // printf 'admin:0123456789abcdef' | base64
    let basic = "Basic YWRtaW46MDEyMzQ1Njc4OWFiY2RlZg==";
    for admitted in ["Bearer 0123456789abcdef", basic] {
        let (response, body) = send(guarded(), request(Some(admitted))).await;
        assert_eq!((response.status(), body.as_str()), (StatusCode::OK, "7"));
    }
    for app in [guarded(), app(None)] {
        let mut foreign = request(Some(basic));
        foreign
            .headers_mut()
            .insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(problem(app, foreign).await.status, 403);
    }
}

#[tokio::test]
async fn a_route_is_closed_unless_it_was_opened_by_name() {
    let ask = |method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap()
    };
    for (method, path, status) in [
        ("GET", "/api/open/5", 200),
        ("HEAD", "/api/open/5", 200),
        ("POST", "/api/open/5", 401),
        ("PUT", "/api/open/5", 401),
        ("GET", "/api/hang", 401),
        ("GET", "/metrics", 401),
        ("GET", "/health", 200),
        ("GET", "/health/live", 401),
        ("GET", "/nothing", 404),
        ("GET", "/api/open", 404),
    ] {
        let (response, _) = send(app(Some("0123456789abcdef")), ask(method, path)).await;
        assert_eq!(response.status(), status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_page_that_holds_the_token_may_use_it_and_a_page_that_borrows_a_password_may_not() {
    // printf 'admin:0123456789abcdef' | base64
    let basic = "Basic YWRtaW46MDEyMzQ1Njc4OWFiY2RlZg==";
    let bearer = "Bearer 0123456789abcdef";
    for (authorization, header, value, status) in [
        (bearer, "sec-fetch-site", "cross-site", 200),
        (basic, "sec-fetch-site", "same-origin", 200),
        (basic, "sec-fetch-site", "none", 200),
        (basic, "sec-fetch-site", "same-site", 403),
        (bearer, "sec-fetch-site", "same-site", 200),
        (basic, "origin", "https://evil.example", 403),
        (basic, "origin", "null", 403),
        (basic, "origin", "https://crm.example.ru", 200),
        (basic, "x-nothing", "", 200),
    ] {
        let request = order("")
            .header(header::AUTHORIZATION, authorization)
            .header(header::HOST, "crm.example.ru")
            .header(header, value)
            .body(Body::from(r#"{"amount": 7}"#))
            .unwrap();
        let (response, _) = send(app(Some("0123456789abcdef")), request).await;
        assert_eq!(
            response.status(),
            status,
            "{authorization} {header}: {value}"
        );
    }
}

#[tokio::test]
async fn without_a_token_only_names_of_this_machine_are_answered() {
    for (host, status) in [
        ("localhost:8002", 200),
        ("LOCALHOST", 200),
        ("gateway.localhost:8002", 200),
        ("127.0.0.1:8002", 200),
        ("[::1]:8002", 200),
        // A name that anybody may lead to this machine, a tunnel's, and no name at all.
        ("evil.example:8002", 403),
        ("127.0.0.1.evil.example", 403),
        ("notlocalhost", 403),
        ("192.168.1.5:8002", 403),
        ("", 403),
    ] {
        let named = || Request::get("/metrics").header(header::HOST, host);
        let (response, _) = send(app(None), named().body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), status, "{host}");
        // What is open is open by any name, and so is everything with the token.
        let open = Request::get("/health").header(header::HOST, host);
        let (response, _) = send(app(None), open.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200, "{host}");
        let proven = named().header(header::AUTHORIZATION, "Bearer 0123456789abcdef");
        let request = proven.body(Body::empty()).unwrap();
        let (response, _) = send(app(Some("0123456789abcdef")), request).await;
        assert_eq!(response.status(), 200, "{host}");
    }
}

#[tokio::test]
async fn only_pages_of_the_named_origins_may_ask_and_none_gets_credentials() {
    let preflight = |origin: &str| {
        Request::options("/api/orders")
            .header(header::ORIGIN, origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,idempotency-key,x-form-key",
            )
            .body(Body::empty())
            .unwrap()
    };
    for origin in ["http://localhost:3000", "https://www.example.ru"] {
        // A preflight carries no token, and is answered all the same.
        let (answer, _) = send(app(Some("0123456789abcdef")), preflight(origin)).await;
        let headers = answer.headers();
        assert_eq!(answer.status(), 200);
        assert_eq!(headers["access-control-allow-origin"], origin);
        let allowed = headers["access-control-allow-headers"].to_str().unwrap();
        assert!(
            allowed.contains("x-form-key") && allowed.contains("idempotency-key"),
            "{allowed}"
        );
        assert!(!headers.contains_key("access-control-allow-credentials"));
        assert!(headers["vary"].to_str().unwrap().contains("origin"));
    }
    for origin in [
        "https://evil.example",
        "http://www.example.ru",
        "https://www.example.ru.evil.example",
        "null",
    ] {
        let (answer, _) = send(app(None), preflight(origin)).await;
        assert!(
            !answer.headers().contains_key("access-control-allow-origin"),
            "{origin}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn answers_carry_a_request_id_and_security_headers() {
    let with_id = |id: &str| {
        Request::get("/health")
            .header("x-request-id", id)
            .header(header::ORIGIN, "http://localhost:3000")
            .body(Body::empty())
            .unwrap()
    };
    let (kept, _) = send(app(None), with_id("abc-123")).await;
    assert_eq!(kept.headers()["x-request-id"], "abc-123");
    assert_eq!(kept.headers()["x-content-type-options"], "nosniff");
    assert_eq!(kept.headers()["cache-control"], "no-store");
    assert_eq!(
        kept.headers()["access-control-allow-origin"],
        "http://localhost:3000"
    );
    let (replaced, _) = send(app(None), with_id("user@example.com said")).await;
    assert_ne!(replaced.headers()["x-request-id"], "user@example.com said");
}

#[tokio::test(start_paused = true)]
async fn health_tells_each_part_and_waits_for_none_of_them_long() {
    let request = Request::get("/health").body(Body::empty()).unwrap();
    let (response, body) = send(app(None), request).await;
    let report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(report["status"], "degraded");
    assert_eq!(report["ready"], true);
    assert_eq!(report["parts"][1]["detail"], "no answer within 2 s");
}

#[tokio::test(start_paused = true)]
async fn however_many_ask_for_the_health_its_parts_are_asked_once_a_second() {
    let asked = Arc::new(AtomicU32::new(0));
    let health = Health::new().needs("database", {
        let asked = Arc::clone(&asked);
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok("answers".to_owned())
            }
        }
    });
    let routes: Router = operations(health, Metrics::install(), admin_access(None), || async {});
    for times in 1..=3 {
        let asking = (0..50).map(|_| {
            let request = Request::get("/health").body(Body::empty()).unwrap();
            send(routes.clone(), request)
        });
        for (response, _) in join_all(asking).await {
            assert_eq!(response.status(), StatusCode::OK);
        }
        assert_eq!(asked.load(Ordering::SeqCst), times);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn metrics_count_routes_by_pattern() {
    let app = app(None);
    let request = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    send(app.clone(), request("/api/orders?phone=79001234567")).await;
    let (_, text) = send(app, request("/metrics")).await;
    assert!(
        text.contains(r#"http_requests_total{method="GET",route="/api/orders",status="405"}"#),
        "{text}"
    );
    assert!(!text.contains("79001234567"));
}

#[tokio::test]
async fn a_probe_tells_a_service_from_a_stranger_and_from_nobody() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = ServerConfig {
        // As in a container: the service listens on every address, and is asked on loopback.
        host: "0.0.0.0".to_owned(),
        port: listener.local_addr().unwrap().port(),
        ..ServerConfig::default()
    };
    let serving = tokio::spawn(async move { axum::serve(listener, app(None)).await });
    let report = probe(&server).await.unwrap();
    assert!(report.ready);
    assert_eq!(report.parts[0].detail, "answers");
    serving.abort();

    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    server.port = stranger.local_addr().unwrap().port();
    let routes = Router::new().route("/health", get(|| async { "fine, and you?" }));
    let serving = tokio::spawn(async move { axum::serve(stranger, routes).await });
    let error = format!("{:#}", probe(&server).await.unwrap_err());
    assert!(error.contains("is another program"), "{error}");
    serving.abort();
    let _ = serving.await;
    let error = format!("{:#}", probe(&server).await.unwrap_err());
    assert!(error.contains("does not answer"), "{error}");
}
