//! Webhooks as a subscriber receives them.

use std::time::Duration;

use amocrm_emulator::Fault;
use http::StatusCode;
use serde_json::{Value, json};

use super::client::{Bench, json_of};
use super::subscriber::Subscriber;

async fn create_lead(bench: &Bench, name: &str) -> u64 {
    let answer = bench
        .post_json("/api/v4/leads", &json!([{ "name": name, "price": 1500 }]))
        .send()
        .await;
    json_of(answer.expect("an answer")).await["_embedded"]["leads"][0]["id"]
        .as_u64()
        .expect("an id")
}

fn statuses(bench: &Bench) -> Vec<(u32, u16)> {
    bench
        .emulator
        .webhook_attempts()
        .iter()
        .map(|attempt| (attempt.attempt, attempt.status))
        .collect()
}

#[tokio::test]
async fn a_new_lead_arrives_as_amocrm_sends_it() {
    let (bench, subscriber) = (Bench::start().await, Subscriber::start().await);
    subscriber.subscribe(&bench, &["add_lead"]).await;
    let id = create_lead(&bench, "Order 17 + more").await;
    bench.emulator.settle_webhooks().await;
    let received = subscriber.received();
    let [delivery] = received.as_slice() else {
        panic!("{} deliveries", received.len())
    };
    assert_eq!(delivery.headers["user-agent"], "amoCRM-Webhooks/3.0");
    assert_eq!(
        delivery.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert!(delivery.headers.contains_key("x-amocrm-requestid"));
    let first: Vec<&str> = delivery
        .form
        .iter()
        .take(3)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        first,
        ["account[subdomain]", "account[id]", "account[_links][self]"]
    );
    assert_eq!(
        delivery.value("account[_links][self]"),
        "https://asiadeals.amocrm.ru"
    );
    assert_eq!(delivery.value("leads[add][0][id]"), id.to_string());
    assert_eq!(delivery.value("leads[add][0][name]"), "Order 17 + more");
    assert_eq!(delivery.value("leads[add][0][price]"), "1500");
}

#[tokio::test]
async fn failed_deliveries_come_back_on_schedule_and_no_sooner() {
    let (bench, subscriber) = (Bench::start().await, Subscriber::start().await);
    subscriber.subscribe(&bench, &["add_lead"]).await;
    subscriber.answer(503);
    create_lead(&bench, "retried").await;
    bench.emulator.settle_webhooks().await;
    let mut expected = vec![(1, 503)];
    assert_eq!(statuses(&bench), expected);
    for (attempt, minutes) in [(2, 5), (3, 15), (4, 15), (5, 60)] {
        bench
            .emulator
            .advance(Duration::from_secs(minutes * 60 - 30));
        bench.emulator.settle_webhooks().await;
        assert_eq!(
            statuses(&bench),
            expected,
            "attempt {attempt} came too early"
        );
        bench.emulator.advance(Duration::from_secs(31));
        bench.emulator.settle_webhooks().await;
        expected.push((attempt, 503));
        assert_eq!(statuses(&bench), expected);
    }
    bench.emulator.advance(Duration::from_hours(24));
    bench.emulator.settle_webhooks().await;
    assert_eq!(
        statuses(&bench),
        expected,
        "after five attempts it is dropped"
    );
    let ids: Vec<_> = subscriber
        .received()
        .iter()
        .map(|it| it.headers["x-amocrm-requestid"].clone())
        .collect();
    assert!(
        ids.iter().all(|id| *id == ids[0]),
        "all attempts carry the delivery's id"
    );
}

#[tokio::test]
async fn a_subscriber_slower_than_two_seconds_has_not_received() {
    let (bench, subscriber) = (Bench::start().await, Subscriber::start().await);
    subscriber.subscribe(&bench, &["add_lead"]).await;
    subscriber.pause(Duration::from_millis(2_500));
    create_lead(&bench, "slow").await;
    bench.emulator.settle_webhooks().await;
    assert_eq!(statuses(&bench), [(1, 0)]);
    // Three attempts and no more for those who give no answer at all.
    subscriber.pause(Duration::ZERO);
    subscriber.answer(204);
    bench.emulator.advance(Duration::from_mins(5));
    bench.emulator.settle_webhooks().await;
    assert_eq!(statuses(&bench), [(1, 0), (2, 204)]);
}

#[tokio::test]
async fn a_subscription_with_too_many_invalid_answers_is_disabled() {
    let (bench, subscriber) = (Bench::start().await, Subscriber::start().await);
    subscriber.subscribe(&bench, &["add_lead"]).await;
    subscriber.answer(404);
    let leads: Vec<Value> = (0..101)
        .map(|number| json!({ "name": format!("lead {number}") }))
        .collect();
    let created = bench
        .post_json("/api/v4/leads", &Value::Array(leads))
        .send()
        .await
        .expect("an answer");
    assert!(created.status().is_success(), "{}", created.status());
    bench.emulator.settle_webhooks().await;
    assert_eq!(subscriber.received().len(), 101);
    let hooks = json_of(
        bench
            .get("/api/v4/webhooks")
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(hooks["_embedded"]["webhooks"][0]["disabled"], true);
    create_lead(&bench, "nobody listens").await;
    bench.emulator.settle_webhooks().await;
    assert_eq!(subscriber.received().len(), 101);
}

#[tokio::test]
async fn webhooks_can_be_doubled_and_reordered_on_demand() {
    let (bench, subscriber) = (Bench::start().await, Subscriber::start().await);
    subscriber.subscribe(&bench, &["add_lead"]).await;
    let names = || -> Vec<String> {
        subscriber
            .received()
            .iter()
            .map(|it| it.value("leads[add][0][name]").to_owned())
            .collect()
    };
    bench.emulator.fault(Fault::duplicate_webhook());
    create_lead(&bench, "twice").await;
    bench.emulator.settle_webhooks().await;
    assert_eq!(names(), ["twice", "twice"]);
    bench.emulator.fault(Fault::reorder_webhooks().times(3));
    for name in ["1", "2", "3", "4"] {
        create_lead(&bench, name).await;
    }
    bench.emulator.settle_webhooks().await;
    assert_eq!(names()[2..], ["3", "2", "1", "4"]);
    // Without a count two change places; what waits in vain for a second one is let go with the fault.
    bench
        .control("faults", &json!({ "name": "reorder_webhooks" }))
        .await;
    create_lead(&bench, "5").await;
    assert_eq!(bench.emulator.faults()[0].fault.count, Some(1));
    bench.emulator.clear_faults();
    create_lead(&bench, "6").await;
    bench.emulator.settle_webhooks().await;
    assert_eq!(names()[6..], ["5", "6"]);
}

#[tokio::test]
async fn nothing_comes_of_a_delivery_that_a_reset_has_overtaken() {
    let (bench, old, new) = (
        Bench::start().await,
        Subscriber::start().await,
        Subscriber::start().await,
    );
    old.subscribe(&bench, &["add_lead"]).await;
    old.answer(500);
    old.pause(Duration::from_millis(300));
    create_lead(&bench, "before").await;
    while old.received().is_empty() {
        tokio::task::yield_now().await;
    }
    bench.emulator.reset();
    // The new subscription has the number of the old one.
    new.subscribe(&bench, &["add_lead"]).await;
    create_lead(&bench, "after").await;
    bench.emulator.settle_webhooks().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    bench.emulator.advance(Duration::from_hours(1));
    bench.emulator.settle_webhooks().await;
    assert_eq!((old.received().len(), new.received().len()), (1, 1));
    assert_eq!(statuses(&bench), [(1, 200)]);
}

#[tokio::test]
async fn an_integration_is_told_that_it_was_disabled_and_a_widget_install_delivers_a_code() {
    let subscriber = Subscriber::start().await;
    let builder = amocrm_emulator::Emulator::builder()
        .rate_limit(None)
        .redirect_uri(&subscriber.url);
    let bench = Bench::with(builder.start().await.expect("an emulator"));
    let told = bench.control("integrations/install", &json!({})).await;
    assert_eq!(told["hook_status"], 200);
    let query = subscriber.received()[0].query.clone().expect("a query");
    let parameters: std::collections::BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(parameters["from_widget"], "1");
    let pair = bench.exchange_code(&parameters["code"]).await;
    assert_eq!(bench.status_with(&pair.access()).await, StatusCode::OK);

    let told = bench
        .control(
            "integrations/disable",
            &json!({ "hook_url": subscriber.url }),
        )
        .await;
    assert_eq!(told["hook_status"], 200);
    let received = subscriber.received();
    let hook = received.last().expect("a hook");
    assert_eq!(
        hook.headers["user-agent"],
        "amoService-oAuth-Code-Sender/1.0"
    );
    let query = hook.query.clone().expect("a query");
    assert!(
        query.contains("account_id=31000001")
            && query.contains("client_uuid=")
            && query.contains("signature=")
    );
    assert_eq!(
        bench.status_with(&pair.access()).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn nothing_more_is_sent_to_a_subscription_that_was_deleted() {
    let (bench, subscriber) = (Bench::start().await, Subscriber::start().await);
    subscriber.subscribe(&bench, &["add_lead"]).await;
    subscriber.answer(500);
    create_lead(&bench, "to be retried").await;
    bench.emulator.settle_webhooks().await;
    let delete = bench
        .http
        .delete(bench.url("/api/v4/webhooks"))
        .bearer_auth(&bench.credentials().access_token);
    let body = json!({ "destination": subscriber.url }).to_string();
    let deleted = delete
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    bench.emulator.advance(Duration::from_hours(2));
    bench.emulator.settle_webhooks().await;
    assert_eq!(subscriber.received().len(), 1);
}
