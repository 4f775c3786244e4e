//! The gateway as amoCRM sees it, over a database of a test's own.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::Value;
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::config::Environment;
use store::throwaway::Schema;
use store::{EventRow, Keyring, Options, Store, TimeSource};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use webhook_gateway::{App, Config};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The secret of the only account.
pub(super) const SECRET: &str = "9f2c9f2c9f2c9f2c9f2c9f2c";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
const PATIENCE: Duration = Duration::from_secs(90);

/// Reads a variable: where PostgreSQL is, and whether it may be missing.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are configured by their runner, in this one place"
)]
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where a test keeps its data.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) url: String,
    pub(super) folder: TempDir,
    schema: Option<Schema>,
}

impl Place {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite://{}/gateway.db", folder.path().display()),
            folder,
            schema: None,
        }
    }

    #[expect(clippy::print_stdout, reason = "a test that did not run should say so")]
    /// A schema on the server of `TEST_POSTGRES_URL`; `None` without one, unless `REQUIRE_ALL=1` wants it.
    pub(super) async fn postgres() -> Option<Self> {
        let Some(server) = env("TEST_POSTGRES_URL") else {
            assert!(
                env("REQUIRE_ALL").as_deref() != Some("1"),
                "REQUIRE_ALL=1, but TEST_POSTGRES_URL is not set"
            );
            println!("skipped: PostgreSQL");
            return None;
        };
        let schema = Schema::create(&server).await.unwrap();
        Some(Self {
            url: schema.url(),
            folder: tempfile::tempdir().unwrap(),
            schema: Some(schema),
        })
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.db")
    }

    pub(super) fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(super) async fn close(self) {
        if let Some(schema) = &self.schema {
            schema.drop().await.unwrap();
        }
    }
}

/// The machine's clock, ahead by as much as a test lets pass.
#[derive(Debug, Clone, Default)]
pub(super) struct AheadClock(Arc<AtomicI64>);

impl service_kit::clock::Clock for AheadClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + TimeDelta::milliseconds(self.0.load(Ordering::Relaxed))
    }
}

/// A gateway that listens.
#[derive(Debug)]
pub(super) struct World {
    pub(super) app: App,
    pub(super) url: String,
    pub(super) http: reqwest::Client,
    pub(super) clock: AheadClock,
    shutdown: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
}

impl World {
    /// With the one account that variables name.
    pub(super) async fn start(place: &Place) -> Self {
        Self::start_with(place, &[("GATEWAY_WEBHOOK_SECRET", SECRET)]).await
    }

    pub(super) async fn start_with(place: &Place, settings: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut all = vec![
            ("DATABASE_URL", place.url.clone()),
            ("ENCRYPTION_KEY", KEY.to_owned()),
        ];
        // Where the emulator would send webhooks.
        all.push(("PUBLIC_URL", url.clone()));
        all.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let config = Config::load(Environment::from_pairs(all), None).unwrap();
        let clock = AheadClock::default();
        let hands = clock.clone();
        let options = Options::new()
            .keyring(Keyring::parse(&SecretString::from(KEY)).unwrap())
            .clock(store::Clock::new(move || hands.now()))
            .time_source(TimeSource::Process);
        let store = Store::open(&config.database.to_secret(), options)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        let app = App::with_store(config, store, Arc::new(clock.clone()));
        let shutdown = CancellationToken::new();
        let server = tokio::spawn({
            let (app, shutdown) = (app.clone(), shutdown.clone());
            async move { app.run_on(listener, shutdown).await }
        });
        let world = Self {
            app,
            url,
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            clock,
            shutdown,
            server,
        };
        eventually("the gateway answers", || async {
            let answer = world.http.get(format!("{}/health/live", world.url));
            answer.send().await.ok()
        })
        .await;
        world
    }

    pub(super) fn store(&self) -> &Store {
        self.app.store()
    }

    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap().unwrap();
    }

    /// amoCRM posts this body to the account's address.
    pub(super) async fn webhook(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.post(
            &format!("/webhooks/amocrm/{SECRET}"),
            &[("content-type", FORM)],
            body,
        )
        .await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.url))).await
    }

    /// All events, in the order in which they came.
    pub(super) async fn events(&self) -> Vec<EventRow> {
        self.store().gateway().events_after(0, 1_000).await.unwrap()
    }

    pub(super) fn pass(&self, span: TimeDelta) {
        self.clock
            .0
            .fetch_add(span.num_milliseconds(), Ordering::Relaxed);
    }
}

/// An answer, read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        Self {
            status: answer.status(),
            headers: answer.headers().clone(),
            text: answer.text().await.unwrap(),
        }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// How many events were new, and how many had come before.
    pub(super) fn counts(&self) -> (u64, u64) {
        assert_eq!(self.status, 200, "{}", self.text);
        let receipt = self.json();
        let number = |name: &str| receipt[name].as_u64().unwrap();
        let duplicates = number("duplicates");
        (number("events") - duplicates, duplicates)
    }
}

/// A stage change of the deal with this number, at this second.
pub(super) fn moved(deal: u64, second: i64) -> String {
    format!(
        "account[subdomain]=acme-demo&account[id]=31000001&leads[status][0][id]={deal}\
         &leads[status][0][status_id]=142&leads[status][0][old_status_id]=60000002\
         &leads[status][0][pipeline_id]=7000001&leads[status][0][price]=1500\
         &leads[status][0][updated_at]={}",
        1_769_000_000 + second
    )
}

/// Asks again until the answer is there; panics when it does not come.
pub(super) async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "it did not happen within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// All bodies of the fixtures, by the names of their files.
pub(super) fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/amocrm/webhooks");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    found.sort();
    found
}
