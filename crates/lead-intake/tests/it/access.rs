//! Who may do what, and how often.

use std::collections::BTreeSet;

use lead_intake::{Config, OPEN_ROUTES, dead_letters};
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::config::Environment;
use service_kit::http::Role;
use testkit::{Doors, TOKENS, TestDatabase};

use crate::harness::{LEAD, TestApp};

const TOKEN: &str = "0123456789abcdef0123";
const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123");
const JSON: (&str, &str) = ("content-type", "application/json");
const KEY: &str = "form-key-0123456789";

fn from(address: &str) -> (&'static str, &str) {
    ("x-forwarded-for", address)
}

/// What strangers may call. Whoever adds a line here has thought about it.
const OPEN: [(&str, &str); 18] = [
    ("GET", "/"),
    ("GET", "/api/auth/amo/callback"),
    ("GET", "/api/auth/amo/disabled"),
    ("GET", "/api/webhooks/amo/test"),
    ("GET", "/api/webhooks/whatsapp"),
    ("GET", "/dashboard/style-*"),
    ("GET", "/docs"),
    ("GET", "/docs/"),
    ("GET", "/docs/{*rest}"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/openapi.json"),
    ("GET", "/u/{token}"),
    ("POST", "/api/leads"),
    ("POST", "/api/webhooks/amo"),
    ("POST", "/api/webhooks/amo/{secret}"),
    ("POST", "/api/webhooks/whatsapp"),
    ("POST", "/u/{token}"),
];

/// Who may call the others, as it was decided. Whoever adds a route decides here as well.
const TABLE: [(Role, &str, &str); 24] = [
    (Role::Viewer, "GET", "/api/leads"),
    (Role::Viewer, "GET", "/api/leads/{id}"),
    (Role::Viewer, "GET", "/api/leads/{id}/amo"),
    (Role::Viewer, "GET", "/api/leads/{id}/history"),
    (Role::Viewer, "GET", "/api/dead-letters"),
    (Role::Viewer, "GET", "/api/funnels"),
    (Role::Viewer, "GET", "/api/stats"),
    (Role::Viewer, "GET", "/api/auth/amo/status"),
    (Role::Viewer, "GET", "/dashboard"),
    (Role::Viewer, "GET", "/metrics"),
    (Role::Operator, "PUT", "/api/leads/{id}/status"),
    (Role::Operator, "POST", "/api/dead-letters/{id}/retry"),
    (Role::Operator, "POST", "/dashboard/dead-letters/{id}/retry"),
    (Role::Operator, "GET", "/api/quarantine"),
    (Role::Operator, "POST", "/api/quarantine/{id}/release"),
    (Role::Operator, "POST", "/api/funnels/reply"),
    (Role::Operator, "GET", "/api/auth/amo/test"),
    (Role::Admin, "DELETE", "/api/leads/{id}"),
    (Role::Admin, "DELETE", "/api/quarantine/{id}"),
    (Role::Admin, "DELETE", "/api/dead-letters/{id}"),
    (Role::Admin, "GET", "/api/auth/amo"),
    (Role::Admin, "POST", "/api/auth/amo/refresh"),
    (Role::Admin, "POST", "/api/auth/amo/revoke"),
    (Role::Admin, "GET", "/api/audit"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_the_open_ones_needs_a_role_in_every_method() {
    let opened: BTreeSet<_> = OPEN_ROUTES
        .iter()
        .map(|route| (route.method, route.path))
        .collect();
    assert_eq!(opened, BTreeSet::from(OPEN), "a route was opened or closed");

    let app = TestApp::start(TestDatabase::sqlite(), &TOKENS).await;
    let doors = Doors {
        url: &app.url,
        open: OPEN_ROUTES,
        table: &TABLE,
        undocumented: &[
            ("GET", "/health"),
            ("GET", "/health/live"),
            ("GET", "/docs/"),
            ("GET", "/openapi.json"),
            ("GET", "/"),
        ],
        parameters: &[
            ("{id}", "1"),
            ("{token}", "no-such-link"),
            ("{secret}", "wrong-secret-0123456"),
        ],
    };
    let refused = doors.try_all().await;
    assert!(refused > 60, "{refused}");
    // The administrator is let through; what he finds there is another matter.
    for path in [
        "/api/leads",
        "/api/quarantine",
        "/api/auth/amo/status",
        "/metrics",
    ] {
        assert_eq!(
            app.send(Method::GET, path, &[BEARER], "").await.status,
            200,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_written_down_with_the_role_and_without_the_person() {
    let app = TestApp::start(TestDatabase::sqlite(), &TOKENS).await;
    let operator = ("authorization", "Bearer operator-token-456789");
    let viewer = ("authorization", "Bearer viewer-token-23456789");
    let id = ("x-request-id", "audit-1");
    let change = "/api/leads/1/status?status=lost&phone=79001234567";
    let answer = app.send(Method::PUT, change, &[operator, id], "").await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    let person = "/api/leads/ivan@example.ru/status?status=lost";
    app.send(Method::PUT, person, &[operator], "").await;
    // What is refused, or only read, or left by a visitor, is no change of ours.
    app.send(Method::PUT, change, &[viewer], "").await;
    app.send(Method::GET, "/api/leads", &[viewer], "").await;
    app.send(Method::POST, "/api/leads", &[JSON], LEAD).await;
    // A consent is begun by a GET.
    app.send(Method::GET, "/api/auth/amo", &[BEARER], "").await;
    let mut out = Vec::new();
    let all = dead_letters::Command::Retry(dead_letters::Which::all());
    dead_letters::run(&app.app, &all, &mut out).await.unwrap();

    let audit = async |path: &str| app.send(Method::GET, path, &[BEARER], "").await;
    let page = audit("/api/audit?limit=3").await;
    for personal in ["79001234567", "ivan", "@"] {
        assert!(!page.text.contains(personal), "{}", page.text);
    }
    let page = page.json();
    let rest = audit(&format!("/api/audit?before={}", page["next"])).await;
    let rest = rest.json();
    assert_eq!(rest["next"], Value::Null);
    let lines: Vec<_> = [&page, &rest]
        .into_iter()
        .flat_map(|page| page["entries"].as_array().unwrap())
        .map(|line| {
            let of = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            [of("role"), of("method"), of("path")].join(" ")
        })
        .collect();
    assert_eq!(
        lines,
        [
            "command line RUN dead-letters retry",
            "admin GET /api/auth/amo",
            "operator PUT /api/leads/{id}/status",
            "operator PUT /api/leads/1/status",
        ]
    );
    let first = &rest["entries"][0];
    assert_eq!(first["request_id"], "audit-1");
    assert_eq!(first["route"], "/api/leads/{id}/status");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_cannot_use_the_administrators_browser() {
    let app = TestApp::start(TestDatabase::sqlite(), &[("ADMIN_TOKEN", TOKEN)]).await;
    // printf 'admin:0123456789abcdef0123' | base64
    let basic = (
        "authorization",
        "Basic YWRtaW46MDEyMzQ1Njc4OWFiY2RlZjAxMjM=",
    );
    assert_eq!(
        app.send(Method::GET, "/api/leads", &[basic], "")
            .await
            .status,
        200
    );
    for (method, path) in [
        (Method::PUT, "/api/leads/1/status?status=lost"),
        (Method::DELETE, "/api/leads/1"),
        (Method::POST, "/api/auth/amo/revoke"),
        (Method::POST, "/api/quarantine/1/release"),
    ] {
        for foreign in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ] {
            let answer = app.send(method.clone(), path, &[basic, foreign], "").await;
            assert_eq!(answer.status, 403, "{method} {path} {foreign:?}");
        }
        let own = ("sec-fetch-site", "same-origin");
        assert_ne!(app.send(method, path, &[basic, own], "").await.status, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leaves_too_many_leads_is_told_when_to_come_back() {
    let settings = [
        ("INTAKE_RATE_LIMIT", "3/min"),
        ("INTAKE_SHORT_WAIT_MS", "0"),
        ("ADMIN_TOKEN", TOKEN),
    ];
    let app = TestApp::start(TestDatabase::sqlite(), &settings).await;
    let submit = async |headers: &[(&str, &str)]| {
        let mut all = vec![JSON];
        all.extend_from_slice(headers);
        app.send(Method::POST, "/api/leads", &all, LEAD).await
    };
    for _ in 0..3 {
        assert_eq!(submit(&[from("192.0.2.1")]).await.status, 202);
    }
    let refused = submit(&[from("192.0.2.1")]).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    let seconds: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    assert_eq!(refused.json()["retry_after"], seconds);
    assert!(!refused.text.contains("192.0.2.1"));

    // What he writes before the proxy's word does not make him somebody else; others are not held up.
    assert_eq!(submit(&[from("198.51.100.7, 192.0.2.1")]).await.status, 429);
    assert_eq!(submit(&[from("192.0.2.2")]).await.status, 202);
    // A customer of IPv6 has many addresses.
    for number in 1..=3 {
        let address = format!("2001:db8:0:1::{number}");
        assert_eq!(submit(&[from(&address)]).await.status, 202);
    }
    assert_eq!(submit(&[from("2001:db8:0:1:abcd::9")]).await.status, 429);
    // Our own site's server, and this machine.
    assert_eq!(submit(&[from("192.0.2.1"), BEARER]).await.status, 202);
    for _ in 0..5 {
        assert_eq!(submit(&[]).await.status, 202);
    }
    let metrics = app.send(Method::GET, "/metrics", &[BEARER], "").await.text;
    assert!(metrics.contains("rate_limited_total 3"), "{metrics}");
}

/// Connected with a token of the account, because the consent page needs an administrator's browser.
async fn ready_guarded(settings: &[(&str, &str)]) -> TestApp {
    let plain = TestApp::ready().await;
    let (crm, database) = plain.stop().await;
    let mut all = vec![("ADMIN_TOKEN", TOKEN)];
    all.extend_from_slice(settings);
    TestApp::again(crm, database, &all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_needs_its_key_and_the_key_says_where_it_is() {
    let keys = format!("landing:{KEY}, plain-key-0123456789");
    let app = ready_guarded(&[("INTAKE_FORM_KEY", &keys)]).await;
    let submit = async |headers: &[(&str, &str)], body: Value| {
        let mut all = vec![JSON];
        all.extend_from_slice(headers);
        app.send(Method::POST, "/api/leads", &all, &body.to_string())
            .await
    };
    let lead = |more: Value| {
        let mut lead = json!({"phone": "+79001234567"});
        lead.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        lead
    };
    let refusals = [
        submit(&[], lead(json!({}))).await,
        submit(&[("x-form-key", "form-key-0123456788")], lead(json!({}))).await,
        submit(&[], lead(json!({"form_key": ""}))).await,
        submit(&[], lead(json!({"form_key": ["form-key-0123456789"]}))).await,
    ];
    for refusal in &refusals {
        assert_eq!(refusal.status, 403);
        assert_eq!(refusal.text, refusals[0].text, "all refusals look alike");
        assert!(!refusal.text.contains("0123456788"));
    }
    let by_header = submit(&[("x-form-key", KEY)], lead(json!({"tags": ["vip"]}))).await;
    let by_field = submit(&[], lead(json!({"form_key": "plain-key-0123456789"}))).await;
    let by_admin = submit(&[BEARER], lead(json!({}))).await;
    for (answer, tags) in [
        (by_header, json!(["vip", "landing"])),
        (by_field, json!([])),
        (by_admin, json!([])),
    ] {
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert!(answer.json()["ignored"].is_null(), "{}", answer.text);
        let path = format!("/api/leads/{}", answer.id());
        let lead = app.send(Method::GET, &path, &[BEARER], "").await.json();
        assert_eq!(lead["tags"], tags);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fills_the_honeypot_is_kept_and_becomes_a_lead_only_if_a_person_says_so() {
    let app = TestApp::ready().await;
    let body =
        r#"{"phone": "+79001234567", "comment": "hello", "Website": "https://spam.example"}"#;
    let caught = app.submit(body).await;
    assert_eq!(caught.status, 202, "{}", caught.text);
    assert_eq!(caught.json()["delivery"]["state"], "queued");
    assert_eq!(app.get("/api/leads").await.json()["leads"], json!([]));
    // Empty, as people leave it, it is nothing.
    let person = r#"{"phone": "+79007654321", "website": " "}"#;
    assert_eq!(app.submit(person).await.status, 201);
    assert_eq!(app.crm.deals().await.len(), 1);

    let page = app.get("/api/quarantine").await.json();
    let suspect = &page["suspects"][0];
    assert_eq!(suspect["submission"]["phone"], "+79001234567");
    let metrics = app.get("/metrics").await.text;
    assert!(metrics.contains("leads_quarantine 1"), "{metrics}");

    let path = format!("/api/quarantine/{}/release", suspect["id"]);
    let released = app.post(&path).await;
    assert_eq!(released.status, 200, "{}", released.text);
    assert_eq!(app.post(&path).await.status, 404, "once");
    app.lead_is(released.id(), "/delivery/state", "delivered")
        .await;
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 2);

    let again = app.submit(body).await;
    let path = format!("/api/quarantine/{}", again.id());
    let discarded = app.send(Method::DELETE, &path, &[], "").await;
    assert_eq!(discarded.status, 204);
    assert_eq!(
        app.get("/api/quarantine").await.json()["suspects"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_wants_to_be_forgotten_is_and_the_figures_stay() {
    let app = TestApp::ready().await;
    let id = app.submit(LEAD).await.id();
    app.queue_is_empty().await;
    let path = format!("/api/leads/{id}");
    assert_eq!(app.send(Method::DELETE, &path, &[], "").await.status, 204);
    let lead = app.get(&path).await;
    for word in ["Тест", "79001234567", "test@example.com"] {
        assert!(!lead.text.contains(word), "{}", lead.text);
    }
    let lead = lead.json();
    assert_eq!(
        (&lead["utm_source"], &lead["delivery"]["state"]),
        (&json!("google"), &json!("delivered"))
    );
    // Whoever comes back is recognised by amoCRM.
    app.submit(LEAD).await;
    assert_eq!(app.crm.contacts().await.len(), 1);
    assert_eq!(
        app.send(Method::DELETE, "/api/leads/99", &[], "")
            .await
            .status,
        404
    );

    app.crm
        .emulator
        .fault(amocrm_emulator::Fault::server_error(503).always());
    let waiting = app.submit(r#"{"phone": "+79005550100"}"#).await.id();
    let path = format!("/api/leads/{waiting}");
    assert_eq!(app.send(Method::DELETE, &path, &[], "").await.status, 409);
    assert_eq!(app.get(&path).await.json()["phone"], "+79005550100");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_worth_nothing_for_another_integration() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    let query = app.consent().await;
    let url = app.database.url.clone();
    let other = TestApp::start(
        TestDatabase::sqlite(),
        &[
            ("DATABASE_URL", &url),
            ("AMOCRM_CLIENT_ID", "99999999-2222-4333-8444-555555555555"),
        ],
    )
    .await;
    let refused = other.get(&format!("/api/auth/amo/callback?{query}")).await;
    assert_eq!(refused.status, 400);
    // It is used up all the same.
    assert_eq!(
        app.get(&format!("/api/auth/amo/callback?{query}"))
            .await
            .status,
        400
    );
}

#[test]
fn an_unsafe_or_senseless_setting_is_refused_with_what_to_change() {
    for (settings, variable, words) in [
        (
            &[("SERVER_HOST", "0.0.0.0")][..],
            "ADMIN_TOKEN",
            "lets other machines in",
        ),
        (&[("ADMIN_TOKEN", "short")], "ADMIN_TOKEN", "too short"),
        (
            &[("TRUSTED_PROXIES", "0.0.0.0/0")],
            "TRUSTED_PROXIES",
            "trusts everybody",
        ),
        (
            &[("TRUSTED_PROXIES", "10.0.0.0/8, nginx")],
            "TRUSTED_PROXIES",
            "`nginx` is neither",
        ),
        (
            &[("INTAKE_RATE_LIMIT", "many")],
            "INTAKE_RATE_LIMIT",
            "30/min",
        ),
        (
            &[("INTAKE_RATE_LIMIT", "0/min")],
            "INTAKE_RATE_LIMIT",
            "at least 1",
        ),
        (
            &[("INTAKE_RATE_BURST", "0")],
            "INTAKE_RATE_BURST",
            "lets nobody in",
        ),
        (
            &[("INTAKE_FORM_KEY", "secret")],
            "INTAKE_FORM_KEY",
            "at least 16",
        ),
        (
            &[("INTAKE_FORM_KEY", ":form-key-0123456789")],
            "INTAKE_FORM_KEY",
            "source:KEY",
        ),
        (
            &[("INTAKE_FORM_KEY", TOKEN), ("ADMIN_TOKEN", TOKEN)],
            "INTAKE_FORM_KEY",
            "same as ADMIN_TOKEN",
        ),
        (
            &[("INTAKE_WEBHOOK_SECRET", TOKEN), ("ADMIN_TOKEN", TOKEN)],
            "INTAKE_WEBHOOK_SECRET",
            "same as ADMIN_TOKEN",
        ),
        (
            &[("INTAKE_FORM_REDIRECT", "/thanks")],
            "INTAKE_FORM_REDIRECT",
            "is no address",
        ),
        (
            &[("INTAKE_FORM_REDIRECT", "javascript:alert(1)")],
            "INTAKE_FORM_REDIRECT",
            "is no address",
        ),
        (
            &[("INTAKE_FORM_ERROR_REDIRECT", "https://a:b@c.example")],
            "INTAKE_FORM_ERROR_REDIRECT",
            "is no address",
        ),
        (&[("FRONTEND_URL", "*")], "FRONTEND_URL", "is no origin"),
        (
            &[("INTAKE_RETENTION_DAYS", "99999")],
            "INTAKE_RETENTION_DAYS",
            "between 0 and",
        ),
    ] {
        let pairs = settings.iter().copied();
        let error = Config::load(Environment::from_pairs(pairs), None).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(variable) && text.contains(words),
            "{settings:?}: {text}"
        );
        assert!(
            !text.contains(TOKEN) && !text.contains("form-key-0123456789"),
            "{text}"
        );
    }
}
