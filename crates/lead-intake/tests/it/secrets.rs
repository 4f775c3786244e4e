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

fn around<'a>(log: &'a str, word: &str) -> &'a str {
    log.lines()
        .find(|line| line.contains(word))
        .unwrap_or_default()
}
