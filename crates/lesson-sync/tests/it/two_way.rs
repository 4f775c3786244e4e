//! Managers move deals, and the platform hears of it; of our own moves it does not.

use amocrm_emulator::Fault;
use amocrm_sdk::webhook::{self, CloudEvent};
use lesson_sync::commands;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::signature::SigningKeys;
use store::{DeadLetterFilter, FAILED_LESSONS, LESSON_CALLBACK};
use testkit::{TestReceiver, eventually};

use crate::harness::Academy;

const WEBHOOKS: &str = "webhook-secret-0123456789";
const GATEWAY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PLATFORM: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn keys(secret: &str) -> SigningKeys {
    SigningKeys::parse(&SecretString::from(secret)).unwrap()
}

/// The course platform's endpoint.
#[derive(Debug)]
struct Platform(TestReceiver);

impl Platform {
    async fn open() -> Self {
        Self(TestReceiver::open(PLATFORM, SystemClock::shared()).await)
    }

    fn be_down(&self, is_down: bool) {
        self.0.be_down(is_down);
    }

    /// Callbacks without pings, in the order of their arrival.
    fn moves(&self) -> Vec<(String, Value)> {
        let mut moves = self.0.taken();
        moves.retain(|(_, body)| body["type"] == "deal.moved");
        moves
    }

    async fn has(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{count} callbacks"), || async {
            (self.moves().len() >= count).then_some(())
        })
        .await;
        let moves = self.moves();
        assert_eq!(moves.len(), count, "{moves:?}");
        moves
            .into_iter()
            .map(|(_, body)| body["data"].clone())
            .collect()
    }
}

async fn open(more: &[(&str, &str)]) -> (Academy, Platform) {
    let platform = Platform::open().await;
    let mut settings = vec![
        ("LESSON_WEBHOOK_SECRET", WEBHOOKS),
        ("LESSON_GATEWAY_SECRET", GATEWAY),
        ("LESSON_CALLBACK_URL", platform.0.url.as_str()),
        ("LESSON_CALLBACK_SECRET", PLATFORM),
        ("LESSON_CALLBACK_ALLOW_PRIVATE", "true"),
    ];
    settings.extend(more);
    let academy = Academy::open_with(&settings).await;
    let subscription = json!({
        "destination": format!("{}/webhooks/amocrm/{WEBHOOKS}", academy.url), "settings": ["status_lead", "update_lead"]
    });
    let webhooks = "/api/v4/webhooks";
    academy
        .crm
        .call(Method::POST, webhooks, Some(subscription))
        .await;
    (academy, platform)
}

/// A student with a deal at lesson 1.
async fn begun(academy: &Academy, email: &str) -> i64 {
    let deal = academy.crm.applies(email).await;
    let body = json!({"email": email, "lesson_id": 67, "user_id": 4711});
    let (status, _) = academy.post("/api/lessons/completed", &[], &body).await;
    assert_eq!(status, 202);
    academy.stage_becomes(deal, 1).await;
    academy.log_has(1).await;
    academy.crm.emulator.settle_webhooks().await;
    deal
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managers_move_is_told_once_and_our_own_never() {
    let (academy, platform) = open(&[]).await;
    let deal = begun(&academy, "student@example.com").await;
    // The token's user is the manager as well: who moved it does not tell ours from his.
    academy.crm.emulator.fault(Fault::duplicate_webhook());
    academy.crm.move_to(deal, academy.crm.stages[3]).await;
    let told = platform.has(1).await;
    let stages = &academy.crm.stages;
    for (field, expected) in [
        ("email", json!("student@example.com")),
        ("user_id", json!("4711")),
        ("course", json!("default")),
        ("lesson", json!({"number": 3, "id": "69", "module": "18"})),
        ("lead_id", json!(deal)),
        ("pipeline_id", json!(academy.crm.pipeline)),
        ("old_stage_id", json!(stages[1])),
        ("stage_id", json!(stages[3])),
    ] {
        assert_eq!(told[0][field], expected, "{field}: {told:?}");
    }
    assert_eq!(told[0]["moved_by"]["robot"], false);
    assert!(told[0]["moved_at"].is_string());

    // He moves it back, and then to where we had moved it: neither is ours. The deal stays where he wants it.
    academy.crm.move_to(deal, stages[0]).await;
    platform.has(2).await;
    academy.crm.emulator.settle_webhooks().await;
    assert_eq!(academy.crm.stage_of(deal).await, stages[0]);
    let path = "/api/lessons/progress?email=student@example.com";
    let (_, progress) = academy.get(path).await;
    assert_eq!(progress["courses"][0]["manager"]["stage_id"], stages[0]);

    // The next lesson moves it on, and nobody is told of that.
    academy.finishes("student@example.com", 68).await;
    academy.stage_becomes(deal, 2).await;
    academy.log_has(2).await;
    academy.crm.emulator.settle_webhooks().await;
    // What would be told of it is told before this.
    academy.crm.move_to(deal, 143).await;
    let told = platform.has(3).await;
    assert_eq!(
        (&told[2]["stage_id"], &told[2]["lesson"]),
        (&json!(143), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_move_is_known_when_its_webhook_overtakes_the_answer_or_the_answer_is_lost() {
    let (academy, platform) = open(&[]).await;
    let deal = academy.crm.applies("student@example.com").await;
    for (lesson, fault) in [
        (67, Fault::slow_answer(700)),
        (68, Fault::drop_after_commit()),
        (69, Fault::duplicate_webhook()),
    ] {
        academy
            .crm
            .emulator
            .fault(fault.path("/api/v4/leads").method("PATCH"));
        academy.finishes("student@example.com", lesson).await;
        let place = usize::try_from(lesson - 66).unwrap();
        academy.log_has(place).await;
        academy.crm.emulator.settle_webhooks().await;
        academy.crm.emulator.clear_faults();
    }
    assert_eq!(academy.crm.stage_of(deal).await, academy.crm.stages[3]);
    academy.crm.move_to(deal, academy.crm.stages[0]).await;
    let told = platform.has(1).await;
    assert_eq!(told[0]["stage_id"], academy.crm.stages[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_was_down_is_told_in_order_and_what_is_given_up_is_revived() {
    let (academy, platform) = open(&[]).await;
    let deal = begun(&academy, "student@example.com").await;
    platform.be_down(true);
    let wanted = [3, 0, 2].map(|lesson| academy.crm.stages[lesson]);
    for stage in wanted {
        academy.crm.move_to(deal, stage).await;
        academy.crm.emulator.settle_webhooks().await;
    }
    let jobs = academy.app.store().jobs();
    assert_eq!(jobs.stats(LESSON_CALLBACK).await.unwrap().depth, 3);
    let totals = academy.app.store().totals();
    eventually("the failure is counted", || async {
        (totals.read(FAILED_LESSONS).await.unwrap() > 0).then_some(())
    })
    .await;
    platform.be_down(false);
    let told = platform.has(3).await;
    let stages: Vec<_> = told
        .iter()
        .map(|data| data["stage_id"].as_i64().unwrap())
        .collect();
    assert_eq!(stages, wanted);
    let ids: std::collections::BTreeSet<_> =
        platform.moves().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 3);

    let (academy, platform) = open(&[("LESSON_CALLBACK_PATIENCE_HOURS", "0")]).await;
    let deal = begun(&academy, "student@example.com").await;
    platform.be_down(true);
    academy.crm.move_to(deal, academy.crm.stages[2]).await;
    let jobs = academy.app.store().jobs();
    eventually("it is given up", || async {
        let dead = DeadLetterFilter::kind(LESSON_CALLBACK);
        (jobs.dead_letters(dead).await.unwrap().len() == 1).then_some(())
    })
    .await;
    platform.be_down(false);
    commands::retry(&academy.app, &mut Vec::new())
        .await
        .unwrap();
    platform.has(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_comes_through_the_gateway_as_well_and_nobody_else_is_believed() {
    let (academy, platform) = open(&[]).await;
    let deal = begun(&academy, "student@example.com").await;
    let account = academy.crm.call(Method::GET, "/api/v4/account", None).await;
    let form = |account: &Value, updated_at: i64| {
        format!(
            "account[id]={account}&leads[status][0][id]={deal}&leads[status][0][status_id]={}\
             &leads[status][0][old_status_id]={}&leads[status][0][updated_at]={updated_at}\
             &leads[status][0][modified_user_id]=0",
            academy.crm.stages[2], academy.crm.stages[1]
        )
    };
    let http = testkit::browser();
    let now = SystemClock.now();
    let payload = webhook::parse(form(&account["id"], now.timestamp()).as_bytes()).unwrap();
    let event = CloudEvent::new("evt_1", payload.events[0].clone(), payload.account);
    let body = serde_json::to_vec(&event).unwrap();
    for (secret, expected) in [(PLATFORM, 401), (GATEWAY, 200), (GATEWAY, 200)] {
        let answer = http
            .post(format!("{}/webhooks/gateway", academy.url))
            .headers(keys(secret).headers("evt_1", now, &body).unwrap())
            .header("content-type", "application/cloudevents+json")
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), expected);
    }
    for (secret, account, expected) in [
        ("another-secret-0123456789", &account["id"], 404),
        (WEBHOOKS, &json!(1), 403),
        (WEBHOOKS, &account["id"], 200),
    ] {
        let answer = http
            .post(format!("{}/webhooks/amocrm/{secret}", academy.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(account, now.timestamp()))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), expected);
    }
    let told = platform.has(1).await;
    assert_eq!(told[0]["moved_by"], json!({"user_id": null, "robot": true}));
    assert_eq!(
        academy.crm.stage_of(deal).await,
        academy.crm.stages[1],
        "a callback moves nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_asks_the_platform_and_looks_for_the_subscription() {
    let (academy, platform) = open(&[("PUBLIC_URL", "http://127.0.0.1:9")]).await;
    let (is_well, told) = academy.examine().await;
    assert!(!is_well && told.contains("no subscription"), "{told}");
    assert!(told.contains("the platform takes callbacks"), "{told}");
    commands::subscribe(&academy.app, &mut Vec::new())
        .await
        .unwrap();
    platform.be_down(true);
    let (_, told) = academy.examine().await;
    assert!(told.contains("amoCRM tells of moved deals"), "{told}");
    assert!(told.contains("the platform answered 503"), "{told}");
}
