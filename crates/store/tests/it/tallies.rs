//! Sums per day against a recount of everything that happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use store::{
    Accepted, DELAYS_MS, DailyTallies, FUNNEL, LOST, LeadJob, OTHER_SOURCES, RetryAfter,
    SOURCE_LENGTH, SOURCES_PER_DAY, StatusChange, StatusChanged, StatusOrigin, Store, Tally,
};

use crate::db::{TestDb, on_both};
use crate::leads::{made, new_lead};

const SOURCES: [Option<&str>; 6] = [
    None,
    Some(""),
    Some("google"),
    Some(" Google "),
    Some("яндекс"),
    Some("Яндекс\u{7}"),
];
const STATUSES: [&str; 9] = [
    "new",
    "contacted",
    "presentation",
    "selection",
    "reservation",
    "deal",
    "completed",
    "lost",
    "elsewhere",
];
const REASONS: [&str; 2] = ["server", "timeout"];
const LEASE: Duration = Duration::from_mins(1);

#[derive(Debug, Clone)]
enum Step {
    Accept(usize),
    Deliver { succeeds: bool },
    Status(usize, usize),
    Fail(usize),
    Fold,
    Prune,
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..SOURCES.len()).prop_map(Step::Accept),
        3 => any::<bool>().prop_map(|succeeds| Step::Deliver { succeeds }),
        5 => (0_usize..20, 0..STATUSES.len()).prop_map(|(lead, status)| Step::Status(lead, status)),
        1 => (0..REASONS.len()).prop_map(Step::Fail),
        2 => Just(Step::Fold),
        1 => Just(Step::Prune),
        3 => prop_oneof![0_u64..90, 0_u64..40_000, 50_000_u64..200_000].prop_map(Step::Advance),
    ]
}

#[derive(Debug)]
struct ModelLead {
    id: i64,
    came: DateTime<Utc>,
    source: String,
    delivered: Option<DateTime<Utc>>,
    had: BTreeSet<&'static str>,
}

#[derive(Debug, Default)]
struct Model {
    leads: Vec<ModelLead>,
    failures: Vec<(DateTime<Utc>, &'static str)>,
}

type Counts<K> = BTreeMap<(NaiveDate, K), u64>;

/// What a recount finds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Recount {
    accepted: Counts<String>,
    delivered: Counts<Option<u64>>,
    reached: Counts<String>,
    failed: Counts<String>,
}

impl Model {
    fn recount(&self, zone: FixedOffset) -> Recount {
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
        let mut all = Recount::default();
        for lead in &self.leads {
            let came = day(lead.came);
            *all.accepted.entry((came, lead.source.clone())).or_default() += 1;
            if let Some(at) = lead.delivered {
                let delay = (at - lead.came).num_microseconds().unwrap().unsigned_abs();
                let step = DELAYS_MS.into_iter().find(|step| step * 1000 >= delay);
                *all.delivered.entry((came, step)).or_default() += 1;
            }
            let furthest = FUNNEL.iter().rposition(|word| lead.had.contains(word));
            let passed = FUNNEL.iter().take(furthest.map_or(0, |last| last + 1));
            let lost = lead.had.get(LOST);
            for word in passed.chain(lost) {
                *all.reached.entry((came, (*word).to_owned())).or_default() += 1;
            }
        }
        for (at, reason) in &self.failures {
            *all.failed
                .entry((day(*at), (*reason).to_owned()))
                .or_default() += 1;
        }
        all
    }
}

fn counts<K: Ord + Clone>(tallies: &[Tally<K>]) -> Counts<K> {
    let counts: Counts<K> = tallies
        .iter()
        .map(|tally| ((tally.day, tally.key.clone()), tally.count))
        .collect();
    assert_eq!(counts.len(), tallies.len(), "no key is told twice");
    counts
}

fn told(tallies: &DailyTallies) -> Recount {
    Recount {
        accepted: counts(&tallies.accepted),
        delivered: counts(&tallies.delivered),
        reached: counts(&tallies.reached),
        failed: counts(&tallies.failed),
    }
}

async fn accept_from(store: &Store, source: Option<&str>) -> (i64, DateTime<Utc>) {
    let mut new = new_lead();
    new.utm.source = source.map(str::to_owned);
    let job = LeadJob::new("lead.deliver");
    match store.leads().accept(new, None, job).await.unwrap() {
        Accepted::Created(lead) => (lead.id, lead.created_at),
        other => panic!("{other:?}"),
    }
}

async fn set_status(store: &Store, lead: i64, status: &str) -> bool {
    let change = StatusChange {
        status: status.to_owned(),
        origin: StatusOrigin::Api,
    };
    let outcome = store.leads().set_status(lead, change, None).await.unwrap();
    matches!(outcome, StatusChanged::Applied(_))
}

async fn follow(db: TestDb, zone: FixedOffset, steps: Vec<Step>) {
    let store = db.open_with(db.options().time_zone(zone)).await;
    let tallies = store.tallies();
    let mut now = tallies.read(1).await.unwrap().at;
    let mut model = Model::default();
    let worker = store.jobs().worker("model");
    for step in steps {
        match step {
            Step::Accept(source) => {
                let source = SOURCES[source];
                let (id, came) = accept_from(&store, source).await;
                assert_eq!(came, now);
                let plain = source.unwrap_or_default().trim().replace('\u{7}', " ");
                model.leads.push(ModelLead {
                    id,
                    came,
                    source: plain.to_lowercase(),
                    delivered: None,
                    had: BTreeSet::new(),
                });
            }
            Step::Deliver { succeeds } => {
                let jobs = worker.claim(&["lead.deliver"], 1, LEASE).await.unwrap();
                let Some(job) = jobs.first() else { continue };
                let id: i64 = job.payload().unwrap();
                let leads = store.leads();
                leads.mark_attempt(id, job).await.unwrap();
                let ack = if succeeds {
                    let lead = model.leads.iter_mut().find(|lead| lead.id == id).unwrap();
                    lead.delivered = Some(now);
                    leads.set_delivered(id, made(id), job).await
                } else {
                    let retry = RetryAfter::new(Duration::ZERO, "e");
                    leads.set_retry(id, retry, job).await
                };
                assert!(ack.unwrap().is_recorded());
            }
            Step::Status(lead, status) => {
                let Some(last) = model.leads.len().checked_sub(1) else {
                    continue;
                };
                let lead = &mut model.leads[lead.min(last)];
                if set_status(&store, lead.id, STATUSES[status]).await {
                    lead.had.insert(STATUSES[status]);
                }
            }
            Step::Fail(reason) => {
                tallies.count_failure(REASONS[reason]).await.unwrap();
                model.failures.push((now, REASONS[reason]));
            }
            Step::Fold => {
                tallies.fold().await.unwrap();
            }
            Step::Prune => {
                store.prune().await.unwrap();
            }
            Step::Advance(seconds) => {
                db.hands.advance(Duration::from_secs(seconds));
                now += Duration::from_secs(seconds);
            }
        }
    }
    let expected = model.recount(zone);
    assert_eq!(told(&tallies.read(400).await.unwrap()), expected);
    // Whatever was added up before: nothing is counted twice, nor forgotten.
    db.hands.advance(Duration::from_secs(61));
    tallies.fold().await.unwrap();
    assert_eq!(tallies.fold().await.unwrap(), 0);
    assert_eq!(told(&tallies.read(400).await.unwrap()), expected);

    if zone.local_minus_utc() == 3 * 60 * 60 {
        migrate_again(&db).await;
        let again = told(&tallies.read(400).await.unwrap());
        // Of failed attempts there is no record to add up.
        let failed = Counts::new();
        assert_eq!(again, Recount { failed, ..expected });
    }
    store.close().await;
}

/// What the migration makes of a database of the release before it.
async fn migrate_again(db: &TestDb) {
    let drop = "DROP TABLE lead_tallies; DROP TABLE lead_folds;";
    if db.is_sqlite() {
        let mut conn = SqliteConnection::connect(&db.url).await.unwrap();
        sqlx::raw_sql(drop).execute(&mut conn).await.unwrap();
        sqlx::raw_sql(include_str!("../../migrations/sqlite/0005_tallies.sql"))
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
    } else {
        let mut conn = PgConnection::connect(&db.url).await.unwrap();
        sqlx::raw_sql(drop).execute(&mut conn).await.unwrap();
        sqlx::raw_sql(include_str!("../../migrations/postgres/0005_tallies.sql"))
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
    }
}

fn check(cases: u32, db: impl Fn(&tokio::runtime::Runtime) -> Option<TestDb>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let zones = prop_oneof![Just(3 * 3600), Just(0), Just(-8 * 3600), Just(19_800)];
    TestRunner::new(config)
        .run(
            &(zones, prop::collection::vec(step(), 1..60)),
            |(zone, steps)| {
                if let Some(db) = db(&runtime) {
                    let zone = FixedOffset::east_opt(zone).unwrap();
                    runtime.block_on(async {
                        follow(db.clone(), zone, steps).await;
                        db.drop_schema().await;
                    });
                }
                Ok(())
            },
        )
        .unwrap();
}

#[test]
fn the_sums_are_what_a_recount_finds_sqlite() {
    check(32, |runtime| Some(runtime.block_on(TestDb::sqlite())));
}

#[test]
fn the_sums_are_what_a_recount_finds_postgres() {
    check(12, |runtime| runtime.block_on(TestDb::postgres()));
}

on_both! {
    /// Visitors choose their `utm_source`.
    async fn made_up_sources_take_no_more_room_than_there_is(db: TestDb) {
        let store = db.open().await;
        let tallies = store.tallies();
        let long = "Ы".repeat(500);
        accept_from(&store, Some(&long)).await;
        for number in 0..30 {
            accept_from(&store, Some(&format!("made up {number}"))).await;
        }
        db.hands.advance(Duration::from_secs(61));
        assert_eq!(tallies.fold().await.unwrap(), 31);
        for number in 20..90 {
            accept_from(&store, Some(&format!("made up {number}"))).await;
        }
        accept_from(&store, None).await;
        for _ in 0..2 {
            let read = tallies.read(1).await.unwrap();
            let count = |key: &str| read.accepted.iter().find(|it| it.key == key).map(|it| it.count);
            assert_eq!(read.accepted.len(), SOURCES_PER_DAY + 2, "{:?}", read.accepted);
            // 31 names were known, 9 more found a place, and the rest is told together.
            assert_eq!(count(OTHER_SOURCES), Some(51));
            assert_eq!((count("made up 25"), count("")), (Some(2), Some(1)));
            assert!(read.accepted.iter().all(|it| it.key.chars().count() <= SOURCE_LENGTH));
            assert_eq!(read.accepted.iter().map(|it| it.count).sum::<u64>(), 102);
            db.hands.advance(Duration::from_secs(61));
            tallies.fold().await.unwrap();
        }
    }

    async fn sums_nobody_reads_are_deleted_and_the_range_is_what_was_asked_for(db: TestDb) {
        let store = db.open().await;
        let tallies = store.tallies();
        accept_from(&store, Some("google")).await;
        tallies.count_failure("server").await.unwrap();
        db.hands.advance(Duration::from_hours(24 * 6));
        store.prune().await.unwrap();
        let read = tallies.read(7).await.unwrap();
        assert_eq!(read.last_day - read.first_day, TimeDelta::days(6));
        assert_eq!((read.accepted.len(), read.failed.len()), (1, 1));
        let read = tallies.read(6).await.unwrap();
        assert_eq!((read.accepted.len(), read.failed.len()), (0, 0));
        db.hands.advance(Duration::from_hours(24 * 800));
        assert_eq!(store.prune().await.unwrap(), 2);
    }
}
