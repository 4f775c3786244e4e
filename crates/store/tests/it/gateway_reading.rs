//! Looking at what the gateway has, delivering it again, and its end.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;
use store::{
    Attempt, AttemptOutcome, CircuitStep, EventDeliveryState, EventFilter, EventRow,
    GatewayRetention, GatewaySwept, NewEvent, NewRequest, Next, RESPONSE_EXCERPT_LENGTH, Replay,
    ReplayFilter, RequestFilter, RetryAfter, Route, Store, SubscriberState, gateway_lane, job_kind,
};

use crate::db::{env, on_both};
use crate::gateway::{accept, attempt, claim, deliver, drain, event, fail, request, subscribe};

const DAY: Duration = Duration::from_hours(24);

fn ids(rows: &[EventRow]) -> Vec<&str> {
    rows.iter().map(|row| row.event_id.as_str()).collect()
}

async fn search(store: &Store, set: impl FnOnce(&mut EventFilter)) -> Vec<EventRow> {
    let mut filter = EventFilter::default();
    set(&mut filter);
    store.gateway().events(filter).await.unwrap()
}

/// An event of another kind and another account's.
fn contact(content: &str) -> NewEvent {
    let mut new = event(9, content, &[]);
    new.kind = "contacts.add".into();
    new.subject = Some("contacts/9".into());
    new
}

/// How many events make a wide range; more when it is measured.
fn wide() -> usize {
    env("STORE_TEST_WIDE").map_or(600, |count| count.parse().unwrap())
}

async fn sweep_all(store: &Store, retention: &GatewayRetention) -> GatewaySwept {
    let mut total = GatewaySwept::default();
    loop {
        let swept = store.gateway().sweep(retention).await.unwrap();
        if swept.is_empty() {
            return total;
        }
        total.requests += swept.requests;
        total.events += swept.events;
        total.attempts += swept.attempts;
        total.dead_letters += swept.dead_letters;
        total.other += swept.other;
    }
}

on_both! {
    async fn a_body_is_kept_byte_for_byte(db: TestDb) {
        let store = db.open().await;
        let bodies: [&[u8]; 5] = [b"", b"leads%5Bupdate%5D=1", b"\xff\xfe\x00\x01", "\u{442}\0".as_bytes(), br#"{"a":"\u0000"}"#];
        for body in bodies {
            let new = NewRequest {
                problem: (body.len() < 5).then(|| "not a webhook".to_owned()),
                request_id: Some("\u{1}".into()),
                ..request(body, Vec::new())
            };
            let (id, _) = accept(&store, new).await;
            let row = store.gateway().request(id).await.unwrap().unwrap();
            assert_eq!(row.body.as_deref(), Some(body));
            assert_eq!(row.bytes, body.len() as u64);
            assert_eq!(row.content_type.as_deref(), Some("application/x-www-form-urlencoded"));
            assert_eq!(row.request_id.as_deref(), Some("\u{1}"));
        }
        let mut filter = RequestFilter::default();
        filter.unparsed = true;
        filter.limit = 2;
        let page = store.gateway().requests(filter.clone()).await.unwrap();
        assert_eq!(page.len(), 2);
        assert!(page[0].id > page[1].id && page[0].body.is_none());
        filter.after = Some(page[1].id);
        assert_eq!(store.gateway().requests(filter).await.unwrap().len(), 1);
        let sums = store.gateway().tallies(1).await.unwrap();
        assert_eq!((sums.accounts[0].received, sums.accounts[0].unparsed), (5, 3));
    }

    async fn events_are_found_by_what_they_are(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        for hour in 0..12_u64 {
            let subscribers: &[&str] = if hour % 3 == 0 { &["crm"] } else { &[] };
            accept(&store, request(b"x", vec![event(hour % 2, &hour.to_string(), subscribers)])).await;
            db.hands.advance(Duration::from_hours(1));
        }
        let other = NewRequest { account: "beta".into(), ..request(b"x", vec![contact("c")]) };
        accept(&store, other).await;
        let all = search(&store, |_| ()).await;
        assert_eq!(all.len(), 13);
        assert!(all.is_sorted_by(|one, other| one.row_id > other.row_id));
        let page = search(&store, |filter| filter.limit = 5).await;
        let next = search(&store, |filter| {
            filter.after = Some(page[4].row_id);
            filter.limit = 100;
        })
        .await;
        assert_eq!([ids(&page), ids(&next)].concat(), ids(&all));
        let count = async |set: fn(&mut EventFilter)| search(&store, set).await.len();
        assert_eq!(count(|it| it.account = Some("beta".into())).await, 1);
        assert_eq!(count(|it| it.kind = Some("leads.update".into())).await, 12);
        assert_eq!(count(|it| it.kind = Some("leads.*".into())).await, 12);
        assert_eq!(count(|it| it.kind = Some("contacts.*".into())).await, 1);
        assert_eq!(count(|it| it.subject = Some("leads/1".into())).await, 6);
        assert_eq!(count(|it| it.subscriber = Some("crm".into())).await, 4);
        let both = |it: &mut EventFilter| {
            it.subscriber = Some("crm".into());
            it.subject = Some("leads/1".into());
        };
        assert_eq!(search(&store, both).await.len(), 2);
        // A search that gives up before it has found enough goes on where it was told.
        let (mut rare, mut rounds, mut from) = (Vec::new(), 0, None);
        loop {
            let mut filter = EventFilter::default();
            both(&mut filter);
            (filter.look_at, filter.after) = (1, from);
            let found = store.gateway().search(filter).await.unwrap();
            rare.extend(found.events);
            (rounds, from) = (rounds + 1, found.gave_up_at);
            if from.is_none() {
                break;
            }
        }
        assert_eq!((ids(&rare), rounds), (ids(&search(&store, both).await), 5));
        // From an instant on, and before it.
        let middle = all[6].received_at;
        let since = search(&store, |it| it.since = Some(middle)).await;
        let until = search(&store, |it| it.until = Some(middle)).await;
        assert_eq!([ids(&since), ids(&until)].concat(), ids(&all));
        assert_eq!(since.len(), 7);
        let first = &all[12];
        assert!(search(&store, |it| it.until = Some(first.received_at)).await.is_empty());
        let late = all[0].received_at + TimeDelta::days(1);
        assert!(search(&store, |it| it.since = Some(late)).await.is_empty());

        let gateway = store.gateway();
        assert_eq!(gateway.event(&first.event_id).await.unwrap().as_ref(), Some(first));
        assert_eq!(gateway.event("evt_none").await.unwrap(), None);
        let tail = gateway.events_after(all[3].row_id, 2).await.unwrap();
        assert_eq!(ids(&tail), [all[2].event_id.as_str(), &all[1].event_id]);
        let known = gateway.envelopes(&[all[0].row_id, 999_999, first.row_id]).await.unwrap();
        assert_eq!(ids(&known), [first.event_id.as_str(), &all[0].event_id]);
        assert!(!format!("{all:?}").contains("content"));
    }

    async fn deliveries_tell_what_became_of_an_event(db: TestDb) {
        let store = db.open().await;
        for name in ["a", "b", "c", "d"] {
            subscribe(&store, name).await;
        }
        let id = accept(&store, request(b"x", vec![event(1, "1", &["a", "b", "c", "d"])])).await.1.remove(0).event_id;
        let gateway = store.gateway();
        let job = claim(&store, "a", 1).await.remove(0);
        let again = Next::Retry(RetryAfter::new(Duration::from_mins(1), "answered 500"));
        assert!(fail(&store, "a", &job, again).await.is_recorded());
        db.hands.advance(Duration::from_mins(1));
        let job = claim(&store, "a", 1).await.remove(0);
        assert!(deliver(&store, "a", &job).await.is_recorded());
        let job = claim(&store, "b", 1).await.remove(0);
        let outcome = AttemptOutcome::Failed { status: None, reason: "refused".into() };
        let long = Attempt {
            response_excerpt: Some("\u{44f}".repeat(RESPONSE_EXCERPT_LENGTH) + "\0"),
            ..attempt("b", &job, outcome)
        };
        let dead = Next::Dead { reason: "given up".into() };
        assert!(!format!("{long:?}").contains('\u{44f}'));
        let ack = gateway.record(&job, long, dead, CircuitStep::Unchanged).await.unwrap();
        assert!(ack.is_recorded());
        let job = claim(&store, "d", 1).await.remove(0);
        assert!(fail(&store, "d", &job, Next::Dead { reason: "given up".into() }).await.is_recorded());
        assert!(store.jobs().discard(job.id()).await.unwrap());

        let rows = gateway.deliveries(&id).await.unwrap();
        let states: Vec<_> = rows.iter().map(|row| (row.subscriber.as_str(), row.state, row.tried)).collect();
        assert_eq!(states, [
            ("a", EventDeliveryState::Delivered, 2),
            ("b", EventDeliveryState::Dead, 1),
            ("c", EventDeliveryState::Pending, 0),
            ("d", EventDeliveryState::Discarded, 1),
        ]);
        let outcomes: Vec<_> = rows[0].attempts.iter().map(|it| (it.number, &it.outcome)).collect();
        assert_eq!(outcomes[0], (1, &AttemptOutcome::Failed { status: Some(500), reason: "answered 500".into() }));
        assert_eq!(outcomes[1], (2, &AttemptOutcome::Delivered { status: Some(204) }));
        assert_eq!(rows[1].reason.as_deref(), Some("given up"));
        let excerpt = rows[1].attempts[0].response_excerpt.as_deref().unwrap();
        assert!(excerpt.len() <= RESPONSE_EXCERPT_LENGTH);
        assert!(rows[2].next_at.is_some());
        let log = gateway.attempts("a", None, 1).await.unwrap();
        assert_eq!((log[0].number, log[0].event_id.as_ref()), (2, Some(&id)));
        let log = gateway.attempts("a", Some(log[0].id), 5).await.unwrap();
        assert_eq!(log.len(), 1);
        let sums = gateway.tallies(1).await.unwrap();
        let of = |name: &str| {
            let sum = sums.subscribers.iter().find(|it| it.subscriber == name).unwrap();
            (sum.delivered, sum.failed, sum.dead)
        };
        assert_eq!((of("a"), of("b")), ((1, 1, 0), (0, 1, 1)));
    }

    async fn a_replay_delivers_the_same_event_once_more(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        subscribe(&store, "bot").await;
        let gateway = store.gateway();
        let events: Vec<_> = (0..120).map(|n| event(n % 5, &n.to_string(), &["crm"])).collect();
        let envelopes: Vec<_> = events.iter().map(|it| it.envelope.clone()).collect();
        let taken = accept(&store, request(b"x", events)).await.1;
        let order = |filter: ReplayFilter, subscriber: Option<&str>, limit: u32, dry_run: bool| Replay {
            filter,
            subscriber: subscriber.map(str::to_owned),
            limit,
            dry_run,
        };
        let all = ReplayFilter::default;
        let run = async |replay| gateway.replay(replay).await.unwrap().count;
        assert_eq!(run(order(all(), None, 1000, false)).await, 0, "what waits is left alone");
        let mut first = drain(&store, "crm").await;
        first.sort();
        let mut expected = envelopes.clone();
        expected.sort();
        assert_eq!(first, expected);

        assert_eq!(run(order(all(), None, 1000, true)).await, 120);
        assert_eq!(run(order(all(), Some("crm"), 7, false)).await, 7);
        assert_eq!(drain(&store, "crm").await.len(), 7);
        assert_eq!(run(order(all(), None, 1000, false)).await, 120);
        assert_eq!(run(order(all(), None, 1000, false)).await, 0);
        let again = drain(&store, "crm").await;
        for lead in 0..5 {
            let of_lead = |list: &[String]| list.iter().filter(|it| it.starts_with(&format!("{{\"lead\":{lead},"))).cloned().collect::<Vec<_>>();
            assert_eq!(of_lead(&again), of_lead(&envelopes), "in the order in which they came");
        }
        // Named events reach also who never got them.
        let named = || ReplayFilter {
            event_ids: vec![taken[3].event_id.clone(), "evt_none".into()],
            ..all()
        };
        assert_eq!(run(order(named(), Some("bot"), 9, false)).await, 1);
        assert_eq!(drain(&store, "bot").await, [envelopes[3].clone()]);
        assert_eq!(run(order(named(), Some("nobody"), 9, false)).await, 0);

        // Dead letters, and nothing else.
        assert_eq!(run(order(named(), None, 9, false)).await, 2);
        let job = claim(&store, "crm", 1).await.remove(0);
        assert!(fail(&store, "crm", &job, Next::Dead { reason: "test".into() }).await.is_recorded());
        drain(&store, "bot").await;
        let dead = || ReplayFilter { dead_letters_only: true, ..all() };
        assert_eq!(run(order(dead(), None, 9, true)).await, 1);
        assert_eq!(run(order(dead(), Some("bot"), 9, false)).await, 0);
        assert_eq!(run(order(dead(), None, 9, false)).await, 1);
        assert_eq!(drain(&store, "crm").await, [envelopes[3].clone()]);
        let rows = gateway.deliveries(&taken[3].event_id).await.unwrap();
        assert_eq!(rows[1].tried, 5);
        for name in ["crm", "bot"] {
            let stats = store.jobs().stats(&job_kind(name)).await.unwrap();
            assert_eq!((stats.depth, stats.dead), (0, 0));
        }
        db.hands.advance(DAY);
        let since = ReplayFilter { since: Some(rows[0].delivered_at.unwrap() + TimeDelta::hours(1)), ..all() };
        assert_eq!(run(order(since, None, 1000, false)).await, 0);
        let until = ReplayFilter { until: Some(rows[0].delivered_at.unwrap() + TimeDelta::hours(1)), ..all() };
        assert_eq!(run(order(until, None, 1000, true)).await, 121);
    }

    async fn a_wide_range_is_replayed_as_it_is_counted(db: TestDb) {
        const LEADS: usize = 20;
        let store = db.open().await;
        for name in ["crm", "bot"] {
            subscribe(&store, name).await;
        }
        let (gateway, events) = (store.gateway(), wide());
        for first in (0..events).step_by(1_000) {
            let many = (first..events.min(first + 1_000))
                .map(|n| event((n % LEADS) as u64, &n.to_string(), &["crm", "bot"]));
            accept(&store, request(b"x", many.collect())).await;
        }
        // The first of each lead is dead, the rest of one subscriber is delivered; the other one's wait.
        let mut is_first = true;
        loop {
            let jobs = claim(&store, "crm", 100).await;
            if jobs.is_empty() {
                break;
            }
            join_all(jobs.iter().map(async |job| {
                let ack = if is_first {
                    fail(&store, "crm", job, Next::Dead { reason: "test".into() }).await
                } else {
                    deliver(&store, "crm", job).await
                };
                assert!(ack.is_recorded());
            }))
            .await;
            is_first = false;
        }
        let replay = |dry_run| Replay {
            filter: ReplayFilter::default(),
            subscriber: None,
            limit: u32::MAX,
            dry_run,
        };
        let told = gateway.replay(replay(true)).await.unwrap().count;
        let began = Instant::now();
        let count = gateway.replay(replay(false)).await.unwrap().count;
        println!("{count} deliveries put back in {:?}", began.elapsed());
        assert_eq!((told, count), (events as u64, events as u64));
        assert_eq!(gateway.replay(replay(false)).await.unwrap().count, 0);
        for name in ["crm", "bot"] {
            let stats = store.jobs().stats(&job_kind(name)).await.unwrap();
            assert_eq!((stats.depth, stats.dead), (events as u64, 0));
        }
        // One head in each lane, what was dead before everything else, and then in the order in which it came.
        if events <= 5_000 {
            let again = drain(&store, "crm").await;
            let place = |envelope: &String| -> usize {
                let content = envelope.rsplit(':').next().unwrap();
                content.trim_matches(|it: char| !it.is_ascii_digit()).parse().unwrap()
            };
            for lead in 0..LEADS {
                let order: Vec<_> = again.iter().map(place).filter(|n| n % LEADS == lead).collect();
                assert!(order.is_sorted() && order.len() == events / LEADS, "{order:?}");
            }
        }
    }

    async fn what_is_old_goes_and_what_is_needed_stays(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        let gateway = store.gateway();
        let mut kept = Vec::new();
        for n in 0..450_u64 {
            // Nobody wants most of them; one is delivered, one waits, one is dead.
            let subscribers: &[&str] = if n < 3 { &["crm"] } else { &[] };
            let mut new = event(n, &n.to_string(), subscribers);
            new.fields = (n == 5).then(|| [("price".to_owned(), 1)].into());
            kept.push(accept(&store, request(b"x", vec![new])).await);
        }
        let jobs = claim(&store, "crm", 2).await;
        assert!(deliver(&store, "crm", &jobs[0]).await.is_recorded());
        assert!(fail(&store, "crm", &jobs[1], Next::Dead { reason: "test".into() }).await.is_recorded());
        let retention = GatewayRetention::default();
        assert_eq!(sweep_all(&store, &retention).await, GatewaySwept::default());
        db.hands.advance(DAY * 31);
        let (late, _) = accept(&store, request(b"y", vec![event(1, "late", &[])])).await;
        let swept = sweep_all(&store, &retention).await;
        assert_eq!((swept.events, swept.requests, swept.attempts), (448, 448, 2));
        assert_eq!(swept.other, 450, "keys of duplicates");
        for (place, (request, taken)) in kept.iter().enumerate().take(4) {
            let is_there = gateway.request(*request).await.unwrap().is_some();
            let is_needed = place == 1 || place == 2;
            assert_eq!(is_there, is_needed);
            assert_eq!(gateway.event(&taken[0].event_id).await.unwrap().is_some(), is_needed);
        }
        assert!(gateway.request(late).await.unwrap().is_some());
        assert_eq!(drain(&store, "crm").await.len(), 1);
        // The dead letter holds its event until it goes itself.
        let mut retention = retention;
        retention.dead_letters = Some(DAY);
        let swept = sweep_all(&store, &retention).await;
        assert_eq!((swept.dead_letters, swept.events, swept.requests), (1, 2, 2));
        assert_eq!(store.jobs().stats(&job_kind("crm")).await.unwrap().dead, 0);
        db.hands.advance(DAY * 500);
        let swept = sweep_all(&store, &retention).await;
        assert!(swept.other > 1);
        assert!(gateway.tallies(9600).await.unwrap().accounts.is_empty());
    }

    async fn what_waits_too_long_for_a_subscriber_that_takes_nothing_is_given_up(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "idle").await;
        subscribe(&store, "crm").await;
        let gateway = store.gateway();
        for n in 0..250_u64 {
            accept(&store, request(b"x", vec![event(n % 3, &n.to_string(), &["idle", "crm"])])).await;
        }
        gateway.set_subscriber_state("idle", SubscriberState::Paused).await.unwrap();
        db.hands.advance(DAY * 20);
        accept(&store, request(b"x", vec![event(1, "late", &["idle"])])).await;
        let given_up = async || {
            let mut total = 0;
            loop {
                let batch = gateway.give_up_waiting(DAY * 30).await.unwrap();
                if batch.is_empty() {
                    return total;
                }
                for (name, count) in batch {
                    assert_eq!(name, "idle");
                    total += count;
                }
            }
        };
        assert_eq!(given_up().await, 0);
        db.hands.advance(DAY * 11);
        assert_eq!(given_up().await, 250);
        let stats = store.jobs().stats(&job_kind("idle")).await.unwrap();
        assert_eq!((stats.depth, stats.dead), (1, 250));
        // The lane goes on with what came later; who takes events is not touched.
        gateway.set_subscriber_state("idle", SubscriberState::Active).await.unwrap();
        assert_eq!(drain(&store, "idle").await.len(), 1);
        assert_eq!(drain(&store, "crm").await.len(), 250);
        // What was given up holds its event as long as dead letters are kept.
        let mut retention = GatewayRetention::default();
        assert_eq!(sweep_all(&store, &retention).await.events, 0);
        retention.dead_letters = Some(DAY);
        db.hands.advance(DAY * 31);
        assert_eq!(sweep_all(&store, &retention).await.dead_letters, 250);
    }

    async fn events_of_no_entity_keep_their_order_too(db: TestDb) {
        let store = db.open().await;
        subscribe(&store, "crm").await;
        // Events of no entity go one after another too.
        let hook = |n: u32| {
            let mut new = event(1, &format!("hook {n}"), &[]);
            new.subject = None;
            new.kind = "account.disabled".into();
            new.routes = vec![Route {
                subscriber: "crm".into(),
                lane: gateway_lane("crm", "acme", None, "account.disabled"),
                changed: Vec::new(),
            }];
            new
        };
        let events: Vec<_> = (0..3).map(hook).collect();
        let expected: Vec<_> = events.iter().map(|it| it.envelope.clone()).collect();
        accept(&store, request(b"x", events)).await;
        assert_eq!(claim(&store, "crm", 9).await.len(), 1);
        db.hands.advance(DAY);
        assert_eq!(drain(&store, "crm").await, expected);
    }
}
