//! A stage moved there moves the status here, and the other way round.

mod gateway;
mod reconcile;

use amocrm_emulator::Fault;
use reqwest::Method;
use serde_json::json;

use crate::harness::{LEAD, TestApp, TestCrm, TestDatabase, eventually};

/// A lead that was delivered, and its deal.
async fn delivered(app: &TestApp) -> i64 {
    let answer = app.submit(LEAD).await;
    answer.json()["amocrm"]["lead_id"].as_i64().unwrap()
}

/// What the history says: from, to and origin, newest first.
async fn history(app: &TestApp) -> Vec<(String, String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let page = app.get("/api/leads/1/history").await.json();
    let lines = page["history"].as_array().unwrap();
    lines
        .iter()
        .map(|line| {
            (
                text(&line["from"]),
                text(&line["to"]),
                text(&line["origin"]),
            )
        })
        .collect()
}

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
    let history = app.app.store().leads().history(1, None, 10).await.unwrap();
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
    let history = app.app.store().leads().history(1, None, 10).await.unwrap();
    assert_eq!(history.len(), 2, "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_taken_as_json_too_and_a_broken_one_is_refused() {
    let app = TestApp::ready().await;
    let deal = app.submit(LEAD).await.json()["amocrm"]["lead_id"]
        .as_i64()
        .unwrap();
    let (pipeline, stage) = app.crm.stage("Asia Deals", "Сделка").await;
    let row = app.app.store().leads().get(1).await.unwrap().unwrap();
    let at = row.created_at.timestamp() + 60;
    let moved = json!({"id": deal, "status_id": stage, "pipeline_id": pipeline, "updated_at": at});
    let body = json!({"leads": {"status": [moved]}});
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
    // An item that cannot be read is no reason to send those beside it again.
    let partly = format!("{others}&leads[status][1][status_id]=5");
    let answer = app
        .send(Method::POST, "/api/webhooks/amo", &FORM, &partly)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
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

/// Somebody who got hold of the address, or a broken robot. Times are compared with each other: if this one were believed,
/// everything that amoCRM says until the year 2100 would be old.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_from_the_future_is_no_more_than_a_reason_to_ask() {
    let app = TestApp::ready().await;
    let deal = delivered(&app).await;
    let (pipeline, stage) = app.crm.stage("Asia Deals", "Сделка").await;
    let said = json!({
        "id": deal, "status_id": stage, "pipeline_id": pipeline, "responsible_user_id": 7,
        "old_status_id": 1, "old_responsible_user_id": 1, "updated_at": 4_102_444_800_i64,
    });
    let body = json!({"leads": {"status": [said], "responsible": [said]}});
    let json = [("content-type", "application/json")];
    let answer = app
        .send(Method::POST, "/api/webhooks/amo", &json, &body.to_string())
        .await;
    assert_eq!(answer.json()["applied"], 0, "{}", answer.text);
    assert_eq!(answer.json()["asked"], 1, "{}", answer.text);
    app.queue_is_empty().await;
    assert_eq!(app.lead(1).await["status"], "new");
    // What amoCRM itself says is followed still.
    app.crm
        .move_deal(deal, app.crm.stage("Asia Deals", "Презентация").await)
        .await;
    app.lead_is(1, "/status", "presentation").await;
    let now = app.app.store().managers().now().await.unwrap();
    let managers = app.app.store().managers();
    let followed = managers.follow(1, 8, now, true).await.unwrap();
    assert_eq!(followed, store::ManagerFollowed::Applied);
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

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_what_changed_where_and_by_whom() {
    let app = TestApp::ready().await;
    let deal = delivered(&app).await;
    let stage = app.crm.stage("Asia Deals", "Презентация").await;
    app.crm.move_deal(deal, stage).await;
    app.lead_is(1, "/status", "presentation").await;
    app.put("/api/leads/1/status?status=deal").await;
    app.queue_is_empty().await;
    let lead = app.lead(1).await;
    let told: Vec<_> = lead["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["to"].as_str().unwrap(),
                line["origin"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("deal", "api"), ("presentation", "webhook")]);
    assert!(lead["history"][1]["by_user"].is_u64(), "{lead}");
    let first = app.get("/api/leads/1/history?limit=1").await.json();
    let next = first["next"].as_i64().unwrap();
    let rest = app
        .get(&format!("/api/leads/1/history?before={next}"))
        .await
        .json();
    assert_eq!(
        (rest["history"][0]["to"].as_str(), &rest["next"]),
        (Some("presentation"), &json!(null))
    );
    assert_eq!(app.get("/api/leads/9/history").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_taken_in_three_ways_and_the_known_ones_are_told() {
    let app = TestApp::ready().await;
    let deal = delivered(&app).await;
    let path = "/api/leads/1/status";
    let form = app.send(Method::PUT, path, &FORM, "status=contacted").await;
    assert_eq!(form.json()["status"], "contacted");
    for (headers, body) in [
        (&[][..], ""),
        (&[][..], "{}"),
        (&FORM[..], "state=new"),
        (&FORM[..], "status=rocket"),
    ] {
        let answer = app.send(Method::PUT, path, headers, body).await;
        assert_eq!(answer.wrong_fields(), ["status"], "{body}");
        assert!(answer.text.contains("reservation, deal"), "{}", answer.text);
    }
    assert_eq!(app.put("/api/leads/7/status?status=lost").await.status, 404);
    // The deal is deleted: the webhook makes us look, and then there is nothing to move.
    app.queue_is_empty().await;
    let gone = format!("leads[delete][0][id]={deal}");
    app.crm.trash_deal(deal).await;
    let hook = app
        .send(Method::POST, "/api/webhooks/amo", &FORM, &gone)
        .await;
    assert_eq!(hook.json()["asked"], 1, "{}", hook.text);
    eventually("the deal is known to be gone", || async {
        app.lead(1).await.pointer("/amocrm/gone_at").cloned()
    })
    .await;
    let refused = app.put("/api/leads/1/status?status=lost").await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_eq!(app.lead(1).await["status"], "contacted");
}

/// amoCRM's times are whole seconds, and its webhooks change places.
#[tokio::test(flavor = "multi_thread")]
async fn moves_of_one_second_in_any_order_end_where_the_deal_is() {
    let app = TestApp::ready().await;
    let deal = delivered(&app).await;
    app.crm.emulator.settle_webhooks().await;
    app.crm.emulator.fault(Fault::reorder_webhooks().always());
    app.crm.emulator.fault(Fault::duplicate_webhook().always());
    for stage in [
        "Презентация",
        "Выбор объекта",
        "Сделка",
        "Первичный контакт",
    ] {
        let stage = app.crm.stage("Asia Deals", stage).await;
        app.crm.move_deal(deal, stage).await;
    }
    app.crm.emulator.settle_webhooks().await;
    app.queue_is_empty().await;
    app.lead_is(1, "/status", "contacted").await;
}

/// Ours is on its way when somebody moves the deal there: the later one of the two holds on both sides.
#[tokio::test(flavor = "multi_thread")]
async fn the_later_change_wins_whoever_made_it() {
    for crm_is_later in [true, false] {
        let app = TestApp::ready_with(&[("INTAKE_RETRY_MAX_MS", "100")]).await;
        let deal = delivered(&app).await;
        app.crm.emulator.settle_webhooks().await;
        // Webhooks get lost: only the deal itself tells.
        app.crm.unsubscribe_all().await;
        let theirs = app.crm.stage("Asia Deals", "Выбор объекта").await;
        let outage = || {
            Fault::server_error(503)
                .path(format!("/leads/{deal}"))
                .method("GET")
        };
        if crm_is_later {
            app.crm.emulator.fault(outage().always());
            app.put("/api/leads/1/status?status=contacted").await;
            tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
            app.crm.move_deal(deal, theirs).await;
            app.crm.emulator.clear_faults();
        } else {
            app.crm.move_deal(deal, theirs).await;
            tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
            app.put("/api/leads/1/status?status=contacted").await;
        }
        app.queue_is_empty().await;
        let (status, stage) = if crm_is_later {
            ("selection", theirs.1)
        } else {
            (
                "contacted",
                app.crm.stage("Asia Deals", "Первичный контакт").await.1,
            )
        };
        assert_eq!(app.lead(1).await["status"], status);
        assert_eq!(app.crm.deals().await[0]["status_id"], stage);
    }
}

/// A stage made anew while we rely on what we read of the account.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_with_a_stage_that_nobody_knows_makes_us_read_the_account_once() {
    let app = TestApp::ready().await;
    let deal = delivered(&app).await;
    app.queue_is_empty().await;
    let (pipeline, old) = app.crm.stage("Asia Deals", "Презентация").await;
    let stages = format!("/api/v4/leads/pipelines/{pipeline}/statuses");
    app.crm.delete(&format!("{stages}/{old}")).await;
    let made = json!([{"name": "Презентация", "sort": 45, "color": "#fffeb2"}]);
    app.crm.post(&stages, made).await;
    let new = app.crm.stage("Asia Deals", "Презентация").await;
    app.crm.emulator.clear_requests();
    app.crm.move_deal(deal, new).await;
    app.crm.emulator.settle_webhooks().await;
    assert_eq!(app.lead(1).await["status"], "new", "not within the answer");
    app.lead_is(1, "/status", "presentation").await;
    app.queue_is_empty().await;
    let requests = app.crm.emulator.requests();
    let ours = requests
        .iter()
        .filter(|entry| entry.path.ends_with("/pipelines") && entry.method == "GET");
    assert_eq!(ours.count(), 1);
    assert_eq!(
        history(&app).await,
        [(
            "new".to_owned(),
            "presentation".to_owned(),
            "look".to_owned()
        )]
    );
}

/// Two stages of one name are told apart by their numbers.
#[tokio::test(flavor = "multi_thread")]
async fn a_stage_is_configured_by_its_number() {
    let app = TestApp::ready().await;
    let (pipeline, _) = app.crm.stage("Asia Deals", "Презентация").await;
    let made = json!([{"name": "Показ", "sort": 46, "color": "#fffeb2"}]);
    app.crm
        .post(
            &format!("/api/v4/leads/pipelines/{pipeline}/statuses"),
            made,
        )
        .await;
    let (_, stage) = app.crm.stage("Asia Deals", "Показ").await;
    let (crm, database) = app.stop().await;
    let number = format!("#{stage}");
    let settings = [("INTAKE_STAGE_PRESENTATION", number.as_str())];
    let app = TestApp::again(crm, database, &settings).await;
    let deal = delivered(&app).await;
    app.provision().await;
    app.crm.move_deal(deal, (pipeline, stage)).await;
    app.put("/api/leads/1/status?status=presentation").await;
    app.queue_is_empty().await;
    assert_eq!(app.crm.deals().await[0]["status_id"], stage);
}
