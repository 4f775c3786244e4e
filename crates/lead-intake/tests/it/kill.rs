//! Real processes, killed without warning.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::harness::{TestApp, TestDatabase, eventually, field};
use crate::managers::{TEAM, hire};
use crate::process::Service;

const LEADS: usize = 100;
const KILLS: usize = 4;
/// Three managers by turns, each with a task for every deal.
const MANAGERS: [(&str, &str); 3] = [
    ("INTAKE_MANAGER_STRATEGY", "round_robin"),
    ("INTAKE_MANAGERS", "9000002, 9000003, 9000004"),
    ("INTAKE_MANAGER_TASK", "Связаться с клиентом"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_delivers_every_lead_once_after_its_restart() {
    killed(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_delivers_every_lead_once_after_its_restart_on_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        killed(database).await;
    }
}

async fn killed(database: TestDatabase) {
    // Queue the leads while nobody delivers: the account is connected, the workers have not been started.
    let app = TestApp::ready_on(database, &[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    for person in TEAM {
        hire(&app.crm, person).await;
    }
    app.crm.emulator.fault(
        amocrm_emulator::Fault::server_error(503)
            .path("/leads/complex")
            .always(),
    );
    for number in 0..LEADS {
        let body = serde_json::json!({
            "name": format!("Visitor {number}"), "email": format!("v{number}@example.com"),
            "phone": format!("+7901{number:07}"), "comment": "please call",
        });
        let answer = app.submit(&body.to_string()).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
    let (crm, database) = app.stop().await;
    crm.emulator.clear_faults();

    // Let it deliver, and kill it in the middle of whatever it does, again and again.
    for kill in 1..=KILLS {
        let service = Service::start(&crm, &database, &MANAGERS).await;
        eventually("some leads are delivered", || async {
            (crm.deals().await.len() >= kill * LEADS / 8).then_some(())
        })
        .await;
        service.kill().await;
    }
    assert!(
        crm.deals().await.len() < LEADS,
        "it was killed too late to prove anything"
    );
    let service = Service::start(&crm, &database, &MANAGERS).await;
    service.queue_is_empty().await;
    service.stop().await;

    let log = std::fs::read_to_string(database.folder.path().join("logs/app.log")).unwrap();
    assert!(log.contains("lead delivered") && !log.contains("@example.com"));

    let deals = crm.deals().await;
    assert_eq!(deals.len(), LEADS, "one deal for each lead");
    assert_eq!(
        crm.contacts().await.len(),
        LEADS,
        "one contact for each visitor"
    );
    let mut intake_ids: Vec<_> = deals
        .iter()
        .filter_map(|deal| field(deal, "INTAKE_ID"))
        .collect();
    intake_ids.sort_unstable();
    intake_ids.dedup();
    assert_eq!(intake_ids.len(), LEADS);
    for deal in &deals {
        assert_eq!(
            crm.notes(deal["id"].as_i64().unwrap()).await.len(),
            1,
            "one note for each deal"
        );
    }
    let mut turns = BTreeMap::new();
    for deal in &deals {
        *turns
            .entry(deal["responsible_user_id"].as_i64())
            .or_insert(0) += 1;
    }
    let mut turns: Vec<usize> = turns.into_values().collect();
    turns.sort_unstable();
    assert_eq!(turns, [33, 33, 34], "one turn for each lead");
    let tasks = crm.get("/api/v4/tasks?limit=250").await;
    let tasks = tasks["_embedded"]["tasks"].as_array().unwrap();
    let mut of: Vec<_> = tasks
        .iter()
        .filter_map(|task| task["entity_id"].as_i64())
        .collect();
    of.sort_unstable();
    of.dedup();
    assert_eq!(
        (of.len(), tasks.len()),
        (LEADS, LEADS),
        "one task for each deal"
    );
    database.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_frozen_past_its_lease_sends_nothing_when_it_thaws() {
    frozen(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_frozen_past_its_lease_sends_nothing_when_it_thaws_on_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        frozen(database).await;
    }
}

/// The shortest lease that is allowed, and requests that are slow enough for the freeze to find some under way.
async fn frozen(database: TestDatabase) {
    const FEW: usize = 24;
    let times = [
        ("INTAKE_CALL_TIMEOUT_MS", "1000"),
        ("INTAKE_LEASE_MS", "16000"),
        ("INTAKE_SETTLE_MS", "1500"),
    ];
    let app = TestApp::ready_on(database, &[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    app.crm.emulator.fault(
        amocrm_emulator::Fault::server_error(503)
            .path("/leads/complex")
            .always(),
    );
    for number in 0..FEW {
        let body = serde_json::json!({"email": format!("v{number}@example.com"), "comment": "please call"});
        let answer = app.submit(&body.to_string()).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
    let (crm, database) = app.stop().await;
    crm.emulator.clear_faults();
    crm.emulator
        .fault(amocrm_emulator::Fault::slow(300).always());
    let first = Service::start(&crm, &database, &times).await;
    // Before the freeze, which on SQLite may catch the first one with the file's lock in its hands.
    let second = Service::start(&crm, &database, &times).await;
    eventually("some leads are delivered", || async {
        (crm.deals().await.len() >= 4).then_some(())
    })
    .await;
    first.signal("STOP").await;
    tokio::time::sleep(Duration::from_millis(17_500)).await;
    first.signal("CONT").await;
    second.queue_is_empty().await;
    first.stop().await;
    second.stop().await;
    let deals = crm.deals().await;
    assert_eq!(deals.len(), FEW, "one deal for each lead");
    assert_eq!(crm.contacts().await.len(), FEW);
    for deal in &deals {
        assert_eq!(crm.notes(deal["id"].as_i64().unwrap()).await.len(), 1);
    }
    database.drop_schema().await;
}
