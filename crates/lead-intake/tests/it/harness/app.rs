//! The service itself, and the visitor and the administrator before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use lead_intake::provision::{self, Arguments};
use lead_intake::{App, Config, doctor};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use service_kit::clock::SystemClock;
use service_kit::config::Environment;
use store::{Clock, Keyring, TimeSource};
use testkit::{Answer, KEY, TestClock, TestDatabase, browser, eventually};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::TestCrm;

/// lead-intake listening on a port of its own, beside an emulated amoCRM.
#[derive(Debug)]
pub(crate) struct TestApp {
    pub(crate) crm: TestCrm,
    pub(crate) app: App,
    pub(crate) url: String,
    pub(crate) database: TestDatabase,
    http: reqwest::Client,
    shutdown: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
}

impl TestApp {
    /// Connected through the consent page, with the pipeline, the field and the webhook provisioned.
    pub(crate) async fn ready() -> Self {
        Self::ready_with(&[]).await
    }

    pub(crate) async fn ready_with(settings: &[(&str, &str)]) -> Self {
        Self::ready_on(TestDatabase::sqlite(), settings).await
    }

    pub(crate) async fn ready_on(database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        let app = Self::start(database, settings).await;
        app.connect().await;
        app.provision().await;
        app
    }

    /// Not connected yet.
    pub(crate) async fn start(database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        Self::start_by(database, settings, None).await
    }

    /// The same on a machine whose clock is ahead of amoCRM's.
    pub(crate) async fn start_ahead(
        database: TestDatabase,
        settings: &[(&str, &str)],
        ahead: TimeDelta,
    ) -> Self {
        let machine = Clock::system();
        let clock = Clock::new(move || machine.now() + ahead);
        Self::start_by(database, settings, Some(clock)).await
    }

    /// Connected and provisioned, beside an amoCRM of the caller's.
    pub(crate) async fn ready_beside(
        crm: TestCrm,
        database: TestDatabase,
        settings: &[(&str, &str)],
    ) -> Self {
        let app = Self::begin(crm, database, settings, None).await;
        app.connect().await;
        app.provision().await;
        app
    }

    /// The same with a clock of the test's own.
    pub(crate) async fn start_by(
        database: TestDatabase,
        settings: &[(&str, &str)],
        clock: Option<Clock>,
    ) -> Self {
        Self::begin(TestCrm::start().await, database, settings, clock).await
    }

    /// Another process, after the last one: same amoCRM, same database, perhaps other settings.
    pub(crate) async fn again(
        crm: TestCrm,
        database: TestDatabase,
        settings: &[(&str, &str)],
    ) -> Self {
        Self::begin(crm, database, settings, None).await
    }

    async fn begin(
        crm: TestCrm,
        database: TestDatabase,
        settings: &[(&str, &str)],
        clock: Option<Clock>,
    ) -> Self {
        super::log::capture();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let settings = all_settings(&crm, &database, &url, settings);
        let config = Config::load(Environment::from_pairs(settings), None).unwrap();
        let app = match clock {
            None => App::open(config).await.unwrap(),
            Some(clock) => open_by(config, &database, clock).await,
        };
        let shutdown = CancellationToken::new();
        let server = tokio::spawn({
            let (app, shutdown) = (app.clone(), shutdown.clone());
            async move { app.run_on(listener, shutdown).await }
        });
        Self {
            crm,
            app,
            url,
            database,
            http: browser(),
            shutdown,
            server,
        }
    }

    /// Not connected yet, with a clock of the test's.
    pub(crate) async fn start_at(
        clock: &TestClock,
        database: TestDatabase,
        settings: &[(&str, &str)],
    ) -> Self {
        super::log::capture();
        let crm = TestCrm::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let settings = all_settings(&crm, &database, &url, settings);
        let config = Config::load(Environment::from_pairs(settings), None).unwrap();
        let options = App::store_options(&config)
            .clock(clock.hands())
            .time_source(TimeSource::Process)
            .keyring(Keyring::parse(&SecretString::from(KEY)).unwrap());
        let store = database.open(options).await;
        let app = App::with_store(config, store, Arc::new(clock.clone()));
        let shutdown = CancellationToken::new();
        let server = tokio::spawn({
            let (app, shutdown) = (app.clone(), shutdown.clone());
            async move { app.run_on(listener, shutdown).await }
        });
        Self {
            crm,
            app,
            url,
            database,
            http: browser(),
            shutdown,
            server,
        }
    }

    /// Stops the service as SIGTERM would.
    pub(crate) async fn stop(self) -> (TestCrm, TestDatabase) {
        self.shutdown.cancel();
        self.server.await.unwrap().unwrap();
        (self.crm, self.database)
    }

    /// A visitor sends a form as JSON.
    pub(crate) async fn submit(&self, body: &str) -> Answer {
        self.submit_with_key(body, None).await
    }

    pub(crate) async fn submit_with_key(&self, body: &str, key: Option<&str>) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.send(Method::POST, "/api/leads", &headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn put(&self, path: &str) -> Answer {
        self.send(Method::PUT, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.send(Method::POST, path, &[], "").await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method, url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    }

    /// The administrator opens the start page, allows the access, and comes back.
    pub(crate) async fn connect(&self) -> Answer {
        let query = self.consent().await;
        let answer = self.get(&format!("/api/auth/amo/callback?{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    }

    /// The query that amoCRM sends the administrator back with.
    pub(crate) async fn consent(&self) -> String {
        let start = self.get("/api/auth/amo").await;
        assert_eq!(start.status, 302, "{}", start.text);
        let consent = start.headers["location"].to_str().unwrap().to_owned();
        let page = Answer::of(self.http.get(&consent)).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let (_, query) = consent.split_once('?').unwrap();
        let account = page
            .text
            .split("<option value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default();
        let form = self
            .http
            .post(&consent)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("{query}&account={account}&action=allow"));
        let back = Answer::of(form).await;
        let location = back.headers["location"].to_str().unwrap();
        location.split_once('?').unwrap().1.to_owned()
    }

    /// What `lead-intake provision` prints.
    pub(crate) async fn provision(&self) -> String {
        let mut out = Vec::new();
        provision::run(&self.app, &Arguments::default(), &mut out)
            .await
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Whether `lead-intake doctor` finds all well, and what it prints.
    pub(crate) async fn examine(&self) -> (bool, String) {
        let mut out = Vec::new();
        let config = self.app.config().clone();
        let report = doctor::run(config, doctor::Arguments::default(), &mut out)
            .await
            .unwrap();
        (report.is_well(), String::from_utf8(out).unwrap())
    }

    /// A lead as the API shows it.
    pub(crate) async fn lead(&self, id: i64) -> Value {
        let answer = self.get(&format!("/api/leads/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// Waits until nothing is left to do for amoCRM.
    pub(crate) async fn queue_is_empty(&self) {
        let jobs = self.app.store().jobs();
        eventually("the queue runs empty", || async {
            let mut depth = 0;
            for kind in [
                "lead.deliver",
                "lead.move",
                "lead.look",
                "lead.finish",
                "lead.contact",
                "funnel.enter",
                "funnel.note",
            ] {
                depth += jobs.stats(kind).await.unwrap().depth;
            }
            (depth == 0).then_some(())
        })
        .await;
    }

    /// Waits until the lead has come so far, and gives it.
    pub(crate) async fn lead_is(&self, id: i64, path: &str, wanted: &str) -> Value {
        eventually(&format!("lead {id} has {path} = {wanted}"), || async {
            let lead = self.lead(id).await;
            (lead.pointer(path).and_then(Value::as_str) == Some(wanted)).then_some(lead)
        })
        .await
    }
}

async fn open_by(config: Config, database: &TestDatabase, clock: Clock) -> App {
    let options = App::store_options(&config)
        .clock(clock)
        .keyring(Keyring::parse(&SecretString::from(KEY)).unwrap());
    let store = database.open(options).await;
    App::with_store(config, store, SystemClock::shared())
}

/// Impatient settings: what takes seconds for real people takes milliseconds here.
pub(crate) fn all_settings(
    crm: &TestCrm,
    database: &TestDatabase,
    url: &str,
    more: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let credentials = crm.emulator.credentials();
    let mut settings: BTreeMap<String, String> = [
        ("DATABASE_URL", database.url.as_str()),
        ("ENCRYPTION_KEY", KEY),
        ("PUBLIC_URL", url),
        ("AMOCRM_BASE_URL", crm.emulator.base_url()),
        ("AMOCRM_CLIENT_ID", &credentials.client_id),
        ("AMOCRM_CLIENT_SECRET", &credentials.client_secret),
        ("AMOCRM_REDIRECT_URI", &credentials.redirect_uri),
        ("AMOCRM_INTEGRATION_RPS", "1000"),
        ("AMOCRM_ACCOUNT_RPS", "1000"),
        ("INTAKE_SHORT_WAIT_MS", "20000"),
        ("INTAKE_RETRY_BASE_MS", "20"),
        ("INTAKE_RETRY_MAX_MS", "200"),
        ("INTAKE_SETTLE_MS", "200"),
        // Stories that want it say when.
        ("INTAKE_RECONCILE_MINUTES", "0"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    for (name, value) in more {
        settings.insert((*name).to_owned(), (*value).to_owned());
    }
    settings
}
