//! Who may do what.

use reqwest::Method;
use serde_json::{Value, json};
use service_kit::http::Role;
use testkit::{Doors, TOKENS, databases};
use webhook_gateway::OPEN_ROUTES;

use super::commands::told;
use super::harness::{Gateway, TOKEN};

const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123");
/// printf 'admin:0123456789abcdef0123' | base64
const BASIC: (&str, &str) = (
    "authorization",
    "Basic YWRtaW46MDEyMzQ1Njc4OWFiY2RlZjAxMjM=",
);

/// Who may call what is not open, as it was decided. Whoever adds a route decides here as well.
const TABLE: [(Role, &str, &str); 37] = [
    (Role::Viewer, "GET", "/api/subscribers"),
    (Role::Viewer, "GET", "/api/subscribers/{name}"),
    (Role::Viewer, "GET", "/api/events"),
    (Role::Viewer, "GET", "/api/events/{id}"),
    (Role::Viewer, "GET", "/api/events/{id}/deliveries"),
    (Role::Viewer, "GET", "/api/requests"),
    (Role::Viewer, "GET", "/api/requests/{id}"),
    (Role::Viewer, "GET", "/api/dead-letters"),
    (Role::Viewer, "GET", "/api/stats"),
    (Role::Viewer, "GET", "/api/auth/amo/status"),
    (Role::Viewer, "GET", "/dashboard"),
    (Role::Viewer, "GET", "/dashboard/subscribers/{name}"),
    (Role::Viewer, "GET", "/metrics"),
    (Role::Operator, "GET", "/api/events/{id}/body"),
    (Role::Operator, "GET", "/api/requests/{id}/body"),
    (Role::Operator, "GET", "/api/stream"),
    (Role::Operator, "GET", "/api/auth/amo/test"),
    (Role::Operator, "GET", "/dashboard/events/{id}"),
    (Role::Operator, "GET", "/dashboard/requests/{id}"),
    (Role::Operator, "POST", "/api/subscribers/{name}/pause"),
    (Role::Operator, "POST", "/api/subscribers/{name}/resume"),
    (Role::Operator, "POST", "/api/subscribers/{name}/test"),
    (Role::Operator, "POST", "/api/replay"),
    (Role::Operator, "POST", "/api/replay/unread"),
    (Role::Operator, "POST", "/api/dead-letters/retry"),
    (Role::Operator, "POST", "/dashboard/events/{id}/replay"),
    (
        Role::Operator,
        "POST",
        "/dashboard/subscribers/{name}/{action}",
    ),
    (Role::Operator, "POST", "/dashboard/dead-letters/{id}/retry"),
    (Role::Admin, "POST", "/api/subscribers"),
    (Role::Admin, "PUT", "/api/subscribers/{name}"),
    (Role::Admin, "DELETE", "/api/subscribers/{name}"),
    (Role::Admin, "POST", "/api/subscribers/{name}/rotate-secret"),
    (Role::Admin, "POST", "/api/dead-letters/drop"),
    (Role::Admin, "GET", "/api/auth/amo"),
    (Role::Admin, "POST", "/api/auth/amo/refresh"),
    (Role::Admin, "POST", "/api/auth/amo/revoke"),
    (Role::Admin, "GET", "/api/audit"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_the_open_ones_needs_a_role_in_every_method() {
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
    let gateway = Gateway::start(&TOKENS).await;
    let doors = Doors {
        url: &gateway.url,
        open: OPEN_ROUTES,
        table: &TABLE,
        undocumented: &[],
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
async fn who_paused_a_subscriber_is_written_down() {
    for database in databases().await {
        let gateway = Gateway::start_on(database.clone(), &TOKENS, false).await;
        let operator = ("authorization", "Bearer operator-token-456789");
        let new = json!({"name": "crm", "url": "https://crm.example.com/in"}).to_string();
        let create = async |who: &[(&str, &str)]| {
            let path = "/api/subscribers";
            gateway.send(Method::POST, path, who, &new).await
        };
        let as_json = ("content-type", "application/json");
        let refused = create(&[operator, as_json]).await;
        assert_eq!(refused.status, 403, "a secret is made here");
        let made = create(&[BEARER, as_json]).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let pause = "/api/subscribers/crm/pause";
        let paused = gateway.send(Method::POST, pause, &[operator], "").await;
        assert!(paused.status.is_success(), "{}", paused.text);
        told(&gateway, &["subscribers", "resume", "crm"]).await;
        told(&gateway, &["replay", "--since", "1h", "--dry-run"]).await;

        let page = gateway.send(Method::GET, "/api/audit", &[BEARER], "").await;
        let page = page.json();
        let lines: Vec<_> = page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| {
                [&line["role"], &line["method"], &line["path"]].map(|it| it.as_str().unwrap())
            })
            .collect();
        assert_eq!(
            lines,
            [
                ["command line", "RUN", "subscribers resume crm"],
                ["operator", "POST", pause],
                ["admin", "POST", "/api/subscribers"],
            ]
        );
        let id = paused.headers["x-request-id"].to_str().unwrap();
        assert_eq!(page["entries"][1]["request_id"], id);
        assert_eq!(page["next"], Value::Null);
        gateway.stop().await;
        database.drop_schema().await;
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
