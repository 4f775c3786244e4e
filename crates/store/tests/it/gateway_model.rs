//! Two instances that accept, deliver, fail and vanish in any order: nothing is lost, nothing overtakes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{Claimed, JobsOptions, Next, Replay, ReplayFilter, RetryAfter};

use crate::db::TestDb;
use crate::gateway::{accept, claim, deliver, event, fail, request, subscribe};

const SUBSCRIBERS: [&str; 2] = ["crm", "bot"];

#[derive(Debug, Clone)]
enum Step {
    /// A webhook with events of these leads; some were there before.
    Accept(Vec<(u8, u8)>),
    Claim {
        subscriber: usize,
        limit: u32,
    },
    /// The outcome of the n-th claim, if it still holds.
    Deliver(usize),
    Retry(usize, u64),
    Bury(usize),
    /// Everybody who holds a job vanishes with it.
    Kill,
    Replay,
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let events = prop::collection::vec((0_u8..3, 0_u8..40), 1..5);
    prop_oneof![
        4 => events.prop_map(Step::Accept),
        5 => (0_usize..2, 1_u32..5).prop_map(|(subscriber, limit)| Step::Claim { subscriber, limit }),
        4 => (0_usize..64).prop_map(Step::Deliver),
        2 => (0_usize..64, 0_u64..30).prop_map(|(n, delay)| Step::Retry(n, delay)),
        1 => (0_usize..64).prop_map(Step::Bury),
        1 => Just(Step::Kill),
        1 => Just(Step::Replay),
        2 => (1_u64..90).prop_map(Step::Advance),
    ]
}

/// What a subscriber should see.
#[derive(Default)]
struct Ledger {
    /// The events of each lead in the order in which they were accepted.
    accepted: BTreeMap<u8, Vec<i64>>,
    /// Events whose delivery was recorded, or that were given up.
    ended: BTreeSet<i64>,
    dead: BTreeSet<i64>,
}

impl Ledger {
    /// Everything before it in its lane has ended. What was given up and replayed comes late, and that is right.
    fn check(&self, event: i64) {
        let lane = self
            .accepted
            .values()
            .find(|lane| lane.contains(&event))
            .unwrap();
        for earlier in lane.iter().take_while(|&&it| it != event) {
            assert!(self.ended.contains(earlier), "{event} overtook {earlier}");
        }
    }
}

async fn follow(db: TestDb, steps: Vec<Step>) {
    let options = || db.options().jobs(JobsOptions::default().max_claims(1000));
    let stores = [db.open_with(options()).await, db.open_with(options()).await];
    for name in SUBSCRIBERS {
        subscribe(&stores[0], name).await;
    }
    let mut ledgers: [Ledger; 2] = Default::default();
    let mut claims: Vec<(usize, Claimed)> = Vec::new();
    let mut known: BTreeSet<(u8, u8)> = BTreeSet::new();
    let mut turn = 0;
    for step in steps {
        turn += 1;
        let store = &stores[turn % 2];
        match step {
            Step::Accept(events) => {
                let new = events
                    .iter()
                    .map(|&(lead, n)| event(lead.into(), &format!("{lead} {n}"), &SUBSCRIBERS))
                    .collect();
                let (_, taken) = accept(store, request(b"x", new)).await;
                for (place, taken) in events.into_iter().zip(taken) {
                    assert_eq!(taken.duplicate, !known.insert(place));
                    if !taken.duplicate {
                        let row = store
                            .gateway()
                            .event(&taken.event_id)
                            .await
                            .unwrap()
                            .unwrap();
                        for ledger in &mut ledgers {
                            ledger.accepted.entry(place.0).or_default().push(row.row_id);
                        }
                    }
                }
            }
            Step::Claim { subscriber, limit } => {
                for job in claim(store, SUBSCRIBERS[subscriber], limit).await {
                    ledgers[subscriber].check(job.payload().unwrap());
                    claims.push((subscriber, job));
                }
            }
            Step::Deliver(n) | Step::Retry(n, _) | Step::Bury(n) => {
                let Some(n) = claims.len().checked_sub(1).map(|last| n.min(last)) else {
                    continue;
                };
                let (subscriber, job) = &claims[n];
                let (name, id) = (SUBSCRIBERS[*subscriber], job.payload().unwrap());
                let ledger = &mut ledgers[*subscriber];
                match step {
                    Step::Deliver(_) => {
                        if deliver(store, name, job).await.is_recorded() {
                            ledger.ended.insert(id);
                        }
                    }
                    Step::Retry(_, delay) => {
                        let after = RetryAfter::new(Duration::from_secs(delay), "e");
                        let _ = fail(store, name, job, Next::Retry(after)).await;
                    }
                    _ => {
                        let next = Next::Dead { reason: "r".into() };
                        if fail(store, name, job, next).await.is_recorded() {
                            ledger.ended.insert(id);
                            ledger.dead.insert(id);
                        }
                    }
                }
            }
            Step::Kill => db.hands.advance(Duration::from_secs(61)),
            Step::Replay => {
                let filter = ReplayFilter {
                    dead_letters_only: true,
                    ..ReplayFilter::default()
                };
                let replay = Replay {
                    filter,
                    subscriber: None,
                    limit: 1000,
                    dry_run: false,
                };
                let count = store.gateway().replay(replay).await.unwrap().count;
                let dead: usize = ledgers.iter().map(|ledger| ledger.dead.len()).sum();
                assert_eq!(count, dead as u64);
                for ledger in &mut ledgers {
                    ledger.dead.clear();
                }
            }
            Step::Advance(by) => db.hands.advance(Duration::from_secs(by)),
        }
    }
    // Whatever happened, the rest is delivered.
    db.hands.advance(Duration::from_mins(2));
    for (subscriber, name) in SUBSCRIBERS.into_iter().enumerate() {
        loop {
            let jobs = claim(&stores[0], name, 3).await;
            if jobs.is_empty() {
                break;
            }
            for job in jobs {
                let id = job.payload().unwrap();
                ledgers[subscriber].check(id);
                assert!(deliver(&stores[1], name, &job).await.is_recorded());
                ledgers[subscriber].ended.insert(id);
            }
        }
        let ledger = &ledgers[subscriber];
        let accepted: BTreeSet<i64> = ledger.accepted.values().flatten().copied().collect();
        assert_eq!(ledger.ended, accepted, "nothing is lost");
        let stats = stores[0]
            .jobs()
            .stats(&store::job_kind(name))
            .await
            .unwrap();
        assert_eq!((stats.depth, stats.dead), (0, ledger.dead.len() as u64));
    }
    for store in stores {
        store.close().await;
    }
}

fn check(cases: u32, db: impl Fn(&tokio::runtime::Runtime) -> Option<TestDb>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..60), |steps| {
            if let Some(db) = db(&runtime) {
                runtime.block_on(async {
                    follow(db.clone(), steps).await;
                    db.drop_schema().await;
                });
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn nothing_is_lost_and_nothing_overtakes_sqlite() {
    check(32, |runtime| Some(runtime.block_on(TestDb::sqlite())));
}

#[test]
fn nothing_is_lost_and_nothing_overtakes_postgres() {
    check(8, |runtime| runtime.block_on(TestDb::postgres()));
}
