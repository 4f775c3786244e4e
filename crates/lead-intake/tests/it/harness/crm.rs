//! amoCRM as its own users see it: asked directly, not through lead-intake.

use std::time::Duration;

use amocrm_emulator::{Emulator, Seed};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::browser;

/// An emulated amoCRM, and a manager who uses it.
#[derive(Debug)]
pub(crate) struct TestCrm {
    pub(crate) emulator: Emulator,
    http: reqwest::Client,
}

impl TestCrm {
    pub(crate) async fn start() -> Self {
        Self::start_with_slow_search(Duration::ZERO).await
    }

    /// The search finds what was just made only after `delay`, as the real one.
    pub(crate) async fn start_with_slow_search(delay: Duration) -> Self {
        let emulator = Emulator::builder()
            .seed(Seed::Empty)
            .rate_limit(None)
            .index_delay(delay)
            .start()
            .await
            .unwrap();
        Self {
            emulator,
            http: browser(),
        }
    }

    /// What `GET path` answers; `null` for 204.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn deals(&self) -> Vec<Value> {
        self.all("/api/v4/leads?with=contacts&limit=250", "leads")
            .await
    }

    pub(crate) async fn contacts(&self) -> Vec<Value> {
        self.all("/api/v4/contacts?limit=250", "contacts").await
    }

    /// Texts of a deal's notes.
    pub(crate) async fn notes(&self, deal: i64) -> Vec<String> {
        let notes = self
            .all(&format!("/api/v4/leads/{deal}/notes"), "notes")
            .await;
        notes
            .iter()
            .map(|note| {
                note["params"]["text"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    }

    /// The pipeline of this name and the ids of its stages by name.
    pub(crate) async fn stage(&self, pipeline: &str, stage: &str) -> (i64, i64) {
        let pipelines = self.all("/api/v4/leads/pipelines", "pipelines").await;
        let pipeline = pipelines
            .iter()
            .find(|found| found["name"] == pipeline)
            .unwrap_or_else(|| panic!("no pipeline {pipeline}"));
        let stages = pipeline["_embedded"]["statuses"].as_array().unwrap();
        let stage = stages
            .iter()
            .find(|found| found["name"] == stage)
            .unwrap_or_else(|| panic!("no stage {stage}"));
        (
            pipeline["id"].as_i64().unwrap(),
            stage["id"].as_i64().unwrap(),
        )
    }

    /// A manager moves a deal.
    pub(crate) async fn move_deal(&self, deal: i64, (pipeline, stage): (i64, i64)) {
        let change = json!({"pipeline_id": pipeline, "status_id": stage});
        self.call(
            Method::PATCH,
            &format!("/api/v4/leads/{deal}"),
            Some(change),
        )
        .await;
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Value {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// A manager puts a deal into the trash.
    pub(crate) async fn trash_deal(&self, deal: i64) {
        let url = format!("{}/ajax/leads/multiple/delete/", self.emulator.base_url());
        let answer = self
            .http
            .post(url)
            .bearer_auth(self.emulator.long_lived_token())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("ID[]={deal}"))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Webhooks are sent no more.
    pub(crate) async fn unsubscribe_all(&self) {
        let found = self.get("/api/v4/webhooks").await;
        for hook in found["_embedded"]["webhooks"].as_array().unwrap() {
            let body = json!({"destination": hook["destination"]});
            self.call(Method::DELETE, "/api/v4/webhooks", Some(body))
                .await;
        }
    }

    pub(crate) async fn delete(&self, path: &str) {
        self.call(Method::DELETE, path, None).await;
    }

    pub(crate) async fn delete_with(&self, path: &str, body: Value) {
        self.call(Method::DELETE, path, Some(body)).await;
    }

    pub(crate) async fn all(&self, path: &str, key: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut path = path.to_owned();
        loop {
            let page = self.get(&path).await;
            if let Some(found) = page["_embedded"][key].as_array() {
                items.extend(found.iter().cloned());
            }
            let Some(next) = page["_links"]["next"]["href"].as_str() else {
                return items;
            };
            let (_, rest) = next.split_once("/api/").unwrap();
            path = format!("/api/{rest}");
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}{path}", self.emulator.base_url());
        // A new token each time: some stories revoke them all.
        let token = self.emulator.long_lived_token();
        let mut request = self.http.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

/// A value of a custom field by its code.
pub(crate) fn field<'a>(entity: &'a Value, code: &str) -> Option<&'a str> {
    let fields = entity["custom_fields_values"].as_array()?;
    let field = fields.iter().find(|field| field["field_code"] == code)?;
    field["values"][0]["value"].as_str()
}
