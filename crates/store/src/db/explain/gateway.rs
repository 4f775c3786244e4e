//! The statements of the gateway.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use super::{TestSchema, options, seen};

use crate::{
    Acceptance, Attempt, AttemptOutcome, CircuitPolicy, CircuitStep, Claimed, Dedup, EventFilter,
    GatewayRetention, NewEvent, NewRequest, NewSubscriber, Next, Replay, ReplayFilter,
    RequestFilter, RetryAfter, Route, Store, SubscriberSource, SubscriberState, gateway_lane,
    job_kind,
};

const SECOND: Duration = Duration::from_secs(1);

fn event(number: u8) -> NewEvent {
    NewEvent {
        event_id: format!("evt_{number}"),
        kind: "leads.update".into(),
        subject: Some("leads/1".into()),
        account_id: None,
        pipeline_id: None,
        status_id: None,
        occurred_at: None,
        dedup: Dedup {
            key: [number; 32],
            window: SECOND,
        },
        envelope: "{}".into(),
        fields: Some([("price".to_owned(), u64::from(number))].into()),
        routes: vec![Route {
            subscriber: "s".into(),
            lane: gateway_lane("s", "acme", Some("leads/1"), "leads.update"),
            changed: Vec::new(),
        }],
    }
}

async fn claim(store: &Store) -> Claimed {
    let worker = store.jobs().worker("w");
    let kind = job_kind("s");
    worker.claim(&[&kind], 1, SECOND).await.unwrap().remove(0)
}

async fn record(store: &Store, outcome: AttemptOutcome, next: Next, step: CircuitStep) {
    let job = claim(store).await;
    let attempt = Attempt {
        subscriber: "s".into(),
        event: job.payload().unwrap(),
        started_at: job.created_at(),
        duration: SECOND,
        outcome,
        response_excerpt: None,
        is_probe: true,
    };
    let gateway = store.gateway();
    let ack = gateway.record(&job, attempt, next, step).await.unwrap();
    assert!(ack.is_recorded());
}

/// Uses everything once.
pub(super) async fn live(store: &Store) {
    let gateway = store.gateway();
    let new = NewSubscriber::new("s", SubscriberSource::File, json!({}))
        .secret(SecretString::from("secret"));
    for settings in [json!({}), json!({"a": 1})] {
        let new = NewSubscriber {
            settings,
            ..new.clone()
        };
        gateway.replace_file_subscribers(vec![new]).await.unwrap();
    }
    gateway.replace_file_subscribers(Vec::new()).await.unwrap();
    let secret = SecretString::from("other");
    gateway.rotate_secret("s", secret, SECOND).await.unwrap();
    gateway.rotate_keys().await.unwrap();
    gateway
        .set_subscriber_state("s", SubscriberState::Active)
        .await
        .unwrap();
    let version = gateway.registry().await.unwrap().version;
    let new = NewRequest {
        account: "acme".into(),
        request_id: Some("r".into()),
        content_type: None,
        body: b"x".as_slice().into(),
        problem: None,
        events: vec![event(1), event(2)],
    };
    let Acceptance::Stored { request, .. } = gateway.accept(new.clone(), version).await.unwrap()
    else {
        panic!()
    };
    gateway.accept(new.clone(), version).await.unwrap();
    let deleted = NewRequest {
        body: b"y".as_slice().into(),
        request_id: None,
        events: vec![NewEvent {
            kind: "leads.delete".into(),
            routes: Vec::new(),
            ..event(3)
        }],
        ..new.clone()
    };
    gateway.accept(deleted, version).await.unwrap();
    let strange = NewRequest {
        request_id: None,
        problem: Some("p".into()),
        events: Vec::new(),
        ..new.clone()
    };
    gateway.accept(strange, version).await.unwrap();
    let unread = gateway.unread(0, 5).await.unwrap().remove(0);
    let understood = NewRequest {
        request_id: None,
        events: vec![NewEvent {
            routes: Vec::new(),
            ..event(4)
        }],
        ..new
    };
    let again = gateway
        .read_again(unread.id, understood, version)
        .await
        .unwrap();
    assert!(matches!(again, Some(Acceptance::Stored { .. })));
    gateway.events_of(unread.id).await.unwrap();

    let failed = || AttemptOutcome::Failed {
        status: Some(500),
        reason: "r".into(),
    };
    let step = CircuitStep::Failed {
        error: "e".into(),
        policy: CircuitPolicy::default(),
        // The pause is over at once.
        retry_after: Some(Duration::ZERO),
    };
    let later = Next::Retry(RetryAfter::new(Duration::ZERO, "e"));
    record(store, failed(), later, step).await;
    gateway.take_probe("s", SECOND).await.unwrap();
    gateway.release_probe("s").await.unwrap();
    gateway.circuit("s").await.unwrap();
    let dead = Next::Dead { reason: "r".into() };
    record(store, failed(), dead, CircuitStep::Unchanged).await;
    let delivered = AttemptOutcome::Delivered { status: None };
    record(store, delivered, Next::Done, CircuitStep::Succeeded).await;
    read(store, request).await;
    replay(store).await;

    let none = Some(Duration::ZERO);
    let mut retention = GatewayRetention::default();
    let waiting = NewRequest {
        account: "acme".into(),
        request_id: None,
        content_type: None,
        body: b"z".as_slice().into(),
        problem: None,
        events: vec![event(5), event(6)],
    };
    let version = gateway.registry().await.unwrap().version;
    gateway.accept(waiting, version).await.unwrap();
    let paused = SubscriberState::Paused;
    gateway.set_subscriber_state("s", paused).await.unwrap();
    let given_up = gateway.give_up_waiting(Duration::ZERO).await.unwrap();
    assert!(!given_up.is_empty());
    gateway.remove_subscriber("s").await.unwrap();
    gateway
        .put_subscriber(NewSubscriber::new("s", SubscriberSource::Api, json!({})))
        .await
        .unwrap();
    retention.payload = none;
    retention.attempts = none;
    retention.dead_letters = none;
    retention.entities = none;
    while !gateway.sweep(&retention).await.unwrap().is_empty() {}
    gateway.remove_subscriber("s").await.unwrap();
}

async fn read(store: &Store, request: i64) {
    let gateway = store.gateway();
    gateway.registry_version().await.unwrap();
    gateway.event("evt_1").await.unwrap().unwrap();
    gateway.envelopes(&[1]).await.unwrap();
    gateway.events_after(0, 5).await.unwrap();
    gateway.newest_event().await.unwrap();
    gateway.requests_after(0, 5).await.unwrap();
    gateway.request(request).await.unwrap().unwrap();
    let word = || Some("w".to_owned());
    let now = store.inner.db.time.clock.now();
    for place in 0..5 {
        let mut filter = EventFilter {
            since: Some(now),
            ..EventFilter::default()
        };
        match place {
            0 => filter.account = word(),
            1 => filter.kind = word(),
            2 => filter.subject = word(),
            3 => filter.subscriber = word(),
            _ => filter.kind = Some("w.*".to_owned()),
        }
        gateway.events(filter).await.unwrap();
    }
    let mut filter = RequestFilter::default();
    gateway.requests(filter.clone()).await.unwrap();
    filter.unparsed = true;
    gateway.requests(filter).await.unwrap();
    assert_eq!(gateway.deliveries("evt_1").await.unwrap().len(), 1);
    gateway.attempts("s", None, 5).await.unwrap();
    gateway.tallies(5).await.unwrap();
}

async fn replay(store: &Store) {
    let named = ReplayFilter {
        event_ids: vec!["evt_1".into(), "evt_2".into()],
        ..ReplayFilter::default()
    };
    let dead = ReplayFilter {
        dead_letters_only: true,
        ..ReplayFilter::default()
    };
    for (filter, subscriber) in [
        (dead, None),
        (named, None),
        (ReplayFilter::default(), Some("s".to_owned())),
        (ReplayFilter::default(), None),
    ] {
        let replay = Replay {
            filter,
            subscriber,
            limit: 9,
            dry_run: false,
        };
        store.gateway().replay(replay).await.unwrap();
    }
}

/// A subscriber that is paused, and one with a hot entity: `gateway/paused` and `gateway/busy`.
const PAUSED: u32 = 200_000;
const DEEP: u32 = 20_000;

/// What a worker asks for all the time: a claim, and the next job of a lane.
fn is_asked_often(text: &str) -> bool {
    text.contains("taken_over = CASE") || text.contains("SELECT min(id) FROM jobs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_depth_of_a_queue_costs_a_claim_nothing_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/s.db", folder.path().display());
    let store = Store::open(&SecretString::from(url.as_str()), options())
        .await
        .unwrap();
    store.migrate().await.unwrap();
    live(&store).await;
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let mut count = 0;
    let texts = seen().into_iter().flat_map(|it| it.0.split(';'));
    for text in texts.filter(|text| is_asked_often(text)) {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        let plan: Vec<String> = sqlx::query(explain)
            .fetch_all(&mut conn)
            .await
            .unwrap()
            .iter()
            .map(|step| step.get("detail"))
            .collect();
        // Those behind the head of a lane are not in the one, and the first of them is the first in the other.
        let heads = "INDEX jobs_due (kind=? AND due_at<?)";
        let next = "INDEX jobs_lane (lane=?)";
        let is_short = |step: &String| step.ends_with(heads) || step.ends_with(next);
        assert!(plan.iter().any(is_short), "{plan:?}");
        count += 1;
    }
    assert!(count >= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_depth_of_a_queue_costs_a_claim_nothing_postgres() {
    let Some(TestSchema {
        name,
        mut conn,
        store,
    }) = TestSchema::create().await
    else {
        return;
    };
    live(&store).await;
    let fill = AssertSqlSafe(format!(
        "INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
         SELECT 'gateway/paused', 'p/' || n, n::text, 0, 0, 0 FROM generate_series(1, {PAUSED}) AS n;
         INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
         SELECT 'gateway/busy', 'hot', n::text, CASE WHEN n = 1 THEN 0 ELSE 1 END, 0, 0
         FROM generate_series(1, {DEEP}) AS n;
         ANALYZE jobs"
    ));
    sqlx::raw_sql(fill).execute(&mut conn).await.unwrap();
    let mut count = 0;
    for (_, text, types) in seen().into_iter().filter(|it| is_asked_often(it.1)) {
        let values = match types.len() {
            5 => "'w', 1, 2, 'gateway/busy', 10",
            3 => "0, 'hot', 20000",
            _ => "'hot'",
        };
        let statement = AssertSqlSafe(format!(
            "PREPARE often{count} ({}) AS {text}",
            types.join(", ")
        ));
        sqlx::raw_sql(statement).execute(&mut conn).await.unwrap();
        let run = format!("EXPLAIN (ANALYZE, BUFFERS) EXECUTE often{count} ({values})");
        let pages = pages_read(&mut conn, run).await;
        assert!(pages < 150, "{pages} pages for {text}");
        count += 1;
    }
    assert!(count >= 2);
    let drop = AssertSqlSafe(format!("DROP SCHEMA {name} CASCADE"));
    sqlx::query(drop).execute(&mut conn).await.unwrap();
}

/// How many pages a statement touches, wherever they come from.
async fn pages_read(conn: &mut PgConnection, explain: String) -> u64 {
    let plan = sqlx::raw_sql(AssertSqlSafe(explain))
        .fetch_all(conn)
        .await
        .unwrap();
    let lines: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    // The first line is of the whole statement.
    let total = lines.iter().find(|line| line.contains("Buffers:")).unwrap();
    total
        .split_whitespace()
        .filter(|word| word.starts_with("hit=") || word.starts_with("read="))
        .filter_map(|word| word.split('=').nth(1)?.parse::<u64>().ok())
        .sum()
}
