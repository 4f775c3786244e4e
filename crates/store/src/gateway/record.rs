//! How an attempt went, what becomes of its job, and what it says of the endpoint: one transaction.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{CircuitStep, Gateway, RESPONSE_EXCERPT_LENGTH, circuit, job_kind, tallies, wake};
use crate::clock::micros;
use crate::db::{Operation, Sql, Tx};
use crate::error::{Result, StoreError};
use crate::jobs::{self, Ack, Claimed, RetryAfter};

/// An attempt to deliver an event.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// To whom.
    pub subscriber: String,
    /// The number of the event's row.
    pub event: i64,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The beginning of what the subscriber answered, cut to [`RESPONSE_EXCERPT_LENGTH`].
    pub response_excerpt: Option<String>,
    /// It was to find out whether the endpoint lives: by [`take_probe`](Gateway::take_probe).
    pub is_probe: bool,
}

impl fmt::Debug for Attempt {
    /// Shows nothing of the response.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("subscriber", &self.subscriber)
            .field("event", &self.event)
            .field("duration", &self.duration)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The subscriber has it.
    Delivered {
        /// The answer's status, if it was an HTTP endpoint.
        status: Option<u16>,
    },
    /// The subscriber may not have it.
    Failed {
        /// The answer's status, if there was one.
        status: Option<u16>,
        /// What happened, in words for people: no secrets, phones or e-mails.
        reason: String,
    },
}

/// What becomes of the job.
#[derive(Debug, Clone)]
pub enum Next {
    /// It leaves the queue, and its lane goes on.
    Done,
    /// It is tried again later; those behind it wait.
    Retry(RetryAfter),
    /// It becomes a dead letter, and its lane goes on.
    Dead {
        /// Why, in words for people.
        reason: String,
    },
}

impl Gateway {
    /// Records an attempt with everything that follows from it. [`Ack::Stale`]: the job is another worker's now, and
    /// nothing was changed.
    pub async fn record(
        &self,
        job: &Claimed,
        attempt: Attempt,
        next: Next,
        circuit: CircuitStep,
    ) -> Result<Ack> {
        if job.kind() != job_kind(&attempt.subscriber) {
            return Err(StoreError::invalid(
                "the job of an attempt is another subscriber's",
            ));
        }
        let mut attempt = attempt;
        if let Some(excerpt) = &mut attempt.response_excerpt {
            excerpt.truncate(excerpt.floor_char_boundary(RESPONSE_EXCERPT_LENGTH));
            // PostgreSQL keeps no such character in a text.
            if excerpt.contains('\0') {
                *excerpt = excerpt.replace('\0', "\u{fffd}");
            }
        }
        let subscriber = attempt.subscriber.clone();
        let record = Record {
            job: job.clone(),
            attempt,
            next,
            circuit,
        };
        let (ack, closed) = self.inner.db.write(record).await?;
        if let Some(failing_since) = closed {
            // The outcome is recorded, whatever becomes of this: then they are tried when they are due.
            if let Err(error) = self.wake_since(&subscriber, failing_since).await {
                tracing::debug!(%error, "what was put off is not due yet");
            }
        }
        Ok(ack)
    }
}

struct Record {
    job: Claimed,
    attempt: Attempt,
    next: Next,
    circuit: CircuitStep,
}

/// Whether the claim still holds, and how many are in its lane; on PostgreSQL job and lane stay locked until the commit.
const LOCK: Sql = Sql::either(
    "SELECT l.depth, $3 AS now FROM jobs AS j CROSS JOIN lanes AS l ON l.lane = j.lane WHERE j.id = $1 AND j.fence = $2",
    "SELECT l.depth, coalesce($3, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now
     FROM jobs AS j JOIN lanes AS l ON l.lane = j.lane WHERE j.id = $1 AND j.fence = $2 FOR UPDATE",
);

/// The job leaves the queue and its lane goes on: what [`jobs::complete`] does, in one trip.
const DONE: Sql = Sql::either(
    "DELETE FROM jobs WHERE id = $1;
     DELETE FROM lanes WHERE lane = $2 AND $3 <= 1;
     UPDATE lanes SET depth = $3 - 1 WHERE lane = $2 AND $3 > 1;
     UPDATE jobs SET waiting = 0
     WHERE id = (SELECT min(id) FROM jobs WHERE lane = $2 AND waiting = 1 AND $3 > 1)",
    "WITH gone AS (DELETE FROM jobs WHERE id = $1),
     left_empty AS (DELETE FROM lanes WHERE lane = $2 AND $3 <= 1),
     left_shorter AS (UPDATE lanes SET depth = $3 - 1 WHERE lane = $2 AND $3 > 1)
     UPDATE jobs SET waiting = 0
     WHERE id = (SELECT min(id) FROM jobs WHERE lane = $2 AND waiting = 1 AND $3 > 1)",
);

/// The delivery counts its attempts, and the attempt gets the number. A row tells that the endpoint is not known to be
/// well: only then does a success change anything.
const NOTE: Sql = Sql::either(
    "UPDATE gateway_deliveries SET attempts = attempts + 1,
         delivered_at = CASE WHEN $5 = 1 THEN $9 ELSE delivered_at END
     WHERE event = $1 AND subscriber = $2;
     INSERT INTO gateway_attempts (event, subscriber, number, started_at, duration, delivered, status, reason, response,
         recorded_at)
     SELECT $1, $2, coalesce((SELECT attempts FROM gateway_deliveries WHERE event = $1 AND subscriber = $2), 1),
         $3, $4, $5, $6, $7, $8, $9;
     SELECT name FROM gateway_subscribers WHERE name = $2 AND (failures > 0 OR open_until IS NOT NULL)",
    "WITH delivery AS (
         UPDATE gateway_deliveries SET attempts = attempts + 1,
             delivered_at = CASE WHEN $5 = 1 THEN $9 ELSE delivered_at END
         WHERE event = $1 AND subscriber = $2 RETURNING attempts),
     attempt AS (
         INSERT INTO gateway_attempts (event, subscriber, number, started_at, duration, delivered, status, reason,
             response, recorded_at)
         SELECT $1, $2, coalesce((SELECT attempts FROM delivery), 1), $3, $4, $5, $6, $7, $8, $9)
     SELECT name FROM gateway_subscribers WHERE name = $2 AND (failures > 0 OR open_until IS NOT NULL)",
);

impl Operation for Record {
    /// Besides: since when the endpoint had failed, if its circuit was open and is closed.
    type Output = (Ack, Option<i64>);

    async fn run(&self, tx: &mut Tx) -> Result<Self::Output> {
        let (ack, now) = self.outcome(tx).await?;
        if !ack.is_recorded() {
            return Ok((ack, None));
        }
        let attempt = &self.attempt;
        let (is_delivered, status, reason) = match &attempt.outcome {
            AttemptOutcome::Delivered { status } => (true, *status, None),
            AttemptOutcome::Failed { status, reason } => (false, *status, Some(reason.as_str())),
        };
        let unwell = tx
            .query(NOTE)
            .bind(attempt.event)
            .bind(&attempt.subscriber)
            .bind(attempt.started_at.timestamp_micros())
            .bind(micros(attempt.duration))
            .bind(i64::from(is_delivered))
            .bind(status.map(i64::from))
            .bind(reason)
            .bind(&attempt.response_excerpt)
            .bind(now)
            // All rows, so that all statements run.
            .fetch_all()
            .await?;
        let is_failure = matches!(self.circuit, CircuitStep::Failed { .. });
        let closed = if is_failure || !unwell.is_empty() {
            let (name, is_probe) = (&attempt.subscriber, attempt.is_probe);
            circuit::follow(tx, name, &self.circuit, is_probe, now).await?
        } else {
            None
        };
        if is_delivered {
            let lag = now - self.job.created_at().timestamp_micros();
            tallies::delivered(tx, now, &attempt.subscriber, lag);
        } else {
            tallies::failed(tx, now, &attempt.subscriber);
        }
        Ok((ack, closed))
    }
}

impl Record {
    /// What becomes of the job, and when.
    async fn outcome(&self, tx: &mut Tx) -> Result<(Ack, i64)> {
        let job = &self.job;
        let ack = match (&self.next, job.lane()) {
            (Next::Done, Some(lane)) => return self.done(tx, lane).await,
            (Next::Done, None) => jobs::complete(tx, job).await?,
            (Next::Retry(after), _) => {
                let ack = jobs::retry(tx, job, after).await?;
                if ack.is_recorded() {
                    let is_outage =
                        after.counts && matches!(self.circuit, CircuitStep::Failed { .. });
                    wake::note(tx, job, is_outage).await?;
                }
                ack
            }
            (Next::Dead { reason }, _) => {
                let error = match &self.attempt.outcome {
                    AttemptOutcome::Delivered { .. } => None,
                    AttemptOutcome::Failed { reason, .. } => Some(reason.as_str()),
                };
                jobs::bury(tx, job, reason, error).await?
            }
        };
        Ok((ack, tx.now().await?))
    }

    async fn done(&self, tx: &mut Tx, lane: &str) -> Result<(Ack, i64)> {
        let job = &self.job;
        let now = tx.known_now().await?;
        let held = tx
            .query(LOCK)
            .bind(job.id)
            .bind(job.fence)
            .bind(now)
            .fetch_optional()
            .await?;
        let Some(held) = held else {
            return Ok((Ack::Stale, 0));
        };
        let depth = held.int("depth")?;
        tx.query(DONE)
            .bind(job.id)
            .bind(lane)
            .bind(depth)
            .execute()
            .await?;
        tx.count(jobs::depth_counter(&job.kind), -1);
        if depth > 1 {
            tx.work_is_due();
        }
        Ok((Ack::Recorded, held.int("now")?))
    }
}
