//! What has been kept long enough goes, by one process and by itself.

use reqwest::Method;
use service_kit::config::Environment;
use webhook_gateway::{App, Config};

use super::harness::{Gateway, eventually};

const KEY: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_runs_by_itself_and_spares_what_waits() {
    let gateway = Gateway::start(&[("GATEWAY_KEEP_PAYLOADS", "1h")]).await;
    gateway.subscribe("crm").await;
    let id = gateway.lead(1, "add").await;
    eventually("the first sweep has ended", async || {
        let schedules = gateway.app.store().schedules();
        let turn = schedules.take("gateway.sweep", std::time::Duration::from_millis(1));
        matches!(turn.await.unwrap(), store::Turn::NotDue(_)).then_some(())
    })
    .await;
    assert_eq!(gateway.get(&format!("/api/events/{id}")).await.status, 200);
    let page = gateway.get("/dashboard?lang=en").await.text;
    assert!(
        page.contains("Events and bodies</dt><dd>1\u{a0}h"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_subscriber_survives_a_file_that_does_not_name_it() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gateway.toml");
    let named = |name: &str| {
        format!(
            "[[subscriber]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:9/\"\nallow_private = true\nsecret = \"{KEY}\"\n"
        )
    };
    let both = named("moves") + &named("stays");
    std::fs::write(&file, &both).unwrap();
    let gateway = Gateway::start(&[
        ("GATEWAY_FILE", file.to_str().unwrap()),
        ("GATEWAY_WEBHOOK_SECRET", "9f2c9f2c9f2c9f2c9f2c9f2c"),
    ])
    .await;
    let waits = async |gateway: &Gateway| {
        let shown = gateway.get("/api/subscribers/moves").await.json();
        let jobs = gateway.app.store().jobs();
        let stats = jobs.stats(&store::job_kind("moves")).await.unwrap();
        (shown["state"].as_str().map(str::to_owned), stats.depth)
    };
    for lead in 1..=3 {
        gateway.lead(lead, "add").await;
    }
    let remove = async |gateway: &Gateway| {
        let path = "/api/subscribers/moves";
        gateway.send(Method::DELETE, path, &[], "").await.status
    };
    assert_eq!(remove(&gateway).await, 409, "it stands in the file");
    let active = (Some("active".to_owned()), 3);
    assert_eq!(waits(&gateway).await, active);
    // Another start, from a folder without the file.
    let mut settings = gateway.environment();
    settings.retain(|(name, _)| name != "GATEWAY_FILE");
    let elsewhere = Config::load(Environment::from_pairs(settings), None).unwrap();
    let elsewhere = App::open(elsewhere).await.unwrap();
    elsewhere.begin().await.unwrap();
    elsewhere.store().close().await;
    assert_eq!(waits(&gateway).await, active);

    std::fs::write(&file, named("stays")).unwrap();
    let gateway = gateway.restart().await;
    let disabled = (Some("disabled".to_owned()), 3);
    assert_eq!(waits(&gateway).await, disabled);
    std::fs::write(&file, both).unwrap();
    let gateway = gateway.restart().await;
    assert_eq!(waits(&gateway).await, active);
    // Somebody says that it is to go.
    std::fs::write(&file, named("stays")).unwrap();
    let gateway = gateway.restart().await;
    assert_eq!(remove(&gateway).await, 204);
    assert_eq!(waits(&gateway).await, (None, 0));
    gateway.stop().await;
}

#[test]
fn a_senseless_retention_is_refused_with_what_to_change() {
    for (name, value) in [
        ("GATEWAY_KEEP_PAYLOADS", "0"),
        ("GATEWAY_KEEP_PAYLOADS", "30"),
        ("GATEWAY_KEEP_ATTEMPTS", "5m"),
        ("GATEWAY_KEEP_ATTEMPTS", "never"),
        ("GATEWAY_KEEP_WAITING", "5m"),
        ("GATEWAY_KEEP_DEAD_LETTERS", "never"),
        ("GATEWAY_TIME_ZONE", "Europe/Moscow"),
    ] {
        let error = Config::load(Environment::from_pairs([(name, value)]), None).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let fine = [
        ("GATEWAY_KEEP_WAITING", "forever"),
        ("GATEWAY_KEEP_PAYLOADS", "forever"),
        ("GATEWAY_KEEP_ATTEMPTS", "90d"),
    ];
    let config = Config::load(Environment::from_pairs(fine), None).unwrap();
    assert_eq!(config.retention.payloads(), None);
    assert_eq!(config.retention.waiting(), None);
    assert!(config.retention.dead_letters().is_some());
    assert_eq!(
        config.retention.attempts().map(|kept| kept.as_secs()),
        Some(90 * 86_400)
    );
}
