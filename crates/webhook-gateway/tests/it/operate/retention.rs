//! What has been kept long enough goes, by one process and by itself.

use super::harness::{Gateway, eventually};

const KEY: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_runs_by_itself_and_spares_what_waits() {
    let gateway = Gateway::start(&[("GATEWAY_KEEP_PAYLOADS", "1h")]).await;
    gateway.subscribe("crm").await;
    let id = gateway.lead(1, "add").await;
    eventually("the first sweep has ended", async || {
        let schedules = gateway.app.store().schedules();
        let turn = schedules.take("gateway.sweep", std::time::Duration::from_secs(1));
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
async fn what_waits_for_a_subscriber_that_the_file_no_longer_names_goes_with_the_next_start() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gateway.toml");
    let named = |name: &str| {
        format!(
            "[[subscriber]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:9/\"\nallow_private = true\nsecret = \"{KEY}\"\n"
        )
    };
    std::fs::write(&file, named("old") + &named("stays")).unwrap();
    let gateway = Gateway::start(&[
        ("GATEWAY_FILE", file.to_str().unwrap()),
        ("GATEWAY_WEBHOOK_SECRET", "9f2c9f2c9f2c9f2c9f2c9f2c"),
    ])
    .await;
    let depth = async |gateway: &Gateway, name: &str| {
        let jobs = gateway.app.store().jobs();
        jobs.stats(&store::job_kind(name)).await.unwrap().depth
    };
    for lead in 1..=3 {
        gateway.lead(lead, "add").await;
    }
    assert_eq!(depth(&gateway, "old").await, 3);
    eventually(
        "the first sweep has ended, and the next is far",
        async || {
            let schedules = gateway.app.store().schedules();
            let turn = schedules.take("gateway.sweep", std::time::Duration::from_secs(1));
            matches!(turn.await.unwrap(), store::Turn::NotDue(_)).then_some(())
        },
    )
    .await;
    std::fs::write(&file, named("stays")).unwrap();
    let gateway = gateway.restart().await;
    eventually("nothing waits for it", async || {
        (depth(&gateway, "old").await == 0).then_some(())
    })
    .await;
    assert_eq!(depth(&gateway, "stays").await, 3);
    gateway.stop().await;
}

#[test]
fn a_senseless_retention_is_refused_with_what_to_change() {
    use service_kit::config::Environment;
    use webhook_gateway::Config;

    for (name, value) in [
        ("GATEWAY_KEEP_PAYLOADS", "0"),
        ("GATEWAY_KEEP_PAYLOADS", "30"),
        ("GATEWAY_KEEP_ATTEMPTS", "5m"),
        ("GATEWAY_KEEP_ATTEMPTS", "never"),
        ("GATEWAY_TIME_ZONE", "Europe/Moscow"),
    ] {
        let error = Config::load(Environment::from_pairs([(name, value)]), None).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let fine = [
        ("GATEWAY_KEEP_PAYLOADS", "forever"),
        ("GATEWAY_KEEP_ATTEMPTS", "90d"),
    ];
    let config = Config::load(Environment::from_pairs(fine), None).unwrap();
    assert_eq!(config.retention.payloads(), None);
    assert_eq!(
        config.retention.attempts().map(|kept| kept.as_secs()),
        Some(90 * 86_400)
    );
}
