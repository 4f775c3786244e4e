//! What follows lessons: the final action begins once, our own moves are known for ours, a manager's is told of once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use store::{
    Claimed, DeadLetterFilter, FinalStep, LESSON_CALLBACK, LESSON_FINAL, LESSON_SYNC, LessonEnd,
    LessonLogFilter, LessonNext, LessonOutcome, MovesHeard, NewCompletion, StageMove, Store,
};

use crate::db::on_both;

const LEASE: Duration = Duration::from_secs(30);

async fn claim(store: &Store, kind: &str) -> Option<Claimed> {
    let worker = store.jobs().worker("test");
    worker.claim(&[kind], 1, LEASE).await.unwrap().pop()
}

/// A student of a course has finished a lesson, and the deal with this number was moved for it.
async fn moved(store: &Store, course: &str, lesson: u32, deal: i64, last: Option<u32>) -> i64 {
    let new = NewCompletion {
        course: course.into(),
        email: "a@b.ru".into(),
        lesson,
        user_id: Some("7".into()),
        completed_at: None,
    };
    let lessons = store.lessons();
    lessons.accept(vec![new], None).await.unwrap();
    let Some(job) = claim(store, LESSON_SYNC).await else {
        panic!("the lesson is new");
    };
    let student = job.payload().unwrap();
    let completions = lessons.completions(student).await.unwrap();
    let told = completions.iter().find(|told| told.lesson == lesson);
    let end = LessonEnd {
        completion: told.unwrap().id,
        outcome: "moved",
        success: true,
        lead_id: Some(deal),
        stage_id: Some(8),
        error: None,
    };
    let outcome = LessonOutcome {
        student,
        lead_id: Some(deal),
        ends: vec![end],
        final_lesson: last,
        next: LessonNext::Done,
    };
    let ack = lessons.record(outcome, &job).await.unwrap();
    assert!(ack.is_recorded());
    student
}

fn told(deal: i64, stage: i64, at: DateTime<Utc>) -> StageMove {
    StageMove {
        lead_id: deal,
        pipeline_id: Some(1),
        old_stage_id: Some(1),
        stage_id: stage,
        by_user: Some(9),
        moved_at: Some(at),
    }
}

async fn heard(store: &Store, told: &StageMove) -> (u64, u64, u64) {
    let lessons = store.lessons();
    let MovesHeard {
        ours,
        managers,
        others,
    } = lessons.hear_moves(vec![told.clone()], true).await.unwrap();
    (ours, managers, others)
}

on_both! {
    async fn a_final_action_begins_once_and_goes_on_where_it_stopped(db: TestDb) {
        let store = db.open().await;
        let lessons = store.lessons();
        let student = moved(&store, "one", 1, 5, Some(2)).await;
        assert_eq!(lessons.final_action(student).await.unwrap(), None, "it was not the last");
        moved(&store, "one", 2, 5, Some(2)).await;
        let job = claim(&store, LESSON_FINAL).await.unwrap();
        assert!(lessons.end_final_step(student, FinalStep::Task, &job).await.unwrap().is_recorded());
        let action = lessons.final_action(student).await.unwrap().unwrap();
        let done = FinalStep::ALL.map(|step| action.has_done(step));
        assert_eq!((action.lead_id, done), (5, [false, true, false]));
        let end = LessonEnd {
            completion: action.completion,
            outcome: "final",
            success: true,
            lead_id: Some(5),
            stage_id: None,
            error: None,
        };
        assert!(lessons.end_final(student, end.clone(), None, &job).await.unwrap().is_recorded());
        assert!(!lessons.end_final(student, end, None, &job).await.unwrap().is_recorded());
        assert!(!lessons.end_final_step(student, FinalStep::Note, &job).await.unwrap().is_recorded());

        // All of it again.
        lessons.requeue_ended_since(DateTime::UNIX_EPOCH, None).await.unwrap();
        let job = claim(&store, LESSON_SYNC).await.unwrap();
        let ends = lessons.completions(student).await.unwrap().into_iter().map(|told| LessonEnd {
            completion: told.id,
            outcome: "ahead",
            success: true,
            lead_id: Some(5),
            stage_id: None,
            error: None,
        });
        let outcome = LessonOutcome {
            student,
            lead_id: Some(5),
            ends: ends.collect(),
            final_lesson: Some(2),
            next: LessonNext::Done,
        };
        assert!(lessons.record(outcome, &job).await.unwrap().is_recorded());
        assert!(claim(&store, LESSON_FINAL).await.is_none());
        let all = LessonLogFilter { limit: 50, ..LessonLogFilter::default() };
        let log = lessons.log(&all).await.unwrap();
        assert_eq!(log.iter().filter(|row| row.outcome == "final").count(), 1);
    }

    async fn forgetting_a_student_takes_the_letters_of_all_that_follows_lessons(db: TestDb) {
        let store = db.open().await;
        let (jobs, lessons) = (store.jobs(), store.lessons());
        let student = moved(&store, "one", 1, 5, Some(1)).await;
        let at = lessons.student(student).await.unwrap().unwrap().created_at;
        assert_eq!(heard(&store, &told(5, 20, at)).await, (0, 1, 0));
        assert_eq!(heard(&store, &told(5, 30, at)).await, (0, 1, 0));
        let failed = |completion| LessonEnd {
            completion,
            outcome: "final_failed",
            success: false,
            lead_id: Some(5),
            stage_id: None,
            error: Some("refused".into()),
        };
        let action = lessons.final_action(student).await.unwrap().unwrap();
        let job = claim(&store, LESSON_FINAL).await.unwrap();
        let dead = Some("refused".to_owned());
        let ack = lessons.end_final(student, failed(action.completion), dead, &job).await;
        assert!(ack.unwrap().is_recorded());
        let job = claim(&store, LESSON_CALLBACK).await.unwrap();
        assert!(jobs.bury(&job, "not taken", None).await.unwrap().is_recorded());
        for kind in [LESSON_FINAL, LESSON_CALLBACK] {
            assert_eq!(jobs.stats(kind).await.unwrap().dead, 1, "{kind}");
        }
        assert!(lessons.erase("a@b.ru").await.unwrap());
        assert!(jobs.dead_letters(DeadLetterFilter::new()).await.unwrap().is_empty());
        for kind in [LESSON_FINAL, LESSON_CALLBACK] {
            assert_eq!(jobs.stats(kind).await.unwrap().dead, 0, "{kind}");
        }
        // What was on its way finds nobody.
        let job = claim(&store, LESSON_CALLBACK).await.unwrap();
        assert_eq!(lessons.manager_move(job.payload().unwrap()).await.unwrap(), None);
        assert!(jobs.complete(&job).await.unwrap().is_recorded());
    }

    async fn work_on_somebody_who_is_forgotten_meanwhile_leaves_no_letter(db: TestDb) {
        let store = db.open().await;
        let lessons = store.lessons();
        let student = moved(&store, "one", 1, 5, Some(1)).await;
        let action = lessons.final_action(student).await.unwrap().unwrap();
        let last = claim(&store, LESSON_FINAL).await.unwrap();
        lessons.requeue_ended_since(DateTime::UNIX_EPOCH, None).await.unwrap();
        let job = claim(&store, LESSON_SYNC).await.unwrap();
        assert!(lessons.erase("a@b.ru").await.unwrap());
        let end = LessonEnd {
            completion: action.completion,
            outcome: "failed",
            success: false,
            lead_id: Some(5),
            stage_id: None,
            error: None,
        };
        let dead = Some("refused".to_owned());
        assert!(lessons.end_final(student, end.clone(), dead, &last).await.unwrap().is_recorded());
        let outcome = LessonOutcome {
            student,
            lead_id: None,
            ends: vec![end],
            final_lesson: None,
            next: LessonNext::Dead("refused".into()),
        };
        assert!(lessons.record(outcome, &job).await.unwrap().is_recorded());
        assert!(store.jobs().dead_letters(DeadLetterFilter::new()).await.unwrap().is_empty());
        assert!(lessons.log(&LessonLogFilter { limit: 9, ..LessonLogFilter::default() }).await.unwrap().is_empty());
    }

    async fn a_move_of_ours_is_known_by_what_was_written_down_before(db: TestDb) {
        let store = db.open().await;
        let student = moved(&store, "one", 1, 5, None).await;
        let known = store.lessons().student(student).await.unwrap().unwrap();
        let now = known.created_at;
        let second = TimeDelta::seconds(1);
        // Another deal from now on; amoCRM tells of the move before we know its answer.
        store.lessons().begin_move(student, 6, 30).await.unwrap();
        let known = store.lessons().student(student).await.unwrap().unwrap();
        assert_eq!(known.lead_id, Some(6));
        let ours = told(6, 30, now + second);
        for _ in 0..3 {
            assert_eq!(heard(&store, &ours).await, (1, 0, 0));
        }
        // A line stands for one move: the next one to this stage is somebody else's.
        assert_eq!(heard(&store, &told(6, 20, now + second * 2)).await, (0, 1, 0));
        assert_eq!(heard(&store, &told(6, 30, now + second * 3)).await, (0, 1, 0));
        assert_eq!(heard(&store, &ours).await, (1, 0, 0), "late, after his");
        // One that was never told is not kept for a move of tomorrow.
        store.lessons().begin_move(student, 6, 40).await.unwrap();
        assert_eq!(heard(&store, &told(6, 40, now + TimeDelta::days(1))).await, (0, 1, 0));
        assert_eq!(heard(&store, &told(77, 40, now)).await, (0, 0, 1), "nobody's deal");
        let last = store.lessons().last_manager_move(student).await.unwrap().unwrap();
        assert_eq!((last.stage_id, last.user_id.as_deref()), (40, Some("7")));
    }

    async fn a_managers_move_is_stored_once_for_each_student_in_their_order(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let store = &stores[0];
        for course in ["one", "two"] {
            moved(store, course, 1, 5, None).await;
        }
        let now = store.lessons().students_of("a@b.ru").await.unwrap()[0].created_at;
        let moves: Vec<_> = (0..3).map(|stage| told(5, stage, now + TimeDelta::seconds(stage))).collect();
        for told in &moves {
            let both = stores.each_ref().map(|store| heard(store, told));
            let [one, other] = both;
            let (one, other) = tokio::join!(one, other);
            assert_eq!(one.1 + other.1, 1, "{one:?} {other:?}");
        }
        let mut stages = std::collections::BTreeMap::<String, Vec<i64>>::new();
        while let Some(job) = claim(store, LESSON_CALLBACK).await {
            let told = store.lessons().manager_move(job.payload().unwrap()).await.unwrap().unwrap();
            stages.entry(told.course).or_default().push(told.stage_id);
            assert!(store.jobs().complete(&job).await.unwrap().is_recorded());
        }
        assert_eq!(stages.len(), 2);
        assert!(stages.values().all(|stages| *stages == [0, 1, 2]), "{stages:?}");
    }
}
