//! Real processes, killed without warning while lessons come shuffled and repeated.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{Crm, all_settings, eventually};

const STUDENTS: usize = 30;
const LESSONS: usize = 3;
const KILLS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_bring_every_deal_to_its_highest_lesson_and_none_backward() {
    let crm = Crm::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut deals = Vec::new();
    for student in 0..STUDENTS {
        deals.push(crm.applies(&email(student)).await);
    }
    // Every lesson of everybody, far from its neighbours, and each fifth of them twice.
    let all = STUDENTS * LESSONS;
    let told: Vec<_> = (0..all + all / 5).map(|index| index * 37 % all).collect();
    let mut services = [
        Service::start(&crm, &folder).await,
        Service::start(&crm, &folder).await,
    ];
    for (index, lesson) in told.iter().enumerate() {
        if index % (told.len() / KILLS) == told.len() / KILLS - 1 {
            let dying = index / (told.len() / KILLS) % services.len();
            services[dying].kill().await;
            services[dying] = Service::start(&crm, &folder).await;
        }
        let body = json!({"email": email(lesson / LESSONS), "lesson_number": lesson % LESSONS + 1});
        let service = &services[index % services.len()];
        eventually("the lesson is taken", || service.takes(&body)).await;
    }
    for deal in &deals {
        eventually("the deal is at the last lesson", || async {
            crm.stage_of(*deal).await == crm.stages[LESSONS]
        })
        .await;
    }
    let rows = || async { services[0].log().await };
    eventually("every lesson has its row", || async {
        rows().await.len() >= all
    })
    .await;
    let mut rows = rows().await;
    assert!(rows.iter().all(|(_, _, success)| *success), "{rows:?}");
    rows.sort();
    rows.dedup();
    assert_eq!(rows.len(), all, "one row for each lesson");
    assert_eq!(backward(&crm).await, 0);
    for service in &mut services {
        service.kill().await;
    }
}

fn email(student: usize) -> String {
    format!("student{student}@example.com")
}

/// How often the feed of events tells of a deal that was moved back.
async fn backward(crm: &Crm) -> usize {
    let mut found = 0;
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
                found += 1;
            }
        }
    }
    assert!(moves >= STUDENTS, "the feed tells of moves");
    found
}

/// The binary, running.
#[derive(Debug)]
struct Service {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Service {
    async fn start(crm: &Crm, folder: &TempDir) -> Self {
        let settings = all_settings(crm, folder, &[("SERVER_PORT", "0")]);
        let mut child = Command::new(Path::new(env!("CARGO_BIN_EXE_lesson-sync")))
            .env_clear()
            .envs(settings)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // The log says where it listens; it is read to its end, or the process would block.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, told) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut tell = Some(tell);
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, address)) = line.split_once("server.address=")
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(format!("http://{}", address.trim()));
                }
            }
        });
        let url = tokio::time::timeout(Duration::from_mins(1), told)
            .await
            .unwrap()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, url, http }
    }

    /// Whether the lesson was taken; the platform sends it again if not.
    async fn takes(&self, body: &Value) -> bool {
        let url = format!("{}/api/lessons/completed", self.url);
        let answer = self.http.post(url).json(body).send().await;
        answer.is_ok_and(|answer| answer.status() == 202)
    }

    /// Student, lesson and success of every row.
    async fn log(&self) -> Vec<(String, i64, bool)> {
        let mut rows = Vec::new();
        let mut path = "/api/sync/log?limit=250".to_owned();
        loop {
            let url = format!("{}{path}", self.url);
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

    /// Kills it without warning.
    async fn kill(&mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }
}
