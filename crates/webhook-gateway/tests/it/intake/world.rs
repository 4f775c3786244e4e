//! The gateway as amoCRM sees it, over a database of a test's own.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::SecretString;
use service_kit::config::Environment;
use store::{EventRow, Keyring, Options, Store, TimeSource};
use testkit::{KEY, TestClock, browser};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use webhook_gateway::{App, Config};

pub(super) use testkit::{TestDatabase as Place, eventually};

/// The secret of the only account.
pub(super) const SECRET: &str = "9f2c9f2c9f2c9f2c9f2c9f2c";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
/// A gateway that listens.
#[derive(Debug)]
pub(super) struct World {
    pub(super) app: App,
    pub(super) url: String,
    pub(super) http: reqwest::Client,
    pub(super) clock: TestClock,
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
        let clock = TestClock::new();
        let options = Options::new()
            .keyring(Keyring::parse(&SecretString::from(KEY)).unwrap())
            .clock(clock.hands())
            .time_source(TimeSource::Process);
        let store = place.open(options).await;
        let app = App::with_store(config, store, Arc::new(clock.clone()));
        let shutdown = CancellationToken::new();
        let server = tokio::spawn({
            let (app, shutdown) = (app.clone(), shutdown.clone());
            async move { app.run_on(listener, shutdown).await }
        });
        let world = Self {
            app,
            url,
            http: browser(),
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
        self.clock.advance(span);
    }
}

/// What the gateway answers.
#[derive(Debug)]
pub(super) struct Answer(testkit::Answer);

impl Deref for Answer {
    type Target = testkit::Answer;

    fn deref(&self) -> &testkit::Answer {
        &self.0
    }
}

impl Answer {
    pub(super) async fn of(request: reqwest::RequestBuilder) -> Self {
        Self(testkit::Answer::of(request).await)
    }

    /// How many events were new, and how many had come before.
    pub(super) fn counts(&self) -> (u64, u64) {
        assert_eq!(self.status, 200, "{}", self.text);
        let number = |name| u64::try_from(self.number(name)).unwrap();
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
