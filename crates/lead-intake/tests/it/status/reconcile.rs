//! What webhooks missed.

use std::time::Duration;

use lead_intake::reconcile::{self, Arguments};
use reqwest::Method;
use serde_json::json;

use super::{delivered, history};
use crate::harness::{LEAD, TestApp, TestDatabase, eventually};

/// What `lead-intake reconcile` prints.
async fn run(app: &TestApp, arguments: &Arguments) -> String {
    let mut out = Vec::new();
    reconcile::run(&app.app, arguments, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

/// The export leaves the last two seconds for the next run.
fn let_seconds_end(app: &TestApp) {
    app.crm.emulator.advance(Duration::from_secs(3));
}

async fn without_webhooks(database: TestDatabase) -> (TestApp, i64) {
    let app = TestApp::ready_on(database, &[]).await;
    app.crm.unsubscribe_all().await;
    let deal = delivered(&app).await;
    (app, deal)
}

async fn what_was_missed_is_found(database: TestDatabase) {
    let (app, deal) = without_webhooks(database).await;
    let_seconds_end(&app);
    let first = run(&app, &Arguments::default()).await;
    assert!(
        first.contains("0 statuses and 0 managers followed"),
        "{first}"
    );
    let stage = app.crm.stage("Asia Deals", "Презентация").await;
    app.crm.move_deal(deal, stage).await;
    assert_eq!(app.lead(1).await["status"], "new");
    let_seconds_end(&app);
    let repaired = run(&app, &Arguments::default()).await;
    assert!(
        repaired.contains("lead 1: new -> presentation, as in amoCRM"),
        "{repaired}"
    );
    let told = (
        "new".to_owned(),
        "presentation".to_owned(),
        "reconcile".to_owned(),
    );
    assert_eq!(history(&app).await, std::slice::from_ref(&told));
    // Again, and all of it again: nothing more.
    let everything = Arguments {
        since: Some(Duration::from_hours(48)),
        full: true,
    };
    for arguments in [Arguments::default(), everything] {
        let again = run(&app, &arguments).await;
        assert!(
            again.contains("0 statuses and 0 managers followed"),
            "{again}"
        );
    }
    assert_eq!(history(&app).await, [told]);
    app.database.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_found_and_told_once_sqlite() {
    what_was_missed_is_found(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_found_and_told_once_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        what_was_missed_is_found(database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_that_is_gone_is_noticed_and_comes_back() {
    let (app, deal) = without_webhooks(TestDatabase::sqlite()).await;
    app.crm.trash_deal(deal).await;
    let_seconds_end(&app);
    let told = run(&app, &Arguments::default()).await;
    assert!(told.contains("was deleted in amoCRM"), "{told}");
    assert!(app.lead(1).await["amocrm"]["gone_at"].is_string());
    assert_eq!(app.put("/api/leads/1/status?status=lost").await.status, 409);
    assert_eq!(app.lead(1).await["history"][0]["event"], "deal_gone");
}

/// Its cost does not depend on how many leads there are, and a crash in the middle repeats harmlessly.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_takes_few_requests_and_goes_on_after_a_crash() {
    let app = TestApp::ready().await;
    app.crm.unsubscribe_all().await;
    for number in 0..30 {
        let lead = LEAD.replace("test@example.com", &format!("test{number}@example.com"));
        app.submit(&lead).await;
    }
    let stage = app.crm.stage("Asia Deals", "Сделка").await;
    for deal in app.crm.deals().await {
        app.crm.move_deal(deal["id"].as_i64().unwrap(), stage).await;
    }
    let_seconds_end(&app);
    app.crm.emulator.clear_requests();
    // amoCRM fails after the first page.
    let fault = amocrm_emulator::Fault::server_error(500)
        .path("/leads")
        .skip(1)
        .times(20);
    app.crm.emulator.fault(fault);
    let mut out = Vec::new();
    reconcile::run(&app.app, &Arguments::default(), &mut out)
        .await
        .unwrap_err();
    app.crm.emulator.clear_faults();
    let done = String::from_utf8(out).unwrap();
    assert_eq!(done.matches("new -> deal").count(), 30, "{done}");
    app.crm.emulator.clear_requests();
    let rest = run(&app, &Arguments::default()).await;
    assert!(
        rest.contains("0 statuses and 0 managers followed"),
        "{rest}"
    );
    assert!(app.crm.emulator.requests().len() <= 4);
    for lead in 1..=30 {
        let page = app.get(&format!("/api/leads/{lead}/history")).await.json();
        assert_eq!(page["history"].as_array().unwrap().len(), 1);
    }
}

/// The hourly run, in two processes on one database.
#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time_reconciles_by_itself() {
    let (app, deal) = without_webhooks(TestDatabase::sqlite()).await;
    let stage = app.crm.stage("Asia Deals", "Презентация").await;
    app.crm.move_deal(deal, stage).await;
    let_seconds_end(&app);
    let (crm, database) = app.stop().await;
    crm.emulator.clear_requests();
    let app = TestApp::again(crm, database, &[("INTAKE_RECONCILE_MINUTES", "60")]).await;
    app.lead_is(1, "/status", "presentation").await;
    eventually("the run has ended", || async {
        let lists = app.crm.emulator.requests();
        lists
            .iter()
            .any(|it| it.query.contains("filter"))
            .then_some(())
    })
    .await;
    assert_eq!(app.lead(1).await["history"][0]["origin"], "reconcile");
}

/// The job that should have carried the status is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_move_is_told_and_left_to_a_person() {
    let (app, _) = without_webhooks(TestDatabase::sqlite()).await;
    let fault = amocrm_emulator::Fault::server_error(400)
        .path("/leads/")
        .method("PATCH")
        .always();
    app.crm.emulator.fault(fault);
    app.put("/api/leads/1/status?status=contacted").await;
    app.queue_is_empty().await;
    app.crm.emulator.clear_faults();
    let told = run(&app, &Arguments::default()).await;
    // Too young to count as lost.
    assert!(told.contains("0 stuck"), "{told}");
    let json = [("content-type", "application/json")];
    let body = json!({"status": "contacted"}).to_string();
    let again = app
        .send(Method::PUT, "/api/leads/1/status", &json, &body)
        .await;
    assert_eq!(again.json()["status"], "contacted");
}
