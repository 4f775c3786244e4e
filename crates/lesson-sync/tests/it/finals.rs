//! What is done once after the last lesson.

use amocrm_emulator::Fault;
use lesson_sync::commands;
use reqwest::Method;
use serde_json::Value;
use store::{DeadLetterFilter, FAILED_LESSONS, LESSON_FINAL};
use testkit::{Program, eventually};

use crate::harness::{Academy, Crm, all_settings};

const WANTED: [(&str, &str); 4] = [
    ("LESSON_FINAL_TAG", "прошёл курс"),
    ("LESSON_FINAL_TASK", "Позвонить выпускнику"),
    ("LESSON_FINAL_TASK_DUE", "2h"),
    ("LESSON_FINAL_NOTE", "Все уроки пройдены"),
];

/// What hangs at a deal: its tags, the texts of its tasks, and those of its notes.
async fn found(crm: &Crm, deal: i64) -> (Vec<String>, Vec<String>, Vec<String>) {
    let texts = |list: &Value, field: &str| {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter()
            .filter_map(|item| item.pointer(field)?.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let get = |path: String| async move { crm.call(Method::GET, &path, None).await };
    let lead = get(format!("/api/v4/leads/{deal}")).await;
    let tasks = get(format!(
        "/api/v4/tasks?filter[entity_id]={deal}&filter[entity_type]=leads"
    ))
    .await;
    let notes = get(format!(
        "/api/v4/leads/{deal}/notes?filter[note_type]=common"
    ))
    .await;
    (
        texts(&lead["_embedded"]["tags"], "/name"),
        texts(&tasks["_embedded"]["tasks"], "/text"),
        texts(&notes["_embedded"]["notes"], "/params/text"),
    )
}

async fn assert_once(crm: &Crm, deal: i64) {
    let (tags, tasks, notes) = found(crm, deal).await;
    assert_eq!(tags, ["прошёл курс"]);
    assert_eq!(tasks, ["Позвонить выпускнику"]);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("Все уроки пройдены"), "{notes:?}");
}

async fn ended(academy: &Academy, email: &str, outcome: &str) {
    eventually(&format!("{email}: {outcome}"), || async {
        let log = academy.log(&format!("email={email}")).await;
        log.iter().any(|row| row.1 == outcome).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_lesson_brings_the_final_action_once() {
    let academy = Academy::open_with(&WANTED).await;
    let crm = &academy.crm;
    let deal = crm.applies("student@example.com").await;
    academy.finishes("student@example.com", 68).await;
    academy.stage_becomes(deal, 2).await;
    assert_eq!(
        found(crm, deal).await,
        Default::default(),
        "not before the last"
    );
    academy.finishes("student@example.com", 69).await;
    ended(&academy, "student@example.com", "final").await;
    assert_once(crm, deal).await;
    let lead = crm
        .call(Method::GET, &format!("/api/v4/leads/{deal}"), None)
        .await;
    let tasks = crm.call(Method::GET, "/api/v4/tasks", None).await;
    let task = &tasks["_embedded"]["tasks"][0];
    assert_eq!(task["responsible_user_id"], lead["responsible_user_id"]);
    let due = task["complete_till"].as_i64().unwrap() - task["created_at"].as_i64().unwrap();
    assert!((7_190..=7_210).contains(&due), "{due}");

    // Everything again, and the deal is compared once more: nothing is done twice.
    academy.finishes("student@example.com", 69).await;
    let again = commands::Replay::since("1d");
    commands::replay(&academy.app, &again, &mut Vec::new())
        .await
        .unwrap();
    academy.log_has(5).await;
    assert_once(crm, deal).await;

    // One whose deal is further already gets it; one whose deal is closed does not.
    let ahead = crm.applies("ahead@example.com").await;
    crm.move_to(ahead, crm.stages[3]).await;
    academy.finishes("ahead@example.com", 69).await;
    ended(&academy, "ahead@example.com", "final").await;
    assert_once(crm, ahead).await;
    let won = crm.applies("won@example.com").await;
    crm.move_to(won, 142).await;
    academy.finishes("won@example.com", 69).await;
    ended(&academy, "won@example.com", "closed").await;
    assert_eq!(found(crm, won).await, Default::default());
    let jobs = academy.app.store().jobs();
    assert_eq!(jobs.stats(LESSON_FINAL).await.unwrap().depth, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_does_not_make_a_second_task_or_note() {
    let academy = Academy::open_with(&WANTED).await;
    let deal = academy.crm.applies("student@example.com").await;
    for path in ["/api/v4/tasks", "/notes"] {
        let lost = Fault::drop_after_commit().method("POST").path(path);
        academy.crm.emulator.fault(lost);
    }
    academy.finishes("student@example.com", 69).await;
    ended(&academy, "student@example.com", "final").await;
    assert_once(&academy.crm, deal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_amocrm_refuses_holds_up_neither_the_move_nor_the_rest_and_can_be_retried() {
    let academy = Academy::open_with(&WANTED).await;
    let deal = academy.crm.applies("student@example.com").await;
    let refused = Fault::refuse("0.text").method("POST").path("/api/v4/tasks");
    academy.crm.emulator.fault(refused.always());
    academy.finishes("student@example.com", 69).await;
    academy.stage_becomes(deal, 3).await;
    ended(&academy, "student@example.com", "final_failed").await;
    let (tags, tasks, notes) = found(&academy.crm, deal).await;
    assert_eq!((tags.len(), tasks.len(), notes.len()), (1, 0, 1));
    let failures = academy.app.store().totals().read(FAILED_LESSONS).await;
    assert_eq!(failures.unwrap(), 1, "the refusal is counted");
    let letters = academy.app.store().jobs();
    let letters = letters
        .dead_letters(DeadLetterFilter::kind(LESSON_FINAL))
        .await
        .unwrap();
    assert_eq!(letters.len(), 1);

    academy.crm.emulator.clear_faults();
    let mut out = Vec::new();
    commands::retry(&academy.app, &mut out).await.unwrap();
    ended(&academy, "student@example.com", "final").await;
    assert_once(&academy.crm, deal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_between_the_task_and_its_answer_leaves_one_task() {
    let crm = Crm::start().await;
    let folder = tempfile::tempdir().unwrap();
    let deal = crm.applies("student@example.com").await;
    let more: Vec<_> = [("SERVER_PORT", "0")].into_iter().chain(WANTED).collect();
    let program = env!("CARGO_BIN_EXE_lesson-sync");
    let start = || Program::start(program, all_settings(&crm, &folder, &more), folder.path());
    let mut service = start().await;
    // amoCRM has the task, and its answer is on its way for long enough to be missed.
    let slow = Fault::slow_answer(5_000)
        .method("POST")
        .path("/api/v4/tasks");
    crm.emulator.fault(slow);
    let told = testkit::browser()
        .post(format!("{}/api/lessons/completed", service.url))
        .json(&serde_json::json!({"email": "student@example.com", "lesson_number": 3}))
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), 202);
    eventually("amoCRM has the task", || async {
        (found(&crm, deal).await.1.len() == 1).then_some(())
    })
    .await;
    service.kill().await;
    let mut service = start().await;
    eventually("the note is there", || async {
        (found(&crm, deal).await.2.len() == 1).then_some(())
    })
    .await;
    assert_once(&crm, deal).await;
    service.kill().await;
}
