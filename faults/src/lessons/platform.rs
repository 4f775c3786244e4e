//! The course platform: it tells of lessons until it is answered.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::students::{Call, Script, Telling};
use crate::http::Http;

/// What the platform calls the lessons, and their modules.
const FIRST_LESSON: u32 = 67;
const FIRST_MODULE: u32 = 16;
/// How long lessons may wait in the queue, and how often is looked.
const PATIENCE: Duration = Duration::from_mins(30);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the platform knows of the services.
#[derive(Debug, Clone)]
pub(super) struct Platform {
    pub(super) http: Http,
    /// The processes' addresses.
    pub(super) urls: Vec<String>,
    pub(super) api_key: String,
}

/// A lesson that was answered with 2xx.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    pub(super) telling: Telling,
    /// The completion's number.
    pub(super) id: i64,
}

/// A call that was answered with 2xx.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) receipts: Vec<Receipt>,
    /// How often it was sent.
    pub(super) sent: usize,
    pub(super) took: Duration,
}

/// What the platform calls the lessons, or their modules, as settings.
pub(super) fn names(lessons: u32) -> (String, String) {
    let list = |first: u32| {
        let names: Vec<_> = (first..first + lessons)
            .map(|name| name.to_string())
            .collect();
        names.join(",")
    };
    (list(FIRST_LESSON), list(FIRST_MODULE))
}

impl Platform {
    /// Sends the call when its time has come, to one process or the other, until it is answered.
    pub(super) async fn tell(&self, began: Instant, call: &Call) -> anyhow::Result<Answered> {
        sleep_until(began + call.at).await;
        let bodies: Vec<Value> = call.tellings.iter().map(body).collect();
        let (path, body) = match &*bodies {
            [one] => ("/api/lessons/completed", one.clone()),
            many => (
                "/api/lessons/completed/batch",
                json!({ "completions": many }),
            ),
        };
        let mut headers = vec![("x-api-key", self.api_key.as_str())];
        headers.extend(call.key.as_deref().map(|key| ("idempotency-key", key)));
        let taken = self
            .http
            .insist(Method::POST, &self.urls, call.slot, path, &headers, &body)
            .await
            .context("a lesson")?;
        anyhow::ensure!(taken.answer.status == 202, "a lesson's 2xx is a 202");
        let answer = taken.answer.json()?;
        let accepted = match bodies.len() {
            1 => vec![answer],
            _ => answer["accepted"].as_array().cloned().unwrap_or_default(),
        };
        anyhow::ensure!(
            accepted.len() == bodies.len(),
            "one receipt for each lesson"
        );
        let receipts = call.tellings.iter().zip(accepted);
        let receipts = receipts.map(|(telling, receipt)| {
            anyhow::ensure!(
                receipt["lesson_number"] == telling.lesson,
                "another lesson than was told: {receipt}"
            );
            Ok(Receipt {
                telling: telling.clone(),
                id: receipt["id"].as_i64().context("a receipt has a number")?,
            })
        });
        Ok(Answered {
            receipts: receipts.collect::<anyhow::Result<_>>()?,
            sent: taken.sent,
            took: taken.took,
        })
    }

    /// Tells the first lessons of a script and waits until they have ended.
    pub(super) async fn tell_first(
        &self,
        began: Instant,
        script: &Script,
    ) -> anyhow::Result<Vec<Answered>> {
        let mut answers = Vec::new();
        for call in &script.before {
            answers.push(self.tell(began, call).await?);
        }
        for telling in script.before.iter().flat_map(|call| &call.tellings) {
            self.is_done(telling).await?;
        }
        Ok(answers)
    }

    async fn is_done(&self, telling: &Telling) -> anyhow::Result<()> {
        let first = Instant::now();
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("email", &telling.written)
            .finish();
        let path = format!("/api/lessons/progress?{query}");
        let headers = [("x-api-key", self.api_key.as_str())];
        loop {
            let taken = self
                .http
                .insist(Method::GET, &self.urls, 0, &path, &headers, &Value::Null)
                .await?;
            let progress = taken.answer.json()?;
            let lessons = progress["courses"][0]["lessons"].as_array();
            let is_done = lessons.into_iter().flatten().any(|lesson| {
                lesson["lesson_number"] == telling.lesson && lesson["state"] == "done"
            });
            if is_done {
                return Ok(());
            }
            anyhow::ensure!(
                first.elapsed() < PATIENCE,
                "lesson {} of student {} does not end",
                telling.lesson,
                telling.student
            );
            sleep(LOOK_EVERY).await;
        }
    }
}

fn body(telling: &Telling) -> Value {
    let mut body = json!({"email": telling.written, "user_id": telling.student});
    if telling.by_id {
        body["lesson_id"] = (FIRST_LESSON + telling.lesson - 1).into();
        body["module_id"] = (FIRST_MODULE + telling.lesson - 1).to_string().into();
    } else {
        body["lesson_number"] = telling.lesson.into();
        body["completed_at"] = "2026-11-21T10:00:00Z".into();
    }
    body
}
