//! Who may do what.

use reqwest::Method;
use testkit::Doors;
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
    let doors = Doors {
        url: &gateway.url,
        open: OPEN_ROUTES,
        undocumented: &PAGES,
        parameters: &[
            ("{id}", "1"),
            ("{name}", "crm"),
            ("{action}", "pause"),
            ("{secret}", "wrong-secret-0123456"),
        ],
    };
    let refused = doors.try_all().await;
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
