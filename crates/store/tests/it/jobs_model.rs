//! The queue against a model of it that fits on a page.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{Ack, Claimed, DeadLetterFilter, JobSpec, JobsOptions, RetryAfter};

use crate::db::TestDb;

const LEASE: u64 = 100;
const MAX_CLAIMS: u32 = 3;

#[derive(Debug, Clone)]
enum Step {
    Enqueue {
        lane: Option<u8>,
        delay: u64,
    },
    Claim {
        limit: u32,
    },
    /// The outcome of the n-th claim ever made, stale or not.
    Complete(usize),
    Retry(usize, u64),
    Bury(usize),
    Replay(usize),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::option::of(0_u8..3), prop_oneof![Just(0_u64), 1_u64..80])
            .prop_map(|(lane, delay)| Step::Enqueue { lane, delay }),
        4 => (1_u32..6).prop_map(|limit| Step::Claim { limit }),
        3 => (0_usize..64).prop_map(Step::Complete),
        2 => (0_usize..64, 0_u64..80).prop_map(|(n, delay)| Step::Retry(n, delay)),
        1 => (0_usize..64).prop_map(Step::Bury),
        1 => (0_usize..64).prop_map(Step::Replay),
        3 => (1_u64..120).prop_map(Step::Advance),
    ]
}

#[derive(Debug, Clone)]
struct ModelJob {
    lane: Option<u8>,
    due: u64,
    claims: u32,
    /// The claim that may report on it.
    holder: Option<usize>,
    /// When it became the head of its lane or was added: heads are found by walking the lane in order.
    dead: bool,
}

#[derive(Default)]
struct Model {
    now: u64,
    jobs: BTreeMap<i64, ModelJob>,
    /// The order within each lane; the first is the head.
    lanes: BTreeMap<u8, Vec<i64>>,
}

impl Model {
    fn add(&mut self, id: i64, lane: Option<u8>, due: u64) {
        let job = ModelJob {
            lane,
            due,
            claims: 0,
            holder: None,
            dead: false,
        };
        self.jobs.insert(id, job);
        if let Some(lane) = lane {
            let order = self.lanes.entry(lane).or_default();
            // The head stays the head; behind it the numbers decide.
            order.push(id);
            if let Some((_, waiting)) = order.split_first_mut() {
                waiting.sort_unstable();
            }
        }
    }

    fn leave(&mut self, id: i64) {
        if let Some(lane) = self.jobs[&id].lane {
            self.lanes
                .get_mut(&lane)
                .unwrap()
                .retain(|&other| other != id);
        }
    }

    fn claim(&mut self, limit: usize) -> Vec<i64> {
        let mut due: Vec<(u64, i64)> = self
            .jobs
            .iter()
            .filter(|(id, job)| {
                !job.dead
                    && job.due <= self.now
                    && job
                        .lane
                        .is_none_or(|lane| self.lanes[&lane].first() == Some(id))
            })
            .map(|(&id, job)| (job.due, id))
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        let mut claimed = Vec::new();
        for (_, id) in due {
            let job = self.jobs.get_mut(&id).unwrap();
            job.claims += 1;
            job.due = self.now + LEASE;
            if job.claims > MAX_CLAIMS {
                self.die(id);
            } else {
                claimed.push(id);
            }
        }
        claimed.sort_unstable();
        claimed
    }

    fn die(&mut self, id: i64) {
        self.leave(id);
        let job = self.jobs.get_mut(&id).unwrap();
        job.dead = true;
        job.holder = None;
    }

    fn holds(&self, id: i64, claim: usize) -> bool {
        self.jobs
            .get(&id)
            .is_some_and(|job| !job.dead && job.holder == Some(claim))
    }
}

async fn follow(db: TestDb, steps: Vec<Step>) {
    let options = db
        .options()
        .jobs(JobsOptions::default().max_claims(MAX_CLAIMS));
    let store = db.open_with(options).await;
    let jobs = store.jobs();
    let worker = jobs.worker("model");
    let mut model = Model::default();
    let mut claims: Vec<Claimed> = Vec::new();
    let secs = Duration::from_secs;

    for step in steps {
        match step {
            Step::Enqueue { lane, delay } => {
                let mut spec = JobSpec::new("work", &0).unwrap().delay(secs(delay));
                if let Some(lane) = lane {
                    spec = spec.lane(format!("lane {lane}"));
                }
                let id = jobs.enqueue(spec).await.unwrap();
                model.add(id, lane, model.now + delay);
            }
            Step::Claim { limit } => {
                let got = worker.claim(&["work"], limit, secs(LEASE)).await.unwrap();
                let ids: Vec<i64> = got.iter().map(Claimed::id).collect();
                assert_eq!(ids, model.claim(limit as usize));
                for job in got {
                    model.jobs.get_mut(&job.id()).unwrap().holder = Some(claims.len());
                    claims.push(job);
                }
            }
            Step::Complete(n) | Step::Retry(n, _) | Step::Bury(n) => {
                let Some(claim) = claims.len().checked_sub(1).map(|last| n.min(last)) else {
                    continue;
                };
                let job = &claims[claim];
                let holds = model.holds(job.id(), claim);
                let ack = match step {
                    Step::Complete(_) => jobs.complete(job).await.unwrap(),
                    Step::Retry(_, delay) => jobs
                        .retry(job, RetryAfter::new(secs(delay), "e"))
                        .await
                        .unwrap(),
                    _ => jobs.bury(job, "because", None).await.unwrap(),
                };
                assert_eq!(ack == Ack::Recorded, holds, "{step:?}");
                if !holds {
                    continue;
                }
                match step {
                    Step::Complete(_) => {
                        model.leave(job.id());
                        model.jobs.remove(&job.id());
                    }
                    Step::Retry(_, delay) => {
                        let due = model.now + delay;
                        let row = model.jobs.get_mut(&job.id()).unwrap();
                        (row.due, row.claims, row.holder) = (due, 0, None);
                    }
                    _ => model.die(job.id()),
                }
            }
            Step::Replay(n) => {
                let dead: Vec<i64> = model
                    .jobs
                    .iter()
                    .filter(|it| it.1.dead)
                    .map(|it| *it.0)
                    .collect();
                if let Some(&id) = dead.get(n % dead.len().max(1)) {
                    assert!(jobs.replay(id).await.unwrap());
                    let lane = model.jobs[&id].lane;
                    model.add(id, lane, model.now);
                }
            }
            Step::Advance(by) => {
                db.hands.advance(secs(by));
                model.now += by;
            }
        }
    }

    let stats = jobs.stats("work").await.unwrap();
    let dead = model.jobs.values().filter(|job| job.dead).count();
    assert_eq!(stats.dead, dead as u64);
    assert_eq!(stats.depth, (model.jobs.len() - dead) as u64);
    let letters = jobs
        .dead_letters(DeadLetterFilter::kind("work").limit(1000))
        .await
        .unwrap();
    assert_eq!(letters.len(), dead);
    store.close().await;
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
fn the_queue_does_what_its_model_does_sqlite() {
    check(48, |runtime| Some(runtime.block_on(TestDb::sqlite())));
}

#[test]
fn the_queue_does_what_its_model_does_postgres() {
    check(16, |runtime| runtime.block_on(TestDb::postgres()));
}
