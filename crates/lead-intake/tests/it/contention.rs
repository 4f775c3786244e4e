//! Several leads of one person, several processes on one database: one contact, one deal each, one grant.

use std::time::Duration;

use amocrm_emulator::Fault;
use futures_util::future::join_all;
use lead_intake::{App, Config};
use serde_json::Value;
use service_kit::config::Environment;

use crate::harness::{LEAD, TestApp, TestCrm, TestDatabase, all_settings};

/// Longer than any story here takes to deliver.
const SLOW_SEARCH: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_kept_while_an_attempt_is_in_doubt() {
    in_doubt(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_kept_while_an_attempt_is_in_doubt_on_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        in_doubt(database).await;
    }
}

/// The first lead's answer is lost and the look for it fails at first; the second lead must not make another contact,
/// which the search would let it do.
async fn in_doubt(database: TestDatabase) {
    let crm = TestCrm::start_with_slow_search(SLOW_SEARCH).await;
    let app = TestApp::ready_beside(crm, database, &[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    app.submit(r#"{"email": "other@example.com"}"#).await;
    app.queue_is_empty().await;
    let emulator = &app.crm.emulator;
    emulator.fault(Fault::drop_after_commit().path("/leads/complex"));
    emulator.fault(
        Fault::server_error(403)
            .method("GET")
            .path("/api/v4/leads")
            .times(3),
    );
    app.submit(r#"{"email": "Test@Example.com"}"#).await;
    app.submit(r#"{"email": "test@example.COM", "phone": "8 900 123-45-67"}"#)
        .await;
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 3);
    assert_eq!(app.crm.contacts().await.len(), 2);
    let (_, database) = app.stop().await;
    database.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_leads_add_to_one_contact_at_once_is_all_kept() {
    let app = TestApp::ready().await;
    app.submit(r#"{"phone": "+79001234567"}"#).await;
    app.queue_is_empty().await;
    // Whoever reads the contact reads it long before it writes.
    app.crm.emulator.fault(
        Fault::slow_answer(300)
            .method("GET")
            .path("/api/v4/contacts/")
            .always(),
    );
    let added = ["a@example.com", "b@example.com", "c@example.com"];
    let bodies = added.map(|email| format!(r#"{{"phone": "89001234567", "email": "{email}"}}"#));
    join_all(bodies.iter().map(|body| app.submit(body))).await;
    app.queue_is_empty().await;
    let contacts = app.crm.contacts().await;
    assert_eq!(contacts.len(), 1);
    let fields = contacts[0]["custom_fields_values"].as_array().unwrap();
    let emails = fields
        .iter()
        .find(|it| it["field_code"] == "EMAIL")
        .unwrap();
    let mut held: Vec<&str> = emails["values"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|value| value["value"].as_str())
        .collect();
    held.sort_unstable();
    assert_eq!(held, added);
}

/// Three instances start on an empty database: one makes the tables, all serve.
#[tokio::test(flavor = "multi_thread")]
async fn three_instances_start_on_an_empty_database() {
    for database in [Some(TestDatabase::sqlite()), TestDatabase::postgres().await] {
        let Some(database) = database else { continue };
        let crm = TestCrm::start().await;
        let open = || async {
            let settings = all_settings(&crm, &database, "http://127.0.0.1:1", &[]);
            let config = Config::load(Environment::from_pairs(settings), None).unwrap();
            App::open(config).await.unwrap()
        };
        let apps = join_all((0..3).map(|_| open())).await;
        for app in &apps {
            app.store().ping().await.unwrap();
            assert!(app.store().pending_migrations().await.unwrap().is_empty());
            app.store().close().await;
        }
        database.drop_schema().await;
    }
}

/// Two administrators consent at the same moment, one at each process: both codes are exchanged, the newer tokens stay,
/// and both processes go on with them.
#[tokio::test(flavor = "multi_thread")]
async fn two_consents_at_once_leave_one_grant_that_works() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    let settings = all_settings(&app.crm, &app.database, &app.url, &[]);
    let config = Config::load(Environment::from_pairs(settings), None).unwrap();
    let other = App::open(config).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn({
        let (other, stop) = (other.clone(), stop.clone());
        async move { other.run_on(listener, stop).await }
    });
    for round in 0..3 {
        app.crm.emulator.revoke_tokens();
        let (first, second) = (app.consent().await, app.consent().await);
        let callback = |base: &str, query: &str| format!("{base}/api/auth/amo/callback?{query}");
        let (here, there) = (callback(&app.url, &first), callback(&there, &second));
        let (here, there) = tokio::join!(reqwest::get(here), reqwest::get(there));
        assert_eq!(here.unwrap().status(), 200);
        assert_eq!(there.unwrap().status(), 200);
        app.submit(&format!(r#"{{"email": "round{round}@example.com"}}"#))
            .await;
        app.queue_is_empty().await;
        assert_eq!(app.crm.deals().await.len(), round + 1);
        let status: Value = app.get("/api/auth/amo/status").await.json();
        assert_eq!(
            (&status["connected"], &status["needs_reconnect"]),
            (&Value::Bool(true), &Value::Bool(false)),
            "{status}"
        );
    }
    stop.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_was_taken_over_waits_until_its_worker_has_noticed() {
    let settings = [("INTAKE_SETTLE_MS", "60000")];
    let app = TestApp::start(TestDatabase::sqlite(), &settings).await;
    let jobs = app.app.store().jobs();
    let spec = store::JobSpec::new(store::FUNNEL_NOTE, &1).unwrap();
    jobs.enqueue(spec).await.unwrap();
    let frozen = jobs.worker("frozen");
    let moment = Duration::from_millis(1);
    let claimed = frozen
        .claim(&[store::FUNNEL_NOTE], 1, moment)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    app.connect().await;
    let lead = app.submit(LEAD).await.id();
    app.lead_is(lead, "/delivery/state", "delivered").await;
    // There is no such note: whoever looks at once ends the job.
    assert_eq!(jobs.stats(store::FUNNEL_NOTE).await.unwrap().depth, 1);
    // Its outcome is no longer taken: somebody else has claimed it since.
    assert_eq!(jobs.complete(&claimed[0]).await.unwrap(), store::Ack::Stale);
}
