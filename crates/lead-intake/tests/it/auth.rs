//! Who may connect which account, and who may look.

use reqwest::Method;

use crate::harness::{LEAD, TestApp, TestDatabase};

#[tokio::test(flavor = "multi_thread")]
async fn only_a_consent_asked_for_here_connects_and_only_once() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    let code = app.crm.emulator.code();
    let account = format!("{}.amocrm.ru", app.crm.emulator.credentials().subdomain);
    for query in [
        String::new(),
        "error=access_denied&state=unknown".to_owned(),
        format!("code={code}&referer={account}"),
        format!("code={code}&referer={account}&state=0123456789abcdef"),
        // A widget's installation carries no state, and here no account is configured to compare it with.
        format!("code={code}&referer={account}&from_widget=1"),
        format!("code={code}&referer=evil.example/%3Cscript%3E&state=x"),
    ] {
        let answer = app.get(&format!("/api/auth/amo/callback?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text.contains("Не подключено") && answer.text.contains("Not connected"));
        assert!(!answer.text.contains("<script"), "{}", answer.text);
    }
    let query = app.consent().await;
    let path = format!("/api/auth/amo/callback?{query}");
    let connected = app.get(&path).await;
    assert_eq!(connected.status, 200, "{}", connected.text);
    assert!(connected.text.contains("Подключено") && connected.text.contains("Connected"));
    assert_eq!(app.get(&path).await.status, 400, "a state works once");
    assert_eq!(
        app.get("/api/auth/amo/status").await.json()["connected"],
        true
    );

    let revoked = app.post("/api/auth/amo/revoke").await;
    assert_eq!(revoked.json()["revoked"], true);
    assert_eq!(
        app.get("/api/auth/amo/status").await.json()["connected"],
        false
    );
    assert_eq!(app.post("/api/auth/amo/refresh").await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_account_is_refused_when_ours_is_configured() {
    let app = TestApp::start(
        TestDatabase::sqlite(),
        &[
            ("AMOCRM_DOMAIN", "other.amocrm.ru"),
            ("AMOCRM_BASE_URL", ""),
            // The real amoCRM may take its time.
            ("INTAKE_SETTLE_MS", "20000"),
        ],
    )
    .await;
    let start = app.get("/api/auth/amo").await;
    let location = start.headers["location"].to_str().unwrap();
    assert!(
        location.starts_with("https://www.amocrm.ru/oauth?"),
        "{location}"
    );
    let state = location.rsplit_once("state=").unwrap().1;
    let query = format!("code=abc&state={state}&referer=acme.amocrm.ru");
    let answer = app.get(&format!("/api/auth/amo/callback?{query}")).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text.contains("AMOCRM_DOMAIN is other.amocrm.ru"),
        "{}",
        answer.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disabled_hook_is_believed_only_with_amocrms_signature() {
    let app = TestApp::ready().await;
    let client = &app.crm.emulator.credentials().client_id;
    let forged = format!(
        "account_id=31000001&client_uuid={client}&signature={}",
        "00".repeat(32)
    );
    let answer = app.get(&format!("/api/auth/amo/disabled?{forged}")).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        app.get("/api/auth/amo/disabled?account_id=1").await.status,
        400
    );
    assert_eq!(
        app.get("/api/auth/amo/status").await.json()["connected"],
        true
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_strangers_can_only_leave_leads() {
    let app = TestApp::start(
        TestDatabase::sqlite(),
        &[("ADMIN_TOKEN", "0123456789abcdef0123")],
    )
    .await;
    let bearer = [("authorization", "Bearer 0123456789abcdef0123")];
    for (method, path) in [
        (Method::GET, "/api/leads"),
        (Method::GET, "/api/leads/1"),
        (Method::GET, "/api/leads/1/amo"),
        (Method::PUT, "/api/leads/1/status?status=lost"),
        (Method::GET, "/api/auth/amo"),
        (Method::GET, "/api/auth/amo/status"),
        (Method::GET, "/api/auth/amo/test"),
        (Method::POST, "/api/auth/amo/refresh"),
        (Method::POST, "/api/auth/amo/revoke"),
        (Method::GET, "/metrics"),
    ] {
        let stranger = app.send(method.clone(), path, &[], "").await;
        assert_eq!(stranger.status, 401, "{method} {path}");
        let administrator = app.send(method.clone(), path, &bearer, "").await;
        assert_ne!(administrator.status, 401, "{method} {path}");
    }
    assert_eq!(app.submit(LEAD).await.status, 202);
    for path in [
        "/health",
        "/docs/",
        "/openapi.json",
        "/api/webhooks/amo/test",
    ] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
}
