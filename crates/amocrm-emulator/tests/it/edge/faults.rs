//! Faults hit the requests they are meant for, as often as they were told, and no more.

use std::time::{Duration, Instant};

use amocrm_emulator::{Fault, FaultKind};
use axum::body::{Body, to_bytes};
use reqwest::StatusCode;
use serde_json::json;
use tower::ServiceExt as _;

use super::client::{Bench, json_of};

async fn lead_names(bench: &Bench) -> Vec<String> {
    bench.emulator.clear_faults();
    let answer = bench
        .get("/api/v4/leads?limit=250&order[id]=desc")
        .send()
        .await
        .expect("an answer");
    if answer.status() == StatusCode::NO_CONTENT {
        return Vec::new();
    }
    let leads = json_of(answer).await;
    let leads = leads["_embedded"]["leads"]
        .as_array()
        .expect("leads")
        .clone();
    leads
        .iter()
        .filter_map(|lead| lead["name"].as_str())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_dropped_connection_tells_nothing_about_whether_the_request_was_handled() {
    let bench = Bench::start().await;
    let create = |name: &str| {
        bench
            .post_json("/api/v4/leads", &json!([{ "name": name }]))
            .send()
    };
    bench.emulator.fault(Fault::drop_before().method("POST"));
    bench
        .emulator
        .fault(Fault::drop_after_commit().method("POST").skip(1));
    let before = create("never arrived")
        .await
        .expect_err("a dropped connection");
    let after = create("arrived, unanswered")
        .await
        .expect_err("a dropped connection");
    assert!(before.is_request() && after.is_request());
    let names = lead_names(&bench).await;
    assert!(
        names.contains(&"arrived, unanswered".to_owned())
            && !names.contains(&"never arrived".to_owned())
    );
    let journal = bench.emulator.requests();
    let faults: Vec<_> = journal
        .iter()
        .map(|entry| (entry.fault.as_deref(), entry.status))
        .collect();
    assert_eq!(
        faults[..2],
        [
            (Some("drop_before"), None),
            (Some("drop_after_commit"), None)
        ]
    );
    assert_eq!(bench.emulator.counters().status["dropped"], 2);
}

#[tokio::test]
async fn in_process_a_dropped_connection_is_a_body_that_fails() {
    let bench = Bench::start().await;
    bench.emulator.fault(Fault::drop_before());
    let call = || {
        let request = http::Request::get("https://asiadeals.amocrm.ru/api/v4/account");
        let request = request.header(
            "authorization",
            format!("Bearer {}", bench.credentials().access_token),
        );
        bench
            .emulator
            .router()
            .oneshot(request.body(Body::empty()).expect("a request"))
    };
    let dropped = call().await.expect("a response");
    assert!(to_bytes(dropped.into_body(), usize::MAX).await.is_err());
    let answered = call().await.expect("a response");
    let body = to_bytes(answered.into_body(), usize::MAX)
        .await
        .expect("a body");
    let account: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let self_link = account["_links"]["self"]["href"].as_str().expect("a link");
    assert!(
        self_link.starts_with("https://asiadeals.amocrm.ru/api/v4/account"),
        "{self_link}"
    );
}

#[tokio::test]
async fn each_named_fault_does_what_its_name_says() {
    let bench = Bench::start().await;
    let cases = [
        (
            json!({ "name": "throttle", "retry_after": 3 }),
            429,
            "application/problem+json",
        ),
        (
            json!({ "name": "throttle", "params": { "html": true } }),
            429,
            "text/html",
        ),
        (json!({ "name": "block" }), 403, "text/html"),
        (
            json!({ "name": "server_error", "status": 503 }),
            503,
            "application/problem+json",
        ),
        (json!({ "name": "html_error" }), 502, "text/html"),
        (
            json!({ "name": "refuse", "place": "custom_fields_values.0.field_id" }),
            400,
            "application/problem+json",
        ),
        (
            json!({ "name": "expire_token" }),
            401,
            "application/problem+json",
        ),
    ];
    for (fault, status, content_type) in cases {
        let planned = bench.control("faults", &fault).await;
        assert_eq!(planned["count"], 1, "{fault}");
        let answer = bench
            .get("/api/v4/account")
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), status, "{fault}");
        assert!(
            answer.headers()["content-type"]
                .to_str()
                .expect("text")
                .starts_with(content_type),
            "{fault}"
        );
    }
    assert!(bench.emulator.faults().is_empty(), "all are used up");

    let bench = Bench::start().await;
    bench.emulator.fault(Fault::slow(120).path("account"));
    let timed = |path: &'static str| {
        let request = bench.get(path);
        async move {
            let begin = Instant::now();
            assert_eq!(
                request.send().await.expect("an answer").status(),
                StatusCode::OK
            );
            begin.elapsed()
        }
    };
    timed("/api/v4/leads/pipelines").await;
    assert_eq!(
        bench.emulator.faults().len(),
        1,
        "another path does not use the fault up"
    );
    assert!(timed("/api/v4/account").await >= Duration::from_millis(120));

    bench.emulator.fault(Fault::malformed().always());
    for _ in 0..2 {
        let cut = bench
            .get("/api/v4/account")
            .send()
            .await
            .expect("an answer")
            .text()
            .await
            .expect("a body");
        assert!(serde_json::from_str::<serde_json::Value>(&cut).is_err() && cut.starts_with('{'));
    }
    bench.emulator.clear_faults();
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

#[tokio::test]
async fn a_request_whose_client_hangs_up_is_handled_to_its_end() {
    let bench = Bench::start().await;
    bench.emulator.fault(Fault::slow(200).method("POST"));
    let impatient = bench.post_json("/api/v4/leads", &json!([{ "name": "patience" }]));
    let timed_out = impatient.timeout(Duration::from_millis(50)).send().await;
    assert!(timed_out.expect_err("a timeout").is_timeout());
    // The journal completes an entry when its handler is through; no other sign of it reaches the client that left.
    while lead_names(&bench)
        .await
        .iter()
        .all(|name| name != "patience")
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_misspelt_fault_is_refused_by_name() {
    let bench = Bench::start().await;
    for (body, word) in [
        (json!({ "name": "explode" }), "explode"),
        (json!({ "name": "slow", "ms": "long" }), "u64"),
        (json!({ "count": 2 }), "name"),
        (json!({ "name": "slow", "ms": 1, "times": 3 }), "times"),
        (json!({ "name": "slow", "params": 3 }), "params"),
    ] {
        let request = bench
            .http
            .post(bench.url("/_emulator/faults"))
            .body(body.to_string());
        let refused = request.send().await.expect("an answer");
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        let detail = json_of(refused).await["detail"]
            .as_str()
            .expect("text")
            .to_owned();
        assert!(detail.contains(word), "{detail}");
    }
    assert_eq!(Fault::slow(5).kind, FaultKind::Slow { ms: 5 });
}
