//! The service on a port of its own beside an emulated amoCRM, the platform and a manager.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use amocrm_emulator::{Emulator, Seed};
use lesson_sync::{App, Config, doctor};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use service_kit::config::Environment;
use store::{Keyring, Store, TimeSource};
use tempfile::TempDir;
use testkit::{KEY, TestClock, browser, eventually};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An emulated amoCRM with the academy's pipeline.
#[derive(Debug)]
pub(crate) struct Crm {
    pub(crate) emulator: Emulator,
    http: reqwest::Client,
    pub(crate) pipeline: i64,
    /// The first stage, then those of lessons 1 to 3.
    pub(crate) stages: Vec<i64>,
}

impl Crm {
    pub(crate) async fn start() -> Self {
        let emulator = Emulator::builder()
            .seed(Seed::Empty)
            .rate_limit(None)
            .index_delay(Duration::ZERO)
            .start()
            .await
            .unwrap();
        let mut crm = Self {
            emulator,
            http: browser(),
            pipeline: 0,
            stages: Vec::new(),
        };
        let names = [
            "НОВАЯ ЗАЯВКА",
            "ПРОШЕЛ ПЕРВЫЙ УРОК",
            "ПРОШЕЛ ВТОРОЙ УРОК",
            "ПРОШЕЛ ТРЕТИЙ УРОК",
        ];
        let statuses: Vec<_> = (1..)
            .zip(names)
            .map(|(place, name)| json!({"name": name, "sort": place * 10, "color": "#fffeb2"}))
            .collect();
        let made = crm
            .call(
                Method::POST,
                "/api/v4/leads/pipelines",
                Some(json!([{
                    "name": "onAI Academy", "is_main": false, "is_unsorted_on": false, "sort": 500,
                    "_embedded": {"statuses": statuses}
                }])),
            )
            .await;
        let made = &made["_embedded"]["pipelines"][0];
        crm.pipeline = made["id"].as_i64().unwrap();
        let pipeline = crm
            .call(
                Method::GET,
                &format!("/api/v4/leads/pipelines/{}", crm.pipeline),
                None,
            )
            .await;
        let stages = pipeline["_embedded"]["statuses"].as_array().unwrap();
        crm.stages = names
            .iter()
            .map(|name| {
                let stage = stages.iter().find(|stage| stage["name"] == *name).unwrap();
                stage["id"].as_i64().unwrap()
            })
            .collect();
        crm
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}{path}", self.emulator.base_url());
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(self.emulator.long_lived_token());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Somebody applied: a contact with this e-mail and a deal at the first stage.
    pub(crate) async fn applies(&self, email: &str) -> i64 {
        self.applies_in(email, self.pipeline, self.stages[0]).await
    }

    pub(crate) async fn applies_in(&self, email: &str, pipeline: i64, stage: i64) -> i64 {
        let made = self
            .call(
                Method::POST,
                "/api/v4/leads/complex",
                Some(json!([{
                    "name": "Заявка", "pipeline_id": pipeline, "status_id": stage,
                    "_embedded": {"contacts": [{
                        "first_name": "Студент",
                        "custom_fields_values": [{"field_code": "EMAIL", "values": [{"value": email, "enum_code": "WORK"}]}]
                    }]}
                }])),
            )
            .await;
        made[0]["id"].as_i64().unwrap()
    }

    /// What an administrator's consent leaves in the settings instead of a long-lived token.
    pub(crate) async fn consent(&self) -> Vec<(&'static str, String)> {
        let credentials = self.emulator.credentials();
        let exchange = json!({
            "client_id": credentials.client_id, "client_secret": credentials.client_secret,
            "grant_type": "authorization_code", "code": self.emulator.code(),
            "redirect_uri": credentials.redirect_uri
        });
        let url = format!("{}/oauth2/access_token", self.emulator.base_url());
        let answer = self.http.post(url).json(&exchange).send().await.unwrap();
        let tokens: Value = answer.json().await.unwrap();
        vec![
            ("AMOCRM_ACCESS_TOKEN", String::new()),
            ("AMOCRM_CLIENT_ID", credentials.client_id.clone()),
            ("AMOCRM_CLIENT_SECRET", credentials.client_secret.clone()),
            ("AMOCRM_REDIRECT_URI", credentials.redirect_uri.clone()),
            (
                "AMOCRM_REFRESH_TOKEN",
                tokens["refresh_token"].as_str().unwrap().to_owned(),
            ),
        ]
    }

    pub(crate) async fn stage_of(&self, deal: i64) -> i64 {
        let deal = self
            .call(Method::GET, &format!("/api/v4/leads/{deal}"), None)
            .await;
        deal["status_id"].as_i64().unwrap()
    }

    pub(crate) async fn move_to(&self, deal: i64, stage: i64) {
        let change = json!({"pipeline_id": self.pipeline, "status_id": stage});
        self.call(
            Method::PATCH,
            &format!("/api/v4/leads/{deal}"),
            Some(change),
        )
        .await;
    }
}

/// lesson-sync, and the platform before it.
#[derive(Debug)]
pub(crate) struct Academy {
    pub(crate) crm: Crm,
    pub(crate) app: App,
    pub(crate) url: String,
    folder: TempDir,
    http: reqwest::Client,
    shutdown: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
}

impl Academy {
    /// With a long-lived token.
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    pub(crate) async fn open_with(more: &[(&str, &str)]) -> Self {
        Self::begin(Crm::start().await, tempfile::tempdir().unwrap(), more).await
    }

    /// Another process on the same database, with other settings.
    pub(crate) async fn again(crm: Crm, folder: TempDir, more: &[(&str, &str)]) -> Self {
        Self::begin(crm, folder, more).await
    }

    /// With a clock of the test's, amoCRM's apart.
    pub(crate) async fn open_at(clock: &TestClock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::begin_at(clock, Crm::start().await, folder, &[]).await
    }

    /// The same beside an amoCRM of the caller's, with other settings.
    pub(crate) async fn begin_at(
        clock: &TestClock,
        crm: Crm,
        folder: TempDir,
        more: &[(&str, &str)],
    ) -> Self {
        let app = app_at(clock, all_settings(&crm, &folder, more)).await;
        Self::serve(crm, folder, app).await
    }

    async fn begin(crm: Crm, folder: TempDir, more: &[(&str, &str)]) -> Self {
        let settings = all_settings(&crm, &folder, more);
        let config = Config::load(Environment::from_pairs(settings), None).unwrap();
        let app = App::open(config).await.unwrap();
        Self::serve(crm, folder, app).await
    }

    async fn serve(crm: Crm, folder: TempDir, app: App) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let server = tokio::spawn({
            let (app, shutdown) = (app.clone(), shutdown.clone());
            async move { app.run_on(listener, shutdown).await }
        });
        Self {
            crm,
            app,
            url,
            folder,
            http: browser(),
            shutdown,
            server,
        }
    }

    /// Stops the service as SIGTERM would.
    pub(crate) async fn stop(self) -> (Crm, TempDir) {
        self.shutdown.cancel();
        self.server.await.unwrap().unwrap();
        (self.crm, self.folder)
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (StatusCode, Value) {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self
            .http
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    /// The platform tells of a lesson by its id.
    pub(crate) async fn finishes(&self, email: &str, lesson: u32) {
        let body = json!({"email": email, "lesson_id": lesson, "module_id": lesson - 51});
        let (status, answer) = self.post("/api/lessons/completed", &[], &body).await;
        assert_eq!(status, 202, "{answer}");
    }

    pub(crate) async fn stage_becomes(&self, deal: i64, lesson: usize) {
        let wanted = self.crm.stages[lesson];
        eventually(&format!("deal {deal} at lesson {lesson}"), || async {
            (self.crm.stage_of(deal).await == wanted).then_some(())
        })
        .await;
    }

    /// Rows of the log, newest first: lesson, outcome, success.
    pub(crate) async fn log(&self, query: &str) -> Vec<(i64, String, bool)> {
        let (status, page) = self.get(&format!("/api/sync/log?{query}")).await;
        assert_eq!(status, 200, "{page}");
        let rows = page["rows"].as_array().unwrap().iter();
        rows.map(|row| {
            (
                row["lesson_number"].as_i64().unwrap(),
                row["outcome"].as_str().unwrap().to_owned(),
                row["success"].as_bool().unwrap(),
            )
        })
        .collect()
    }

    pub(crate) async fn log_has(&self, rows: usize) -> Vec<(i64, String, bool)> {
        eventually(&format!("{rows} rows in the log"), || async {
            (self.log("").await.len() >= rows).then_some(())
        })
        .await;
        self.log("").await
    }

    /// Whether the doctor finds all well, and what it prints.
    pub(crate) async fn examine(&self) -> (bool, String) {
        let mut out = Vec::new();
        let config = self.app.config().clone();
        let report = doctor::run(config, doctor::Arguments::default(), &mut out)
            .await
            .unwrap();
        (report.is_well(), String::from_utf8(out).unwrap())
    }
}

/// A process with a clock of the test's.
pub(crate) async fn app_at(clock: &TestClock, settings: BTreeMap<String, String>) -> App {
    let database = SecretString::from(settings["DATABASE_URL"].as_str());
    let config = Config::load(Environment::from_pairs(settings), None).unwrap();
    let options = App::store_options(&config)
        .clock(clock.hands())
        .time_source(TimeSource::Process)
        .keyring(Keyring::parse(&SecretString::from(KEY)).unwrap());
    let store = Store::open(&database, options).await.unwrap();
    store.migrate().await.unwrap();
    App::with_store(config, store, Arc::new(clock.clone()))
}

/// Impatient settings: what takes minutes for real people takes milliseconds here.
pub(crate) fn all_settings(
    crm: &Crm,
    folder: &TempDir,
    more: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let stage = |lesson: usize| crm.stages[lesson].to_string();
    let mut settings: BTreeMap<String, String> = [
        (
            "DATABASE_URL",
            format!("sqlite://{}/lessons.db", folder.path().display()),
        ),
        ("ENCRYPTION_KEY", KEY.to_owned()),
        ("AMOCRM_BASE_URL", crm.emulator.base_url().to_owned()),
        ("AMOCRM_ACCESS_TOKEN", crm.emulator.long_lived_token()),
        ("AMOCRM_INTEGRATION_RPS", "1000".to_owned()),
        ("AMOCRM_ACCOUNT_RPS", "1000".to_owned()),
        ("AMOCRM_PIPELINE_ID", crm.pipeline.to_string()),
        ("AMOCRM_STAGE_LESSON_1", stage(1)),
        ("AMOCRM_STAGE_LESSON_2", stage(2)),
        ("AMOCRM_STAGE_LESSON_3", stage(3)),
        ("LESSON_IDS", "67,68,69".to_owned()),
        ("LESSON_MODULE_IDS", "16,17,18".to_owned()),
        ("LESSON_RETRY_BASE_MS", "20".to_owned()),
        ("LESSON_RETRY_MAX_MS", "200".to_owned()),
        ("LESSON_SETTLE_MS", "200".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (name, value) in more {
        settings.insert((*name).to_owned(), (*value).to_owned());
    }
    settings
}
