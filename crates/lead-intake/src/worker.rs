//! Work on the queue: delivering leads, finishing deals, moving them.
//!
//! Any number of processes may do this on one database. Each claims no more than it has hands for, keeps its claims
//! while it works, and stops claiming while amoCRM is away, so that the queue waits in the database and not in
//! thousands of failing attempts.

mod contact;
mod deliver;
mod finish;
mod gate;
mod job;
mod look;
mod manager;
mod moved;
mod note;
mod sweep;
mod trust;
mod warn;

use std::sync::Arc;
use std::time::Duration;

use store::{Ack, Claimed, FUNNEL_NOTE, RetryAfter, Store, StoreError};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::gate::Gate;
pub(crate) use self::job::{DELIVER, FUNNEL_KINDS, Job, KINDS, OPTIONAL_KINDS, all_kinds, lane};
pub(crate) use self::look::meaning;

use self::trust::Trust;
use self::warn::Told;
use crate::config::Config;
use crate::crm::{Crm, CrmError, Linked, Verdict};

/// A job that was claimed so often without an outcome is given up. Far more than restarts in a row: a lead is never given
/// up because the machine was unlucky.
pub(crate) const MAX_CLAIMS: u32 = 100;
/// How long an idle worker sleeps at most.
const IDLE: Duration = Duration::from_secs(5);
/// How often an unconnected worker looks whether another process has connected the account.
const UNCONNECTED: Duration = Duration::from_secs(1);
/// Pause after the database failed.
const DATABASE_PAUSE: Duration = Duration::from_millis(500);
/// How often expired rows are deleted.
const PRUNE_EVERY: Duration = Duration::from_mins(1);

/// Tells the requests that wait for a delivery which lead has come further.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries(broadcast::Sender<i64>);

impl Deliveries {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(1024))
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<i64> {
        self.0.subscribe()
    }

    fn announce(&self, lead: i64) {
        // Nobody may be listening.
        let _ = self.0.send(lead);
    }
}

/// Everything that work on the queue needs.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    config: Arc<Config>,
    store: Store,
    crm: Arc<Crm>,
    deliveries: Deliveries,
    gate: Arc<Gate>,
    /// Held while users or open deals are read, so that one worker asks for all.
    asking: Arc<Mutex<()>>,
    told: Arc<Told>,
}

impl Worker {
    pub(crate) fn new(
        config: Arc<Config>,
        store: Store,
        crm: Arc<Crm>,
        deliveries: Deliveries,
    ) -> Self {
        Self {
            config,
            store,
            crm,
            deliveries,
            gate: Arc::default(),
            asking: Arc::default(),
            told: Arc::default(),
        }
    }

    /// The settings.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The database.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The connection.
    pub(crate) fn crm(&self) -> &Crm {
        &self.crm
    }

    /// Whether a lead accepted now has a chance to be delivered at once.
    pub(crate) fn is_moving(&self) -> bool {
        self.gate.is_open()
    }

    /// Works until the token is cancelled, then lets the jobs in hand end for at most `drain`.
    pub(crate) async fn run(self, shutdown: CancellationToken, drain: Duration) {
        let tasks = TaskTracker::new();
        let abort = CancellationToken::new();
        if let Err(error) = self
            .store
            .jobs()
            .reclaim_from_the_dead(self.config.intake.settle())
            .await
        {
            tracing::warn!("the jobs of ended processes stay leased for a while: {error}");
        }
        tokio::select! {
            () = self.dispatch(&tasks, &abort, &shutdown) => {}
            () = self.prune() => {}
        }
        tasks.close();
        if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
            // Their claims are not given back: what they sent may still be at work in amoCRM, and the end of the
            // lease leaves it time.
            abort.cancel();
            tracing::warn!(
                "deliveries were still in flight after the drain time; they go on after their leases end"
            );
        }
    }

    /// Claims and hands out jobs until the token is cancelled. Only waits are cut short by it: a claim that has begun
    /// has to find its jobs a worker, or they would be nobody's until the lease ends.
    async fn dispatch(
        &self,
        tasks: &TaskTracker,
        abort: &CancellationToken,
        shutdown: &CancellationToken,
    ) {
        let hands = Arc::new(Semaphore::new(self.config.intake.workers));
        let all_hands = u32::try_from(self.config.intake.workers).unwrap_or(u32::MAX);
        let claimer = self.store.jobs().worker("lead-intake");
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
            let jobs = match claimer
                .claim(KINDS, wanted, self.config.delivery.lease())
                .await
            {
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
                let (worker, linked, abort) = (self.clone(), linked.clone(), abort.clone());
                tasks.spawn(async move {
                    let _permit = permit;
                    tokio::select! {
                        () = worker.keep_and_work(&linked, &job) => {}
                        () = abort.cancelled() => {}
                    }
                });
            }
            let pause = async {
                if is_idle {
                    let waited = self.store.jobs().wait_for_work(KINDS, IDLE).await;
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

    /// Works on a job while renewing its claim; stops when somebody else has it, or could soon have it.
    async fn keep_and_work(&self, linked: &Linked, job: &Claimed) {
        let times = &self.config.delivery;
        let trust = Trust::new(times.trust());
        let renewing = async {
            loop {
                let renewal = async {
                    tokio::time::sleep(times.renew_every()).await;
                    let asked_at = Instant::now();
                    let ack = self.store.jobs().extend(job, times.lease()).await;
                    (asked_at, ack)
                };
                match tokio::time::timeout_at(trust.ends_at(), renewal).await {
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
            () = self.work(&guarded, job) => {}
        }
    }

    async fn work(&self, linked: &Linked, job: &Claimed) {
        let outcome = match Job::read(job) {
            // The store makes these, beside what they tell of.
            _ if job.kind() == FUNNEL_NOTE => self.note(linked, job).await,
            Ok(read) if job.claims() > MAX_CLAIMS => self.give_up(job, &read).await,
            Ok(Job::Deliver { lead }) => {
                let outcome = self.deliver(linked, job, lead).await;
                self.deliveries.announce(lead);
                outcome
            }
            Ok(Job::Finish(finish)) => self.finish(linked, job, finish).await,
            Ok(Job::Contact { lead, contact }) => self.complete(linked, job, lead, contact).await,
            Ok(Job::Move { lead, status }) => self.move_deal(linked, job, lead, status).await,
            Ok(Job::Look(look)) => self.look(linked, job, look).await,
            Err(error) => {
                let jobs = self.store.jobs();
                jobs.bury(job, "unreadable payload", Some(&error.to_string()))
                    .await
            }
        };
        match outcome {
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

    /// Buries a job that has cost its workers their lives, so that a person sees it, and its lead says so.
    async fn give_up(&self, job: &Claimed, read: &Job) -> Result<Ack, StoreError> {
        let reason = format!(
            "claimed {MAX_CLAIMS} times without an outcome: its workers end before they can report"
        );
        tracing::error!(job.id = job.id(), job.kind = job.kind(), "{reason}");
        match read {
            Job::Deliver { lead } => {
                metrics::counter!("leads_failed_total").increment(1);
                self.store.leads().set_failed(*lead, &reason, job).await
            }
            _ => self.store.jobs().bury(job, &reason, None).await,
        }
    }

    /// Gives back a job whose outcome could not be stored as soon as the database answers, so that nobody has to wait
    /// for the end of the lease. Whoever takes it next looks for what has been done.
    async fn give_back(&self, job: &Claimed) {
        let settle = self.config.intake.settle();
        loop {
            tokio::time::sleep(DATABASE_PAUSE).await;
            let retry = RetryAfter::new(settle, "the database was away").uncounted();
            match self.store.jobs().retry(job, retry).await {
                Err(error) if error.is_temporary() => {}
                // Then the job stays claimed until its lease ends, and somebody tries again.
                _ => return,
            }
        }
    }

    /// How long a job that was taken over waits before anybody looks what has become of it. Whoever had it may be alive:
    /// frozen, suspended with its machine, or under a clock that was set. It notices at its next renewal, and what it
    /// has sent until then ends within the settling time.
    fn until_others_notice(&self) -> RetryAfter {
        let wait = self.config.delivery.renew_every() + self.config.intake.settle();
        RetryAfter::new(wait, "another worker may still be at it").uncounted()
    }

    /// What a failure means for everybody else: whether to go on claiming.
    async fn judge(&self, linked: &Linked, error: &CrmError) -> Verdict {
        metrics::counter!("amocrm_failures_total", "kind" => error.word()).increment(1);
        // When the database is what fails, nothing can be written there either.
        if !matches!(error, CrmError::Store(_))
            && let Err(error) = self.store.tallies().count_failure(error.word()).await
        {
            tracing::debug!("a failed attempt is not in the statistics: {error}");
        }
        let verdict = error.verdict();
        match verdict {
            Verdict::Hold => {
                // A refused grant is held back by the connection itself until there is another.
                let is_held =
                    !error.needs_reconnect() || self.crm.note_refusal(linked, error).await;
                if !is_held {
                    self.gate
                        .shut(self.config.intake.backoff(self.gate.failures() + 1));
                }
            }
            Verdict::Retry(after) if error.is_outage() => {
                let pause = self.config.intake.backoff(self.gate.failures() + 1);
                self.gate
                    .shut(after.unwrap_or(pause).min(self.config.intake.retry_max()));
            }
            // amoCRM answers, whatever it thinks of this one.
            _ if matches!(error, CrmError::Sdk(_)) => self.gate.succeed(),
            _ => {}
        }
        verdict
    }

    /// When a job that met `verdict` is tried again.
    fn retry_after(&self, job: &Claimed, verdict: Verdict, error: &CrmError) -> RetryAfter {
        let text = error.to_string();
        if verdict == Verdict::Hold {
            // Nobody claims while there is no connection, so it may be due at once.
            return RetryAfter::new(Duration::ZERO, text).uncounted();
        }
        let mut pause = self.config.intake.backoff(job.attempts() + 1);
        if error.is_unknown() {
            // What was sent may still be at work there.
            pause = pause.max(self.config.intake.settle());
        }
        RetryAfter::new(pause, text)
    }

    async fn prune(&self) {
        loop {
            tokio::time::sleep(PRUNE_EVERY).await;
            if let Err(error) = self.store.prune().await {
                tracing::warn!("expired rows could not be deleted: {error}");
            }
            self.sweep().await;
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
