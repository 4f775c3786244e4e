//! The page for people and the figures for programs.

use amocrm_emulator::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestApp, TestDatabase};

const EVIL: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>";

async fn submit(app: &TestApp, number: u32, source: Option<&str>) -> i64 {
    let body = json!({
        "name": "Canaryname", "email": format!("canary{number}@example.com"), "utm_source": source
    });
    app.submit(&body.to_string()).await.id()
}

async fn page(app: &TestApp, query: &str) -> String {
    let answer = app.get(&format!("/dashboard{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
    for forbidden in ["<script", "<img", "<style", " style=", "https://", "canary"] {
        assert!(
            !answer.text.contains(forbidden),
            "{forbidden}: {}",
            answer.text
        );
    }
    answer.text
}

fn total(figures: &Value, status: &str) -> i64 {
    let stages = figures["stages"].as_array().unwrap();
    let stage = stages.iter().find(|stage| stage["status"] == status);
    stage.unwrap()["leads"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_lead_the_page_says_so_and_what_to_do() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    let russian = page(&app, "?lang=ru&days=7").await;
    for text in [
        "Лидов пока нет",
        "Доставок пока нет",
        "Неудач не было",
        "Ничего такого нет",
        "не подключено",
        "/api/auth/amo",
    ] {
        assert!(russian.contains(text), "{text}: {russian}");
    }
    let english = page(&app, "?lang=en").await;
    for text in [
        "No leads yet",
        "No deliveries yet",
        "Nothing failed",
        "not connected",
    ] {
        assert!(english.contains(text), "{text}: {english}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_what_happened_in_both_languages_and_lets_nothing_in() {
    let app = TestApp::ready().await;
    let mut ids = Vec::new();
    for (number, source) in [Some("google"), Some("Google "), Some(EVIL), None, Some("")]
        .into_iter()
        .enumerate()
    {
        ids.push(submit(&app, u32::try_from(number).unwrap(), source).await);
    }
    app.queue_is_empty().await;
    // Skipping a stage is passing it; coming back does not count again.
    for (id, status) in [
        (ids[0], "selection"),
        (ids[0], "contacted"),
        (ids[0], "selection"),
        (ids[1], "contacted"),
        (ids[2], "lost"),
    ] {
        let answer = app
            .put(&format!("/api/leads/{id}/status?status={status}"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        app.queue_is_empty().await;
    }
    let refusal = Fault::server_error(400).path("/leads/complex").always();
    app.crm.emulator.fault(refusal);
    let refused = submit(&app, 9, Some("yandex")).await;
    app.lead_is(refused, "/delivery/state", "failed").await;

    let answer = app.get("/api/stats?days=7").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let figures = answer.json();
    assert_eq!(figures["periods"].as_array().unwrap().len(), 7);
    assert_eq!(figures["leads"]["total"], 6);
    let sources: Vec<_> = figures["leads"]["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| (source["source"].clone(), source["total"].as_i64().unwrap()))
        .collect();
    assert_eq!(sources.len(), 4, "{sources:?}");
    assert_eq!(sources[..2], [(Value::Null, 2), (json!("google"), 2)]);
    let reached = [
        "new",
        "contacted",
        "presentation",
        "selection",
        "reservation",
    ];
    assert_eq!(
        reached.map(|status| total(&figures, status)),
        [6, 2, 1, 1, 0]
    );
    assert_eq!(figures["lost"], 1);
    assert_eq!(figures["delivery"]["delivered"], 5);
    assert!(figures["delivery"]["median_ms"].as_i64().unwrap() > 0);
    let histogram = figures["delivery"]["histogram"].as_array().unwrap();
    let leads = histogram.iter().map(|it| it["leads"].as_i64().unwrap());
    assert_eq!(leads.sum::<i64>(), 5);
    assert_eq!(
        figures["failures"]["reasons"][0]["reason"], "rejected",
        "{figures}"
    );
    assert_eq!(figures["failures"]["failed_leads"], 1);
    assert_eq!(figures["failures"]["dead_letters"][0]["lead"], refused);
    assert_eq!(figures["connection"]["connected"], true);
    assert!(figures["connection"]["renewed_at"].is_string());

    let russian = page(&app, "?lang=ru&days=7").await;
    let english = page(&app, "?lang=en&days=7").await;
    let link = format!("href=\"/api/leads/{refused}\"");
    for (text, parts) in [
        (
            &russian,
            [
                "<html lang=\"ru\">",
                "без метки",
                "Первичный контакт",
                "подключено",
                "amoCRM отверг запрос",
            ],
        ),
        (
            &english,
            [
                "<html lang=\"en\">",
                "no mark",
                "First contact",
                "connected",
                "the request was refused",
            ],
        ),
    ] {
        for part in parts
            .into_iter()
            .chain(["google", "&lt;script&gt;", link.as_str()])
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let current = text.matches("aria-current=\"true\"").count();
        assert_eq!(current, 2, "a range and a language are marked");
        assert_eq!(text.matches("<h1").count(), 1);
        // Every picture is told in words.
        assert_eq!(
            text.matches("<svg").count(),
            text.matches("</desc>").count()
        );
    }
    // The button does what it says, and a second press is harmless.
    app.crm.emulator.clear_faults();
    let (_, action) = russian.split_once("method=\"post\" action=\"").unwrap();
    let action = action.split('"').next().unwrap().replace("&#38;", "&");
    for _ in 0..2 {
        let pressed = app.post(&action).await;
        assert_eq!(pressed.status, 303, "{}", pressed.text);
        let back = pressed.headers["location"].to_str().unwrap();
        assert_eq!(back, "/dashboard?lang=ru&days=7#failed");
        app.lead_is(refused, "/delivery/state", "delivered").await;
    }
    let foreign = [("sec-fetch-site", "cross-site")];
    let answer = app.send(Method::POST, &action, &foreign, "").await;
    assert_eq!(answer.status, 403, "no page of another site presses it");
    // Without a wish in the address the browser's counts.
    let english = [("accept-language", "en-GB,en;q=0.9,ru;q=0.2")];
    let answer = app.send(Method::GET, "/dashboard", &english, "").await;
    assert!(answer.text.contains("<html lang=\"en\">"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_range_is_refused_and_a_year_is_told_by_weeks() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    for days in ["0", "366", "-1", "week", "1e3"] {
        for path in ["/api/stats", "/dashboard"] {
            let answer = app.get(&format!("{path}?days={days}")).await;
            assert_eq!(answer.wrong_fields(), ["days"], "{path} {days}");
        }
    }
    let year = app.get("/api/stats?days=365").await.json();
    assert_eq!(year["periods"].as_array().unwrap().len(), 52);
    assert!(
        page(&app, "?days=365&lang=xx")
            .await
            .contains("<html lang=\"ru\">")
    );
    page(&app, "?days=").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_administrator_sees_the_dashboard() {
    let token = "dashboard-test-token";
    let app = TestApp::start(TestDatabase::sqlite(), &[("ADMIN_TOKEN", token)]).await;
    for path in ["/dashboard", "/api/stats"] {
        let stranger = app.get(path).await;
        assert_eq!(stranger.status, 401, "{path}");
        assert!(
            stranger.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Basic")
        );
    }
    // What a browser sends after asking its user: any name, and the token.
    let basic = [(
        "authorization",
        "Basic YW55Ym9keTpkYXNoYm9hcmQtdGVzdC10b2tlbg==",
    )];
    let answer = app.send(Method::GET, "/dashboard", &basic, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    // The style is nobody's secret.
    let (_, style) = answer
        .text
        .split_once("rel=\"stylesheet\" href=\"")
        .unwrap();
    let style = app.get(style.split('"').next().unwrap()).await;
    assert_eq!(style.status, 200);
    assert!(
        style.headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_begins_at_the_offices_midnight() {
    for zone in ["-14:00", "+14:00"] {
        let app = TestApp::start(TestDatabase::sqlite(), &[("INTAKE_TIME_ZONE", zone)]).await;
        submit(&app, 1, None).await;
        let figures = app.get("/api/stats?days=1").await.json();
        let offset: chrono::FixedOffset = zone.parse().unwrap();
        let at: chrono::DateTime<chrono::Utc> = figures["at"].as_str().unwrap().parse().unwrap();
        let today = at.with_timezone(&offset).date_naive().to_string();
        assert_eq!(figures["periods"], json!([{"from": today, "to": today}]));
        assert_eq!(figures["time_zone"], zone);
    }
}
