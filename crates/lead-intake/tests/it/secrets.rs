//! Nothing that belongs to people or opens doors gets into the log, the answers or, in clear, the database.

use amocrm_emulator::Fault;
use serde_json::json;

use crate::harness::{TestApp, captured_log};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_visitor_is_in_the_log_at_any_level() {
    let app = TestApp::ready_with(&[
        ("ADMIN_TOKEN", ""),
        ("INTAKE_WEBHOOK_SECRET", "canary-hook-secret-1"),
    ])
    .await;
    let body = json!({
        "name": "Canaryname", "phone": "+79005550199", "email": "canary@example.com", "comment": "canarycomment",
        "utm_source": "canaryutm", "custom_fields": {"x": "canaryfield"}, "tags": ["canarytag"]
    });
    // Good days and bad ones: errors are where secrets leak.
    app.submit(&body.to_string()).await;
    app.submit(r#"{"phone": "+7900555019", "email": "canary@nowhere"}"#)
        .await;
    app.submit(r#"{"phone": "+79005550199", "#).await;
    app.get("/api/leads?phone=%2B79005550199").await;
    app.get("/api/leads/1").await;
    app.get("/api/leads/1/amo").await;
    app.get("/api/auth/amo/callback?code=canarycode&state=canarystate&referer=acme.amocrm.ru")
        .await;
    app.get("/api/webhooks/amo/canary-wrong-secret").await;
    for fault in [
        Fault::drop_after_commit(),
        Fault::html_error(502),
        Fault::malformed(),
        Fault::expire_token(),
        Fault::throttle(),
    ] {
        app.crm.emulator.fault(fault.times(1));
        app.submit(&body.to_string()).await;
    }
    app.crm.emulator.clear_faults();
    app.queue_is_empty().await;
    let oauth = app.app.store().clone();
    let generations = oauth.tokens().list().await.unwrap();
    assert_eq!(generations.len(), 1);

    let log = captured_log();
    assert!(log.contains("lead delivered"), "the log is being read");
    let credentials = app.crm.emulator.credentials();
    let folder = app.database.folder.path().join("var");
    let database: Vec<u8> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.unwrap().path()).ok())
        .flatten()
        .collect();
    let database = String::from_utf8_lossy(&database);
    assert!(
        database.contains("canary@example.com"),
        "the database file is being read"
    );

    for secret in [
        "canary-hook-secret-1",
        "canary-wrong-secret",
        "canarycode",
        "canarystate",
        &credentials.client_secret,
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(!database.contains(secret), "{secret} is in the database");
    }
    // Tokens are long: their beginnings are telling enough.
    for token in ["eyJ0eX", "def502"] {
        assert!(
            !log.contains(token),
            "{token}… is in the log: {}",
            around(&log, token)
        );
        assert!(!database.contains(token), "{token}… is in the database");
    }
    for person in [
        "Canaryname",
        "79005550199",
        "5550199",
        "canary@",
        "canarycomment",
        "canaryutm",
        "canaryfield",
        "canarytag",
    ] {
        assert!(
            !log.contains(person),
            "{person} is in the log: {}",
            around(&log, person)
        );
    }
}

const ADMIN: &str = "canary-admin-token-01";

/// Everything that anybody gets to see: answers of all kinds, pages, metrics, and the log.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_tells_a_secret_and_no_metric_a_person() {
    let plain = TestApp::ready().await;
    let (crm, database) = plain.stop().await;
    let settings = [
        ("ADMIN_TOKEN", ADMIN),
        ("INTAKE_WEBHOOK_SECRET", "canary-hook-secret-2"),
        ("INTAKE_FORM_KEY", "landing:canary-form-key-01"),
        ("INTAKE_RATE_LIMIT", "60/min"),
    ];
    let app = TestApp::again(crm, database, &settings).await;
    let bearer = format!("Bearer {ADMIN}");
    let admin = ("authorization", bearer.as_str());
    let json = ("content-type", "application/json");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let (browser, visitor) = (
        ("accept", "text/html"),
        ("x-forwarded-for", "198.51.100.77"),
    );
    let person =
        r#"{"name": "Canaryname", "phone": "+79005550199", "email": "canary@example.com", "FORM"}"#;
    let keyed = person.replace("\"FORM\"", r#""form_key": "canary-form-key-01""#);
    let trap = person.replace(
        "\"FORM\"",
        r#""form_key": "canary-form-key-01", "website": "x""#,
    );
    let encoded = "phone=%2B79005550199x&name=Canaryname&form_key=canary-form-key-01";

    let mut seen = String::new();
    let post = reqwest::Method::POST;
    for (headers, body) in [
        (vec![json, visitor], keyed.as_str()),
        (vec![json, visitor], trap.as_str()),
        (vec![json, visitor], person),
        (
            vec![json, ("x-form-key", "canary-form-key-00")],
            r#"{"phone": "+79005550199"}"#,
        ),
        (vec![form, browser, visitor], encoded),
        (vec![form, visitor], encoded),
        (
            vec![(
                "content-type",
                "multipart/form-data; boundary=canary-form-key-01",
            )],
            encoded,
        ),
    ] {
        let answer = app.send(post.clone(), "/api/leads", &headers, body).await;
        seen += &format!("{:?} {}\n", answer.headers, answer.text);
    }
    let get = reqwest::Method::GET;
    let credentials = app.crm.emulator.credentials().clone();
    for fault in [
        None,
        Some(Fault::html_error(502)),
        Some(Fault::malformed()),
        Some(Fault::expire_token()),
    ] {
        if let Some(fault) = fault {
            app.crm.emulator.fault(fault.times(3));
        }
        for (method, path) in [
            (&get, "/api/auth/amo/status"),
            (&get, "/api/auth/amo/test"),
            (&post, "/api/auth/amo/refresh"),
            (
                &get,
                "/api/auth/amo/callback?code=canarycode&state=canarystate&referer=acme.amocrm.ru",
            ),
            (&post, "/api/webhooks/amo/canary-wrong-secret"),
            (&get, "/health"),
            (&get, "/openapi.json"),
            (&get, "/docs/"),
            (&get, "/metrics"),
        ] {
            let answer = app.send(method.clone(), path, &[admin], "").await;
            seen += &format!("{:?} {}\n", answer.headers, answer.text);
        }
        let query = (
            "/api/leads?phone=%2B79005550199&access_token=canarycode",
            "",
        );
        app.send(get.clone(), query.0, &[admin], query.1).await;
    }
    let log = captured_log();
    assert!(seen.contains("leads_quarantined_total") && log.contains("put aside"));
    for secret in [
        ADMIN,
        "canary-hook-secret-2",
        "canary-form-key-0",
        "canary-wrong-secret",
        "canarycode",
        "canarystate",
        &credentials.client_secret,
        "eyJ0eX",
        "def502",
    ] {
        assert!(
            !seen.contains(secret),
            "{secret}: {}",
            around(&seen, secret)
        );
        assert!(!log.contains(secret), "{secret}: {}", around(&log, secret));
    }
    for person in ["Canaryname", "79005550199", "5550199", "canary@"] {
        assert!(
            !seen.contains(person),
            "{person}: {}",
            around(&seen, person)
        );
        assert!(!log.contains(person), "{person}: {}", around(&log, person));
    }
    assert!(
        !log.contains("198.51.100.77"),
        "addresses of visitors are theirs too"
    );
}

fn around<'a>(log: &'a str, word: &str) -> &'a str {
    log.lines()
        .find(|line| line.contains(word))
        .unwrap_or_default()
}
