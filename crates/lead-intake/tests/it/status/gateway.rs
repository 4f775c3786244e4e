//! Events that webhook-gateway delivers, signed.

use amocrm_sdk::webhook::{self, CLOUD_EVENTS_JSON, CloudEvent};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use secrecy::SecretString;
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::signature::SigningKeys;

use super::{FORM, delivered, history};
use crate::harness::TestApp;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// What amoCRM posts about a move, as the gateway passes it on.
fn envelope(deal: i64, (pipeline, stage): (i64, i64), second: i64) -> String {
    let body = format!(
        "leads[status][0][id]={deal}&leads[status][0][status_id]={stage}&leads[status][0][pipeline_id]={pipeline}\
         &leads[status][0][updated_at]={second}&leads[status][0][modified_user_id]=7"
    );
    let payload = webhook::parse(body.as_bytes()).unwrap();
    let event = payload.events.into_iter().next().unwrap();
    let sent = CloudEvent::new("evt_1", event, payload.account).received_at(now());
    serde_json::to_string(&sent).unwrap()
}

async fn post(app: &TestApp, secret: &str, at: DateTime<Utc>, body: &str) -> (u16, String) {
    let keys = SigningKeys::parse(&SecretString::from(secret)).unwrap();
    let signature = keys.sign("evt_1", at, body.as_bytes());
    let timestamp = at.timestamp().to_string();
    let headers = [
        ("content-type", CLOUD_EVENTS_JSON),
        ("webhook-id", "evt_1"),
        ("webhook-timestamp", timestamp.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    let answer = app
        .send(Method::POST, "/api/webhooks/amo", &headers, body)
        .await;
    (answer.status.as_u16(), answer.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_delivery_moves_the_lead_and_an_unsigned_or_old_one_does_not() {
    let both = format!("{NEW} {OLD}");
    let app = TestApp::ready_with(&[("INTAKE_GATEWAY_SECRET", &both)]).await;
    let deal = delivered(&app).await;
    // `provision` has subscribed nothing: amoCRM tells the gateway.
    let hooks = app.crm.get("/api/v4/webhooks").await;
    assert!(
        hooks.is_null() || hooks["_embedded"]["webhooks"] == serde_json::json!([]),
        "{hooks}"
    );
    let stage = app.crm.stage("Asia Deals", "Презентация").await;
    let body = envelope(deal, stage, now().timestamp() + 60);
    let stranger = "whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vyc3RyYW5nZXI=";
    for (secret, age, body) in [
        (stranger, 0, body.as_str()),
        (NEW, 301, body.as_str()),
        (OLD, -400, body.as_str()),
    ] {
        let (status, text) = post(&app, secret, now() - TimeDelta::seconds(age), body).await;
        assert_eq!(status, 401, "{text}");
    }
    // Neither an envelope without a signature, nor a form: the gateway is the only way in.
    let kind = [("content-type", CLOUD_EVENTS_JSON)];
    let bare = app
        .send(Method::POST, "/api/webhooks/amo", &kind, &body)
        .await;
    assert_eq!(bare.status, 401, "{}", bare.text);
    let form = format!("leads[status][0][id]={deal}&leads[status][0][status_id]=142");
    let form = app
        .send(Method::POST, "/api/webhooks/amo", &FORM, &form)
        .await;
    assert_eq!(form.status, 404, "{}", form.text);
    assert_eq!(app.lead(1).await["status"], "new");

    // Either secret, and the same delivery twice.
    for (secret, applied) in [(OLD, 1), (NEW, 0), (NEW, 0)] {
        let (status, text) = post(&app, secret, now(), &body).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.contains(&format!("\"applied\":{applied}")), "{text}");
    }
    assert_eq!(app.lead(1).await["status"], "presentation");
    assert_eq!(
        history(&app).await,
        [(
            "new".to_owned(),
            "presentation".to_owned(),
            "gateway".to_owned()
        )]
    );
    let (status, text) = post(&app, NEW, now(), "{\"specversion\": \"1.0\"}").await;
    assert_eq!(status, 400, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_no_signed_delivery_is_believed() {
    let app = TestApp::ready().await;
    let deal = delivered(&app).await;
    let body = envelope(deal, (1, 142), 1_900_000_000);
    let (status, text) = post(&app, NEW, now(), &body).await;
    assert_eq!(status, 401, "{text}");
    assert!(text.contains("INTAKE_GATEWAY_SECRET"), "{text}");
}
