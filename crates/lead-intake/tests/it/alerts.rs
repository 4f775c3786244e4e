//! Whoever looks after the service is told when leads do not move, and when they do again.

use std::sync::Arc;

use chrono::TimeDelta;
use testkit::TestReceiver;

use crate::harness::{LEAD, TestApp, TestClock, TestDatabase, eventually};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test(flavor = "multi_thread")]
async fn leads_that_wait_too_long_are_told_once_and_once_when_they_have_arrived() {
    let clock = TestClock::new();
    let chat = TestReceiver::open(SECRET, Arc::new(clock.clone())).await;
    let settings = [
        ("ALERT_WEBHOOK_URL", chat.url.as_str()),
        ("ALERT_WEBHOOK_SECRET", SECRET),
        ("ALERT_CHECK_SECONDS", "1"),
        ("INTAKE_SHORT_WAIT_MS", "0"),
    ];
    let app = TestApp::start_at(&clock, TestDatabase::sqlite(), &settings).await;
    let taken = app.submit(LEAD).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    let told = async |count: usize| {
        eventually(&format!("{count} alerts"), || async {
            (chat.taken().len() >= count).then_some(())
        })
        .await;
        let told = chat.taken();
        assert_eq!(told.len(), count, "{told:?}");
        told
    };
    clock.advance(TimeDelta::minutes(16));
    let first = told(1).await;
    let (_, alert) = &first[0];
    assert_eq!(alert["service"], "lead-intake");
    assert_eq!(
        (&alert["type"], &alert["rule"]),
        (&"alert.fired".into(), &"queue".into())
    );
    assert_eq!((&alert["value"], &alert["limit"]), (&16.into(), &15.into()));
    for personal in ["Тест", "79001234567", "test@example.com", "whsec"] {
        assert!(!alert.to_string().contains(personal), "{alert}");
    }

    app.connect().await;
    app.provision().await;
    app.lead_is(1, "/delivery/state", "delivered").await;
    let both = told(2).await;
    assert_eq!(both[1].1["type"], "alert.recovered");
    let (_, report) = app.examine().await;
    assert!(
        report.contains("posted to ALERT_WEBHOOK_URL, signed"),
        "{report}"
    );
    let metrics = app.get("/metrics").await.text;
    for part in [
        "alerts_firing{rule=\"queue\"} 0",
        "alerts_sent_total{way=\"webhook\",outcome=\"ok\"}",
        "# HELP alerts_waiting ",
    ] {
        assert!(metrics.contains(part), "{part}: {metrics}");
    }
}
