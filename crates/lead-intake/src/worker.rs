//! Work on the queue: delivering leads, finishing deals, moving them.
//!
//! How jobs are claimed and held back while amoCRM is away is the crate `connection`'s.

mod contact;
mod deliver;
mod finish;
mod job;
mod look;
mod manager;
mod moved;
mod note;
mod sweep;
mod warn;

use std::sync::Arc;
use std::time::Duration;

use connection::{Hands, Pace, Work};
use store::{Ack, Claimed, FUNNEL_NOTE, Store, StoreError};
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::CancellationToken;

pub(crate) use self::job::{DELIVER, FUNNEL_KINDS, Job, KINDS, MOVE, OPTIONAL_KINDS, lane};
pub(crate) use self::look::meaning;

use self::warn::Told;
use crate::config::Config;
use crate::crm::{Crm, CrmError, Linked, Verdict};

/// A job that was claimed so often without an outcome is given up. Far more than restarts in a row: a lead is never given
/// up because the machine was unlucky.
pub(crate) const MAX_CLAIMS: u32 = 100;
/// A job that was tried so often and meets a refusal that nobody explains is given up: some eight hours with the usual
/// settings. Until then it may have been of the moment, or of a proxy on the way.
const MAX_UNEXPLAINED: u32 = 100;
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
    hands: Hands,
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
        let pace = Pace::new(&config.delivery)
            .hands(config.intake.workers)
            .backoff(config.intake.backoff())
            .settle(config.intake.settle());
        Self {
            hands: Hands::new(Arc::clone(&crm), KINDS, pace),
            config,
            store,
            crm,
            deliveries,
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
        self.hands.gate().is_open()
    }

    /// Works until the token is cancelled, then lets the jobs in hand end for at most `drain`.
    pub(crate) async fn run(self, shutdown: CancellationToken, drain: Duration) {
        tokio::select! {
            () = self.hands.run(self.clone(), shutdown, drain) => {}
            () = self.prune() => {}
        }
    }

    /// Buries a job that has cost its workers their lives, so that a person sees it, and its lead says so.
    async fn give_up(&self, job: &Claimed) -> Result<Ack, StoreError> {
        let reason = format!(
            "claimed {MAX_CLAIMS} times without an outcome: its workers end before they can report"
        );
        tracing::error!(job.id = job.id(), job.kind = job.kind(), "{reason}");
        match Job::read(job) {
            Ok(Job::Deliver { lead }) => {
                metrics::counter!("leads_failed_total").increment(1);
                self.store.leads().set_failed(lead, &reason, job).await
            }
            _ => self.store.jobs().bury(job, &reason, None).await,
        }
    }

    /// What a failure means for everybody else, counted for the dashboard.
    async fn judge(&self, linked: &Linked, job: &Claimed, error: &CrmError) -> Verdict {
        // When the database is what fails, nothing can be written there either.
        if !matches!(error, CrmError::Store(_))
            && let Err(error) = self.store.tallies().count_failure(error.word()).await
        {
            tracing::debug!("a failed attempt is not in the statistics: {error}");
        }
        let verdict = self.hands.judge(linked, error).await;
        if error.is_unexplained() && job.attempts() >= MAX_UNEXPLAINED {
            return Verdict::Fail;
        }
        verdict
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

impl Work for Worker {
    async fn work(&self, linked: &Linked, job: &Claimed) -> Result<Ack, StoreError> {
        if job.claims() > MAX_CLAIMS {
            return self.give_up(job).await;
        }
        // The store makes these, beside what they tell of.
        if job.kind() == FUNNEL_NOTE {
            return self.note(linked, job).await;
        }
        match Job::read(job) {
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
                jobs.bury(job, "unreadable payload", Some(&error)).await
            }
        }
    }
}
