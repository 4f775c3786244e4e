//! The tests of the documents' checklist.

use std::time::Duration;

use amocrm_emulator::Fault;
use lesson_sync::commands;
use serde_json::json;
use store::{DeadLetterFilter, LESSON_SYNC};
use testkit::eventually;

use crate::harness::Academy;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_student_goes_through_the_lessons_and_the_deal_follows() {
    let academy = Academy::open().await;
    let deal = academy.crm.applies("test-prod@example.com").await;
    for lesson in 1..=3_u32 {
        academy.finishes("test-prod@example.com", 66 + lesson).await;
        academy.stage_becomes(deal, lesson as usize).await;
    }
    let log = academy.log_has(3).await;
    assert!(
        log.iter()
            .all(|(_, outcome, success)| outcome == "moved" && *success),
        "{log:?}"
    );
    let (_, progress) = academy
        .get("/api/lessons/progress?email=Test-Prod@example.com")
        .await;
    let course = &progress["courses"][0];
    assert_eq!(
        (course["highest"].as_i64(), course["of"].as_i64()),
        (Some(3), Some(3))
    );
    assert_eq!(course["lead_id"], deal);
    assert_eq!(course["lessons"][2]["state"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn deals_only_move_forward_and_closed_ones_are_left_alone() {
    let academy = Academy::open().await;
    let ahead = academy.crm.applies("ahead@example.com").await;
    academy.finishes("ahead@example.com", 69).await;
    academy.stage_becomes(ahead, 3).await;
    // Late, twice, out of order.
    for lesson in [68, 67, 68] {
        academy.finishes("ahead@example.com", lesson).await;
    }
    let log = academy.log_has(3).await;
    assert_eq!(log.len(), 3, "a repeated lesson is one lesson: {log:?}");
    assert_eq!(academy.crm.stage_of(ahead).await, academy.crm.stages[3]);
    assert!(
        log[..2]
            .iter()
            .all(|(_, outcome, success)| outcome == "ahead" && *success)
    );

    let won = academy.crm.applies("won@example.com").await;
    academy.crm.move_to(won, 142).await;
    academy.finishes("won@example.com", 67).await;
    let log = academy.log_has(4).await;
    assert_eq!(log[0], (1, "closed".to_owned(), false));
    assert_eq!(academy.crm.stage_of(won).await, 142);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_e_mail_is_compared_whole_and_in_any_case() {
    let academy = Academy::open().await;
    // The search finds parts: this one contains the student's.
    let other = academy.crm.applies("not-student@example.com").await;
    let deal = academy.crm.applies("Student@Example.COM").await;
    academy.finishes("sTUDENT@example.com", 67).await;
    academy.stage_becomes(deal, 1).await;
    assert_eq!(academy.crm.stage_of(other).await, academy.crm.stages[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_student_who_is_unknown_or_elsewhere_waits_and_goes_on_when_the_deal_comes() {
    let academy = Academy::open_with(&[("LESSON_PATIENCE_HOURS", "0")]).await;
    let elsewhere = academy
        .crm
        .call(reqwest::Method::GET, "/api/v4/leads/pipelines", None)
        .await;
    let main = elsewhere["_embedded"]["pipelines"]
        .as_array()
        .unwrap()
        .iter()
        .find(|pipeline| pipeline["is_main"] == true)
        .unwrap();
    let stage = main["_embedded"]["statuses"][1]["id"].as_i64().unwrap();
    let foreign = academy
        .crm
        .applies_in("elsewhere@example.com", main["id"].as_i64().unwrap(), stage)
        .await;
    // Without patience they are dead letters at once.
    academy.finishes("elsewhere@example.com", 67).await;
    academy.finishes("unknown@example.com", 68).await;
    let log = academy.log_has(2).await;
    let mut outcomes: Vec<_> = log
        .iter()
        .map(|(_, outcome, success)| (outcome.as_str(), *success))
        .collect();
    outcomes.sort_unstable();
    assert_eq!(
        outcomes,
        [("no_contact", false), ("not_in_pipeline", false)]
    );
    assert_eq!(
        academy.crm.stage_of(foreign).await,
        stage,
        "it was not touched"
    );
    let dead = DeadLetterFilter::kind(LESSON_SYNC);
    eventually("two dead letters", || async {
        let jobs = academy.app.store().jobs();
        let letters = jobs.dead_letters(dead.clone()).await.unwrap();
        (letters.len() == 2).then_some(())
    })
    .await;

    // They apply after all, and somebody says `retry`.
    let deals = [
        (academy.crm.applies("elsewhere@example.com").await, 1),
        (academy.crm.applies("unknown@example.com").await, 2),
    ];
    let mut out = Vec::new();
    commands::retry(&academy.app, &mut out).await.unwrap();
    assert!(String::from_utf8(out).unwrap().contains("2 put back"));
    for (deal, lesson) in deals {
        academy.stage_becomes(deal, lesson).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_invalid_token_students_are_answered_and_deals_move_once_it_is_mended() {
    let academy = Academy::open_with(&[("AMOCRM_ACCESS_TOKEN", "invalid_token_test")]).await;
    let deal = academy.crm.applies("student@example.com").await;
    academy.finishes("student@example.com", 67).await;
    let (is_well, told) = academy.examine().await;
    assert!(!is_well && told.contains("AMOCRM_ACCESS_TOKEN"), "{told}");
    assert_eq!(academy.crm.stage_of(deal).await, academy.crm.stages[0]);
    let (crm, folder) = academy.stop().await;
    let academy = Academy::again(crm, folder, &[]).await;
    academy.stage_becomes(deal, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_live_on_after_a_day_and_renewed_ones_win_over_stale_settings() {
    let crm = crate::harness::Crm::start().await;
    let oauth = crm.consent().await;
    let oauth: Vec<_> = oauth
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let deal = crm.applies("student@example.com").await;
    let academy = Academy::again(crm, tempfile::tempdir().unwrap(), &oauth).await;
    academy.finishes("student@example.com", 67).await;
    academy.stage_becomes(deal, 1).await;
    // A day later by amoCRM's clock the access token is dead; nobody notices.
    academy
        .crm
        .emulator
        .advance(Duration::from_mins(24 * 60 + 1));
    academy.finishes("student@example.com", 68).await;
    academy.stage_becomes(deal, 2).await;
    // After a restart the settings still have the refresh token that was used up.
    let (crm, folder) = academy.stop().await;
    let academy = Academy::again(crm, folder, &oauth).await;
    academy.finishes("student@example.com", 69).await;
    academy.stage_becomes(deal, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_amocrm_is_down_lessons_are_taken_in_no_time_and_none_is_lost() {
    let academy = Academy::open().await;
    let mut deals = Vec::new();
    for number in 0..12 {
        deals.push(
            academy
                .crm
                .applies(&format!("student{number}@example.com"))
                .await,
        );
    }
    academy
        .crm
        .emulator
        .fault(Fault::server_error(503).path("/api/v4").always());
    for number in 0..12 {
        let started = std::time::Instant::now();
        academy
            .finishes(&format!("student{number}@example.com"), 68)
            .await;
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(
        academy
            .app
            .store()
            .jobs()
            .stats(LESSON_SYNC)
            .await
            .unwrap()
            .depth,
        12
    );
    academy.crm.emulator.clear_faults();
    for deal in deals {
        academy.stage_becomes(deal, 2).await;
    }
    let log = academy.log_has(12).await;
    assert_eq!(log.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_made_at_once_travel_together() {
    let academy = Academy::open().await;
    let mut deals = Vec::new();
    for number in 0..24 {
        deals.push(
            academy
                .crm
                .applies(&format!("student{number}@example.com"))
                .await,
        );
    }
    academy.crm.emulator.clear_requests();
    let lessons: Vec<_> = (0..24)
        .map(|number| json!({"email": format!("student{number}@example.com"), "lesson_number": 1}))
        .collect();
    let (status, answer) = academy
        .post(
            "/api/lessons/completed/batch",
            &[],
            &json!({"completions": lessons}),
        )
        .await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["accepted"].as_array().unwrap().len(), 24);
    academy.log_has(24).await;
    let moves = academy
        .crm
        .emulator
        .requests()
        .iter()
        .filter(|request| request.method == "PATCH")
        .count();
    assert!(moves <= 12, "{moves} requests for 24 moves");
    for deal in deals {
        assert_eq!(academy.crm.stage_of(deal).await, academy.crm.stages[1]);
    }
}
