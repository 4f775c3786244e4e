//! What may fail, and what must hold all the same: every lead arrives, and once.

use std::time::Duration;

use amocrm_emulator::Fault;
use lead_intake::dead_letters;
use serde_json::json;

use service_kit::config::Environment;

use crate::harness::{LEAD, TestApp, TestDatabase, all_settings, eventually, field};

/// A visitor nobody has seen before.
fn visitor(number: usize) -> String {
    json!({
        "name": format!("Visitor {number}"), "email": format!("visitor{number}@example.com"),
        "phone": format!("+7900{number:07}"), "comment": format!("comment {number}"),
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_wait_while_the_crm_is_away_and_then_arrive_once() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "50")]).await;
    app.crm.emulator.fault(Fault::server_error(503).always());
    let mut ids = Vec::new();
    for number in 0..10 {
        let answer = app.submit(&visitor(number)).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let receipt = answer.json();
        assert_ne!(receipt["delivery"]["state"], "delivered");
        assert_eq!(receipt["amocrm"], json!(null));
        ids.push(answer.id());
    }
    let health = app.get("/health").await;
    assert_eq!(health.status, 200, "leads are still taken");
    app.crm.emulator.clear_faults();
    for id in ids {
        app.lead_is(id, "/delivery/state", "delivered").await;
    }
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 10);
    assert_eq!(app.crm.contacts().await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_taken_before_anybody_connected_arrive_when_somebody_does() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    let answer = app.submit(LEAD).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json()["delivery"]["state"], "queued");
    assert_eq!(app.get("/api/auth/amo/test").await.status, 409);
    app.connect().await;
    let lead = app.lead_is(1, "/delivery/state", "delivered").await;
    // Nobody has provisioned either: the lead arrives all the same, in the main pipeline.
    let deal = lead["amocrm"]["lead_id"].as_i64().unwrap();
    assert_eq!(app.crm.deals().await.len(), 1);
    // And it is followed like any other once the pipeline is there.
    app.provision().await;
    app.crm
        .move_deal(deal, app.crm.stage("Asia Deals", "Презентация").await)
        .await;
    app.lead_is(1, "/status", "presentation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_renewed_on_the_way() {
    let app = TestApp::ready().await;
    assert_eq!(app.submit(&visitor(1)).await.status, 201);
    app.queue_is_empty().await;
    app.crm.emulator.expire_tokens();
    assert_eq!(app.submit(&visitor(2)).await.status, 201);
    let renewals = app.crm.emulator.requests();
    let renewals = renewals
        .iter()
        .filter(|request| request.grant_type.as_deref() == Some("refresh_token"));
    assert_eq!(renewals.count(), 1);
    let refreshed = app.post("/api/auth/amo/refresh").await;
    assert_eq!(
        (refreshed.status.as_u16(), &refreshed.json()["connected"]),
        (200, &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_access_holds_the_queue_until_a_person_connects_again() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "50")]).await;
    app.crm.emulator.revoke_tokens();
    let id = app.submit(LEAD).await.id();
    eventually("the refusal is noticed", || async {
        let status = app.get("/api/auth/amo/status").await.json();
        (status["needs_reconnect"] == true).then_some(())
    })
    .await;
    assert_eq!(app.get("/api/auth/amo/test").await.status, 409);
    // Nothing is sent while nothing can come of it. What was under way ends first.
    eventually("nothing is under way", || async {
        let before = app.crm.emulator.requests().len();
        tokio::time::sleep(Duration::from_millis(200)).await;
        (app.crm.emulator.requests().len() == before).then_some(())
    })
    .await;
    app.crm.emulator.clear_requests();
    app.submit(&visitor(1)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(app.crm.emulator.requests().len(), 0);

    app.connect().await;
    app.lead_is(id, "/delivery/state", "delivered").await;
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 2);
}

/// A 401 is not the end of the grant: stopping there would need a person where none is needed.
#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_refused_as_soon_as_they_are_given_stop_nothing() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    app.crm
        .emulator
        .fault(Fault::expire_token().path("/api/v4/").times(6));
    for number in 0..3 {
        assert_eq!(app.submit(&visitor(number)).await.status, 202);
    }
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 3);
    let status = app.get("/api/auth/amo/status").await.json();
    assert_eq!(status["needs_reconnect"], json!(false), "{status}");
}

/// What the user's guide says to do about refused tokens, with two instances on the database: one takes the token over,
/// and the other does not throw it away.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_refresh_token_in_the_settings_takes_the_place_of_refused_ones() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    app.crm.emulator.revoke_tokens();
    for number in 0..8 {
        app.submit(&visitor(number)).await;
    }
    eventually("the refusal is noticed", || async {
        let status = app.get("/api/auth/amo/status").await.json();
        (status["needs_reconnect"] == true).then_some(())
    })
    .await;
    let pair = app.crm.post("/_emulator/tokens/pair", json!({})).await;
    let refresh = pair["refresh_token"].as_str().unwrap();
    let settings = all_settings(
        &app.crm,
        &app.database,
        &app.url,
        &[("AMOCRM_REFRESH_TOKEN", refresh)],
    );
    // The services are started again with it.
    let stop = tokio_util::sync::CancellationToken::new();
    let mut work = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let environment = Environment::from_pairs(settings.clone());
        let config = lead_intake::Config::load(environment, None).unwrap();
        let again = lead_intake::App::open(config).await.unwrap();
        let stop = stop.clone();
        work.spawn(async move { again.work(stop).await });
    }
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 8);
    stop.cancel();
    work.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_second_deal() {
    let app = TestApp::ready().await;
    app.crm
        .emulator
        .fault(Fault::drop_after_commit().path("/leads/complex").times(2));
    for number in 0..2 {
        let answer = app.submit(&visitor(number)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 2);
    assert_eq!(app.crm.contacts().await.len(), 2);
    for deal in app.crm.deals().await {
        assert_eq!(app.crm.notes(deal["id"].as_i64().unwrap()).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_arrived_is_sent_again() {
    let app = TestApp::ready().await;
    app.crm
        .emulator
        .fault(Fault::drop_before().path("/leads/complex").times(1));
    let answer = app.submit(LEAD).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(app.crm.deals().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_the_note_makes_no_second_note() {
    let app = TestApp::ready().await;
    app.crm.emulator.fault(
        Fault::drop_after_commit()
            .path("/notes")
            .method("POST")
            .times(1),
    );
    app.submit(&visitor(1)).await;
    app.queue_is_empty().await;
    let deal = app.crm.deals().await[0]["id"].as_i64().unwrap();
    assert_eq!(app.crm.notes(deal).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_of_one_person_at_once_make_one_contact() {
    one_person(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_of_one_person_at_once_make_one_contact_on_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        one_person(database).await;
    }
}

async fn one_person(database: TestDatabase) {
    let app = TestApp::ready_on(database, &[]).await;
    // They know each other by the phone, by the e-mail, or only through a third.
    let bodies = [
        r#"{"phone": "+79001234567"}"#,
        r#"{"phone": "+79001234567", "email": "test@example.com"}"#,
        r#"{"phone": "8 900 123 45 67", "name": "Тест"}"#,
        r#"{"email": "TEST@example.com", "phone": "+79001234567"}"#,
    ];
    let answers = bodies.iter().map(|body| app.submit(body));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), bodies.len());
    assert_eq!(app.crm.contacts().await.len(), 1);
    let (_, database) = app.stop().await;
    database.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_account_no_longer_takes_goes_into_the_note() {
    let app = TestApp::ready().await;
    let field_ = json!([{"name": "Бюджет", "type": "numeric"}]);
    let made = app.crm.post("/api/v4/leads/custom_fields", field_).await;
    let id = made["_embedded"]["custom_fields"][0]["id"]
        .as_i64()
        .unwrap();
    app.provision().await;
    let body = r#"{"email": "a@example.com", "utm_source": "ya", "custom_fields": {"бюджет": 5}}"#;
    let first = app.submit(body).await.json();
    assert_eq!(first["delivery"]["state"], "delivered");
    // The field goes away behind our back: what we know of the account is old.
    app.crm
        .delete(&format!("/api/v4/leads/custom_fields/{id}"))
        .await;
    let second = app.submit(body).await.json();
    assert_eq!(second["delivery"]["state"], "delivered", "{second}");
    app.queue_is_empty().await;
    let deal = second["amocrm"]["lead_id"].as_i64().unwrap();
    let notes = app.crm.notes(deal).await;
    assert!(notes[0].contains("бюджет: 5"), "{notes:?}");
    let deal = app.crm.get(&format!("/api/v4/leads/{deal}")).await;
    assert!(field(&deal, "INTAKE_ID").is_some());
    assert_eq!(field(&deal, "UTM_SOURCE"), Some("ya"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_and_a_stage_deleted_behind_our_back_cost_no_lead() {
    let app = TestApp::ready().await;
    assert_eq!(app.submit(&visitor(1)).await.status, 201);
    app.queue_is_empty().await;
    let fields = app
        .crm
        .get("/api/v4/leads/custom_fields?limit=250&page=1")
        .await;
    let fields = fields["_embedded"]["custom_fields"].as_array().unwrap();
    let id = &fields
        .iter()
        .find(|field| field["code"] == "INTAKE_ID")
        .unwrap()["id"];
    app.crm
        .delete(&format!("/api/v4/leads/custom_fields/{id}"))
        .await;
    let answer = app.submit(&visitor(2)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);

    let (pipeline, stage) = app.crm.stage("Asia Deals", "Новый лид").await;
    let elsewhere = app.crm.stage("Asia Deals", "Презентация").await;
    for deal in app.crm.deals().await {
        app.crm
            .move_deal(deal["id"].as_i64().unwrap(), elsewhere)
            .await;
    }
    app.crm
        .delete(&format!(
            "/api/v4/leads/pipelines/{pipeline}/statuses/{stage}"
        ))
        .await;
    let answer = app.submit(&visitor(3)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_shows_local_time_as_utc_makes_no_second_deal() {
    let ahead = chrono::TimeDelta::hours(14);
    let app = TestApp::start_ahead(TestDatabase::sqlite(), &[], ahead).await;
    app.connect().await;
    app.provision().await;
    app.crm
        .emulator
        .fault(Fault::drop_after_commit().path("/leads/complex").times(1));
    let answer = app.submit(&visitor(1)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(app.crm.deals().await.len(), 1);
}

/// A proxy's page, a conflict, a lock: no lead may be given up for what the next minute mends.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_nobody_explains_are_tried_again() {
    let settings = [("INTAKE_SHORT_WAIT_MS", "0"), ("INTAKE_RETRY_MAX_MS", "20")];
    let app = TestApp::ready_with(&settings).await;
    for (number, fault) in [
        Fault::html_error(400),
        Fault::html_error(408),
        Fault::server_error(409),
        Fault::server_error(423),
        Fault::html_error(425),
    ]
    .into_iter()
    .enumerate()
    {
        app.crm
            .emulator
            .fault(fault.path("/leads/complex").times(3));
        let id = app.submit(&visitor(number)).await.id();
        app.lead_is(id, "/delivery/state", "delivered").await;
        assert_eq!(app.crm.deals().await.len(), number + 1);
    }
    // But not for ever.
    app.crm
        .emulator
        .fault(Fault::server_error(409).path("/leads/complex").always());
    let id = app.submit(&visitor(9)).await.id();
    app.lead_is(id, "/delivery/state", "failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_lead_goes_its_way_when_a_person_says_so() {
    let app = TestApp::ready().await;
    app.crm
        .emulator
        .fault(Fault::server_error(400).path("/leads/complex").always());
    let id = app.submit(LEAD).await.id();
    app.lead_is(id, "/delivery/state", "failed").await;
    app.crm.emulator.clear_faults();
    let mut said = Vec::new();
    let all = dead_letters::Command::Retry(dead_letters::Which::all());
    dead_letters::run(&app.app, &all, &mut said).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.starts_with(&format!("lead {id}  lead.deliver")),
        "{said}"
    );
    app.lead_is(id, "/delivery/state", "delivered").await;
    assert_eq!(app.crm.deals().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_on_one_database_share_the_work() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let app = TestApp::ready_on(database, &[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    let config = app.app.config().clone();
    let other = lead_intake::App::open(config).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let work = tokio::spawn({
        let (other, stop) = (other.clone(), stop.clone());
        async move { other.work(stop).await }
    });
    for number in 0..40 {
        app.submit(&visitor(number)).await;
    }
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await.len(), 40);
    assert_eq!(app.crm.contacts().await.len(), 40);
    stop.cancel();
    work.await.unwrap();
    let (_, database) = app.stop().await;
    database.drop_schema().await;
}
