//! A gateway's deliveries, over a database of a test's own. What amoCRM sends is put into the store directly.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use service_kit::clock::SharedClock;
use service_kit::config::Environment;
use store::{
    Acceptance, Circuit, Dedup, JobsOptions, Keyring, NewEvent, NewRequest, NewSubscriber, Options,
    Route, Store, StoreErrorKind, SubscriberSource, SubscriberState, TimeSource, gateway_lane,
    job_kind,
};
use testkit::{KEY, TestClock, TestDatabase, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use webhook_gateway::{Config, Deliverer};

/// A test's clock runs fast: no lease ends by it.
const LEASE_MS: &str = "600000";
const ACCOUNT: &str = "acme";

/// A process that delivers.
#[derive(Debug)]
pub(crate) struct TestGateway {
    pub(crate) store: Store,
    pub(crate) clock: TestClock,
    shutdown: CancellationToken,
    deliveries: JoinHandle<()>,
}

impl TestGateway {
    pub(crate) async fn start(database: &TestDatabase, clock: &TestClock) -> Self {
        Self::start_with(database, clock, &[]).await
    }

    pub(crate) async fn start_with(
        database: &TestDatabase,
        clock: &TestClock,
        settings: &[(&str, &str)],
    ) -> Self {
        Self::start_by(database, clock, Arc::new(clock.clone()), settings).await
    }

    /// On a machine whose clock this is; the database has its own.
    pub(crate) async fn start_skewed(database: &TestDatabase, clock: &TestClock) -> Self {
        let shown = Arc::new(clock.clone());
        Self::start_all(database, clock, shown, TimeSource::Database, &[]).await
    }

    /// With another clock for what is not the database's.
    pub(crate) async fn start_by(
        database: &TestDatabase,
        clock: &TestClock,
        shown: SharedClock,
        settings: &[(&str, &str)],
    ) -> Self {
        Self::start_all(database, clock, shown, TimeSource::Process, settings).await
    }

    async fn start_all(
        database: &TestDatabase,
        clock: &TestClock,
        shown: SharedClock,
        source: TimeSource,
        settings: &[(&str, &str)],
    ) -> Self {
        let options = Options::new()
            .clock(clock.hands())
            .time_source(source)
            .jobs(JobsOptions::default().poll_interval(Duration::from_millis(100)))
            .keyring(Keyring::parse(&SecretString::from(KEY)).unwrap());
        let store = database.open(options).await;
        let mut all = vec![
            ("DATABASE_URL", database.url.as_str()),
            ("GATEWAY_LEASE_MS", LEASE_MS),
        ];
        all.extend(settings);
        let config = Config::load(Environment::from_pairs(all), None).unwrap();
        let shutdown = CancellationToken::new();
        let deliverer = Deliverer::new(Arc::new(config), store.clone(), shown);
        let deliveries = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { deliverer.run(shutdown, Duration::from_millis(300)).await }
        });
        Self {
            store,
            clock: clock.clone(),
            shutdown,
            deliveries,
        }
    }

    /// The task that begins and ends all others.
    pub(crate) fn task(&self) -> tokio::task::Id {
        self.deliveries.id()
    }

    /// Stops as SIGTERM does, with little time to end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.deliveries.await.unwrap();
        self.store.close().await;
    }

    /// Makes a subscriber that listens on this machine.
    pub(crate) async fn subscribe(&self, name: &str, url: &str, more: Value) {
        let mut settings = json!({ "url": url, "allow_private": true });
        settings
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.put(name, settings).await;
    }

    pub(crate) async fn put(&self, name: &str, settings: Value) {
        let new = NewSubscriber::new(name, SubscriberSource::Api, settings);
        self.store.gateway().put_subscriber(new).await.unwrap();
    }

    /// Takes one event of an entity for these subscribers. Its id tells the entity and the number.
    pub(crate) async fn accept(&self, entity: &str, number: u64, subscribers: &[&str]) -> String {
        self.accept_all(&[(entity, number)], subscribers)
            .await
            .remove(0)
    }

    /// Takes events in one webhook.
    pub(crate) async fn accept_all(
        &self,
        events: &[(&str, u64)],
        subscribers: &[&str],
    ) -> Vec<String> {
        let gateway = self.store.gateway();
        let events: Vec<_> = events
            .iter()
            .map(|(entity, number)| event(entity, *number, subscribers))
            .collect();
        let ids = events.iter().map(|event| event.event_id.clone()).collect();
        let request = NewRequest {
            account: ACCOUNT.to_owned(),
            request_id: None,
            content_type: None,
            body: "leads[status][0][id]=1".into(),
            problem: None,
            events,
        };
        // A subscriber may be disabled by an answer in between.
        loop {
            let version = gateway.registry_version().await.unwrap();
            match gateway.accept(request.clone(), version).await {
                Ok(Acceptance::Stored { .. }) => break,
                Ok(Acceptance::RegistryChanged) => {}
                // On SQLite two processes wait for each other; amoCRM would come again.
                Err(error) => assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}"),
            }
        }
        ids
    }

    pub(crate) async fn circuit(&self, name: &str) -> Circuit {
        self.store.gateway().circuit(name).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, name: &str) -> SubscriberState {
        self.store
            .gateway()
            .subscriber(name)
            .await
            .unwrap()
            .unwrap()
            .state
    }

    pub(crate) async fn set_state(&self, name: &str, state: SubscriberState) {
        assert!(
            self.store
                .gateway()
                .set_subscriber_state(name, state)
                .await
                .unwrap()
        );
    }

    /// How many events wait for a subscriber, and how many were given up.
    pub(crate) async fn queue(&self, name: &str) -> (u64, u64) {
        let stats = self.store.jobs().stats(&job_kind(name)).await.unwrap();
        (stats.depth, stats.dead)
    }

    /// Lets time pass until nothing waits for this subscriber.
    pub(crate) async fn runs_empty(&self, name: &str) {
        eventually(&format!("nothing waits for {name}"), || async {
            self.clock.advance(chrono::TimeDelta::milliseconds(500));
            (self.queue(name).await.0 == 0).then_some(())
        })
        .await;
    }
}

fn event(entity: &str, number: u64, subscribers: &[&str]) -> NewEvent {
    let id = format!("evt_{entity}_{number}");
    let subject = format!("leads/{entity}");
    let kind = "leads.status";
    let mut key = [0; 32];
    for (place, byte) in id.bytes().enumerate() {
        key[place % 32] ^= byte.rotate_left(u32::try_from(place / 32).unwrap());
    }
    NewEvent {
        envelope: json!({ "id": id, "subject": subject, "number": number }).to_string(),
        event_id: id,
        kind: kind.to_owned(),
        account_id: Some(31_000_001),
        pipeline_id: None,
        status_id: None,
        occurred_at: None,
        dedup: Dedup {
            key,
            window: Duration::from_hours(2),
        },
        fields: None,
        routes: subscribers
            .iter()
            .map(|name| Route {
                subscriber: (*name).to_owned(),
                lane: gateway_lane(name, ACCOUNT, Some(&subject), kind),
                changed: Vec::new(),
            })
            .collect(),
        subject: Some(subject),
    }
}
