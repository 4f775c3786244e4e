//! Managers here and there, webhooks that come late, twice and in any order, lost answers, killed workers.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{Claimed, Moved, ReportKind, RetryAfter, StageHeard, StageReport, StatusOrigin, Store};

use super::{claim, delivered, look, moving, report, set, stage, word};
use crate::db::TestDb;

const STAGES: std::ops::RangeInclusive<i64> = 1..=4;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A person sets a status here.
    Here(i64),
    /// A person moves the deal there.
    There(i64),
    /// A person edits the deal there.
    Edit,
    /// Time passes, in milliseconds.
    Wait(i64),
    /// A webhook arrives, any of those ever sent; they may come again.
    Webhook(usize),
    /// A worker takes the next job, and may be killed or lose the answer.
    Work(Fate),
    /// The deal is read as `reconcile` does.
    Reconcile,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Well,
    /// Killed after it was noted what will be sent.
    KilledBefore,
    /// Sent, and killed, or the answer was lost.
    KilledAfter,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => STAGES.prop_map(Step::Here),
        3 => STAGES.prop_map(Step::There),
        1 => Just(Step::Edit),
        4 => prop_oneof![1_i64..400, 400_i64..1_500, 2_000_i64..200_000].prop_map(Step::Wait),
        5 => (0_usize..1_000).prop_map(Step::Webhook),
        5 => prop_oneof![4 => Just(Fate::Well), 1 => Just(Fate::KilledBefore), 1 => Just(Fate::KilledAfter)]
            .prop_map(Step::Work),
        1 => Just(Step::Reconcile),
    ]
}

/// amoCRM, and who has done what.
struct World {
    store: Store,
    db: TestDb,
    lead: i64,
    deal: i64,
    start: DateTime<Utc>,
    now_ms: i64,
    /// Where the deal is, and the second of its last change.
    at: i64,
    changed: i64,
    /// When it was moved there: what the feed of events tells.
    moved: i64,
    sent: Vec<StageReport>,
    heard: Vec<bool>,
    /// What people wanted last, here and there, and when.
    here: Option<(i64, i64)>,
    there: Option<(i64, i64)>,
    /// Where we may have sent it, for all we know.
    maybe: Option<i64>,
    /// A person moved it just there. Nobody could tell that from our own move.
    is_masked: bool,
}

impl World {
    fn second(&self) -> i64 {
        self.now_ms.div_euclid(1_000)
    }

    fn told(&self, second: i64) -> DateTime<Utc> {
        self.start + TimeDelta::seconds(second)
    }

    fn move_deal(&mut self, to: i64) {
        if self.at != to {
            (self.at, self.changed, self.moved) = (to, self.second(), self.second());
            self.tell(ReportKind::Moved);
        }
    }

    fn tell(&mut self, kind: ReportKind) {
        let told = report(self.deal, self.told(self.changed), self.at, kind);
        self.sent.push(told);
        self.heard.push(false);
    }

    fn reading(&self, kind: ReportKind) -> StageReport {
        let mut read = report(self.deal, self.told(self.changed), self.at, kind);
        read.origin = StatusOrigin::Reconcile;
        read
    }

    async fn hear(&self, report: StageReport) -> StageHeard {
        let heard = self.store.leads().hear(vec![report], look).await.unwrap();
        heard.into_iter().next().unwrap()
    }

    fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
        let by = std::time::Duration::from_millis(u64::try_from(ms).unwrap());
        self.db.hands.advance(by);
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Here(to) => {
                let job = moving(self.lead, to);
                self.store
                    .leads()
                    .set_status(self.lead, set(to), Some(job))
                    .await
                    .unwrap();
                self.here = Some((self.now_ms, to));
            }
            Step::There(to) => {
                if self.at != to {
                    self.there = Some((self.now_ms, to));
                    self.is_masked = self.maybe == Some(to);
                }
                self.move_deal(to);
            }
            Step::Edit => {
                self.changed = self.second();
                self.tell(ReportKind::Hint);
            }
            Step::Wait(ms) => self.wait(ms),
            Step::Webhook(n) => {
                if let Some(n) = n.checked_rem(self.sent.len()) {
                    self.heard[n] = true;
                    self.hear(self.sent[n].clone()).await;
                }
            }
            Step::Work(fate) => {
                self.work(fate).await;
            }
            Step::Reconcile => {
                // The export gives what is older than two seconds.
                if self.second() > self.changed + 2 {
                    self.hear(self.reading(ReportKind::Settled)).await;
                }
            }
        }
    }

    /// Whether there was a job that was due.
    async fn work(&mut self, fate: Fate) -> bool {
        if let Some(job) = claim(&self.store, "lead.move").await {
            self.carry(&job, fate).await;
            return true;
        }
        if let Some(job) = claim(&self.store, "lead.look").await {
            self.look(&job).await;
            return true;
        }
        false
    }

    /// What `lead-intake`'s worker does with a job that moves a deal.
    async fn carry(&mut self, job: &Claimed, fate: Fate) {
        let (leads, jobs) = (self.store.leads(), self.store.jobs());
        let (lead, to): (i64, i64) = job.payload().unwrap();
        let again = || RetryAfter::new(std::time::Duration::ZERO, "killed");
        let wanted = |row: &store::LeadRow| row.is_move_pending && row.local_status == word(to);
        let row = leads.get(lead).await.unwrap().unwrap();
        if !wanted(&row) {
            let _ = jobs.complete(job).await.unwrap();
            return;
        }
        let seen = row.amo_seen_at.map(|at| at.timestamp());
        let has_changed = seen.is_none_or(|seen| self.told(self.changed).timestamp() > seen);
        if self.at != to && (row.amo_status_id != Some(self.at) || has_changed) {
            let mut read = self.reading(ReportKind::Found);
            if self.changed > row.status_changed_at.timestamp() - self.start.timestamp() {
                read.told_at = Some(self.told(self.moved));
            }
            self.hear(read).await;
            let row = leads.get(lead).await.unwrap().unwrap();
            if !wanted(&row) {
                let _ = jobs.complete(job).await.unwrap();
                return;
            }
        }
        if self.at != to {
            if leads
                .begin_move(lead, &word(to), stage(to), job)
                .await
                .unwrap()
                .is_none()
            {
                let _ = jobs.complete(job).await.unwrap();
                return;
            }
            self.maybe = Some(to);
            if fate == Fate::KilledBefore {
                let _ = jobs.retry(job, again()).await.unwrap();
                return;
            }
            self.move_deal(to);
            if fate == Fate::KilledAfter {
                let _ = jobs.retry(job, again()).await.unwrap();
                return;
            }
        }
        let moved = Moved {
            status: word(to),
            stage: stage(to),
            told_at: Some(self.told(self.changed)),
        };
        let _ = leads.end_move(lead, moved, job, look).await.unwrap();
        self.maybe = None;
    }

    async fn look(&mut self, job: &Claimed) {
        let (lead, heard): (i64, Option<DateTime<Utc>>) = job.payload().unwrap();
        // The job waits two seconds before it is due.
        self.wait(2_000);
        if self
            .store
            .leads()
            .begin_look(lead, job)
            .await
            .unwrap()
            .is_some()
        {
            let is_settled = heard == Some(self.told(self.changed));
            let kind = if is_settled {
                ReportKind::Settled
            } else {
                ReportKind::Read
            };
            self.hear(self.reading(kind)).await;
        }
        let _ = self.store.jobs().complete(job).await.unwrap();
    }

    /// Everything that is under way arrives, latest first, and the hourly run comes by.
    async fn settle(&mut self) {
        for n in (0..self.sent.len()).rev() {
            if !self.heard[n] {
                self.take(Step::Webhook(n)).await;
            }
        }
        while self.work(Fate::Well).await {}
        self.wait(5_000);
        self.take(Step::Reconcile).await;
        while self.work(Fate::Well).await {}
        self.wait(5_000);
        self.take(Step::Reconcile).await;
    }

    /// What may hold in the end: whatever was wanted last; of one second, either.
    fn winners(&self) -> Vec<i64> {
        match (self.here, self.there) {
            (Some(here), Some(there)) => {
                let (one, other) = (here.0.div_euclid(1_000), there.0.div_euclid(1_000));
                match one.cmp(&other) {
                    std::cmp::Ordering::Greater => vec![here.1],
                    std::cmp::Ordering::Less if self.is_masked => vec![here.1, there.1],
                    std::cmp::Ordering::Less => vec![there.1],
                    std::cmp::Ordering::Equal => vec![here.1, there.1],
                }
            }
            (Some((_, to)), None) | (None, Some((_, to))) => vec![to],
            (None, None) => vec![1],
        }
    }
}

async fn live(db: &TestDb, store: &Store, deal: i64, steps: &[Step]) -> Result<(), TestCaseError> {
    let row = delivered(store, deal).await;
    // The clocks agree; only their resolutions differ.
    let start = DateTime::from_timestamp(row.created_at.timestamp(), 0).unwrap();
    let mut world = World {
        store: store.clone(),
        db: db.clone(),
        lead: row.id,
        deal,
        start,
        now_ms: (row.created_at - start).num_milliseconds(),
        at: 1,
        changed: 0,
        moved: 0,
        sent: Vec::new(),
        heard: Vec::new(),
        here: None,
        there: None,
        maybe: None,
        is_masked: false,
    };
    world.wait(5_000);
    for step in steps {
        world.take(*step).await;
    }
    let winners = world.winners();
    world.settle().await;
    let row = store.leads().get(row.id).await.unwrap().unwrap();
    let history = store.leads().history(row.id, None, 100).await.unwrap();
    prop_assert_eq!(
        &row.local_status,
        &word(world.at),
        "both sides agree: {:#?}",
        history
    );
    prop_assert!(!row.is_move_pending, "nothing is on its way");
    prop_assert!(
        winners.contains(&world.at),
        "{winners:?}, not {}: {history:#?}",
        world.at
    );
    // The history is a chain.
    let newest_first: Vec<_> = history
        .iter()
        .map(|line| (line.from.clone(), line.to.clone()))
        .collect();
    for pair in newest_first.windows(2) {
        prop_assert_eq!(&pair[0].0, &pair[1].1);
    }
    Ok(())
}

/// What went wrong once.
fn stories() -> Vec<Vec<Step>> {
    vec![
        // A person set a status here, and then another moved the deal away and back there.
        vec![
            Step::Here(2),
            Step::Wait(1_500),
            Step::There(3),
            Step::There(1),
            Step::Wait(60_000),
            Step::Reconcile,
        ],
    ]
}

fn check(cases: u32, db: impl Fn(&tokio::runtime::Runtime) -> Option<TestDb>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(db) = db(&runtime) else { return };
    let store = runtime.block_on(db.open());
    let deal = std::cell::Cell::new(1_000);
    let live = |steps: &[Step]| {
        deal.set(deal.get() + 1);
        runtime.block_on(live(&db, &store, deal.get(), steps))
    };
    for steps in stories() {
        live(&steps).unwrap();
    }
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..50), |steps| live(&steps))
        .unwrap();
    runtime.block_on(async {
        store.close().await;
        db.drop_schema().await;
    });
}

#[test]
fn both_sides_agree_and_the_last_person_wins_sqlite() {
    check(256, |runtime| Some(runtime.block_on(TestDb::sqlite())));
}

#[test]
fn both_sides_agree_and_the_last_person_wins_postgres() {
    check(48, |runtime| runtime.block_on(TestDb::postgres()));
}
