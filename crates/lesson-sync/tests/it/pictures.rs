//! Draws the pictures of the guide: a month of an academy, as the database would remember it, seen with a browser.
//!
//! ```text
//! cargo nextest run -p lesson-sync --run-ignored only pictures
//! ```
//!
//! It needs `chromium`, and pngquant to make them small. `PICTURES` names another folder than `docs/lesson-sync`, and gets
//! one of a telephone besides.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lesson_sync::{App, Config};
use secrecy::SecretString;
use service_kit::clock::ManualClock;
use service_kit::config::Environment;
use store::{
    Clock, CompletionState, Keyring, LESSON_SYNC, LessonEnd, LessonNext, LessonOutcome,
    NewCompletion, Options, RetryAfter, Store, TimeSource,
};
use testkit::KEY;
use testkit::pictures::{Dice, TAKEN_AT, folder, photograph};
use tokio::net::TcpListener;

use crate::harness::{Crm, all_settings};

const DAYS: i64 = 30;
/// Of a hundred students so many finish the next lesson.
const FINISH: [u32; 3] = [100, 71, 64];

async fn finish(store: &Store, email: String, lesson: u32) {
    let new = NewCompletion {
        course: "default".into(),
        email,
        lesson,
        user_id: None,
        completed_at: None,
    };
    store.lessons().accept(vec![new], None).await.unwrap();
}

/// What is due ends, mostly well.
async fn work(store: &Store, dice: &mut Dice) {
    let worker = store.jobs().worker("academy");
    loop {
        let jobs = worker.claim(&[LESSON_SYNC], 50, Duration::from_mins(1));
        let jobs = jobs.await.unwrap();
        if jobs.is_empty() {
            return;
        }
        for job in jobs {
            let student = job.payload().unwrap();
            let lessons = store.lessons();
            let (word, next) = match dice.roll(100) {
                0..78 => ("moved", LessonNext::Done),
                78..89 => ("ahead", LessonNext::Done),
                89..91 => ("closed", LessonNext::Done),
                91..99 => {
                    let later = RetryAfter::new(Duration::from_hours(40), "no contact");
                    (
                        "no_contact",
                        LessonNext::Wait(later.uncounted(), "no_contact"),
                    )
                }
                _ => {
                    lessons.count_failure("no_contact").await.unwrap();
                    let reason = "no contact has this e-mail".to_owned();
                    ("no_contact", LessonNext::Dead(reason))
                }
            };
            let success = matches!(word, "moved" | "ahead");
            let completions = lessons.completions(student).await.unwrap();
            let ends = completions
                .iter()
                .filter(|it| it.state == CompletionState::Queued)
                .map(|completion| LessonEnd {
                    completion: completion.id,
                    outcome: word,
                    success,
                    lead_id: success.then_some(1),
                    stage_id: success.then_some(2),
                    error: None,
                })
                .collect();
            let outcome = LessonOutcome {
                student,
                lead_id: success.then_some(1),
                ends,
                next,
                final_lesson: None,
            };
            assert!(lessons.record(outcome, &job).await.unwrap().is_recorded());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "draws the pictures of docs/lesson-sync; needs chromium"]
async fn draw() {
    let end = DateTime::from_timestamp(TAKEN_AT, 0).unwrap();
    let hands = Arc::new(AtomicI64::new(
        (end - TimeDelta::days(DAYS)).timestamp_micros(),
    ));
    let set = |at: DateTime<Utc>| hands.store(at.timestamp_micros(), Ordering::SeqCst);
    let clock = Clock::new({
        let hands = Arc::clone(&hands);
        move || DateTime::from_timestamp_micros(hands.load(Ordering::SeqCst)).unwrap()
    });
    let data = tempfile::tempdir().unwrap();
    let crm = Crm::start().await;
    let settings = all_settings(&crm, &data, &[]);
    let url = SecretString::from(settings["DATABASE_URL"].clone());
    let options = Options::new()
        .clock(clock)
        .time_source(TimeSource::Process)
        .keyring(Keyring::parse(&SecretString::from(KEY)).unwrap());
    let store = Store::open(&url, options).await.unwrap();
    store.migrate().await.unwrap();

    let mut dice = Dice::default();
    let mut students: Vec<(String, u32)> = Vec::new();
    for day in 0..DAYS {
        let morning = end - TimeDelta::days(DAYS - 1 - day) - TimeDelta::hours(10);
        set(morning);
        let weekend = if day % 7 > 4 { 4 } else { 12 };
        for number in 0..(6 + dice.roll(8) + weekend) {
            students.push((format!("student{day}x{number}@example.com"), 0));
        }
        for (email, lesson) in &mut students {
            let goes_on = FINISH.get(*lesson as usize);
            if goes_on.is_some_and(|of_hundred| dice.roll(100) < *of_hundred) {
                *lesson += 1;
                finish(&store, email.clone(), *lesson).await;
            } else {
                *lesson = 9;
            }
        }
        // Two bad days: amoCRM was away, or told us to wait.
        let (reason, times) = match day {
            12 => ("server", 34),
            20 => ("rate_limited", 12),
            _ => ("timeout", dice.roll(2)),
        };
        for _ in 0..times {
            store.lessons().count_failure(reason).await.unwrap();
        }
        set(morning + TimeDelta::hours(9));
        work(&store, &mut dice).await;
    }
    set(end);
    for number in 0..3 {
        finish(&store, format!("late{number}@example.com"), 1).await;
    }

    let config = Config::load(Environment::from_pairs(settings), None).unwrap();
    let app = App::with_store(config, store, Arc::new(ManualClock::at(end)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = app.router();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lesson-sync");
    for language in ["ru", "en"] {
        let page = format!("http://{address}/dashboard?lang={language}&days=30");
        let target = folder().unwrap_or_else(|| guide.clone());
        let file = target.join(format!("dashboard.{language}.png"));
        photograph(&page, &file, "940,2200", &[]).await;
    }
    if let Some(folder) = folder() {
        let page = format!("http://{address}/dashboard?lang=ru&days=30");
        photograph(&page, &folder.join("wide.png"), "1280,1600", &[]).await;
        photograph(&page, &folder.join("telephone.png"), "500,2900", &[]).await;
    }
    server.abort();
}
