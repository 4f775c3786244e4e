//! Sums of lessons say what the tables say, and what has been kept long enough goes.

use std::time::Duration;

use store::{
    DeadLetterFilter, LESSON_SYNC, LessonEnd, LessonLogFilter, LessonNext, LessonOutcome,
    LessonRetention, LessonsAccepted, NewCompletion, RetryAfter, Store,
};

use crate::db::on_both;

const LEASE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_hours(24);
const RETENTION: LessonRetention = LessonRetention {
    log: Some(Duration::from_hours(30 * 24)),
    students: Some(Duration::from_hours(90 * 24)),
};

async fn finish(store: &Store, email: &str, lesson: u32) {
    let new = NewCompletion {
        course: "default".into(),
        email: email.into(),
        lesson,
        user_id: None,
        completed_at: None,
    };
    let stored = store.lessons().accept(vec![new], None).await.unwrap();
    assert!(matches!(stored, LessonsAccepted::Stored(_)));
}

/// The student's job ends so.
async fn end(store: &Store, word: &'static str, next: LessonNext) -> i64 {
    let worker = store.jobs().worker("test");
    let job = worker
        .claim(&[LESSON_SYNC], 1, LEASE)
        .await
        .unwrap()
        .remove(0);
    let student = job.payload().unwrap();
    let completions = store.lessons().completions(student).await.unwrap();
    let success = word == "moved";
    let ends = completions
        .iter()
        .filter(|it| it.state == store::CompletionState::Queued)
        .map(|completion| LessonEnd {
            completion: completion.id,
            outcome: word,
            success,
            lead_id: success.then_some(7),
            stage_id: success.then_some(8),
            error: None,
        })
        .collect();
    let outcome = LessonOutcome {
        student,
        lead_id: success.then_some(7),
        ends,
        next,
        final_lesson: None,
    };
    let ack = store.lessons().record(outcome, &job).await.unwrap();
    assert!(ack.is_recorded());
    student
}

fn wait() -> LessonNext {
    let again = RetryAfter::new(Duration::from_mins(1), "no contact").uncounted();
    LessonNext::Wait(again, "no_contact")
}

async fn log_of(store: &Store, email: &str) -> usize {
    let filter = LessonLogFilter {
        email: Some(email.into()),
        limit: 100,
        ..LessonLogFilter::default()
    };
    store.lessons().log(&filter).await.unwrap().len()
}

async fn sweep(store: &Store) {
    while !store.lessons().sweep(RETENTION).await.unwrap().is_empty() {}
}

on_both! {
    async fn sums_of_days_say_what_the_rows_say(db: TestDb) {
        let store = db.open().await;
        let lessons = store.lessons();
        for lesson in [1, 2, 2] {
            finish(&store, "a@b.ru", lesson).await;
        }
        end(&store, "moved", LessonNext::Done).await;
        db.hands.advance(DAY);
        finish(&store, "c@d.ru", 1).await;
        end(&store, "no_contact", wait()).await;
        lessons.count_failure("server").await.unwrap();
        lessons.count_failure("server").await.unwrap();
        let sums = lessons.tallies(7).await.unwrap();
        let yesterday = sums.last_day.pred_opt().unwrap();
        let finished: Vec<_> = sums.finished.iter().map(|it| (it.day, it.key.1, it.count)).collect();
        assert_eq!(finished, [(yesterday, 1, 1), (yesterday, 2, 1), (sums.last_day, 1, 1)]);
        let ended: Vec<_> = sums.ended.iter().map(|it| (it.day, it.key.as_str(), it.count)).collect();
        assert_eq!(ended, [(yesterday, "moved", 2), (sums.last_day, "no_contact", 1)]);
        assert_eq!(sums.failed[0].count, 2);
        assert_eq!(sums.waiting, [("no_contact".to_owned(), 1)]);
        assert_eq!(store.totals().read(store::FAILED_LESSONS).await.unwrap(), 2);
        // Waiting goes on, and ends.
        db.hands.advance(Duration::from_mins(2));
        end(&store, "no_contact", wait()).await;
        assert_eq!(lessons.tallies(7).await.unwrap().waiting.len(), 1);
        db.hands.advance(Duration::from_mins(2));
        end(&store, "moved", LessonNext::Done).await;
        assert!(lessons.tallies(7).await.unwrap().waiting.is_empty());
        assert_eq!(lessons.tallies(1).await.unwrap().finished.len(), 1, "yesterday is not asked for");
    }

    async fn what_has_been_kept_long_enough_goes_and_who_waits_stays(db: TestDb) {
        let store = db.open().await;
        let lessons = store.lessons();
        finish(&store, "a@b.ru", 1).await;
        let student = end(&store, "moved", LessonNext::Done).await;
        finish(&store, "lost@b.ru", 1).await;
        let lost = end(&store, "failed", LessonNext::Dead("nobody came".into())).await;
        finish(&store, "early@b.ru", 1).await;
        let early = end(&store, "no_contact", wait()).await;
        db.hands.advance(29 * DAY);
        sweep(&store).await;
        assert_eq!(log_of(&store, "a@b.ru").await, 1);
        db.hands.advance(2 * DAY);
        sweep(&store).await;
        assert_eq!(log_of(&store, "a@b.ru").await, 0);
        assert!(lessons.student(student).await.unwrap().is_some(), "the lessons are kept longer");
        db.hands.advance(60 * DAY);
        sweep(&store).await;
        assert!(lessons.student(student).await.unwrap().is_none());
        assert!(lessons.completions(student).await.unwrap().is_empty());
        assert!(lessons.student(lost).await.unwrap().is_none());
        assert_eq!(store.jobs().stats(LESSON_SYNC).await.unwrap().dead, 0);
        assert!(lessons.student(early).await.unwrap().is_some(), "who waits is not forgotten");
        // A lesson that is told again after that is new, and the deal is there already.
        finish(&store, "a@b.ru", 1).await;
        assert_eq!(lessons.tallies(200).await.unwrap().finished.iter().map(|it| it.count).sum::<u64>(), 4);
    }

    /// What 40 months of lessons leave behind is a month of log, three months of students, and sums.
    async fn the_tables_do_not_grow_for_ever(db: TestDb) {
        let store = db.open().await;
        for month in 0..40 {
            for number in 0..5 {
                let email = format!("s{month}.{number}@b.ru");
                finish(&store, &email, 1).await;
                end(&store, "moved", LessonNext::Done).await;
            }
            db.hands.advance(30 * DAY + Duration::from_secs(1));
            sweep(&store).await;
            store.prune().await.unwrap();
        }
        let all = LessonLogFilter { limit: 500, ..LessonLogFilter::default() };
        assert!(store.lessons().log(&all).await.unwrap().len() <= 5);
        let mut students = 0;
        for month in 0..40 {
            for number in 0..5 {
                let email = format!("s{month}.{number}@b.ru");
                students += store.lessons().students_of(&email).await.unwrap().len();
            }
        }
        assert!(students <= 15, "{students}");
        let sums = store.lessons().tallies(400).await.unwrap();
        assert_eq!(sums.ended.iter().map(|it| it.count).sum::<u64>(), 13 * 5, "a view's range outlives the rows");
    }

    async fn who_asks_to_be_forgotten_is(db: TestDb) {
        let store = db.open().await;
        let lessons = store.lessons();
        finish(&store, "a@b.ru", 1).await;
        let student = end(&store, "no_contact", wait()).await;
        finish(&store, "c@d.ru", 1).await;
        assert!(lessons.erase("a@b.ru").await.unwrap());
        assert!(!lessons.erase("a@b.ru").await.unwrap());
        assert!(lessons.student(student).await.unwrap().is_none());
        assert_eq!(log_of(&store, "a@b.ru").await, 0);
        assert!(lessons.tallies(1).await.unwrap().waiting.is_empty());
        assert_eq!(lessons.students_of("c@d.ru").await.unwrap().len(), 1);
        // The job of the forgotten finds nobody; that of the other is done.
        let other = end(&store, "failed", LessonNext::Dead("r".into())).await;
        let letters = store.jobs().dead_letters(DeadLetterFilter::kind(LESSON_SYNC)).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert!(lessons.erase("c@d.ru").await.unwrap());
        assert!(lessons.student(other).await.unwrap().is_none());
        assert_eq!(store.jobs().stats(LESSON_SYNC).await.unwrap().dead, 0);
    }
}
