//! A machine on a bad day: locked, full, copied, restarted; and what its people see of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use amocrm_emulator::Fault;
use lead_intake::{CONNECTION_FIGURES, FIGURES};
use reqwest::Method;
use serde_json::json;
use service_kit::metrics::COMMON_FIGURES;
use store::throwaway::{Locked, fill_disk};
use testkit::{TestDatabase, eventually};
use tokio::time::Instant;

use crate::harness::{LEAD, TestApp, TestCrm};
use crate::process::Service;

fn lead(number: usize) -> String {
    json!({"name": format!("Visitor {number}"), "phone": format!("+7902{number:07}")}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_program_locks_the_file_visitors_are_told_in_time() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    let file = app.database.file();
    let lock = Locked::take(&file).await.unwrap();
    let until = Instant::now() + Duration::from_secs(3);
    let mut refused = 0;
    while Instant::now() < until {
        let asked = Instant::now();
        let answer = app.submit_with_key(LEAD, Some("locked")).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(answer.headers.contains_key("retry-after"));
        assert!(
            asked.elapsed() < Duration::from_secs(6),
            "{:?}",
            asked.elapsed()
        );
        assert!(
            !answer.text.to_lowercase().contains("sqlite"),
            "{}",
            answer.text
        );
        assert_eq!(app.get("/api/leads").await.status, 200, "reading goes on");
        refused += 1;
    }
    assert!(refused > 0);
    lock.release().await.unwrap();
    let answer = app.submit_with_key(LEAD, Some("locked")).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_leads_clearly_and_heals_without_a_restart() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    let store = app.app.store();
    app.submit(LEAD).await;
    app.queue_is_empty().await;
    fill_disk(store, true).await.unwrap();
    let large = json!({"phone": "+79005550101", "comment": "x".repeat(15_000)}).to_string();
    // There is some room in the file itself.
    let refusal = eventually("the disk is full", || async {
        let answer = app.submit(&large).await;
        (answer.status != 202).then_some(answer)
    })
    .await;
    assert_eq!(refusal.status, 503, "{}", refusal.text);
    assert!(
        refusal.text.contains("the disk is full"),
        "{}",
        refusal.text
    );
    assert!(refusal.headers.contains_key("retry-after"));
    let stored = app.get("/api/leads?limit=250").await.json()["leads"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(app.get("/api/leads/1").await.status, 200, "reading goes on");

    fill_disk(store, false).await.unwrap();
    assert_eq!(app.submit(&large).await.status, 202);
    app.queue_is_empty().await;
    assert!(store.check_integrity().await.unwrap().is_empty());
    // Nothing is there by half: each lead has its deal.
    let leads = app.get("/api/leads?limit=250").await.json();
    let leads = leads["leads"].as_array().unwrap();
    assert_eq!(leads.len(), stored + 1);
    assert!(
        leads
            .iter()
            .all(|lead| lead["delivery"]["state"] == "delivered")
    );
    assert_eq!(app.crm.deals().await.len(), leads.len());
    let health = eventually("it is well", || async {
        let health = app.get("/health").await;
        (health.status == 200).then_some(health)
    })
    .await;
    assert_eq!(health.json()["ready"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_files_holds_every_lead_that_was_answered() {
    let app = TestApp::start(TestDatabase::sqlite(), &[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    let mut acknowledged = BTreeSet::new();
    for number in 0..40 {
        acknowledged.insert(app.submit(&lead(number)).await.id());
    }
    // What a power failure leaves: the file and its log, never closed.
    let copy = TestDatabase::sqlite();
    let (from, to) = (app.database.file(), copy.file());
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    for (from, to) in [
        (from.with_extension("db-wal"), to.with_extension("db-wal")),
        (from, to),
    ] {
        std::fs::copy(from, to).unwrap();
    }
    let after = TestApp::start(copy, &[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    assert!(
        after
            .app
            .store()
            .check_integrity()
            .await
            .unwrap()
            .is_empty()
    );
    let leads = after.get("/api/leads?limit=250").await.json();
    let found: BTreeSet<_> = leads["leads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lead| lead["id"].as_i64().unwrap())
        .collect();
    assert_eq!(found, acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_and_doubles_nothing() {
    rolling(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_and_doubles_nothing_on_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        rolling(database).await;
    }
}

async fn rolling(database: TestDatabase) {
    const LEADS: usize = 60;
    let app = TestApp::ready_on(database, &[]).await;
    let (crm, database) = app.stop().await;
    let mut services = Vec::new();
    for _ in 0..2 {
        services.push(Service::start(&crm, &database, &[]).await);
    }
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let addresses = std::sync::Arc::new(std::sync::Mutex::new(
        services
            .iter()
            .map(|service| service.url.clone())
            .collect::<Vec<_>>(),
    ));
    let visitors = tokio::spawn({
        let addresses = std::sync::Arc::clone(&addresses);
        async move {
            for number in 0..LEADS {
                // A load balancer: whoever does not take it is not asked again at once.
                eventually("somebody takes the lead", || {
                    let url = {
                        let addresses = addresses.lock().unwrap();
                        addresses[number % addresses.len()].clone()
                    };
                    let request = http
                        .post(format!("{url}/api/leads"))
                        .header("content-type", "application/json")
                        .header("idempotency-key", format!("visitor-{number}"))
                        .body(lead(number));
                    async move {
                        let answer = request.send().await.ok()?;
                        answer.status().is_success().then_some(())
                    }
                })
                .await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    for place in 0..4 {
        let old = services.remove(0);
        let started = Instant::now();
        old.stop().await;
        assert!(started.elapsed() < Duration::from_secs(20));
        let new = Service::start(&crm, &database, &[]).await;
        addresses.lock().unwrap()[place % 2].clone_from(&new.url);
        services.push(new);
    }
    visitors.await.unwrap();
    let last = services.pop().unwrap();
    last.queue_is_empty().await;
    all_arrived_once(&crm, LEADS).await;
    for service in services {
        service.stop().await;
    }
    last.stop().await;
    database.drop_schema().await;
}

async fn all_arrived_once(crm: &TestCrm, leads: usize) {
    assert_eq!(crm.deals().await.len(), leads);
    assert_eq!(crm.contacts().await.len(), leads);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_is_in_flight_and_not_for_a_crm_that_hangs() {
    let settings = [("SERVER_DRAIN_MS", "1000"), ("INTAKE_SHORT_WAIT_MS", "0")];
    let app = TestApp::ready_with(&settings).await;
    app.crm.emulator.fault(Fault::slow(15_000).always());
    app.submit(LEAD).await;
    app.lead_is(1, "/delivery/state", "delivering").await;
    let started = Instant::now();
    let (crm, database) = app.stop().await;
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    crm.emulator.clear_faults();
    // Whoever comes next finds the deal, if it was made.
    let app = TestApp::again(crm, database, &settings).await;
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_explained_in_the_answer_and_in_the_guide() {
    let app = TestApp::ready_with(&[("INTAKE_RATE_LIMIT", "1/min")]).await;
    app.crm.emulator.fault(Fault::throttle().times(1));
    app.submit(LEAD).await;
    app.submit("{").await;
    app.crm.emulator.fault(Fault::server_error(500).times(1));
    app.submit(LEAD).await;
    app.crm.emulator.expire_tokens();
    app.submit(LEAD).await;
    app.queue_is_empty().await;
    for _ in 0..2 {
        let headers = [
            ("x-forwarded-for", "192.0.2.1"),
            ("content-type", "application/json"),
        ];
        app.send(Method::POST, "/api/leads", &headers, "{").await;
    }
    app.get("/api/auth/amo/callback?code=a&state=b&referer=acme.amocrm.ru")
        .await;
    let metrics = app.get("/metrics").await.text;
    for name in [
        "amocrm_request_seconds_bucket{operation=\"leads.create_complex\"",
        "amocrm_responses_total{status=\"429\"}",
        "amocrm_pauses_total{reason=\"throttled\"}",
        "amocrm_retries_total{",
        "amocrm_permit_wait_seconds_count",
        "amocrm_renewals_total{outcome=\"ok\"}",
        "auth_refusals_total",
        "rate_limited_total",
        "queue_oldest_age_seconds{kind=\"lead.deliver\"}",
        "disk_free_bytes",
    ] {
        assert!(metrics.contains(name), "{name}\n{metrics}");
    }
    let known: Vec<_> = COMMON_FIGURES
        .iter()
        .chain(CONNECTION_FIGURES)
        .chain(FIGURES)
        .collect();
    for line in metrics.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(
            known.iter().any(|figure| figure.name == name),
            "{name} is not explained"
        );
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name}");
    }
    for file in ["access.md", "access.ru.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/lead-intake")
            .join(file);
        let guide = std::fs::read_to_string(path).unwrap();
        for figure in &known {
            assert!(
                guide.contains(figure.name),
                "{} is not in {file}",
                figure.name
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_what_waits_what_failed_and_whether_leads_can_be_taken() {
    let app = TestApp::start(TestDatabase::sqlite(), &[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    app.submit(LEAD).await;
    let health = app.get("/health").await;
    assert_eq!(health.status, 200);
    let report = health.json();
    let part = |name: &str| {
        let parts = report["parts"].as_array().unwrap();
        parts
            .iter()
            .find(|part| part["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (&report["status"], &report["ready"]),
        (&json!("degraded"), &json!(true))
    );
    assert_eq!(part("database")["status"], "ok");
    assert_eq!(part("amocrm")["status"], "down");
    assert_eq!(part("queue")["figures"]["depth"], 1.0);
    assert_eq!(part("queue")["figures"]["failed"], 0.0);
    assert!(part("disk")["figures"]["free_bytes"].as_f64().unwrap() > 0.0);
    assert!(!health.text.contains("79001234567"));

    let file = app.database.file();
    let lock = Locked::take(&file).await.unwrap();
    eventually("leads cannot be taken", || async {
        (app.get("/health").await.status == 503).then_some(())
    })
    .await;
    // No reason to restart anything.
    assert_eq!(app.get("/health/live").await.status, 200);
    lock.release().await.unwrap();
    eventually("leads can be taken", || async {
        (app.get("/health").await.status == 200).then_some(())
    })
    .await;
}
