//! A stage moved there moves the status here, and the other way round.

use amocrm_emulator::Fault;
use reqwest::Method;
use serde_json::json;

use crate::harness::{LEAD, TestApp, TestCrm, TestDatabase, eventually};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_moved_in_amocrm_moves_the_lead() {
    let app = TestApp::ready().await;
    let deal = app.submit(LEAD).await.json()["amocrm"]["lead_id"]
        .as_i64()
        .unwrap();
    for (stage, status) in [
        ("Первичный контакт", "contacted"),
        ("Презентация", "presentation"),
        ("Сделка", "deal"),
        ("Завершено", "completed"),
    ] {
        app.crm
            .move_deal(deal, app.crm.stage("Asia Deals", stage).await)
            .await;
        app.lead_is(1, "/status", status).await;
    }
    let (pipeline, _) = app.crm.stage("Asia Deals", "Завершено").await;
    app.crm.move_deal(deal, (pipeline, 143)).await;
    app.lead_is(1, "/status", "lost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_set_here_moves_the_deal_and_its_echo_changes_nothing() {
    let app = TestApp::ready().await;
    let deal = app.submit(LEAD).await.json()["amocrm"]["lead_id"]
        .as_i64()
        .unwrap();
    for (status, stage) in [
        ("contacted", "Первичный контакт"),
        ("reservation", "Резервирование"),
        ("completed", "Завершено"),
    ] {
        let answer = app
            .put(&format!("/api/leads/1/status?status={status}"))
            .await;
        assert_eq!(answer.json()["status"], status);
        app.queue_is_empty().await;
        let (pipeline, stage) = app.crm.stage("Asia Deals", stage).await;
        let moved = app.crm.get(&format!("/api/v4/leads/{deal}")).await;
        assert_eq!(
            (moved["pipeline_id"].as_i64(), moved["status_id"].as_i64()),
            (Some(pipeline), Some(stage))
        );
        app.crm.emulator.settle_webhooks().await;
        assert_eq!(app.lead(1).await["status"], status);
    }
    // Nothing of it was taken for somebody's change in amoCRM.
    let history = app.app.store().leads().history(1, 10).await.unwrap();
    assert_eq!(history.len(), 3, "{history:?}");
    let body = app
        .send(
            Method::PUT,
            "/api/leads/1/status",
            &[("content-type", "application/json")],
            r#"{"status": "lost"}"#,
        )
        .await;
    assert_eq!(body.json()["status"], "lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_set_during_an_outage_reaches_the_deal_after_it() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    app.crm.emulator.fault(Fault::server_error(502).always());
    app.submit(LEAD).await;
    app.put("/api/leads/1/status?status=contacted").await;
    app.put("/api/leads/1/status?status=selection").await;
    app.crm.emulator.clear_faults();
    app.queue_is_empty().await;
    let (_, stage) = app.crm.stage("Asia Deals", "Выбор объекта").await;
    assert_eq!(app.crm.deals().await[0]["status_id"], stage);
    app.crm.emulator.settle_webhooks().await;
    assert_eq!(app.lead(1).await["status"], "selection");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_webhooks_change_nothing_more() {
    let app = TestApp::ready().await;
    let deal = app.submit(LEAD).await.json()["amocrm"]["lead_id"]
        .as_i64()
        .unwrap();
    app.crm.emulator.settle_webhooks().await;
    app.crm.emulator.fault(Fault::duplicate_webhook().always());
    for stage in ["Первичный контакт", "Презентация"] {
        app.crm
            .move_deal(deal, app.crm.stage("Asia Deals", stage).await)
            .await;
        app.crm.emulator.settle_webhooks().await;
    }
    app.lead_is(1, "/status", "presentation").await;
    let history = app.app.store().leads().history(1, 10).await.unwrap();
    assert_eq!(history.len(), 2, "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_taken_as_json_too_and_a_broken_one_is_refused() {
    let app = TestApp::ready().await;
    let deal = app.submit(LEAD).await.json()["amocrm"]["lead_id"]
        .as_i64()
        .unwrap();
    let (pipeline, stage) = app.crm.stage("Asia Deals", "Сделка").await;
    let body =
        json!({"leads": {"status": [{"id": deal, "status_id": stage, "pipeline_id": pipeline}]}});
    let json = [("content-type", "application/json")];
    let answer = app
        .send(Method::POST, "/api/webhooks/amo", &json, &body.to_string())
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["applied"]),
        (200, &json!(1))
    );
    assert_eq!(app.lead(1).await["status"], "deal");
    // Deals that are none of ours, and entities that are none of our business.
    let others = format!(
        "leads[status][0][id]=1&leads[status][0][status_id]={stage}&contacts[add][0][id]=5&contacts[add][0][type]=contact"
    );
    let answer = app
        .send(Method::POST, "/api/webhooks/amo", &FORM, &others)
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["applied"]),
        (200, &json!(0))
    );
    let large = format!("{others}&padding={}", "x".repeat(200_000));
    assert_eq!(
        app.send(Method::POST, "/api/webhooks/amo", &FORM, &large)
            .await
            .status,
        200
    );
    let too_large = format!("{others}&padding={}", "x".repeat(1_100_000));
    assert_eq!(
        app.send(Method::POST, "/api/webhooks/amo", &FORM, &too_large)
            .await
            .status,
        413
    );
    for broken in ["leads[status][0][status_id]=5", "leads=1&leads[add]=2"] {
        let answer = app
            .send(Method::POST, "/api/webhooks/amo", &FORM, broken)
            .await;
        assert_eq!(answer.status, 400, "{broken}: {}", answer.text);
    }
    let stranger = "account[id]=77&leads[status][0][id]=1&leads[status][0][status_id]=142";
    assert_eq!(
        app.send(Method::POST, "/api/webhooks/amo", &FORM, stranger)
            .await
            .status,
        403
    );
    assert_eq!(app.get("/api/webhooks/amo/test").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_secret_only_the_secret_address_works() {
    let secret = "hook-secret-0123456789";
    let app = TestApp::ready_with(&[("INTAKE_WEBHOOK_SECRET", secret)]).await;
    for path in [
        "/api/webhooks/amo",
        "/api/webhooks/amo/wrong",
        "/api/webhooks/amo/hook-secret-012345678X",
    ] {
        assert_eq!(
            app.send(Method::POST, path, &FORM, "").await.status,
            404,
            "{path}"
        );
    }
    // Provisioning has subscribed the secret address.
    let deal = app.submit(LEAD).await.json()["amocrm"]["lead_id"]
        .as_i64()
        .unwrap();
    app.crm
        .move_deal(deal, app.crm.stage("Asia Deals", "Презентация").await)
        .await;
    eventually("the status follows", || async {
        (app.lead(1).await["status"] == "presentation").then_some(())
    })
    .await;
}

/// A robot of the account moves the deal before its lead is known to be delivered.
#[tokio::test(flavor = "multi_thread")]
async fn a_deal_moved_before_we_know_that_it_is_ours_is_followed() {
    for webhooks in [true, false] {
        let mut settings = vec![("INTAKE_SHORT_WAIT_MS", "0"), ("INTAKE_SETTLE_MS", "1500")];
        if !webhooks {
            settings.push(("PUBLIC_URL", ""));
        }
        let app = TestApp::ready_with(&settings).await;
        app.crm
            .emulator
            .fault(Fault::drop_after_commit().path("/leads/complex").times(1));
        app.submit(LEAD).await;
        let deal = eventually("the deal is there", || async {
            app.crm.deals().await.first()?["id"].as_i64()
        })
        .await;
        let stage = app.crm.stage("Asia Deals", "Презентация").await;
        app.crm.move_deal(deal, stage).await;
        if webhooks {
            let lead = app.lead_is(1, "/status", "presentation").await;
            assert_ne!(lead["delivery"]["state"], "delivered");
        }
        let lead = app.lead_is(1, "/delivery/state", "delivered").await;
        assert_eq!(lead["status"], "presentation", "webhooks: {webhooks}");
        // And it is followed further.
        if webhooks {
            app.crm
                .move_deal(deal, app.crm.stage("Asia Deals", "Сделка").await)
                .await;
            app.lead_is(1, "/status", "deal").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_made_anew_behind_our_back_is_found() {
    let app = TestApp::ready().await;
    app.submit(LEAD).await;
    app.queue_is_empty().await;
    let (pipeline, old) = app.crm.stage("Asia Deals", "Презентация").await;
    let stages = format!("/api/v4/leads/pipelines/{pipeline}/statuses");
    app.crm.delete(&format!("{stages}/{old}")).await;
    let made = json!([{"name": "Презентация", "sort": 45, "color": "#fffeb2"}]);
    app.crm.post(&stages, made).await;
    let (_, new) = app.crm.stage("Asia Deals", "Презентация").await;
    assert_ne!(old, new);
    app.put("/api/leads/1/status?status=presentation").await;
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await[0]["status_id"], new);
}

/// Nobody gave consent: the token was configured.
#[tokio::test(flavor = "multi_thread")]
async fn webhooks_of_another_account_are_refused_with_a_configured_token_too() {
    let crm = TestCrm::start().await;
    let token = crm.emulator.long_lived_token();
    let settings = [("AMOCRM_ACCESS_TOKEN", token.as_str())];
    let app = TestApp::start(TestDatabase::sqlite(), &settings).await;
    let body = "account[id]=777&leads[status][0][id]=1&leads[status][0][status_id]=142";
    let answer = app
        .send(Method::POST, "/api/webhooks/amo", &FORM, body)
        .await;
    assert_eq!(answer.status, 403, "{}", answer.text);
}
