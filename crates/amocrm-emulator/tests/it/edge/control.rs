//! The control API where no other story uses it.

use std::time::Duration;

use amocrm_emulator::{Emulator, Fault};
use reqwest::StatusCode;
use serde_json::json;

use super::client::{Bench, json_of};

#[tokio::test]
async fn a_reset_is_a_new_start_with_the_same_credentials() {
    let bench = Bench::with(
        Emulator::builder()
            .rate_limit(50)
            .start()
            .await
            .expect("an emulator"),
    );
    let leads = || async {
        let answer = bench
            .get("/api/v4/leads?limit=250")
            .send()
            .await
            .expect("an answer");
        json_of(answer).await["_embedded"]["leads"]
            .as_array()
            .expect("leads")
            .len()
    };
    let before = leads().await;
    let created = bench
        .post_json("/api/v4/leads", &json!([{ "name": "gone" }]))
        .send()
        .await
        .expect("an answer");
    assert!(created.status().is_success());
    bench
        .exchange_code(&bench.credentials().code)
        .await
        .access();
    bench.emulator.fault(Fault::block().always());
    bench.emulator.block();
    bench.emulator.advance(Duration::from_hours(200 * 24));
    bench.emulator.revoke_tokens();

    bench.control("reset", &json!({})).await;
    assert_eq!(leads().await, before);
    bench
        .exchange_code(&bench.credentials().code)
        .await
        .access();
    bench
        .refresh(&bench.credentials().refresh_token)
        .await
        .access();
    assert_eq!(bench.emulator.counters().total, 3, "the journal began anew");
}

#[tokio::test]
async fn the_control_api_is_out_of_reach_of_limits_faults_and_the_journal() {
    let bench = Bench::with(
        Emulator::builder()
            .rate_limit(1)
            .start()
            .await
            .expect("an emulator"),
    );
    bench.emulator.fault(Fault::drop_before().always());
    bench.emulator.block();
    for _ in 0..20 {
        let answer = bench
            .http
            .get(bench.url("/_emulator/health"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let listed = json_of(
        bench
            .http
            .get(bench.url("/_emulator/requests"))
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(listed["counters"]["total"], 0);
    let faults = json_of(
        bench
            .http
            .get(bench.url("/_emulator/faults"))
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(faults["faults"][0]["name"], "drop_before");
    let id = &faults["faults"][0]["id"];
    let removed = bench
        .http
        .delete(bench.url(&format!("/_emulator/faults/{id}")))
        .send()
        .await
        .expect("an answer");
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_control_request_may_be_json_a_form_a_query_or_empty() {
    let bench = Bench::start().await;
    let post = |path: &str, body: &str| {
        let request = bench.http.post(bench.url(&format!("/_emulator/{path}")));
        let request = request.body(body.to_owned());
        async { json_of(request.send().await.expect("an answer")).await }
    };
    let start = post("clock/advance", "{\"seconds\": 10}").await["offset_ms"]
        .as_u64()
        .expect("milliseconds");
    post("clock/advance", "secs=10").await;
    let end = post("clock/advance?seconds=10.5", "").await["offset_ms"].clone();
    assert_eq!(end, start + 20_500);

    for (path, body) in [
        ("faults", r#"{"name": "slow", "path": "/api/*/notes"}"#),
        ("faults", "name=slow&path=/api/*/notes"),
        ("faults?name=slow&path=/api/*/notes", ""),
    ] {
        let planned = post(path, body).await;
        let expected = json!({ "id": planned["id"], "name": "slow", "ms": 3000, "count": 1, "path": "/api/*/notes", "method": null, "skip": 0 });
        assert_eq!(planned, expected, "{path} {body}");
    }
    bench.emulator.fault(Fault::throttle().path("/api/*/leads"));
    for (path, status) in [("/api/v4/contacts", 200), ("/api/v4/leads", 429)] {
        let answer = bench.get(path).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
    }

    let issued = post("tokens", "").await;
    assert_eq!(issued["token"], issued["access_token"]);
    let token = issued["token"].as_str().expect("a token");
    assert_eq!(bench.status_with(token).await, StatusCode::OK);
    assert_eq!(
        post("tokens/revoke", "").await["revoked_grants"],
        1,
        "the pair"
    );
    assert_eq!(bench.status_with(token).await, StatusCode::OK);
    let revoked = post("tokens/revoke", &json!({ "token": token }).to_string()).await;
    assert_eq!(revoked["revoked_grants"], 1);
    assert_eq!(bench.status_with(token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_journal_shows_requests_for_what_is_not_emulated() {
    let bench = Bench::start().await;
    for (path, status) in [
        ("/private/api/auth.php", 404),
        ("/_emulator/no-such-call", 404),
        ("/_emulator/reset", 405),
    ] {
        let answer = bench.http.get(bench.url(path)).send().await;
        assert_eq!(answer.expect("an answer").status(), status, "{path}");
    }
    let requests = bench.emulator.requests();
    let seen: Vec<_> = requests.iter().map(|it| (&*it.path, it.status)).collect();
    assert_eq!(seen, [("/private/api/auth.php", Some(404))]);
}

#[tokio::test]
async fn neither_journal_nor_debug_output_holds_a_secret() {
    let bench = Bench::start().await;
    let pair = bench.exchange_code(&bench.emulator.code()).await;
    bench.status_with(&pair.access()).await;
    bench.refresh(&pair.refresh()).await;
    bench
        .http
        .get(bench.url("/oauth?client_id=x&code=planted-secret"))
        .send()
        .await
        .expect("an answer");
    let journal = bench
        .http
        .get(bench.url("/_emulator/requests"))
        .send()
        .await
        .expect("an answer");
    let shown = format!(
        "{:?} {}",
        bench.emulator,
        journal.text().await.expect("a body")
    );
    let c = bench.credentials();
    let secrets = [
        &c.access_token,
        &c.refresh_token,
        &c.long_lived_token,
        &c.code,
        &c.client_secret,
    ];
    for secret in secrets.into_iter().chain([
        &pair.access(),
        &pair.refresh(),
        &"planted-secret".to_owned(),
    ]) {
        assert!(!shown.contains(secret.as_str()));
    }
    assert_eq!(bench.emulator.counters().grant["refresh_token"], 1);
}

#[tokio::test]
async fn mistakes_are_answered_with_the_name_of_the_field() {
    let bench = Bench::start().await;
    let cases = [
        ("clock/advance", json!({ "minutes": 5 }), "seconds"),
        ("tokens", json!({ "days": 0 }), "days"),
        ("tokens", json!({ "user_id": 1 }), "user_id"),
        ("codes", json!({ "client_id": "x" }), "client_id"),
        ("tokens/expire", json!({ "clientid": "x" }), "clientid"),
        ("limits", json!({ "per_second": 3 }), "per_second"),
        ("oauth", json!({ "strict": true }), "strict"),
        ("block", json!({ "account_id": 1 }), "account_id"),
        ("accounts", json!({ "subdomain": "asiadeals" }), "subdomain"),
        (
            "accounts",
            json!({ "subdomain": "new", "tld": "org" }),
            "tld",
        ),
        (
            "integrations/disable",
            json!({ "client_id": "x" }),
            "client_id",
        ),
    ];
    for (path, body, field) in cases {
        let request = bench
            .http
            .post(bench.url(&format!("/_emulator/{path}")))
            .body(body.to_string());
        let refused = request.send().await.expect("an answer");
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{path}");
        let detail = json_of(refused).await["detail"]
            .as_str()
            .expect("text")
            .to_owned();
        assert!(detail.contains(field), "{path}: {detail}");
    }
}
