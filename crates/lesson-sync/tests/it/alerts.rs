//! Somebody is told, once, when something goes wrong: clocks are moved, nobody sleeps.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;
use testkit::{TestClock, TestReceiver, TestSmtp, databases, eventually};
use tokio_util::sync::CancellationToken;

use crate::harness::{Academy, Crm, all_settings, app_at};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STUDENT: &str = "canary.student@example.com";

/// Where alerts arrive, by the clock of the service.
async fn chat(clock: &TestClock) -> TestReceiver {
    TestReceiver::open(SECRET, Arc::new(clock.clone())).await
}

/// Impatient settings of alerts.
fn settings(chat: &TestReceiver) -> Vec<(&'static str, String)> {
    [
        ("ALERT_WEBHOOK_URL", chat.url.as_str()),
        ("ALERT_WEBHOOK_SECRET", SECRET),
        ("ALERT_FAILURES", "3"),
        ("ALERT_CHECK_SECONDS", "1"),
        // Whoever is not in amoCRM is given up at once.
        ("LESSON_PATIENCE_HOURS", "0"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let settings = settings.iter();
    settings
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// Waits until so many were told, none of them twice: rule, whether it is over.
async fn told(chat: &TestReceiver, count: usize) -> Vec<(String, bool)> {
    eventually(&format!("{count} alerts"), || async {
        (chat.taken().len() >= count).then_some(())
    })
    .await;
    let taken = chat.taken();
    assert_eq!(taken.len(), count, "{taken:?}");
    let ids: BTreeSet<_> = taken.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), count, "{taken:?}");
    let mut told = Vec::new();
    for (id, body) in &taken {
        assert_eq!(body["id"], **id);
        assert_eq!(body["service"], "lesson-sync");
        assert_impersonal(&body.to_string());
        let kind = body["type"].as_str().unwrap();
        assert!(["alert.fired", "alert.recovered"].contains(&kind), "{kind}");
        let rule = body["rule"].as_str().unwrap().to_owned();
        told.push((rule, kind == "alert.recovered"));
    }
    told
}

/// No student, no secret, no server's words.
fn assert_impersonal(text: &str) {
    for personal in ["canary", "example.com", "Bearer", "whsec", "eyJ", "503"] {
        assert!(!text.contains(personal), "{personal}: {text}");
    }
}

/// Lessons that fail: nobody has applied.
async fn three_fail(academy: &Academy, name: &str) {
    for number in 0..3 {
        let student = format!("canary.{name}{number}@example.com");
        academy.finishes(&student, 67).await;
    }
}

fn fired(rule: &str) -> (String, bool) {
    (rule.to_owned(), false)
}

fn over(rule: &str) -> (String, bool) {
    (rule.to_owned(), true)
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_once_by_two_processes_and_once_when_they_are_over() {
    for database in databases().await {
        let clock = TestClock::new();
        let chat = chat(&clock).await;
        let mut settings = settings(&chat);
        settings.push(("DATABASE_URL", database.url.clone()));
        let settings = borrowed(&settings);
        let (crm, folder) = (Crm::start().await, tempfile::tempdir().unwrap());
        let everything = all_settings(&crm, &folder, &settings);
        let academy = Academy::begin_at(&clock, crm, folder, &settings).await;
        let other = app_at(&clock, everything).await;
        let shutdown = CancellationToken::new();
        let beside = tokio::spawn({
            let (other, shutdown) = (other.clone(), shutdown.clone());
            async move { other.work(shutdown).await }
        });
        three_fail(&academy, "early").await;
        assert_eq!(told(&chat, 1).await, [fired("failures")]);
        let (_, first) = chat.taken().remove(0);
        for (field, figure) in [("value", 3), ("limit", 3), ("window_minutes", 15)] {
            assert_eq!(first[field], figure, "{first}");
        }
        assert!(first["text"].as_str().unwrap().contains("неудачных"));

        clock.advance(TimeDelta::minutes(16));
        let two = [fired("failures"), over("failures")];
        assert_eq!(told(&chat, 2).await, two);

        // Whatever was told twice would have come before this.
        three_fail(&academy, "late").await;
        assert_eq!(told(&chat, 3).await[2], fired("failures"));
        shutdown.cancel();
        beside.await.unwrap();
        academy.stop().await;
        database.drop_schema().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_is_told_later_and_lessons_do_not_wait_for_it() {
    let clock = TestClock::new();
    let chat = chat(&clock).await;
    chat.be_down(true);
    let settings = settings(&chat);
    let (crm, folder) = (Crm::start().await, tempfile::tempdir().unwrap());
    let academy = Academy::begin_at(&clock, crm, folder, &borrowed(&settings)).await;
    three_fail(&academy, "early").await;
    eventually("it was tried", || async {
        (chat.refused() > 0).then_some(())
    })
    .await;
    let deal = academy.crm.applies(STUDENT).await;
    academy.finishes(STUDENT, 67).await;
    academy.stage_becomes(deal, 1).await;
    assert!(chat.taken().is_empty());

    // Another process goes on, with what is to be told in the order in which it happened.
    let (crm, folder) = academy.stop().await;
    let academy = Academy::begin_at(&clock, crm, folder, &borrowed(&settings)).await;
    chat.be_down(false);
    clock.advance(TimeDelta::minutes(16));
    let two = [fired("failures"), over("failures")];
    assert_eq!(told(&chat, 2).await, two);
    academy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_move_is_told_by_letter() {
    for database in databases().await {
        let clock = TestClock::new();
        let smtp = TestSmtp::start().await;
        let (crm, folder) = (Crm::start().await, tempfile::tempdir().unwrap());
        let mut unconnected = crm.consent().await;
        unconnected.retain(|(name, _)| *name != "AMOCRM_REFRESH_TOKEN");
        let port = smtp.port.to_string();
        let mut settings = borrowed(&unconnected);
        settings.extend([
            ("DATABASE_URL", database.url.as_str()),
            ("ALERT_EMAIL", "admin@academy.example"),
            ("ALERT_CHECK_SECONDS", "1"),
            ("SMTP_HOST", "127.0.0.1"),
            ("SMTP_PORT", &port),
            ("SMTP_FROM", "lesson-sync <robot@academy.example>"),
        ]);
        let academy = Academy::begin_at(&clock, crm, folder, &settings).await;
        academy.finishes(STUDENT, 67).await;
        clock.advance(TimeDelta::minutes(16));
        let letter = eventually("a letter", || async { smtp.letters().pop() }).await;
        assert_eq!(letter.to, ["admin@academy.example"]);
        assert_eq!(letter.from, "robot@academy.example");
        let subject = letter.header("Subject").unwrap();
        assert!(
            subject.contains("work has been waiting for 16 min (limit 15)"),
            "{subject}"
        );
        assert!(letter.header("List-Unsubscribe").is_none());
        assert!(!letter.text.contains("canary"), "{}", letter.text);
        let (_, report) = academy.examine().await;
        assert!(report.contains("the mail server lets us in"), "{report}");
        academy.stop().await;
        assert_eq!(smtp.letters().len(), 1);
        database.drop_schema().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_access_is_told_and_that_somebody_has_mended_it() {
    let clock = TestClock::new();
    let chat = chat(&clock).await;
    let (crm, folder) = (Crm::start().await, tempfile::tempdir().unwrap());
    let alerts: Vec<_> = settings(&chat)
        .into_iter()
        .filter(|(name, _)| *name != "ALERT_FAILURES")
        .collect();
    let consent = crm.consent().await;
    let begin = async |crm: Crm, folder, consent: &[(&'static str, String)]| {
        let mut all = borrowed(consent);
        all.extend(borrowed(&alerts));
        Academy::begin_at(&clock, crm, folder, &all).await
    };
    let academy = begin(crm, folder, &consent).await;
    let deal = academy.crm.applies(STUDENT).await;
    academy.finishes(STUDENT, 67).await;
    academy.stage_becomes(deal, 1).await;
    academy.crm.emulator.revoke_tokens();
    academy.finishes(STUDENT, 68).await;
    assert_eq!(told(&chat, 1).await, [fired("renewals")]);
    let (_, first) = chat.taken().remove(0);
    assert_eq!(first["refused"], Value::Bool(true));
    assert!(first["text"].as_str().unwrap().contains("/api/auth/amo"));

    let (crm, folder) = academy.stop().await;
    let consent = crm.consent().await;
    let academy = begin(crm, folder, &consent).await;
    academy.stage_becomes(deal, 2).await;
    // The failed renewals themselves are out of the window by then.
    clock.advance(TimeDelta::minutes(16));
    let two = [fired("renewals"), over("renewals")];
    assert_eq!(told(&chat, 2).await, two);
    academy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_who_is_told_and_sends_nothing() {
    let academy = Academy::open().await;
    let (_, report) = academy.examine().await;
    assert!(report.contains("nobody is told"), "{report}");
    let clock = TestClock::new();
    let chat = chat(&clock).await;
    let mut settings = settings(&chat);
    let nowhere = [
        ("ALERT_EMAIL", "admin@academy.example"),
        ("SMTP_URL", "smtp://127.0.0.1:9"),
        ("SMTP_FROM", "robot@academy.example"),
    ];
    settings.extend(nowhere.map(|(name, value)| (name, value.to_owned())));
    let academy = Academy::open_with(&borrowed(&settings)).await;
    let (is_well, report) = academy.examine().await;
    assert!(!is_well, "{report}");
    for part in [
        "they are posted to ALERT_WEBHOOK_URL, signed",
        "the mail server cannot be reached",
        "look at SMTP_HOST",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(!report.contains(&chat.url), "{report}");
    assert!(chat.taken().is_empty());
}
