//! Events on JetStream.

use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use serde_json::{Value, json};

use crate::harness::{TestClock, TestDatabase, TestGateway, TestNats, eventually};

async fn stream(nats: &TestNats) -> Stream {
    let context = nats.client().await;
    eventually("the stream is there", || async {
        context.get_stream("AMOCRM").await.ok()
    })
    .await
}

async fn messages(nats: &TestNats) -> u64 {
    stream(nats).await.get_info().await.unwrap().state.messages
}

#[tokio::test]
async fn events_are_published_once_in_order_and_a_server_that_lost_everything_is_no_obstacle() {
    let Some(mut nats) = TestNats::start().await else {
        return;
    };
    let database = TestDatabase::sqlite();
    let clock = TestClock::new();
    let url = nats.url();
    let gateway = TestGateway::start_with(&database, &clock, &[("NATS_URL", &url)]).await;
    gateway
        .put("bus", json!({ "nats": "amocrm", "timeout_ms": 2_000 }))
        .await;
    for number in 0..3 {
        gateway.accept("1", number, &["bus"]).await;
    }
    gateway.runs_empty("bus").await;
    let stream = stream(&nats).await;
    for number in 0..3 {
        let message = stream.get_raw_message(number + 1).await.unwrap();
        assert_eq!(message.subject.as_str(), "amocrm.acme.leads.status");
        let id = message.headers.get("Nats-Msg-Id").unwrap().as_str();
        assert_eq!(id, format!("evt_1_{number}"));
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(event["number"], number);
    }
    // The same message once more is the server's duplicate.
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", "evt_1_0");
    let context = nats.client().await;
    let again = context
        .publish_with_headers("amocrm.acme.leads.status", headers, "x".into())
        .await
        .unwrap();
    assert!(again.await.unwrap().duplicate);
    assert_eq!(messages(&nats).await, 3);

    nats.kill();
    gateway.accept("1", 3, &["bus"]).await;
    eventually("the server is missed", || async {
        gateway.circuit("bus").await.last_error
    })
    .await;
    nats.start_empty().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    gateway.runs_empty("bus").await;
    assert_eq!(messages(&nats).await, 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_name_and_a_password_in_the_address_open_the_server_and_are_told_to_nobody() {
    let Some(nats) = TestNats::start_for(Some(("gate way", "p@ss:word/1"))).await else {
        return;
    };
    let address = |login: &str| nats.url().replace("nats://", &format!("nats://{login}@"));
    for (login, is_right) in [
        ("gate%20way:p%40ss%3Aword%2F1", true),
        ("gate%20way:p%40ss%3Aword%2F2", false),
    ] {
        let database = TestDatabase::sqlite();
        let clock = TestClock::new();
        let url = address(login);
        let gateway = TestGateway::start_with(&database, &clock, &[("NATS_URL", &url)]).await;
        gateway
            .put("bus", json!({ "nats": "amocrm", "timeout_ms": 2_000 }))
            .await;
        gateway.accept("1", 0, &["bus"]).await;
        if is_right {
            gateway.runs_empty("bus").await;
            assert_eq!(messages(&nats).await, 1);
        } else {
            let told = eventually("the refusal is told", || async {
                gateway.circuit("bus").await.last_error
            })
            .await;
            assert!(told.contains("NATS") && !told.contains("word"), "{told}");
            assert_eq!(gateway.queue("bus").await, (1, 0), "it waits");
        }
        gateway.stop().await;
    }
}
