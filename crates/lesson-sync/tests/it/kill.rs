//! Real processes, killed without warning while lessons come shuffled and repeated.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Program, TestDatabase, browser, databases, eventually};

use crate::harness::{Crm, all_settings};

const STUDENTS: usize = 30;
const LESSONS: usize = 3;
const KILLS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_bring_every_deal_to_its_highest_lesson_and_none_backward() {
    for database in databases().await {
        kill_and_count(&database).await;
        database.drop_schema().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_postgresql_share_the_work_and_move_each_deal_once() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let crm = Crm::start().await;
    for student in 0..STUDENTS {
        crm.applies(&email(student)).await;
    }
    let lessons: Vec<_> = (0..STUDENTS)
        .map(|student| json!({"email": email(student), "lesson_number": 2}))
        .collect();
    // Few hands each, so that neither can do it alone.
    let few = [("LESSON_WORKERS", "2")];
    let mut services = [
        Service::start(&crm, &database, &few).await,
        Service::start(&crm, &database, &few).await,
    ];
    let url = format!("{}/api/lessons/completed/batch", services[0].program.url);
    let body = json!({ "completions": lessons });
    let answer = services[0].http.post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    eventually("every lesson has its row", || async {
        (services[1].log().await.len() >= STUDENTS).then_some(())
    })
    .await;
    let moved = [services[0].moved().await, services[1].moved().await];
    assert_eq!(moved.iter().sum::<usize>(), STUDENTS, "{moved:?}");
    assert!(moved.iter().all(|part| *part > 0), "{moved:?}");
    assert_eq!(moves(&crm).await, (STUDENTS, 0));
    for service in &mut services {
        service.program.kill().await;
    }
    database.drop_schema().await;
}

async fn kill_and_count(database: &TestDatabase) {
    let crm = Crm::start().await;
    let mut deals = Vec::new();
    for student in 0..STUDENTS {
        deals.push(crm.applies(&email(student)).await);
    }
    // Every lesson of everybody, far from its neighbours, and each fifth of them twice.
    let all = STUDENTS * LESSONS;
    let told: Vec<_> = (0..all + all / 5).map(|index| index * 37 % all).collect();
    // Without this, a killed process's work stays its own for most of a minute on PostgreSQL.
    let hurry = [
        ("LESSON_CALL_TIMEOUT_MS", "1000"),
        ("LESSON_LEASE_MS", "16000"),
    ];
    let mut services = [
        Service::start(&crm, database, &hurry).await,
        Service::start(&crm, database, &hurry).await,
    ];
    for (index, lesson) in told.iter().enumerate() {
        if index % (told.len() / KILLS) == told.len() / KILLS - 1 {
            let dying = index / (told.len() / KILLS) % services.len();
            services[dying].program.kill().await;
            services[dying] = Service::start(&crm, database, &hurry).await;
        }
        let body = json!({"email": email(lesson / LESSONS), "lesson_number": lesson % LESSONS + 1});
        let service = &services[index % services.len()];
        eventually("the lesson is taken", || service.takes(&body)).await;
    }
    for deal in &deals {
        eventually("the deal is at the last lesson", || async {
            (crm.stage_of(*deal).await == crm.stages[LESSONS]).then_some(())
        })
        .await;
    }
    let rows = || async { services[0].log().await };
    eventually("every lesson has its row", || async {
        (rows().await.len() >= all).then_some(())
    })
    .await;
    let mut rows = rows().await;
    assert!(rows.iter().all(|(_, _, success)| *success), "{rows:?}");
    rows.sort();
    rows.dedup();
    assert_eq!(rows.len(), all, "one row for each lesson");
    let (moves, backward) = moves(&crm).await;
    assert!(moves >= STUDENTS, "the feed tells of moves");
    assert_eq!(backward, 0);
    for service in &mut services {
        service.program.kill().await;
    }
}

fn email(student: usize) -> String {
    format!("student{student}@example.com")
}

/// How often the feed of events tells of a deal that was moved, and of one that was moved back.
async fn moves(crm: &Crm) -> (usize, usize) {
    let mut backward = 0;
    let mut moves = 0;
    for page in 1.. {
        let path =
            format!("/api/v4/events?filter[type][]=lead_status_changed&limit=100&page={page}");
        let events = crm.call(Method::GET, &path, None).await;
        let Some(events) = events["_embedded"]["events"].as_array() else {
            break;
        };
        for event in events {
            let place = |side: &str| {
                let stage = event[side][0]["lead_status"]["id"].as_i64();
                crm.stages.iter().position(|known| Some(*known) == stage)
            };
            moves += 1;
            if place("value_after") <= place("value_before") {
                backward += 1;
            }
        }
    }
    (moves, backward)
}

/// The binary, running.
#[derive(Debug)]
struct Service {
    program: Program,
    http: reqwest::Client,
}

impl Service {
    async fn start(crm: &Crm, database: &TestDatabase, more: &[(&str, &str)]) -> Self {
        let mut settings = all_settings(crm, &database.folder, more);
        settings.insert("SERVER_PORT".to_owned(), "0".to_owned());
        settings.insert("DATABASE_URL".to_owned(), database.url.clone());
        let program = env!("CARGO_BIN_EXE_lesson-sync");
        Self {
            program: Program::start(program, settings, database.folder.path()).await,
            http: browser(),
        }
    }

    /// How many deals this process says that it has moved.
    async fn moved(&self) -> usize {
        let url = format!("{}/metrics", self.program.url);
        let metrics = self.http.get(url).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let mut lines = metrics.lines();
        let line = lines.find_map(|line| line.strip_prefix("deals_moved_total "));
        line.map_or(0, |count| count.parse().unwrap())
    }

    /// Whether the lesson was taken; the platform sends it again if not.
    async fn takes(&self, body: &Value) -> Option<()> {
        let url = format!("{}/api/lessons/completed", self.program.url);
        let answer = self.http.post(url).json(body).send().await;
        answer
            .is_ok_and(|answer| answer.status() == 202)
            .then_some(())
    }

    /// Student, lesson and success of every row.
    async fn log(&self) -> Vec<(String, i64, bool)> {
        let mut rows = Vec::new();
        let mut path = "/api/sync/log?limit=250".to_owned();
        loop {
            let url = format!("{}{path}", self.program.url);
            let page: Value = self
                .http
                .get(url)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            rows.extend(page["rows"].as_array().unwrap().iter().map(|row| {
                (
                    row["user_email"].as_str().unwrap().to_owned(),
                    row["lesson_number"].as_i64().unwrap(),
                    row["success"].as_bool().unwrap(),
                )
            }));
            let Some(next) = page["next"].as_i64() else {
                return rows;
            };
            path = format!("/api/sync/log?limit=250&after={next}");
        }
    }
}
