//! Draws the pictures of the guide: a day of a team, lived through in some seconds, seen with a browser.
//!
//! ```text
//! cargo nextest run -p webhook-gateway --run-ignored only pictures
//! ```
//!
//! It needs `chromium`, and pngquant to make them small. `PICTURES` names another folder than `docs/webhook-gateway`, and
//! gets more pictures: dark, for a telephone, on paper, and of the other pages.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::json;
use service_kit::clock::{ManualClock, SharedClock};
use service_kit::config::Environment;
use store::{
    Attempt, AttemptOutcome, CircuitPolicy, CircuitStep, Clock, Keyring, NewSubscriber, Next,
    Options, RetryAfter, Store, SubscriberSource, SubscriberState, TimeSource, job_kind,
};
use testkit::KEY;
use testkit::pictures::{DARK, Dice, TAKEN_AT, folder, photograph};
use tokio::net::TcpListener;
use webhook_gateway::{App, Config};

use super::harness::stored;

struct Team {
    app: App,
    store: Store,
    hands: ManualClock,
    dice: Mutex<Dice>,
}

impl Team {
    async fn open(folder: &Path, start: DateTime<Utc>) -> Self {
        let url = format!("sqlite://{}/gateway.db", folder.display());
        let hands = ManualClock::at(start);
        let clock = Clock::new({
            let hands = hands.clone();
            move || service_kit::clock::Clock::now(&hands)
        });
        let keyring = Keyring::parse(&SecretString::from(KEY)).unwrap();
        let options = Options::new()
            .keyring(keyring)
            .clock(clock)
            .time_source(TimeSource::Process);
        let store = Store::open(&SecretString::from(url.as_str()), options)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        let settings = [("DATABASE_URL", url.as_str()), ("ENCRYPTION_KEY", KEY)];
        let config = Config::load(Environment::from_pairs(settings), None).unwrap();
        let shared: SharedClock = Arc::new(hands.clone());
        Self {
            app: App::with_store(config, store.clone(), shared),
            store,
            hands,
            dice: Mutex::default(),
        }
    }

    fn roll(&self, sides: u32) -> u64 {
        self.dice.lock().unwrap().roll(sides).into()
    }

    async fn subscribe(&self, name: &str, settings: serde_json::Value) {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let new = NewSubscriber::new(name, SubscriberSource::Api, settings).secret(secret);
        self.store.gateway().put_subscriber(new).await.unwrap();
    }

    /// A deal changes.
    async fn webhook(&self, number: u64) {
        let (action, more) = match self.roll(10) {
            0..=2 => ("add", String::new()),
            3..=6 => ("status", "&leads[status][0][old_status_id]=142".to_owned()),
            _ => ("update", String::new()),
        };
        let lead = 40_000_000 + number;
        let at = service_kit::clock::Clock::now(&self.hands).timestamp();
        let body = format!(
            "account[id]=31000001&account[subdomain]=acme-demo&leads[{action}][0][id]={lead}\
             &leads[{action}][0][name]=%D0%92%D0%B8%D0%BB%D0%BB%D0%B0+%D1%83+%D0%BC%D0%BE%D1%80%D1%8F&leads[{action}][0][price]=185000\
             &leads[{action}][0][status_id]=143&leads[{action}][0][updated_at]={at}{more}"
        );
        stored(
            &self.store,
            "main",
            body.as_bytes(),
            Some("application/x-www-form-urlencoded"),
            at,
        )
        .await;
    }

    /// Everything that waits for a subscriber is tried.
    async fn work(&self, name: &str, how: impl Fn(u64) -> (bool, u64)) {
        let kind = job_kind(name);
        let worker = self.store.jobs().worker("day");
        for job in worker
            .claim(&[&kind], 200, Duration::from_mins(1))
            .await
            .unwrap()
        {
            let (is_fine, millis) = how(self.roll(100));
            self.hands
                .advance(TimeDelta::milliseconds(i64::try_from(millis).unwrap()));
            let (outcome, next, circuit, answer) = if is_fine {
                let outcome = AttemptOutcome::Delivered { status: Some(200) };
                (outcome, Next::Done, CircuitStep::Succeeded, "{\"ok\":true}")
            } else {
                let reason = "the receiver answered 502".to_owned();
                let outcome = AttemptOutcome::Failed {
                    status: Some(502),
                    reason: reason.clone(),
                };
                let next = Next::Retry(RetryAfter::new(Duration::from_mins(5), reason.clone()));
                let circuit = CircuitStep::Failed {
                    error: reason,
                    policy: CircuitPolicy::default(),
                    retry_after: None,
                };
                (
                    outcome,
                    next,
                    circuit,
                    "<html><body><h1>502 Bad Gateway</h1></body></html>",
                )
            };
            let attempt = Attempt {
                subscriber: name.to_owned(),
                event: job.payload().unwrap(),
                started_at: service_kit::clock::Clock::now(&self.hands),
                duration: Duration::from_millis(millis),
                outcome,
                response_excerpt: Some(answer.to_owned()),
                is_probe: false,
            };
            let _ = self
                .store
                .gateway()
                .record(&job, attempt, next, circuit)
                .await
                .unwrap();
        }
    }

    async fn bury_one(&self, name: &str, reason: &str) {
        let kind = job_kind(name);
        let worker = self.store.jobs().worker("day");
        for job in worker
            .claim(&[&kind], 1, Duration::from_mins(1))
            .await
            .unwrap()
        {
            let attempt = Attempt {
                subscriber: name.to_owned(),
                event: job.payload().unwrap(),
                started_at: service_kit::clock::Clock::now(&self.hands),
                duration: Duration::from_millis(40),
                outcome: AttemptOutcome::Failed {
                    status: Some(422),
                    reason: reason.to_owned(),
                },
                response_excerpt: Some("{\"error\":\"unknown status\"}".to_owned()),
                is_probe: false,
            };
            let next = Next::Dead {
                reason: reason.to_owned(),
            };
            let circuit = CircuitStep::Unchanged;
            let _ = self
                .store
                .gateway()
                .record(&job, attempt, next, circuit)
                .await
                .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "draws the pictures of docs/webhook-gateway; needs chromium"]
async fn draw() {
    let end = DateTime::from_timestamp(TAKEN_AT, 0).unwrap();
    let data = tempfile::tempdir().unwrap();
    let team = Team::open(data.path(), end - TimeDelta::hours(24)).await;
    team.subscribe(
        "crm-sync",
        json!({"url": "https://crm.example.ru/hooks/amocrm", "events": ["leads.*"]}),
    )
    .await;
    team.subscribe("warehouse", json!({"nats": "amocrm"})).await;
    team.subscribe(
        "site",
        json!({"url": "https://www.example.ru/amocrm", "events": ["leads.status"]}),
    )
    .await;
    let mut number = 0;
    for step in 0..144 {
        team.hands
            .set(end - TimeDelta::hours(24) + TimeDelta::minutes(step * 10));
        let hour = (step / 6 + 22) % 24;
        let busy = if (9..20).contains(&hour) { 7 } else { 2 };
        for _ in 0..team.roll(busy) {
            number += 1;
            team.webhook(number).await;
        }
        if step == 70 {
            stored(
                &team.store,
                "main",
                b"leads[add][0][id]=%E0%A4%A&leads[add]",
                None,
                0,
            )
            .await;
        }
        // The site is away for two hours, and slow for some.
        let (is_away, is_slow) = ((80..92).contains(&step), (100..118).contains(&step));
        team.work("crm-sync", |roll| (roll > 1, 30 + roll)).await;
        team.work("warehouse", |roll| (true, 3 + roll / 20)).await;
        team.work("site", |roll| {
            (
                !is_away,
                if is_slow {
                    900 + roll * 20
                } else {
                    60 + roll * 2
                },
            )
        })
        .await;
    }
    team.hands.set(end - TimeDelta::minutes(4));
    for _ in 0..6 {
        number += 1;
        team.webhook(number).await;
    }
    team.work("warehouse", |_| (true, 5)).await;
    team.bury_one("crm-sync", "the receiver answered 422").await;
    team.work("crm-sync", |_| (true, 42)).await;
    let paused = SubscriberState::Paused;
    team.store
        .gateway()
        .set_subscriber_state("site", paused)
        .await
        .unwrap();
    team.hands.set(end);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/dashboard", listener.local_addr().unwrap());
    let routes = team.app.router();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });

    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/webhook-gateway");
    let target = folder().unwrap_or(guide);
    for language in ["ru", "en"] {
        let page = format!("{url}?lang={language}&days=1");
        photograph(
            &page,
            &target.join(format!("dashboard.{language}.png")),
            "940,3300",
            &[],
        )
        .await;
    }
    if let Some(folder) = folder() {
        let newest = team
            .store
            .gateway()
            .events(store::EventFilter::default())
            .await
            .unwrap();
        let event = &newest[3].event_id;
        let page = format!("{url}?lang=ru&days=1");
        photograph(&page, &folder.join("dark.png"), "1280,2200", &DARK).await;
        photograph(&page, &folder.join("telephone.png"), "500,4600", &[]).await;
        photograph(
            &format!("{url}?lang=en&days=7"),
            &folder.join("week.png"),
            "940,3180",
            &[],
        )
        .await;
        photograph(
            &format!("{url}/events/{event}?lang=ru"),
            &folder.join("event.png"),
            "940,1800",
            &[],
        )
        .await;
        photograph(
            &format!("{url}/subscribers/site?lang=en"),
            &folder.join("subscriber.png"),
            "940,1800",
            &[],
        )
        .await;
    }
}
