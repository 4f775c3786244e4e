//! amoCRM is away, or does not know the student yet: clocks are moved, nobody sleeps.

use std::time::Duration;

use amocrm_emulator::Fault;
use chrono::TimeDelta;
use store::LESSON_SYNC;
use testkit::{TestClock, eventually};

use crate::harness::Academy;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_finished_during_an_hour_without_amocrm_is_made_up_for_when_it_is_back() {
    let clock = TestClock::new();
    let academy = Academy::open_at(&clock).await;
    let emulator = &academy.crm.emulator;
    let mut deals = Vec::new();
    for student in 0..6 {
        deals.push(academy.crm.applies(&email(student)).await);
    }
    emulator.fault(Fault::server_error(503).path("/api/v4").always());
    for student in 0..6 {
        // Each is answered as if nothing were the matter.
        academy.finishes(&email(student), 68).await;
        clock.advance(TimeDelta::minutes(10));
        emulator.advance(Duration::from_mins(10));
    }
    // Somebody has tried, and given up nothing.
    eventually("amoCRM was asked", || async {
        let requests = emulator.requests();
        let refused = requests.iter().filter(|it| it.status == Some(503));
        (refused.count() > 1).then_some(())
    })
    .await;
    let stats = academy.app.store().jobs().stats(LESSON_SYNC).await.unwrap();
    assert_eq!((stats.depth, stats.dead), (6, 0));
    assert!(academy.log("").await.is_empty());
    emulator.clear_faults();
    for deal in deals {
        academy.stage_becomes(deal, 2).await;
    }
    let log = academy.log_has(6).await;
    assert!(log.iter().all(|(_, _, success)| *success), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_student_who_applies_later_is_found_at_the_next_look_half_an_hour_on() {
    let clock = TestClock::new();
    let academy = Academy::open_at(&clock).await;
    academy.finishes("late@example.com", 67).await;
    let log = academy.log_has(1).await;
    assert_eq!(log, [(1, "no_contact".to_owned(), false)]);
    let deal = academy.crm.applies("late@example.com").await;
    // Nothing else wakes them, and a look that finds nobody is not written down again.
    for _ in 0..2 {
        clock.advance(TimeDelta::minutes(14));
        academy.finishes("late@example.com", 67).await;
    }
    assert_eq!(academy.crm.stage_of(deal).await, academy.crm.stages[0]);
    clock.advance(TimeDelta::minutes(10));
    academy.stage_becomes(deal, 1).await;
    let log = academy.log_has(2).await;
    assert_eq!(log[0], (1, "moved".to_owned(), true));
}

fn email(student: usize) -> String {
    format!("student{student}@example.com")
}
