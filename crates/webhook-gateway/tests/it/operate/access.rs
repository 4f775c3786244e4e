//! Who may do what.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use webhook_gateway::OPEN_ROUTES;

use super::harness::{Gateway, TOKEN};

const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123");
/// printf 'admin:0123456789abcdef0123' | base64
const BASIC: (&str, &str) = (
    "authorization",
    "Basic YWRtaW46MDEyMzQ1Njc4OWFiY2RlZjAxMjM=",
);

/// Pages, which the description of the interface does not tell.
const PAGES: [(&str, &str); 8] = [
    ("GET", "/dashboard"),
    ("GET", "/dashboard/events/{id}"),
    ("POST", "/dashboard/events/{id}/replay"),
    ("GET", "/dashboard/requests/{id}"),
    ("GET", "/dashboard/subscribers/{name}"),
    ("POST", "/dashboard/subscribers/{name}/{action}"),
    ("POST", "/dashboard/dead-letters/{id}/retry"),
    ("GET", "/metrics"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_the_open_ones_needs_the_token_in_every_method() {
    for route in OPEN_ROUTES {
        let is_public = ["/health", "/docs", "/dashboard/style-", "/openapi.json"]
            .iter()
            .any(|open| route.path.starts_with(open));
        // A single-use state, a signature or a secret protects these.
        let is_hook = ["webhook", "disabled", "/api/auth/amo/callback"]
            .iter()
            .any(|open| route.path.contains(open));
        assert!(
            is_public || is_hook || route.path == "/",
            "{} was opened",
            route.path
        );
    }
    let gateway = Gateway::start(&[("ADMIN_TOKEN", TOKEN)]).await;
    let api = gateway.get("/openapi.json").await.json();
    let mut routes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        let methods = item
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase());
        routes.insert(path.clone(), methods.collect());
    }
    for (method, path) in PAGES {
        routes
            .entry(path.to_owned())
            .or_default()
            .insert(method.to_owned());
    }
    let mut refused = 0;
    for (path, documented) in routes {
        let concrete = path
            .replace("{id}", "1")
            .replace("{name}", "crm")
            .replace("{action}", "pause")
            .replace("{secret}", "wrong-secret-0123456");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            let reads = if method == "HEAD" { "GET" } else { method };
            let is_open = OPEN_ROUTES
                .iter()
                .any(|route| route.method == reads && route.is(&path));
            if is_open {
                continue;
            }
            let verb = Method::from_bytes(method.as_bytes()).unwrap();
            let stranger = gateway.send(verb.clone(), &concrete, &[], "").await;
            assert_eq!(stranger.status, 401, "{method} {path}");
            let problem = "application/problem+json";
            assert_eq!(stranger.headers["content-type"], problem, "{method} {path}");
            let wrong = [("authorization", "Bearer 0123456789abcdef0124")];
            let guess = gateway.send(verb, &concrete, &wrong, "").await;
            assert_eq!(guess.status, 401, "{method} {path}");
            refused += 1;
            let described = &api["paths"][&path][method.to_lowercase()];
            if documented.contains(method) && described.is_object() {
                assert!(
                    described["security"].is_array(),
                    "{method} {path} shows no lock"
                );
            }
        }
    }
    assert!(refused > 100, "{refused}");
    for path in [
        "/api/subscribers",
        "/api/events",
        "/api/stats",
        "/dashboard",
        "/metrics",
    ] {
        let answer = gateway.send(Method::GET, path, &[BEARER], "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_cannot_use_the_administrators_browser() {
    let gateway = Gateway::start(&[("ADMIN_TOKEN", TOKEN)]).await;
    assert_eq!(
        gateway
            .send(Method::GET, "/dashboard", &[BASIC], "")
            .await
            .status,
        200
    );
    for (method, path) in [
        (Method::POST, "/dashboard/events/evt_1/replay"),
        (Method::POST, "/dashboard/subscribers/crm/pause"),
        (Method::POST, "/dashboard/dead-letters/1/retry"),
        (Method::POST, "/api/replay"),
        (Method::DELETE, "/api/subscribers/crm"),
    ] {
        for foreign in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ] {
            let answer = gateway
                .send(method.clone(), path, &[BASIC, foreign], "")
                .await;
            assert_eq!(answer.status, 403, "{method} {path} {foreign:?}");
        }
        let own = ("sec-fetch-site", "same-origin");
        let answer = gateway.send(method, path, &[BASIC, own], "").await;
        assert_ne!(answer.status, 403, "{path}");
    }
}
