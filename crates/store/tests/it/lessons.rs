//! A finished lesson is stored once, ends once, and none that comes meanwhile is forgotten.

use std::time::Duration;

use futures_util::future::join_all;
use store::{
    Claimed, CompletionState, DeadLetterFilter, IdempotencyKey, LESSON_SYNC, LessonEnd,
    LessonLogFilter, LessonNext, LessonOutcome, LessonsAccepted, NewCompletion, RetryAfter, Store,
};

use crate::db::on_both;

const LEASE: Duration = Duration::from_secs(30);

fn finished(email: &str, lesson: u32) -> NewCompletion {
    NewCompletion {
        course: "default".into(),
        email: email.into(),
        lesson,
        user_id: None,
        completed_at: None,
    }
}

async fn accept(store: &Store, new: Vec<NewCompletion>) -> Vec<(i64, bool)> {
    match store.lessons().accept(new, None).await.unwrap() {
        LessonsAccepted::Stored(stored) => stored,
        LessonsAccepted::KeyReused => panic!("there was no key"),
    }
}

async fn claim(store: &Store) -> Option<(Claimed, i64)> {
    let worker = store.jobs().worker("test");
    let job = worker
        .claim(&[LESSON_SYNC], 1, LEASE)
        .await
        .unwrap()
        .pop()?;
    let student = job.payload().unwrap();
    Some((job, student))
}

/// Every queued lesson of the student has ended so.
async fn outcome(store: &Store, student: i64, success: bool, next: LessonNext) -> LessonOutcome {
    let completions = store.lessons().completions(student).await.unwrap();
    let queued = completions
        .iter()
        .filter(|completion| completion.state == CompletionState::Queued);
    let ends = queued
        .map(|completion| LessonEnd {
            completion: completion.id,
            outcome: if success { "moved" } else { "waiting" },
            success,
            lead_id: Some(7),
            stage_id: Some(8),
            error: (!success).then(|| "not there".to_owned()),
        })
        .collect();
    LessonOutcome {
        student,
        lead_id: success.then_some(7),
        ends,
        final_lesson: None,
        next,
    }
}

on_both! {
    async fn a_lesson_told_by_many_at_once_is_one_lesson_and_one_job(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let told = join_all((0..16).map(|number| {
            let store = stores[number % 2].clone();
            async move { accept(&store, vec![finished("a@b.ru", 1), finished("c@d.ru", 2)]).await }
        }))
        .await;
        assert!(told.iter().all(|stored| (stored[0].0, stored[1].0) == (told[0][0].0, told[0][1].0)));
        let new = told.iter().filter(|stored| !stored[0].1).count();
        assert_eq!(new, 1, "one of them was the first");
        assert_eq!(stores[0].jobs().stats(LESSON_SYNC).await.unwrap().depth, 2);
    }

    async fn a_lesson_that_comes_while_the_job_runs_is_not_forgotten(db: TestDb) {
        let store = db.open().await;
        accept(&store, vec![finished("a@b.ru", 1)]).await;
        let (job, student) = claim(&store).await.unwrap();
        let seen = outcome(&store, student, true, LessonNext::Done).await;
        accept(&store, vec![finished("a@b.ru", 2)]).await;
        assert!(claim(&store).await.is_none(), "one job at a time");
        assert!(store.lessons().record(seen.clone(), &job).await.unwrap().is_recorded());
        assert!(!store.lessons().record(seen, &job).await.unwrap().is_recorded(), "an outcome counts once");

        let (job, _) = claim(&store).await.expect("a job for the second lesson");
        let seen = outcome(&store, student, true, LessonNext::Done).await;
        assert_eq!(seen.ends.len(), 1);
        assert!(store.lessons().record(seen, &job).await.unwrap().is_recorded());
        assert_eq!(store.jobs().stats(LESSON_SYNC).await.unwrap().depth, 0);
        let known = store.lessons().student(student).await.unwrap().unwrap();
        assert_eq!(known.lead_id, Some(7));
        let log = store.lessons().log(&LessonLogFilter { limit: 10, ..LessonLogFilter::default() }).await.unwrap();
        assert_eq!(log.iter().map(|row| (row.lesson, row.success)).collect::<Vec<_>>(), [(2, true), (1, true)]);
    }

    async fn waiting_is_logged_when_it_begins_and_a_dead_letter_is_revived(db: TestDb) {
        let store = db.open().await;
        let lessons = store.lessons();
        accept(&store, vec![finished("a@b.ru", 1)]).await;
        for _ in 0..3 {
            let (job, student) = claim(&store).await.unwrap();
            let again = RetryAfter::new(Duration::from_mins(1), "no contact");
            let seen = outcome(&store, student, false, LessonNext::Wait(again, "no_contact")).await;
            assert!(lessons.record(seen, &job).await.unwrap().is_recorded());
            db.hands.advance(Duration::from_secs(61));
        }
        let all = LessonLogFilter { email: Some("a@b.ru".into()), limit: 10, ..LessonLogFilter::default() };
        assert_eq!(lessons.log(&all).await.unwrap().len(), 1);
        let (job, student) = claim(&store).await.unwrap();
        assert_eq!(lessons.student(student).await.unwrap().unwrap().waiting.as_deref(), Some("no_contact"));
        let seen = outcome(&store, student, false, LessonNext::Dead("nobody came".into())).await;
        assert!(lessons.record(seen, &job).await.unwrap().is_recorded());
        assert_eq!(lessons.log(&all).await.unwrap().len(), 2);
        assert_eq!(lessons.completions(student).await.unwrap()[0].state, CompletionState::Failed);

        // A later lesson has a job of its own, and the letter is revived beside it.
        accept(&store, vec![finished("a@b.ru", 2)]).await;
        let letter = store.jobs().dead_letters(DeadLetterFilter::kind(LESSON_SYNC)).await.unwrap().remove(0);
        assert!(lessons.retry_failed(student, letter.id).await.unwrap());
        assert!(!lessons.retry_failed(student, letter.id).await.unwrap());
        while let Some((job, student)) = claim(&store).await {
            assert!(claim(&store).await.is_none(), "one job at a time");
            let seen = outcome(&store, student, true, LessonNext::Done).await;
            assert!(lessons.record(seen, &job).await.unwrap().is_recorded());
        }
        let states = lessons.completions(student).await.unwrap();
        assert!(states.iter().all(|completion| completion.state == CompletionState::Done));
        let failures = LessonLogFilter { success: Some(false), limit: 10, ..LessonLogFilter::default() };
        assert_eq!(lessons.log(&failures).await.unwrap().len(), 2);
        let second = LessonLogFilter { lesson: Some(2), limit: 10, ..LessonLogFilter::default() };
        assert_eq!(lessons.log(&second).await.unwrap().len(), 1);
    }

    async fn ended_lessons_are_put_back_with_one_job_for_each_student(db: TestDb) {
        let store = db.open().await;
        let lessons = store.lessons();
        accept(&store, vec![finished("a@b.ru", 1), finished("a@b.ru", 2), finished("c@d.ru", 1)]).await;
        while let Some((job, student)) = claim(&store).await {
            let seen = outcome(&store, student, true, LessonNext::Done).await;
            assert!(lessons.record(seen, &job).await.unwrap().is_recorded());
        }
        accept(&store, vec![finished("e@f.ru", 1)]).await;
        let from = store.lessons().log(&LessonLogFilter { limit: 1, ..LessonLogFilter::default() }).await.unwrap()[0].received_at;
        let ended = lessons.count_ended_since(from).await.unwrap();
        assert_eq!((ended.lessons, ended.students), (3, 2), "what still waits is not counted");
        let page = lessons.requeue_ended_since(from, None).await.unwrap().unwrap();
        assert_eq!((page.lessons, page.students), (3, 2));
        assert_eq!(lessons.requeue_ended_since(from, Some(page.last_student)).await.unwrap(), None);
        assert_eq!(lessons.requeue_ended_since(from, None).await.unwrap(), None, "they wait already");
        assert_eq!(store.jobs().stats(LESSON_SYNC).await.unwrap().depth, 3);
        let later = from + chrono::TimeDelta::days(1);
        assert_eq!(lessons.count_ended_since(later).await.unwrap().lessons, 0);
    }

    async fn a_key_stands_for_one_body(db: TestDb) {
        let store = db.open().await;
        let key = |fingerprint: &str| {
            Some(IdempotencyKey {
                key: "lessons/1".into(),
                fingerprint: fingerprint.into(),
                life: Duration::from_mins(1),
            })
        };
        let lessons = store.lessons();
        let first = lessons.accept(vec![finished("a@b.ru", 1)], key("x")).await.unwrap();
        let LessonsAccepted::Stored(first) = first else { panic!("it is new") };
        let again = lessons.accept(vec![finished("a@b.ru", 1)], key("x")).await.unwrap();
        assert_eq!(again, LessonsAccepted::Stored(vec![(first[0].0, true)]));
        let other = lessons.accept(vec![finished("a@b.ru", 2)], key("y")).await.unwrap();
        assert_eq!(other, LessonsAccepted::KeyReused);
        assert_eq!(store.jobs().stats(LESSON_SYNC).await.unwrap().depth, 1);
        db.hands.advance(Duration::from_mins(2));
        let other = lessons.accept(vec![finished("a@b.ru", 2)], key("y")).await.unwrap();
        assert!(matches!(other, LessonsAccepted::Stored(stored) if !stored[0].1), "its life is over");
    }

    async fn what_arrives_together_is_stored_as_if_it_came_alone(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        // Ten keys; two bodies each, which tell different lessons, contend for one.
        let told = join_all((0..80_u32).map(|number| {
            let store = stores[number as usize % 3 % 2].clone();
            let (key, body) = (number % 10, number % 20);
            let key = IdempotencyKey {
                key: format!("lessons/{key}"),
                fingerprint: body.to_string(),
                life: Duration::from_mins(1),
            };
            let new = vec![finished(&format!("s{}@b.ru", body % 7), 1 + body), finished("all@b.ru", 1)];
            async move { (body, store.lessons().accept(new, Some(key)).await.unwrap()) }
        }))
        .await;
        let mut winners: Vec<_> = told
            .iter()
            .filter_map(|(body, outcome)| match outcome {
                LessonsAccepted::Stored(stored) => Some((*body, stored.clone())),
                LessonsAccepted::KeyReused => None,
            })
            .collect();
        assert_eq!(winners.len(), 40, "each of the ten winners was told four times");
        assert_eq!(winners.iter().filter(|(_, stored)| !stored[1].1).count(), 1, "one was the first of all");
        assert_eq!(winners.iter().filter(|(_, stored)| !stored[0].1).count(), 10, "each was new once");
        winners.sort();
        winners.dedup_by_key(|(body, _)| *body);
        let mut keys: Vec<_> = winners.iter().map(|(body, _)| body % 10).collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..10).collect::<Vec<_>>(), "one body of each key");
        let mut students: Vec<_> = winners.iter().map(|(body, _)| body % 7).collect();
        students.sort_unstable();
        students.dedup();
        let depth = usize::try_from(stores[0].jobs().stats(LESSON_SYNC).await.unwrap().depth).unwrap();
        assert_eq!(depth, students.len() + 1, "one job a student");
    }
}
