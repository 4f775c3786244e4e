//! The durable queue: work that survives `kill -9`.
//!
//! A job is due at a time, is claimed by one worker for as long as its lease lasts, and leaves the queue by
//! [`complete`](Jobs::complete) or as a dead letter. A lease that ends without an outcome makes the job due again, so
//! a job may be **worked on twice, never lost**: the work must bear that. What it need not fear is a late answer: the
//! fence in [`Claimed`] is checked with every outcome, and a worker whose lease has passed on gets [`Ack::Stale`].
//!
//! Jobs with the same `lane` run strictly one after another in the order they were added; the next one becomes due
//! only when the one before it is completed or dead. The cost of a claim does not depend on how many wait in a lane,
//! because those behind the head are not in the index that claims look at.
//!
//! ```no_run
//! # async fn example(store: store::Store) -> Result<(), store::StoreError> {
//! use std::time::Duration;
//! use store::{JobSpec, RetryAfter};
//!
//! let jobs = store.jobs();
//! jobs.enqueue(JobSpec::new("greet", &"Ada")?).await?;
//! let worker = jobs.worker("greeter-1");
//! loop {
//!     for job in worker.claim(&["greet"], 10, Duration::from_secs(60)).await? {
//!         match greet(&job.payload::<String>()?).await {
//!             Ok(()) => jobs.complete(&job).await?,
//!             Err(error) if job.attempts() < 5 => jobs.retry(&job, RetryAfter::new(Duration::from_secs(30), error)).await?,
//!             Err(error) => jobs.bury(&job, "gave up", Some(error)).await?,
//!         };
//!     }
//!     jobs.wait_for_work(&["greet"], Duration::from_secs(30)).await?;
//! }
//! # }
//! # async fn greet(name: &str) -> Result<(), &'static str> { Ok(()) }
//! ```

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::micros;
use crate::error::{Result, StoreError};
use crate::store::Inner;

mod claim;
mod dead;
mod enqueue;
mod outcome;
mod stats;
mod wait;

pub(crate) use self::dead::{discard, replay};
pub(crate) use self::enqueue::add;
pub(crate) use self::outcome::{bury, bury_unclaimed, complete, holds, retry};

pub use self::dead::{DeadLetter, DeadLetterFilter};
pub use self::stats::QueueStats;

/// How the queue treats its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobsOptions {
    /// After so many claims without a recorded outcome a job is dead: it kills its workers. Default: 5.
    pub max_claims: u32,
    /// How often a waiting worker looks for jobs that another process has added. Default: 250 ms; those of the own
    /// process are seen at once.
    pub poll_interval: Duration,
}

impl Default for JobsOptions {
    fn default() -> Self {
        Self {
            max_claims: 5,
            poll_interval: Duration::from_millis(250),
        }
    }
}

impl JobsOptions {
    /// See [`max_claims`](Self::max_claims); at least 1.
    #[must_use]
    pub fn max_claims(mut self, claims: u32) -> Self {
        self.max_claims = claims.max(1);
        self
    }

    /// See [`poll_interval`](Self::poll_interval); at least 100 ms.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.max(Duration::from_millis(100));
        self
    }
}

/// The durable queue. A clone is cheap and is the same queue.
#[derive(Debug, Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

/// A job about to be added.
#[derive(Debug, Clone)]
pub struct JobSpec {
    pub(crate) kind: String,
    pub(crate) lane: Option<String>,
    pub(crate) payload: String,
    pub(crate) delay: i64,
}

impl JobSpec {
    /// A job of `kind`, due at once, in no lane.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`](crate::StoreErrorKind::Invalid) when the payload cannot be written as JSON.
    pub fn new(kind: impl Into<String>, payload: &(impl Serialize + ?Sized)) -> Result<Self> {
        let payload = serde_json::to_string(payload)
            .map_err(|_| StoreError::invalid("the payload of a job cannot be written as JSON"))?;
        Ok(Self {
            kind: kind.into(),
            lane: None,
            payload,
            delay: 0,
        })
    }

    /// Runs the job strictly after the earlier ones of `lane`, whatever their kinds.
    #[must_use]
    pub fn lane(mut self, lane: impl Into<String>) -> Self {
        self.lane = Some(lane.into());
        self
    }

    /// Makes the job due only after `delay`.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = micros(delay);
        self
    }
}

/// A job in the hands of a worker, until its lease ends.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub(crate) id: i64,
    pub(crate) fence: i64,
    pub(crate) kind: String,
    pub(crate) lane: Option<String>,
    payload: String,
    attempts: u32,
    claims: u32,
    taken_over: bool,
    created_at: DateTime<Utc>,
    leased_until: DateTime<Utc>,
}

impl Claimed {
    /// The job's number; a replayed dead letter keeps it.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Grows with every claim of this job.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// What the job was added as.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The lane it is the head of.
    pub fn lane(&self) -> Option<&str> {
        self.lane.as_deref()
    }

    /// The payload, read as `T`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`](crate::StoreErrorKind::Invalid) when it has another shape: bury the job.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.payload).map_err(|_| {
            StoreError::invalid(format!(
                "the payload of job {} ({}) has another shape than this release expects",
                self.id, self.kind
            ))
        })
    }

    /// The payload as it was stored.
    pub fn payload_json(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap_or(Value::Null)
    }

    /// How often a retry was recorded: 0 the first time.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How often it was claimed since the last recorded outcome: 1 unless a worker vanished with it.
    pub fn claims(&self) -> u32 {
        self.claims
    }

    /// Whether the lease of another claim ran out before this one. Its holder may be alive, frozen or behind a clock
    /// that was set, and at work until its next renewal fails; what it did meanwhile is not told by any outcome.
    pub fn taken_over(&self) -> bool {
        self.taken_over
    }

    /// When it was added.
    pub fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    /// When the lease ends, by the queue's clock. Extend it or be done before.
    pub fn leased_until(&self) -> DateTime<Utc> {
        self.leased_until
    }
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a stale acknowledgement means that somebody else has the job now"]
pub enum Ack {
    /// It is durable.
    Recorded,
    /// The lease had ended and the job passed on, or it is gone: nothing was changed.
    Stale,
}

impl Ack {
    /// Whether the outcome is durable.
    pub fn is_recorded(self) -> bool {
        self == Self::Recorded
    }
}

/// A failed attempt, and when to try again.
#[derive(Debug, Clone)]
pub struct RetryAfter {
    pub(crate) delay: i64,
    pub(crate) error: String,
    pub(crate) counts: bool,
}

impl RetryAfter {
    /// Tries again after `delay`. The error is kept for people: no secrets, phones or e-mails in it.
    pub fn new(delay: Duration, error: impl Into<String>) -> Self {
        Self {
            delay: micros(delay),
            error: error.into(),
            counts: true,
        }
    }

    /// Why it is tried again.
    pub fn reason(&self) -> &str {
        &self.error
    }

    /// The attempt does not count: it was a 429, a pause, or the CRM being away.
    #[must_use]
    pub fn uncounted(mut self) -> Self {
        self.counts = false;
        self
    }
}

impl Jobs {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Someone who claims jobs; `name` is for people who look at the table.
    pub fn worker(&self, name: &str) -> Worker {
        Worker {
            inner: Arc::clone(&self.inner),
            // The owner's part lets another process tell whether this one is alive.
            name: format!("{}/{name}", self.inner.owner.name()),
        }
    }
}

/// Claims jobs under one name.
#[derive(Debug, Clone)]
pub struct Worker {
    inner: Arc<Inner>,
    name: String,
}

/// The counter of unfinished jobs of a kind.
pub(crate) fn depth_counter(kind: &str) -> String {
    format!("jobs.depth/{kind}")
}

/// The counter of dead letters of a kind.
pub(crate) fn dead_counter(kind: &str) -> String {
    format!("jobs.dead/{kind}")
}
