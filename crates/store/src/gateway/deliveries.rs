//! Reading how events went: to whom, how often tried, what was answered.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{AttemptOutcome, Gateway};
use crate::clock::{duration, instant};
use crate::db::{Row, Tx};
use crate::error::Result;

/// The most rows on one page.
const MAX_PAGE: u32 = 1000;
/// Attempts of an event that are read with its deliveries: one is tried a dozen times.
const ATTEMPTS_OF_EVENT: i64 = 1000;

/// An event on its way to a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryRow {
    /// To whom.
    pub subscriber: String,
    /// The number of the event's row.
    pub event: i64,
    /// How far it is.
    pub state: EventDeliveryState,
    /// The job; a dead letter has the same number.
    pub job: i64,
    /// When it is tried next, or when whoever tries it now has to be done. `None`: never, or not before the events in
    /// front of it.
    pub next_at: Option<DateTime<Utc>>,
    /// When the subscriber got it last.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Why it is a dead letter, or how it failed last.
    pub reason: Option<String>,
    /// How often it was tried, all replays included.
    pub tried: u32,
    /// The attempts that are still kept, the first one first.
    pub attempts: Vec<AttemptRow>,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventDeliveryState {
    /// It is in the queue.
    Pending,
    /// The subscriber has it.
    Delivered,
    /// It was given up.
    Dead,
    /// It was thrown away: its subscriber was removed, or a person did.
    Discarded,
}

impl EventDeliveryState {
    /// `pending`, `delivered`, `dead` or `discarded`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }
}

/// An attempt that was made.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptRow {
    /// Its number.
    pub id: i64,
    /// The number of the event's row.
    pub event: i64,
    /// The event's id; `None`: the event is gone.
    pub event_id: Option<String>,
    /// To whom.
    pub subscriber: String,
    /// The first attempt of a delivery is 1.
    pub number: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The beginning of what the subscriber answered.
    pub response_excerpt: Option<String>,
}

impl fmt::Debug for AttemptRow {
    /// Shows nothing of the response.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptRow")
            .field("id", &self.id)
            .field("event_id", &self.event_id)
            .field("subscriber", &self.subscriber)
            .field("number", &self.number)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

macro_rules! attempts {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.event, e.event_id, a.subscriber, a.number, a.started_at, a.duration, a.delivered, a.status,
                 a.reason, a.response
             FROM gateway_attempts AS a LEFT JOIN gateway_events AS e ON e.id = a.event WHERE ",
            $rest
        )
    };
}

impl Gateway {
    /// What became of an event, by subscriber.
    pub async fn deliveries(&self, event_id: &str) -> Result<Vec<DeliveryRow>> {
        let mut tx = self.inner.db.read().await?;
        let rows = tx
            .query(
                "SELECT d.subscriber, d.event, d.job, d.attempts, d.delivered_at, j.id AS queued, j.due_at, j.waiting,
                     j.last_error, l.id AS letter, l.reason
                 FROM gateway_events AS e
                 JOIN gateway_deliveries AS d ON d.event = e.id
                 LEFT JOIN jobs AS j ON j.id = d.job
                 LEFT JOIN dead_letters AS l ON l.id = d.job
                 WHERE e.event_id = $1 ORDER BY d.subscriber",
            )
            .bind(event_id)
            .fetch_all()
            .await?;
        let Some(first) = rows.first() else {
            return Ok(Vec::new());
        };
        let mut attempts = attempts_of(&mut tx, first.int("event")?).await?;
        rows.iter()
            .map(|row| delivery(row, &mut attempts))
            .collect()
    }

    /// The attempts to deliver to a subscriber, the newest first; `after` is the last number of the page before.
    pub async fn attempts(
        &self,
        subscriber: &str,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AttemptRow>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(attempts!(
            "a.subscriber = $1 AND a.id < $2 ORDER BY a.id DESC LIMIT $3"
        ))
        .bind(subscriber)
        .bind(after.unwrap_or(i64::MAX))
        .bind(i64::from(limit.clamp(1, MAX_PAGE)))
        .fetch_all()
        .await?
        .iter()
        .map(attempt)
        .collect()
    }
}

/// By subscriber, each the first one first.
async fn attempts_of(tx: &mut Tx, event: i64) -> Result<BTreeMap<String, Vec<AttemptRow>>> {
    let rows = tx
        .query(attempts!(
            "a.event = $1 ORDER BY a.subscriber, a.id LIMIT $2"
        ))
        .bind(event)
        .bind(ATTEMPTS_OF_EVENT)
        .fetch_all()
        .await?;
    let mut attempts: BTreeMap<String, Vec<AttemptRow>> = BTreeMap::new();
    for row in &rows {
        let made = attempt(row)?;
        attempts
            .entry(made.subscriber.clone())
            .or_default()
            .push(made);
    }
    Ok(attempts)
}

fn delivery(row: &Row, attempts: &mut BTreeMap<String, Vec<AttemptRow>>) -> Result<DeliveryRow> {
    let subscriber = row.text("subscriber")?;
    let is_queued = row.opt_int("queued")?.is_some();
    let delivered_at = row.opt_int("delivered_at")?.map(instant);
    let state = if is_queued {
        EventDeliveryState::Pending
    } else if row.opt_int("letter")?.is_some() {
        EventDeliveryState::Dead
    } else if delivered_at.is_some() {
        EventDeliveryState::Delivered
    } else {
        EventDeliveryState::Discarded
    };
    let is_head = row.opt_int("waiting")? == Some(0);
    Ok(DeliveryRow {
        event: row.int("event")?,
        state,
        job: row.int("job")?,
        next_at: row.opt_int("due_at")?.filter(|_| is_head).map(instant),
        delivered_at,
        reason: match row.opt_text("reason")? {
            Some(reason) => Some(reason),
            None => row.opt_text("last_error")?,
        },
        tried: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        attempts: attempts.remove(&subscriber).unwrap_or_default(),
        subscriber,
    })
}

fn attempt(row: &Row) -> Result<AttemptRow> {
    let status = row.opt_int("status")?.and_then(|it| u16::try_from(it).ok());
    let outcome = if row.int("delivered")? == 1 {
        AttemptOutcome::Delivered { status }
    } else {
        AttemptOutcome::Failed {
            status,
            reason: row.opt_text("reason")?.unwrap_or_default(),
        }
    };
    Ok(AttemptRow {
        id: row.int("id")?,
        event: row.int("event")?,
        event_id: row.opt_text("event_id")?,
        subscriber: row.text("subscriber")?,
        number: u32::try_from(row.int("number")?).unwrap_or(u32::MAX),
        started_at: instant(row.int("started_at")?),
        duration: duration(row.int("duration")?),
        outcome,
        response_excerpt: row.opt_text("response")?,
    })
}
