//! The rate limits as a client meets them, and the journal that proves them.

use amocrm_emulator::{Emulator, LimitSettings};
use reqwest::StatusCode;
use serde_json::json;

use super::client::{Bench, json_of};

#[tokio::test]
async fn the_eighth_request_of_a_second_is_throttled_and_the_journal_shows_all_of_them() {
    let bench = Bench::with(Emulator::start().await.expect("an emulator"));
    let calls = (0..9).map(|_| bench.get("/api/v4/account").send());
    let mut statuses = Vec::new();
    for call in calls.map(tokio::spawn).collect::<Vec<_>>() {
        statuses.push(
            call.await
                .expect("a task")
                .expect("an answer")
                .status()
                .as_u16(),
        );
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 7].as_slice(), &[429; 2]].concat());
    let counters = bench.emulator.counters();
    assert_eq!(
        (
            counters.total,
            counters.status["200"],
            counters.status["429"]
        ),
        (9, 7, 2)
    );
    assert_eq!(counters.peak_per_second, 9);
    let journal = bench.emulator.requests();
    assert!(
        journal
            .windows(2)
            .all(|pair| pair[0].arrival_ms <= pair[1].arrival_ms && pair[0].seq < pair[1].seq)
    );
    assert!(
        journal
            .iter()
            .all(|entry| entry.token_id == journal[0].token_id && entry.token_id.is_some())
    );

    // The token endpoint pays from the same budget.
    assert_eq!(
        bench
            .refresh(&bench.credentials().refresh_token)
            .await
            .status,
        429
    );
}

#[tokio::test]
async fn the_answer_to_a_violation_is_configurable_and_repeated_violations_block_the_account() {
    let mut limits = LimitSettings::per_second(1);
    limits.retry_after = Some(300);
    limits.block_after = Some(1);
    let bench = Bench::with(
        Emulator::builder()
            .limits(limits)
            .start()
            .await
            .expect("an emulator"),
    );
    assert_eq!(
        bench
            .get("/api/v4/account")
            .send()
            .await
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
    let blocked = bench
        .get("/api/v4/account")
        .send()
        .await
        .expect("an answer");
    assert_eq!(blocked.status(), StatusCode::FORBIDDEN);
    assert!(
        blocked.headers()["content-type"]
            .to_str()
            .expect("text")
            .starts_with("text/html")
    );
    let token = bench
        .http
        .post(bench.url("/oauth2/access_token"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        token.status(),
        StatusCode::FORBIDDEN,
        "the block covers the token endpoint"
    );

    bench.control("block/lift", &json!({})).await;
    bench
        .control("limits", &json!({ "integration": 1, "block_after": null }))
        .await;
    let mut throttled = bench
        .get("/api/v4/account")
        .send()
        .await
        .expect("an answer");
    while throttled.status() == StatusCode::OK {
        throttled = bench
            .get("/api/v4/account")
            .send()
            .await
            .expect("an answer");
    }
    assert_eq!(throttled.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(json_of(throttled).await["retry_after"], 300);
    bench
        .control("limits", &json!({ "integration": "off", "account": "off" }))
        .await;
    assert_eq!(
        bench
            .get("/api/v4/account")
            .send()
            .await
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
}
