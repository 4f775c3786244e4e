//! The gateway's tables: what is accepted is delivered once, in order, by the subscribers of that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use store::{
    Acceptance, Ack, Attempt, AttemptOutcome, CircuitPolicy, CircuitStep, Claimed, Dedup, NewEvent,
    NewRequest, NewSubscriber, Next, RetryAfter, Route, Store, StoreErrorKind, SubscriberSource,
    SubscriberState, Taken, gateway_lane, job_kind,
};
use uuid::Uuid;

use crate::db::{keyring, on_both};

const DAY: Duration = Duration::from_hours(24);
const LEASE: Duration = Duration::from_mins(1);

/// A key that is the same for the same content.
fn key(content: &str) -> [u8; 32] {
    let mut key = [0; 32];
    for (place, byte) in content.bytes().enumerate() {
        key[place % 32] ^= byte.rotate_left(u32::try_from(place / 32).unwrap());
    }
    key
}

/// An event of a lead for these subscribers.
pub(crate) fn event(lead: u64, content: &str, subscribers: &[&str]) -> NewEvent {
    let (kind, subject) = ("leads.update", format!("leads/{lead}"));
    let route = |&subscriber: &&str| Route {
        subscriber: subscriber.into(),
        lane: gateway_lane(subscriber, "acme", Some(&subject), kind),
        changed: Vec::new(),
    };
    NewEvent {
        event_id: format!("evt_{}", Uuid::new_v4().simple()),
        kind: kind.into(),
        account_id: Some(1),
        pipeline_id: Some(2),
        status_id: None,
        occurred_at: None,
        dedup: Dedup {
            key: key(content),
            window: DAY,
        },
        envelope: format!("{{\"lead\":{lead},\"content\":\"{content}\"}}"),
        fields: None,
        routes: subscribers.iter().map(route).collect(),
        subject: Some(subject),
    }
}

pub(crate) fn request(body: &[u8], events: Vec<NewEvent>) -> NewRequest {
    NewRequest {
        account: "acme".into(),
        request_id: None,
        content_type: Some("application/x-www-form-urlencoded".into()),
        body: body.to_vec().into(),
        problem: None,
        events,
    }
}

pub(crate) async fn accept(store: &Store, new: NewRequest) -> (i64, Vec<Taken>) {
    let gateway = store.gateway();
    let version = gateway.registry_version().await.unwrap();
    match gateway.accept(new, version).await.unwrap() {
        Acceptance::Stored { request, events } => (request, events),
        Acceptance::RegistryChanged => panic!("the registry did not change"),
    }
}

pub(crate) async fn subscribe(store: &Store, name: &str) {
    let new = NewSubscriber::new(
        name,
        SubscriberSource::Api,
        json!({"url": "https://x.test"}),
    );
    store.gateway().put_subscriber(new).await.unwrap();
}

pub(crate) async fn claim(store: &Store, subscriber: &str, limit: u32) -> Vec<Claimed> {
    let worker = store.jobs().worker("gateway");
    let kind = job_kind(subscriber);
    worker.claim(&[&kind], limit, LEASE).await.unwrap()
}

pub(crate) fn attempt(subscriber: &str, job: &Claimed, outcome: AttemptOutcome) -> Attempt {
    Attempt {
        subscriber: subscriber.into(),
        event: job.payload().unwrap(),
        started_at: job.created_at(),
        duration: Duration::from_millis(5),
        outcome,
        response_excerpt: None,
        is_probe: false,
    }
}

pub(crate) async fn deliver(store: &Store, subscriber: &str, job: &Claimed) -> Ack {
    end(store, subscriber, job, None, None, false).await
}

pub(crate) async fn fail(store: &Store, subscriber: &str, job: &Claimed, next: Next) -> Ack {
    end(store, subscriber, job, Some(next), None, false).await
}

/// What a probe finds: without `next` that the endpoint lives.
async fn probe(store: &Store, subscriber: &str, next: Option<Next>) -> Ack {
    assert!(store.gateway().take_probe(subscriber, LEASE).await.unwrap());
    let job = claim(store, subscriber, 1).await.remove(0);
    end(store, subscriber, &job, next, None, true).await
}

/// Ends an attempt: well, or with what becomes of the job and for how long the endpoint asks to be left alone.
async fn end(
    store: &Store,
    subscriber: &str,
    job: &Claimed,
    next: Option<Next>,
    retry_after: Option<Duration>,
    is_probe: bool,
) -> Ack {
    let (outcome, step) = match next {
        None => (
            AttemptOutcome::Delivered { status: Some(204) },
            CircuitStep::Succeeded,
        ),
        Some(_) => (
            AttemptOutcome::Failed {
                status: Some(500),
                reason: "answered 500".into(),
            },
            CircuitStep::Failed {
                error: "answered 500".into(),
                policy: CircuitPolicy::default(),
                retry_after,
            },
        ),
    };
    let attempt = Attempt {
        is_probe,
        ..attempt(subscriber, job, outcome)
    };
    let gateway = store.gateway();
    let next = next.unwrap_or(Next::Done);
    gateway.record(job, attempt, next, step).await.unwrap()
}

fn again() -> Next {
    Next::Retry(RetryAfter::new(Duration::ZERO, "answered 500"))
}

/// What waits for a subscriber, in the order in which it gets it.
pub(crate) async fn drain(store: &Store, subscriber: &str) -> Vec<String> {
    let mut got = Vec::new();
    loop {
        let jobs = claim(store, subscriber, 10).await;
        if jobs.is_empty() {
            return got;
        }
        for job in jobs {
            let rows = [job.payload().unwrap()];
            let mut events = store.gateway().envelopes(&rows).await.unwrap();
            got.push(events.pop().unwrap().envelope);
            assert!(deliver(store, subscriber, &job).await.is_recorded());
        }
    }
}

on_both! {
    async fn what_is_accepted_reaches_every_subscriber_in_order(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        subscribe(&store, "bot").await;
        let events = vec![
            event(1, "a", &["crm", "bot"]),
            event(1, "b", &["crm"]),
            event(2, "c", &["crm"]),
            event(3, "nobody", &[]),
        ];
        let ids: Vec<String> = events.iter().map(|event| event.event_id.clone()).collect();
        let (_, taken) = accept(&store, request(b"body", events)).await;
        assert_eq!(taken.iter().map(|it| it.event_id.clone()).collect::<Vec<_>>(), ids);
        assert!(taken.iter().all(|it| !it.duplicate));
        accept(&store, request(b"body 2", vec![event(1, "d", &["crm"])])).await;

        // Two leads, so two heads; the others wait behind them.
        let heads = claim(&store, "crm", 10).await;
        assert_eq!(heads.len(), 2);
        for job in heads.iter().rev() {
            assert!(deliver(&store, "crm", job).await.is_recorded());
            assert_eq!(deliver(&store, "crm", job).await, Ack::Stale);
        }
        let rest = drain(&store, "crm").await;
        assert_eq!(rest, [event(1, "b", &[]).envelope, event(1, "d", &[]).envelope]);
        assert_eq!(drain(&store, "bot").await, [event(1, "a", &[]).envelope]);
        for name in ["crm", "bot"] {
            let stats = store.jobs().stats(&job_kind(name)).await.unwrap();
            assert_eq!((stats.depth, stats.dead), (0, 0));
        }
        let sums = store.gateway().tallies(1).await.unwrap();
        let account = &sums.accounts[0];
        assert_eq!((account.received, account.events, account.duplicates), (2, 5, 0));
        let sent: Vec<_> = sums.subscribers.iter().map(|it| (it.subscriber.as_str(), it.delivered)).collect();
        assert_eq!(sent, [("bot", 1), ("crm", 4)]);
        assert_eq!(sums.subscribers[1].lags.iter().sum::<u64>(), 4);
    }

    async fn the_same_content_makes_one_event_within_its_window(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        let first = accept(&store, request(b"1", vec![event(1, "a", &["crm"])])).await.1.remove(0);
        let both = vec![event(1, "a", &["crm"]), event(1, "b", &["crm"]), event(1, "b", &["crm"])];
        let (number, taken) = accept(&store, request(b"2", both)).await;
        assert_eq!(taken.iter().map(|it| it.duplicate).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(taken[0].event_id, first.event_id);
        assert_eq!(taken[2].event_id, taken[1].event_id);
        assert!(number > 0);
        db.hands.advance(DAY + Duration::from_secs(1));
        let late = accept(&store, request(b"3", vec![event(1, "a", &["crm"])])).await.1.remove(0);
        assert!(!late.duplicate);
        assert_eq!(drain(&store, "crm").await.len(), 3);
    }

    async fn what_was_undone_in_between_is_no_repetition_however_close_together_they_come(db: TestDb) {
        let store = db.open().await;
        let gateway = store.gateway();
        let version = gateway.registry_version().await.unwrap();
        // While the first is on its way the others wait, and are stored after it.
        let told = join_all(["delete", "restore", "delete", "delete"].map(|action| {
            let mut new = event(7, action, &[]);
            new.kind = format!("leads.{action}");
            gateway.accept(request(action.as_bytes(), vec![new]), version)
        }))
        .await;
        let duplicates: Vec<bool> = told
            .into_iter()
            .map(|told| match told.unwrap() {
                Acceptance::Stored { events, .. } => events[0].duplicate,
                Acceptance::RegistryChanged => panic!("the registry did not change"),
            })
            .collect();
        assert_eq!(duplicates, [false, false, false, true]);
    }

    async fn the_same_request_is_a_duplicate_however_late(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        let named = |body: &'static [u8], content: &str| NewRequest {
            request_id: Some("r-1".into()),
            ..request(body, vec![event(1, content, &["crm"])])
        };
        let first = accept(&store, named(b"1", "a")).await.1.remove(0);
        db.hands.advance(DAY * 20);
        let again = accept(&store, named(b"1", "a")).await.1.remove(0);
        assert!(again.duplicate);
        assert_eq!(again.event_id, first.event_id);
        // Another body under the same id is another webhook.
        assert!(!accept(&store, named(b"2", "b")).await.1.remove(0).duplicate);
        assert_eq!(drain(&store, "crm").await.len(), 2);
    }

    async fn sixty_four_at_once_are_one(db: TestDb) {
        let (store, other) = (db.open().await, db.open().await);
        subscribe(&store, "crm").await;
        let version = store.gateway().registry_version().await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..64 {
            let gateway = if number % 2 == 0 { store.gateway() } else { other.gateway() };
            // In different orders, so that whoever took keys as they come would wait for each other.
            let mut events = vec![event(1, "a", &["crm"]), event(2, "b", &["crm"]), event(3, "c", &["crm"])];
            events.rotate_left(number % 3);
            tasks.spawn(async move { gateway.accept(request(b"x", events), version).await.unwrap() });
        }
        let mut fresh = 0;
        for outcome in tasks.join_all().await {
            let Acceptance::Stored { events, .. } = outcome else { panic!("nothing changed") };
            fresh += events.iter().filter(|it| !it.duplicate).count();
        }
        assert_eq!(fresh, 3);
        assert_eq!(drain(&store, "crm").await.len(), 3);
        let sums = store.gateway().tallies(1).await.unwrap();
        assert_eq!((sums.accounts[0].received, sums.accounts[0].duplicates), (64, 64 * 3 - 3));
    }

    async fn nothing_is_routed_by_an_old_registry(db: TestDb) {
        let store = db.open().await;
        let gateway = store.gateway();
        let old = gateway.registry_version().await.unwrap();
        subscribe(&store, "crm").await;
        let outcome = gateway.accept(request(b"x", vec![event(1, "a", &[])]), old).await.unwrap();
        assert_eq!(outcome, Acceptance::RegistryChanged);
        // Nothing of it stays, not even its key.
        let taken = accept(&store, request(b"x", vec![event(1, "a", &["crm"])])).await.1.remove(0);
        assert!(!taken.duplicate);
    }

    async fn an_event_that_comes_after_a_subscriber_was_made_reaches_it(db: TestDb) {
        let one = db.open().await;
        // SQLite is for one process; two would keep each other waiting.
        let other = if db.is_sqlite() { one.clone() } else { db.open().await };
        // Those that are made and not about to be removed; a name is used once.
        let present = Arc::new(Mutex::new(BTreeSet::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let mut hands = tokio::task::JoinSet::new();
        for hand in 0..6_u64 {
            let gateway = if hand % 2 == 0 { one.gateway() } else { other.gateway() };
            let (present, is_over) = (Arc::clone(&present), Arc::clone(&is_over));
            hands.spawn(async move {
                let (mut known, mut stored, mut refused) = (gateway.registry().await.unwrap(), 0, 0);
                while !is_over.load(Ordering::SeqCst) {
                    let expected: BTreeSet<String> = present.lock().unwrap().clone();
                    let id = loop {
                        let names: Vec<_> = known.subscribers.iter().map(|it| it.name.as_str()).collect();
                        let new = event(hand, &format!("{hand}/{stored}"), &names);
                        let id = new.event_id.clone();
                        match gateway.accept(request(b"x", vec![new]), known.version).await.unwrap() {
                            Acceptance::Stored { .. } => break id,
                            Acceptance::RegistryChanged => {
                                refused += 1;
                                known = gateway.registry().await.unwrap();
                            }
                        }
                    };
                    stored += 1;
                    let rows = gateway.deliveries(&id).await.unwrap();
                    let reached: BTreeSet<_> = rows.into_iter().map(|row| row.subscriber).collect();
                    // One that is removed meanwhile may be missing.
                    let present = present.lock().unwrap();
                    let missed: Vec<_> = expected.intersection(&present).filter(|name| !reached.contains(*name)).collect();
                    assert!(missed.is_empty(), "{missed:?} of {expected:?}");
                }
                (stored, refused)
            });
        }
        for round in 0..24 {
            let name = format!("s{round}");
            let store = if round % 2 == 0 { &one } else { &other };
            subscribe(store, &name).await;
            present.lock().unwrap().insert(name);
            tokio::time::sleep(Duration::from_millis(3)).await;
            if round % 3 == 2 {
                let name = format!("s{}", round - 1);
                present.lock().unwrap().remove(&name);
                assert!(store.gateway().remove_subscriber(&name).await.unwrap());
            }
        }
        is_over.store(true, Ordering::SeqCst);
        let counts = hands.join_all().await;
        let refused: u64 = counts.iter().map(|(_, refused)| refused).sum();
        assert!(counts.iter().all(|(stored, _)| *stored > 0) && refused > 0, "{counts:?}");
    }

    async fn an_event_goes_where_a_field_has_changed(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        let with = |content: &str, fields: &[(&str, u64)]| {
            let mut new = event(1, content, &["crm"]);
            new.routes[0].changed = vec!["price".into(), "custom:501".into()];
            let fields: BTreeMap<_, _> = fields.iter().map(|&(name, hash)| (name.to_owned(), hash)).collect();
            new.fields = Some(fields);
            request(content.as_bytes(), vec![new])
        };
        let both = [("price", 1), ("name", u64::MAX)];
        for (content, fields, is_sent) in [
            ("first", both.as_slice(), true),
            ("same", &both, false),
            ("other field", &[("price", 1), ("name", 2)], false),
            ("price", &[("price", 2), ("name", 2)], true),
            ("new", &[("price", 2), ("custom:501", 1)], true),
            ("gone", &[("price", 2)], true),
            ("still gone", &[("price", 2)], false),
        ] {
            accept(&store, with(content, fields)).await;
            assert_eq!(drain(&store, "crm").await.len(), usize::from(is_sent), "{content}");
        }
    }

    async fn secrets_are_valid_side_by_side_and_sealed(db: TestDb) {
        let store = db.open().await;
        let gateway = store.gateway();
        let secret = |text: &str| SecretString::from(text);
        let new = |text| NewSubscriber::new("crm", SubscriberSource::Api, json!({})).secret(secret(text));
        gateway.put_subscriber(new("planted-one")).await.unwrap();
        gateway.rotate_secret("crm", secret("planted-two"), DAY).await.unwrap();
        assert!(!gateway.rotate_secret("nobody", secret("x"), DAY).await.unwrap());
        let valid = async |gateway: &store::Gateway| {
            let row = gateway.subscriber("crm").await.unwrap().unwrap();
            assert!(!format!("{row:?}").contains("planted"));
            row.secrets.iter().map(|it| it.secret.expose_secret().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(valid(&gateway).await, ["planted-two", "planted-one"]);
        let both = db.open_with(db.options().keyring(keyring(&[("next", 2), ("test", 1)]))).await;
        assert_eq!(both.reseal().await.unwrap(), 2);
        let next = db.open_with(db.options().keyring(keyring(&[("next", 2)]))).await;
        assert_eq!(valid(&next.gateway()).await.len(), 2);
        assert_eq!(gateway.registry().await.unwrap_err().kind(), StoreErrorKind::Decrypt);
        db.hands.advance(DAY);
        assert_eq!(valid(&next.gateway()).await, ["planted-two"]);
        if db.is_sqlite() {
            store.close().await;
            let bytes = db.bytes();
            assert!(!bytes.windows(7).any(|it| it == b"planted"));
        }
    }

    async fn the_file_says_which_subscribers_there_are(db: TestDb) {
        let store = db.open().await;
        let gateway = store.gateway();
        let of_file = |name: &str, timeout: u64| NewSubscriber::new(name, SubscriberSource::File, json!({"timeout_ms": timeout}));
        subscribe(&store, "api").await;
        let before = gateway.registry_version().await.unwrap();
        gateway.replace_file_subscribers(vec![of_file("a", 1), of_file("b", 1)]).await.unwrap();
        let version = gateway.registry_version().await.unwrap();
        assert!(version > before);
        gateway.replace_file_subscribers(vec![of_file("a", 1), of_file("b", 1)]).await.unwrap();
        assert_eq!(gateway.registry_version().await.unwrap(), version, "the same file changes nothing");
        gateway.set_subscriber_state("b", SubscriberState::Paused).await.unwrap();
        gateway.replace_file_subscribers(vec![of_file("b", 2)]).await.unwrap();
        let registry = gateway.registry().await.unwrap();
        let names: Vec<_> = registry.subscribers.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "api", "b"]);
        assert_eq!(registry.subscribers[2].settings, json!({"timeout_ms": 2}));
        assert_eq!(registry.subscribers[2].state, SubscriberState::Paused);
        // What it no longer names waits until it does, or a person says otherwise.
        let state = async |name: &str| gateway.subscriber(name).await.unwrap().unwrap().state;
        assert!(matches!(state("a").await, SubscriberState::Disabled { .. }));
        accept(&store, request(b"x", vec![event(1, "waits", &["a", "b"])])).await;
        gateway.replace_file_subscribers(vec![]).await.unwrap();
        assert_eq!(gateway.throw_away_removed().await.unwrap(), 0);
        gateway.replace_file_subscribers(vec![of_file("a", 1), of_file("b", 2)]).await.unwrap();
        assert_eq!(state("a").await, SubscriberState::Active);
        assert_eq!(state("b").await, SubscriberState::Paused);
        assert_eq!(drain(&store, "a").await.len(), 1);
        gateway.replace_file_subscribers(vec![of_file("b", 2)]).await.unwrap();
        assert!(gateway.set_subscriber_state("a", SubscriberState::Active).await.unwrap());
        assert_eq!(state("a").await, SubscriberState::Active);
        gateway.replace_file_subscribers(vec![of_file("b", 2)]).await.unwrap();
        assert!(gateway.remove_subscriber("a").await.unwrap());
        gateway.replace_file_subscribers(vec![of_file("b", 2)]).await.unwrap();
        let registry = gateway.registry().await.unwrap();
        assert_eq!(registry.subscribers.len(), 2);
        for wrong in [of_file("api", 1), of_file("no/slash", 1), of_file("", 1)] {
            let kind = gateway.replace_file_subscribers(vec![wrong]).await.unwrap_err().kind();
            assert!(matches!(kind, StoreErrorKind::Conflict | StoreErrorKind::Invalid));
        }
        assert_eq!(gateway.registry().await.unwrap().version, registry.version);
    }

    async fn a_removed_subscriber_leaves_no_work(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        subscribe(&store, "bot").await;
        for batch in 0..13_u64 {
            let events = (0..100).map(|n| event(n % 7, &format!("{batch} {n}"), &["crm", "bot"])).collect();
            accept(&store, request(b"x", events)).await;
        }
        let held = claim(&store, "crm", 2).await;
        let _ = fail(&store, "crm", &held[0], Next::Dead { reason: "test".into() }).await;
        assert!(store.gateway().remove_subscriber("crm").await.unwrap());
        assert!(!store.gateway().remove_subscriber("crm").await.unwrap());
        assert_eq!(deliver(&store, "crm", &held[1]).await, Ack::Stale);
        let stats = store.jobs().stats(&job_kind("crm")).await.unwrap();
        assert_eq!((stats.depth, stats.dead), (0, 0));
        // One of the same name begins anew, in lanes that do not remember.
        subscribe(&store, "crm").await;
        accept(&store, request(b"x", vec![event(1, "new", &["crm"])])).await;
        assert_eq!(drain(&store, "crm").await, [event(1, "new", &[]).envelope]);
        assert_eq!(drain(&store, "bot").await.len(), 1301 - 1);
    }

    async fn a_circuit_opens_is_probed_by_one_and_closes(db: TestDb) {
        let (store, other) = (db.open().await, db.open().await);
        subscribe(&store, "crm").await;
        accept(&store, request(b"x", vec![event(1, "a", &["crm"])])).await;
        let gateway = store.gateway();
        let circuit = async || gateway.circuit("crm").await.unwrap().unwrap();
        for failures in 1..=5 {
            assert!(!circuit().await.is_open());
            let job = claim(&store, "crm", 1).await.remove(0);
            let _ = fail(&store, "crm", &job, again()).await;
            assert_eq!(circuit().await.failures, failures);
        }
        let mut pause = Duration::from_secs(5);
        for _ in 0..9 {
            assert!(circuit().await.is_open());
            db.hands.advance(pause.saturating_sub(Duration::from_secs(1)));
            assert!(!gateway.take_probe("crm", LEASE).await.unwrap(), "{pause:?}");
            db.hands.advance(Duration::from_secs(1));
            assert!(gateway.take_probe("crm", LEASE).await.unwrap());
            assert!(!other.gateway().take_probe("crm", LEASE).await.unwrap());
            let job = claim(&store, "crm", 1).await.remove(0);
            let _ = end(&store, "crm", &job, Some(again()), None, true).await;
            pause = (pause * 2).min(Duration::from_mins(5));
        }
        db.hands.advance(pause);
        assert!(other.gateway().take_probe("crm", LEASE).await.unwrap());
        // Whoever took the probe and vanished does not keep others from it.
        db.hands.advance(LEASE);
        assert_eq!(probe(&store, "crm", None).await, Ack::Recorded);
        assert_eq!(circuit().await, store::Circuit::default());
    }

    async fn an_event_at_which_the_endpoint_breaks_keeps_its_schedule_while_others_pass(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        accept(&store, request(b"x", vec![event(1, "breaks", &["crm"])])).await;
        let minute = Duration::from_mins(1);
        for attempts in 0..9 {
            let job = claim(&store, "crm", 1).await.remove(0);
            assert_eq!(job.attempts(), attempts);
            let later = Next::Retry(RetryAfter::new(minute, "answered 500"));
            let _ = fail(&store, "crm", &job, later).await;
            let passes = format!("passes {attempts}");
            accept(&store, request(b"x", vec![event(2, &passes, &["crm"])])).await;
            assert_eq!(drain(&store, "crm").await.len(), 1, "the other one only");
            db.hands.advance(minute);
        }
    }

    async fn the_pause_that_a_receiver_asks_for_is_not_ended_by_what_was_on_its_way(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        let gateway = store.gateway();
        let events = (0..4).map(|n| event(n, &n.to_string(), &["crm"])).collect();
        accept(&store, request(b"x", events)).await;
        let mut jobs = claim(&store, "crm", 3).await;
        let asked = Duration::from_mins(2);
        let throttled = || Some(Next::Retry(RetryAfter::new(asked, "answered 429").uncounted()));
        let _ = end(&store, "crm", &jobs.remove(0), throttled(), Some(asked), false).await;
        let until = gateway.circuit("crm").await.unwrap().unwrap().open_until;
        let sibling = jobs.remove(0);
        assert_eq!(deliver(&store, "crm", &sibling).await, Ack::Recorded);
        assert_eq!(gateway.circuit("crm").await.unwrap().unwrap().open_until, until);
        // Nor does a probe end it, when somebody has asked for a longer one meanwhile.
        db.hands.advance(asked);
        assert!(gateway.take_probe("crm", LEASE).await.unwrap());
        let _ = end(&store, "crm", &jobs.remove(0), throttled(), Some(asked), false).await;
        let job = claim(&store, "crm", 1).await.remove(0);
        assert_eq!(end(&store, "crm", &job, None, None, true).await, Ack::Recorded);
        assert!(gateway.circuit("crm").await.unwrap().unwrap().is_open());
        assert!(!gateway.take_probe("crm", LEASE).await.unwrap());
        db.hands.advance(asked);
        assert_eq!(probe(&store, "crm", None).await, Ack::Recorded);
        assert!(!gateway.circuit("crm").await.unwrap().unwrap().is_open());
        // What the receiver put off itself has lost nothing, and is given nothing back.
        let job = claim(&store, "crm", 1).await.remove(0);
        assert_eq!(job.attempts(), 0);
    }

    async fn events_at_which_the_endpoint_breaks_are_given_up_however_often_others_pass(db: TestDb) {
        const ATTEMPTS: u32 = 10;
        let store = db.open().await;
        subscribe(&store, "crm").await;
        // Enough of them to open the circuit each time.
        let events = (0..5).map(|n| event(n, &format!("breaks {n}"), &["crm"])).collect();
        accept(&store, request(b"x", events)).await;
        let (mut tried, mut buried, mut openings) = (0, 0, 0);
        while buried < 5 {
            assert!(tried < 1000, "they are tried for ever");
            let mut jobs = claim(&store, "crm", 5).await;
            if jobs.is_empty() {
                db.hands.advance(DAY);
                jobs = claim(&store, "crm", 5).await;
            }
            for job in jobs {
                tried += 1;
                let next = if job.attempts() + 1 < ATTEMPTS {
                    Next::Retry(RetryAfter::new(DAY, "answered 500"))
                } else {
                    buried += 1;
                    Next::Dead { reason: "given up".into() }
                };
                let _ = fail(&store, "crm", &job, next).await;
            }
            let circuit = store.gateway().circuit("crm").await.unwrap().unwrap();
            if !circuit.is_open() {
                continue;
            }
            openings += 1;
            db.hands.advance(Duration::from_secs(5));
            // Another one finds out that the endpoint lives.
            accept(&store, request(b"x", vec![event(9, &format!("passes {openings}"), &["crm"])])).await;
            assert_eq!(probe(&store, "crm", None).await, Ack::Recorded);
        }
        assert_eq!(tried, 5 * 20, "the schedule, and each woken ten times");
    }

    async fn what_was_put_off_is_due_when_the_endpoint_lives(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        let gateway = store.gateway();
        let events = (0..700).map(|n| event(n, &n.to_string(), &["crm"])).collect();
        accept(&store, request(b"x", events)).await;
        let put_off = async || {
            for job in claim(&store, "crm", 1000).await {
                let later = Next::Retry(RetryAfter::new(DAY, "answered 500"));
                let _ = fail(&store, "crm", &job, later).await;
            }
            assert!(claim(&store, "crm", 1).await.is_empty());
        };
        put_off().await;
        assert!(gateway.set_subscriber_state("crm", SubscriberState::Paused).await.unwrap());
        assert!(claim(&store, "crm", 1).await.is_empty());
        assert!(gateway.set_subscriber_state("crm", SubscriberState::Active).await.unwrap());
        // What was brought forward has used up nothing.
        let again = claim(&store, "crm", 1).await.remove(0);
        assert_eq!(again.attempts(), 0);
        let later = Next::Retry(RetryAfter::new(DAY, "answered 500"));
        let _ = fail(&store, "crm", &again, later).await;
        put_off().await;
        // What is refused for what is in it keeps its time.
        accept(&store, request(b"x", vec![event(1000, "odd", &["crm"])])).await;
        let odd = claim(&store, "crm", 1).await.remove(0);
        let refused = AttemptOutcome::Failed { status: Some(422), reason: "answered 422".into() };
        let (refused, later) = (attempt("crm", &odd, refused), RetryAfter::new(DAY, "answered 422"));
        let ack = gateway.record(&odd, refused, Next::Retry(later), CircuitStep::Unchanged).await.unwrap();
        assert!(ack.is_recorded());
        // One that came since then finds out that the endpoint lives.
        accept(&store, request(b"x", vec![event(1001, "new", &["crm"])])).await;
        db.hands.advance(Duration::from_secs(5));
        assert_eq!(probe(&store, "crm", None).await, Ack::Recorded);
        let again = claim(&store, "crm", 1000).await;
        assert_eq!(again.len(), 700);
        assert!(again.iter().all(|job| job.attempts() == 0));
        assert!(again.iter().all(|job| job.id() != odd.id()));
    }

    async fn many_hands_lose_nothing_and_keep_the_order(db: TestDb) {
        const HANDS: u64 = 5;
        const WEBHOOKS: u64 = 25;
        let first = db.open().await;
        // SQLite is for one instance: with two, somebody is told now and then that the other is writing.
        let second = if db.is_sqlite() { first.clone() } else { db.open().await };
        let stores = [first, second];
        subscribe(&stores[0], "crm").await;
        let mut accepting = tokio::task::JoinSet::new();
        for hand in 0..HANDS {
            let store = stores[usize::try_from(hand % 2).unwrap()].clone();
            accepting.spawn(async move {
                for webhook in 0..WEBHOOKS {
                    // Leads and keys in another order each time, and one that all hands bring.
                    let mut events: Vec<_> = (0..4)
                        .map(|lead| event(lead, &format!("{hand} {webhook} {lead}"), &["crm"]))
                        .collect();
                    events.push(event(4, &format!("shared {webhook}"), &["crm"]));
                    let turn = usize::try_from(hand + webhook).unwrap() % events.len();
                    events.rotate_left(turn);
                    loop {
                        let new = request(b"x", events.clone());
                        let version = store.gateway().registry_version().await.unwrap();
                        if let Acceptance::Stored { .. } = store.gateway().accept(new, version).await.unwrap() {
                            break;
                        }
                    }
                    if hand == 0 {
                        let fresh = format!("sub-{webhook}");
                        subscribe(&store, &fresh).await;
                        assert!(store.gateway().remove_subscriber(&fresh).await.unwrap());
                    }
                }
            });
        }
        let expected = usize::try_from(HANDS * WEBHOOKS * 4 + WEBHOOKS).unwrap();
        let ended = Arc::new(Mutex::new(Vec::new()));
        let mut delivering = tokio::task::JoinSet::new();
        for hand in 0..4 {
            let (store, ended) = (stores[hand % 2].clone(), Arc::clone(&ended));
            delivering.spawn(async move {
                let mut turn = hand;
                while ended.lock().unwrap().len() < expected {
                    for job in claim(&store, "crm", 3).await {
                        turn += 1;
                        if turn % 5 == 0 {
                            assert!(fail(&store, "crm", &job, again()).await.is_recorded());
                            continue;
                        }
                        // Before it is recorded: from then on the next one may be anybody's.
                        let place = (job.lane().unwrap().to_owned(), job.payload::<i64>().unwrap());
                        ended.lock().unwrap().push(place);
                        assert!(deliver(&store, "crm", &job).await.is_recorded());
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        accepting.join_all().await;
        delivering.join_all().await;
        let mut lanes: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (lane, row) in ended.lock().unwrap().drain(..) {
            lanes.entry(lane).or_default().push(row);
        }
        assert_eq!(lanes.len(), 5);
        assert_eq!(lanes.values().map(Vec::len).sum::<usize>(), expected);
        for (lane, rows) in lanes {
            assert!(rows.is_sorted_by(|one, other| one < other), "{lane}: {rows:?}");
        }
        let stats = stores[0].jobs().stats(&job_kind("crm")).await.unwrap();
        assert_eq!((stats.depth, stats.dead), (0, 0));
    }
}
