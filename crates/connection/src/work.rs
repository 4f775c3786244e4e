//! Working on a queue of jobs that need amoCRM.
//!
//! Any number of processes may do this on one database. Each claims no more than it has hands for, keeps its claims
//! while it works, and stops claiming while amoCRM is away or refuses, so that the queue waits in the database and not
//! in thousands of failing attempts.

mod gate;
mod pace;
mod trust;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use store::{Ack, Claimed, RetryAfter, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::gate::Gate;
pub use self::pace::{Backoff, Pace};
use self::trust::{Moment, Trust};
use crate::{Crm, CrmError, Linked, Verdict};

/// How long an idle worker sleeps at most.
const IDLE: Duration = Duration::from_secs(5);
/// How often an unconnected worker looks whether another process has connected the account.
const UNCONNECTED: Duration = Duration::from_secs(1);
/// Pause after the database failed.
const DATABASE_PAUSE: Duration = Duration::from_millis(500);

/// What a service does with a job.
pub trait Work: Clone + Send + Sync + 'static {
    /// Does it and records what became of it, with the job's fence. It may be dropped at any `await`: when the claim is
    /// lost, and when the process ends.
    fn work(
        &self,
        linked: &Linked,
        job: &Claimed,
    ) -> impl Future<Output = Result<Ack, StoreError>> + Send;
}

/// The hands of a process at its queue. A clone is the same hands.
#[derive(Debug, Clone)]
pub struct Hands {
    crm: Arc<Crm>,
    kinds: &'static [&'static str],
    pace: Pace,
    gate: Arc<Gate>,
}

impl Hands {
    /// Hands for jobs of these kinds, the most urgent first.
    pub fn new(crm: Arc<Crm>, kinds: &'static [&'static str], pace: Pace) -> Self {
        Self {
            crm,
            kinds,
            pace,
            gate: Arc::default(),
        }
    }

    /// Whether jobs are claimed at all.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Works until the token is cancelled, then lets the jobs in hand end for at most `drain`.
    pub async fn run(&self, work: impl Work, shutdown: CancellationToken, drain: Duration) {
        let tasks = TaskTracker::new();
        let abort = CancellationToken::new();
        let jobs = self.crm.store().jobs();
        if let Err(error) = jobs.reclaim_from_the_dead(self.pace.settling()).await {
            tracing::warn!("the jobs of ended processes stay leased for a while: {error}");
        }
        self.dispatch(&work, &tasks, &abort, &shutdown).await;
        tasks.close();
        if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
            // Their claims are not given back: what they sent may still be at work in amoCRM, and the end of the
            // lease leaves it time.
            abort.cancel();
            tracing::warn!(
                "jobs were still in hand after the drain time; they go on after their leases end"
            );
        }
    }

    /// What a failure means for everybody else: whether to go on claiming.
    pub async fn judge(&self, linked: &Linked, error: &CrmError) -> Verdict {
        metrics::counter!("amocrm_failures_total", "kind" => error.word()).increment(1);
        let verdict = error.verdict();
        match verdict {
            Verdict::Hold => {
                // A refused grant is held back by the connection itself until there is another.
                let is_held =
                    !error.needs_reconnect() || self.crm.note_refusal(linked, error).await;
                if !is_held {
                    self.gate
                        .shut(self.pace.pause(self.gate.failures().saturating_add(1)));
                }
            }
            Verdict::Retry(after) if error.is_outage() => {
                let pause = self.pace.pause(self.gate.failures().saturating_add(1));
                self.gate
                    .shut(after.unwrap_or(pause).min(self.pace.longest()));
            }
            // amoCRM answers, whatever it thinks of this one.
            _ if matches!(error, CrmError::Sdk(_)) => self.gate.succeed(),
            _ => {}
        }
        verdict
    }

    /// When a job that met `verdict` is tried again.
    pub fn retry_after(&self, job: &Claimed, verdict: Verdict, error: &CrmError) -> RetryAfter {
        let text = error.to_string();
        if verdict == Verdict::Hold {
            // Nobody claims while there is no connection, so it may be due at once.
            return RetryAfter::new(Duration::ZERO, text).uncounted();
        }
        let mut pause = self.pace.pause(job.attempts().saturating_add(1));
        if error.is_unknown() {
            // What was sent may still be at work there.
            pause = pause.max(self.pace.settling());
        }
        RetryAfter::new(pause, text)
    }

    /// How long a job that was taken over waits before anybody looks what has become of it. Whoever had it may be alive:
    /// frozen, suspended with its machine, or under a clock that was set. It notices at its next renewal, and what it
    /// has sent until then ends within the settling time.
    pub fn until_others_notice(&self) -> RetryAfter {
        let wait = self.pace.renew_every() + self.pace.settling();
        RetryAfter::new(wait, "another worker may still be at it").uncounted()
    }

    /// Claims and hands out jobs until the token is cancelled. Only waits are cut short by it: a claim that has begun
    /// has to find its jobs a worker, or they would be nobody's until the lease ends.
    async fn dispatch(
        &self,
        work: &impl Work,
        tasks: &TaskTracker,
        abort: &CancellationToken,
        shutdown: &CancellationToken,
    ) {
        let store = self.crm.store();
        let hands = Arc::new(Semaphore::new(self.pace.all_hands()));
        let all_hands = u32::try_from(self.pace.all_hands()).unwrap_or(u32::MAX);
        let claimer = store.jobs().worker(self.crm.service());
        loop {
            let ready = async {
                self.gate.open().await;
                let linked = self.linked().await?;
                let first = Arc::clone(&hands).acquire_owned().await.ok()?;
                Some((linked, first))
            };
            let (linked, first) = match shutdown.run_until_cancelled(ready).await {
                Some(Some(ready)) => ready,
                Some(None) => continue,
                None => return,
            };
            // After an outage one job goes ahead and finds out.
            let is_trial = self.gate.is_trying();
            let more = if is_trial {
                None
            } else {
                let free = u32::try_from(hands.available_permits()).unwrap_or(u32::MAX);
                Arc::clone(&hands).try_acquire_many_owned(free).ok()
            };
            let mut permits: Vec<_> = more.into_iter().flat_map(one_by_one).collect();
            permits.push(first);
            let wanted = u32::try_from(permits.len()).unwrap_or(u32::MAX);
            let asked_at = Moment::now();
            let jobs = match claimer.claim(self.kinds, wanted, self.pace.lease()).await {
                Ok(jobs) => jobs,
                Err(error) => {
                    tracing::warn!("the queue cannot be read: {error}");
                    let _ = shutdown
                        .run_until_cancelled(tokio::time::sleep(DATABASE_PAUSE))
                        .await;
                    continue;
                }
            };
            let is_idle = jobs.is_empty();
            for (job, permit) in jobs.into_iter().zip(permits) {
                let (hands, work) = (self.clone(), work.clone());
                let (linked, abort) = (linked.clone(), abort.clone());
                tasks.spawn(async move {
                    let _permit = permit;
                    tokio::select! {
                        () = hands.keep_and_work(&work, &linked, &job, asked_at) => {}
                        () = abort.cancelled() => {}
                    }
                });
            }
            let pause = async {
                if is_idle {
                    let waited = store.jobs().wait_for_work(self.kinds, IDLE).await;
                    if waited.is_err() {
                        tokio::time::sleep(DATABASE_PAUSE).await;
                    }
                } else if is_trial {
                    // The outcome decides whether the others follow.
                    tokio::select! {
                        () = self.gate.settled() => {}
                        _ = hands.acquire_many(all_hands) => {}
                    }
                }
            };
            let _ = shutdown.run_until_cancelled(pause).await;
        }
    }

    /// The client, or a pause.
    async fn linked(&self) -> Option<Linked> {
        match self.crm.linked().await {
            Ok(linked) => {
                self.gate.hold(false);
                Some(linked)
            }
            Err(CrmError::Store(error)) => {
                tracing::warn!("the connection cannot be read: {error}");
                tokio::time::sleep(DATABASE_PAUSE).await;
                None
            }
            Err(_) => {
                self.gate.hold(true);
                self.crm.changed_within(UNCONNECTED).await;
                None
            }
        }
    }

    /// Works on a job, claimed at `asked_at`, while renewing its claim; stops when somebody else has it, or could soon have
    /// it.
    async fn keep_and_work(
        &self,
        work: &impl Work,
        linked: &Linked,
        job: &Claimed,
        asked_at: Moment,
    ) {
        let trust = Trust::new(asked_at, self.pace.trust());
        let renewing = async {
            loop {
                let renewal = async {
                    tokio::time::sleep(self.pace.renew_every()).await;
                    let asked_at = Moment::now();
                    let jobs = self.crm.store().jobs();
                    (asked_at, jobs.extend(job, self.pace.lease()).await)
                };
                match tokio::time::timeout(trust.left(), renewal).await {
                    Ok((asked_at, Ok(ack))) if ack.is_recorded() => trust.renew(asked_at),
                    Ok((_, Err(_))) => {}
                    Ok((_, Ok(_))) | Err(_) => return,
                }
            }
        };
        let guarded = trust.guard(linked);
        tokio::select! {
            // First: after a standstill the end of the claim counts before anything else is done under it.
            biased;
            () = renewing => {
                tracing::warn!(
                    job.id = job.id(),
                    "the claim was lost to another worker, or could not be renewed in time"
                );
            }
            () = self.work(work, &guarded, job) => {}
        }
    }

    async fn work(&self, work: &impl Work, linked: &Linked, job: &Claimed) {
        match work.work(linked, job).await {
            Ok(Ack::Recorded) => {}
            Ok(Ack::Stale) => {
                tracing::warn!(
                    job.id = job.id(),
                    "another worker has the job; this outcome does not count"
                );
            }
            Err(error) => {
                tracing::warn!(
                    job.id = job.id(),
                    "the outcome of a job could not be stored: {error}"
                );
                self.give_back(job).await;
            }
        }
    }

    /// Gives back a job whose outcome could not be stored as soon as the database answers, so that nobody has to wait
    /// for the end of the lease. Whoever takes it next looks for what has been done.
    async fn give_back(&self, job: &Claimed) {
        loop {
            tokio::time::sleep(DATABASE_PAUSE).await;
            let retry = RetryAfter::new(self.pace.settling(), "the database was away").uncounted();
            match self.crm.store().jobs().retry(job, retry).await {
                Err(error) if error.is_temporary() => {}
                // Then the job stays claimed until its lease ends, and somebody tries again.
                _ => return,
            }
        }
    }
}

/// Cuts a permit for several hands into one for each.
fn one_by_one(mut permit: OwnedSemaphorePermit) -> Vec<OwnedSemaphorePermit> {
    let mut single = Vec::with_capacity(permit.num_permits());
    while let Some(one) = permit.split(1) {
        single.push(one);
    }
    single
}
