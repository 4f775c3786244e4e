//! A gateway to be operated: webhooks are put into its store, and attempts are made by hand, so that every story decides
//! itself what came and how it went.

use std::time::Duration;

use amocrm_sdk::webhook::{self, CloudEvent};
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::Value;
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::config::Environment;
use service_kit::http::serve;
use sha2::{Digest as _, Sha256};
use store::{
    Acceptance, Attempt, AttemptOutcome, CircuitStep, Dedup, NewEvent, NewRequest, Next, Registry,
    RetryAfter, Route, Store, gateway_lane, job_kind,
};
use testkit::{TestDatabase, browser, databases};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use webhook_gateway::{App, Config};

pub(crate) use testkit::{Answer, KEY, eventually};

pub(crate) const TOKEN: &str = "0123456789abcdef0123";
/// Lives a story through on each database. Deliveries are the story's affair unless the whole service works.
pub(crate) async fn on_each(is_working: bool, story: impl AsyncFn(Gateway)) {
    for database in databases().await {
        let gateway = Gateway::start_on(database.clone(), &[], is_working).await;
        Box::pin(story(gateway)).await;
        database.drop_schema().await;
    }
}

/// A gateway listening on a port of its own.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) app: App,
    pub(crate) url: String,
    pub(crate) database: TestDatabase,
    settings: Vec<(String, String)>,
    http: reqwest::Client,
    shutdown: CancellationToken,
    /// Who drops it ends it.
    _end: DropGuard,
    server: JoinHandle<anyhow::Result<()>>,
}

impl Gateway {
    /// The whole service.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_on(TestDatabase::sqlite(), settings, true).await
    }

    /// The whole service, as one of several processes on this database.
    pub(crate) async fn start_at(database: &TestDatabase) -> Self {
        Self::start_on(database.clone(), &[], true).await
    }

    /// The interface alone: nobody delivers but the story.
    pub(crate) async fn at_rest() -> Self {
        Self::start_on(TestDatabase::sqlite(), &[], false).await
    }

    pub(crate) async fn start_on(
        database: TestDatabase,
        settings: &[(&str, &str)],
        is_working: bool,
    ) -> Self {
        let settings = [
            ("DATABASE_URL", database.url.as_str()),
            ("ENCRYPTION_KEY", KEY),
        ]
        .iter()
        .chain(settings)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        Self::run(database, settings, None, is_working).await
    }

    async fn run(
        database: TestDatabase,
        settings: Vec<(String, String)>,
        port: Option<u16>,
        is_working: bool,
    ) -> Self {
        let environment = Environment::from_pairs(settings.clone());
        let app = App::open(Config::load(environment, None).unwrap())
            .await
            .unwrap();
        let address = format!("127.0.0.1:{}", port.unwrap_or(0));
        let listener = eventually("the port is free", async || {
            TcpListener::bind(&address).await.ok()
        })
        .await;
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let server = tokio::spawn({
            let (app, shutdown) = (app.clone(), shutdown.clone());
            async move {
                if is_working {
                    return Box::pin(app.run_on(listener, shutdown)).await;
                }
                let drain = app.config().server.drain();
                Ok(serve(listener, app.router(), shutdown, drain).await?)
            }
        });
        Self {
            app,
            url,
            database,
            settings,
            http: browser(),
            _end: shutdown.clone().drop_guard(),
            shutdown,
            server,
        }
    }

    /// Stops in good order and says how long that took.
    async fn end(self) -> (TestDatabase, Vec<(String, String)>, Duration) {
        let started = tokio::time::Instant::now();
        self.shutdown.cancel();
        self.server.await.unwrap().unwrap();
        (self.database, self.settings, started.elapsed())
    }

    pub(crate) async fn stop(self) -> Duration {
        self.end().await.2
    }

    /// Stops, and starts again at the same address.
    pub(crate) async fn restart(self) -> Self {
        let port = self.url.rsplit_once(':').unwrap().1.parse().unwrap();
        let (database, settings, _) = self.end().await;
        Self::run(database, settings, Some(port), true).await
    }

    /// The environment of a process on the same database.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let port = self.url.rsplit_once(':').unwrap().1.to_owned();
        let mut settings = self.settings.clone();
        settings.push(("SERVER_PORT".to_owned(), port));
        settings
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.send(method, path, &json, &body.to_string()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    /// Makes a subscriber that gets everything. It is paused, as by somebody who wants to look first.
    pub(crate) async fn subscribe(&self, name: &str) -> String {
        let body = serde_json::json!({"name": name, "url": "http://127.0.0.1:9/hook", "allow_private": true});
        let made = self.post("/api/subscribers", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let paused = self
            .post(&format!("/api/subscribers/{name}/pause"), &Value::Null)
            .await;
        assert_eq!(paused.status, 200, "{}", paused.text);
        made.json()["secret"].as_str().unwrap().to_owned()
    }

    /// A lead has changed: the event's id.
    pub(crate) async fn lead(&self, lead: u32, action: &str) -> String {
        let body = format!(
            "account[id]=31000001&account[subdomain]=acme-demo&leads[{action}][0][id]={lead}\
             &leads[{action}][0][status_id]=142&leads[{action}][0][pipeline_id]=3100\
             &leads[{action}][0][updated_at]={}",
            1_769_000_000 + lead
        );
        self.webhook(
            "main",
            body.as_bytes(),
            Some("application/x-www-form-urlencoded"),
        )
        .await
        .remove(0)
    }

    /// A webhook came: the ids of its events, for every subscriber that there is.
    pub(crate) async fn webhook(
        &self,
        account: &str,
        body: &[u8],
        content_type: Option<&str>,
    ) -> Vec<String> {
        let at = SystemClock.now().timestamp();
        stored(self.app.store(), account, body, content_type, at).await
    }

    /// A webhook came to a gateway that understood no more of it than this; its number.
    pub(crate) async fn half_read(&self, account: &str, body: &str, understood: &str) -> i64 {
        let gateway = self.app.store().gateway();
        let registry = gateway.registry().await.unwrap();
        let payload = webhook::parse(understood.as_bytes()).unwrap();
        let events = payload.events.iter();
        let request = NewRequest {
            account: account.to_owned(),
            request_id: Some(format!("request of {}", body.len())),
            content_type: None,
            body: body.to_owned().into(),
            problem: Some("webhook leads[add][1]: expected something else".to_owned()),
            events: events
                .map(|event| new_event(event, &payload, account, &registry, now()))
                .collect(),
        };
        match gateway.accept(request, registry.version).await.unwrap() {
            Acceptance::Stored { request, .. } => request,
            Acceptance::RegistryChanged => panic!("nobody has changed it"),
        }
    }

    /// Makes an attempt at the next event of a subscriber.
    pub(crate) async fn attempt(
        &self,
        name: &str,
        outcome: AttemptOutcome,
        answer: &str,
        next: Next,
    ) {
        let store = self.app.store();
        let kind = job_kind(name);
        let worker = store.jobs().worker("story");
        let jobs = worker
            .claim(&[&kind], 1, Duration::from_mins(1))
            .await
            .unwrap();
        let job = jobs.first().expect("there is something to deliver");
        let attempt = Attempt {
            subscriber: name.to_owned(),
            event: job.payload().unwrap(),
            started_at: now(),
            duration: Duration::from_millis(12),
            outcome,
            response_excerpt: Some(answer.to_owned()),
            is_probe: false,
        };
        let ack = store
            .gateway()
            .record(job, attempt, next, CircuitStep::Unchanged)
            .await
            .unwrap();
        assert!(ack.is_recorded());
    }

    /// The subscriber has the next event.
    pub(crate) async fn deliver(&self, name: &str) {
        let outcome = AttemptOutcome::Delivered { status: Some(200) };
        self.attempt(name, outcome, "ok", Next::Done).await;
    }

    /// The subscriber fails at the next event, which is tried again in an hour.
    pub(crate) async fn fail(&self, name: &str, answer: &str) {
        let outcome = AttemptOutcome::Failed {
            status: Some(500),
            reason: "the receiver answered 500".to_owned(),
        };
        let next = Next::Retry(RetryAfter::new(
            Duration::from_hours(1),
            "the receiver answered 500",
        ));
        self.attempt(name, outcome, answer, next).await;
    }

    /// The next event is given up.
    pub(crate) async fn bury(&self, name: &str, reason: &str) {
        let outcome = AttemptOutcome::Failed {
            status: Some(400),
            reason: reason.to_owned(),
        };
        let next = Next::Dead {
            reason: reason.to_owned(),
        };
        self.attempt(name, outcome, "no", next).await;
    }
}

fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// Stores a webhook as the gateway does; the ids of its events.
pub(crate) async fn stored(
    store: &Store,
    account: &str,
    body: &[u8],
    content_type: Option<&str>,
    at: i64,
) -> Vec<String> {
    let gateway = store.gateway();
    let parsed = webhook::parse(body);
    let at = DateTime::from_timestamp(at, 0).unwrap();
    loop {
        let registry = gateway.registry().await.unwrap();
        let events = parsed.as_ref().map_or(Vec::new(), |payload| {
            let events = payload.events.iter();
            events
                .map(|event| new_event(event, payload, account, &registry, at))
                .collect()
        });
        let ids: Vec<String> = events.iter().map(|event| event.event_id.clone()).collect();
        let request = NewRequest {
            account: account.to_owned(),
            request_id: Some(uuid::Uuid::now_v7().to_string()),
            content_type: content_type.map(str::to_owned),
            body: body.to_vec().into(),
            problem: parsed.as_ref().err().map(ToString::to_string),
            events,
        };
        match gateway.accept(request, registry.version).await.unwrap() {
            Acceptance::Stored { .. } => return ids,
            // Another part of the test has changed the subscribers: routed anew, as ingest does.
            Acceptance::RegistryChanged => {}
        }
    }
}

fn new_event(
    event: &webhook::Event,
    payload: &webhook::Payload,
    account: &str,
    registry: &Registry,
    at: DateTime<Utc>,
) -> NewEvent {
    let id = format!("evt_{}", uuid::Uuid::now_v7().simple());
    let envelope = CloudEvent::new(&id, event.clone(), payload.account.clone()).received_at(at);
    let kind = envelope.event_type();
    let kind = kind
        .trim_start_matches("amocrm.")
        .trim_end_matches(".v1")
        .to_owned();
    let subject = envelope.subject();
    NewEvent {
        routes: registry
            .subscribers
            .iter()
            .map(|row| Route {
                subscriber: row.name.clone(),
                lane: gateway_lane(&row.name, account, subject.as_deref(), &kind),
                changed: Vec::new(),
            })
            .collect(),
        envelope: serde_json::to_string(&envelope).unwrap(),
        dedup: Dedup {
            key: Sha256::digest(&id).into(),
            window: Duration::from_hours(2),
        },
        occurred_at: envelope.time(),
        account_id: Some(31_000_001),
        pipeline_id: Some(3_100),
        status_id: Some(142),
        fields: None,
        event_id: id,
        kind,
        subject,
    }
}
