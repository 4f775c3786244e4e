//! Delivering again: the same event, the same id, attempts counted from the beginning.

use std::ops::Range;

use chrono::{DateTime, Utc};

use super::read::first_since;
use super::{Gateway, gateway_lane, job_kind, subscriber_of};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::{self, JobSpec};

/// How many deliveries one transaction puts back into the queue: some milliseconds, after which others get the database.
const BATCH: usize = 50;
/// How many deliveries are looked at in one step.
const STEP: i64 = 500;
/// Numbers are given in the order of time, but for transactions on PostgreSQL that overtake each other.
const OVERTAKEN: i64 = 15_000_000;

/// What is to be delivered again.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Which events.
    pub filter: ReplayFilter,
    /// To whom; `None`: to everyone whom the event was sent to. Events that are named are delivered to it also if it
    /// never got them.
    pub subscriber: Option<String>,
    /// At most so many deliveries, the oldest events first.
    pub limit: u32,
    /// Only counts them.
    pub dry_run: bool,
}

/// Which events are to be delivered again. Without ids and times: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayFilter {
    /// These, whenever they came.
    pub event_ids: Vec<String>,
    /// Those that were accepted at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Those that were accepted before this time.
    pub until: Option<DateTime<Utc>>,
    /// Only deliveries that were given up.
    pub dead_letters_only: bool,
}

/// What was put back into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Replayed {
    /// How many deliveries, or how many it would be.
    pub count: u64,
}

/// A delivery that may be wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    event: i64,
    subscriber: String,
}

impl Gateway {
    /// Puts deliveries back into the queue, in batches. One that is in the queue already is left alone, and so is one to
    /// a subscriber that was removed. A dead letter goes before those that wait in its lane, everything else behind.
    pub async fn replay(&self, replay: Replay) -> Result<Replayed> {
        let limit = u64::from(replay.limit);
        let mut replayed = Replayed::default();
        let mut walk = self.walk(&replay).await?;
        while replayed.count < limit {
            let Some(found) = self.step(&replay, &mut walk).await? else {
                break;
            };
            for batch in found.chunks(BATCH) {
                let left = limit - replayed.count;
                let left = usize::try_from(left).unwrap_or(usize::MAX).min(batch.len());
                let batch = batch[..left].to_vec();
                replayed.count += if replay.dry_run {
                    batch.len() as u64
                } else {
                    let again = Again {
                        batch,
                        dead_letters_only: replay.filter.dead_letters_only,
                    };
                    self.inner.db.write(again).await?
                };
            }
        }
        Ok(replayed)
    }

    async fn walk(&self, replay: &Replay) -> Result<Walk> {
        let filter = &replay.filter;
        if !filter.event_ids.is_empty() {
            return Ok(Walk::Named(filter.event_ids.clone().into_iter()));
        }
        let mut tx = self.inner.db.read().await?;
        let since = filter.since.map_or(i64::MIN, |at| at.timestamp_micros());
        let until = filter.until.map_or(i64::MAX, |at| at.timestamp_micros());
        let first = match filter.since {
            Some(_) => first_since(&mut tx, since.saturating_sub(OVERTAKEN)).await?,
            None => 0,
        };
        let last = match filter.until {
            Some(_) => first_since(&mut tx, until.saturating_add(OVERTAKEN)).await?,
            None => i64::MAX,
        };
        if filter.dead_letters_only {
            let kinds = match &replay.subscriber {
                Some(name) => vec![job_kind(name)],
                None => kinds(&mut tx).await?,
            };
            return Ok(Walk::Letters {
                kinds: kinds.into_iter().rev().collect(),
                after: 0,
                received: since..until,
            });
        }
        Ok(Walk::Range {
            after: (first - 1, String::new()),
            last,
            received: since..until,
        })
    }

    /// The next deliveries that are wanted; `None` at the end.
    async fn step(&self, replay: &Replay, walk: &mut Walk) -> Result<Option<Vec<Candidate>>> {
        let mut tx = self.inner.db.read().await?;
        match walk {
            Walk::Named(ids) => {
                let Some(id) = ids.next() else {
                    return Ok(None);
                };
                named(&mut tx, replay, &id).await.map(Some)
            }
            Walk::Letters {
                kinds,
                after,
                received,
            } => letters(&mut tx, kinds, after, received).await,
            Walk::Range {
                after,
                last,
                received,
            } => range(&mut tx, replay, after, *last, received).await,
        }
    }
}

enum Walk {
    Named(std::vec::IntoIter<String>),
    /// The kinds still to be walked along, the next one last.
    Letters {
        kinds: Vec<String>,
        after: i64,
        received: Range<i64>,
    },
    Range {
        after: (i64, String),
        last: i64,
        received: Range<i64>,
    },
}

async fn kinds(tx: &mut Tx) -> Result<Vec<String>> {
    let rows = tx
        .query("SELECT name FROM gateway_subscribers WHERE name > '' ORDER BY name")
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| Ok(job_kind(&row.text("name")?)))
        .collect()
}

async fn letters(
    tx: &mut Tx,
    kinds: &mut Vec<String>,
    after: &mut i64,
    received: &Range<i64>,
) -> Result<Option<Vec<Candidate>>> {
    let Some(kind) = kinds.last() else {
        return Ok(None);
    };
    let rows = tx
        .query(
            "SELECT l.id, e.id AS event, e.received_at
             FROM dead_letters AS l LEFT JOIN gateway_events AS e ON e.id = CAST(l.payload AS BIGINT)
             WHERE l.kind = $1 AND l.id > $2 ORDER BY l.id LIMIT $3",
        )
        .bind(kind)
        .bind(*after)
        .bind(STEP)
        .fetch_all()
        .await?;
    let subscriber = subscriber_of(kind).unwrap_or_default().to_owned();
    if rows.is_empty() {
        kinds.pop();
        *after = 0;
    }
    let mut found = Vec::new();
    for row in rows {
        *after = row.int("id")?;
        if let (Some(event), Some(at)) = (row.opt_int("event")?, row.opt_int("received_at")?)
            && received.contains(&at)
        {
            let subscriber = subscriber.clone();
            found.push(Candidate { event, subscriber });
        }
    }
    Ok(Some(found))
}

/// A text per question, so that each walks along an index.
macro_rules! deliveries {
    ($condition:literal) => {
        concat!(
            "SELECT d.event, d.subscriber, e.received_at, j.id AS queued, l.id AS letter
             FROM gateway_deliveries AS d
             JOIN gateway_events AS e ON e.id = d.event
             LEFT JOIN jobs AS j ON j.id = d.job
             LEFT JOIN dead_letters AS l ON l.id = d.job
             WHERE ",
            $condition
        )
    };
}

async fn named(tx: &mut Tx, replay: &Replay, id: &str) -> Result<Vec<Candidate>> {
    let event = tx
        .query("SELECT id FROM gateway_events WHERE event_id = $1")
        .bind(id)
        .fetch_optional()
        .await?;
    let Some(event) = event else {
        return Ok(Vec::new());
    };
    let event = event.int("id")?;
    let rows = tx
        .query(deliveries!("d.event = $1 ORDER BY d.subscriber"))
        .bind(event)
        .fetch_all()
        .await?;
    let mut found = Vec::new();
    let mut is_known = false;
    for row in rows {
        let subscriber = row.text("subscriber")?;
        if replay
            .subscriber
            .as_ref()
            .is_some_and(|it| *it != subscriber)
        {
            continue;
        }
        is_known = true;
        let is_dead = row.opt_int("letter")?.is_some();
        if row.opt_int("queued")?.is_none() && (is_dead || !replay.filter.dead_letters_only) {
            found.push(Candidate { event, subscriber });
        }
    }
    if let Some(subscriber) = &replay.subscriber
        && !is_known
        && !replay.filter.dead_letters_only
    {
        found.push(Candidate {
            event,
            subscriber: subscriber.clone(),
        });
    }
    Ok(found)
}

async fn range(
    tx: &mut Tx,
    replay: &Replay,
    after: &mut (i64, String),
    last: i64,
    received: &Range<i64>,
) -> Result<Option<Vec<Candidate>>> {
    let rows = match &replay.subscriber {
        Some(subscriber) => {
            tx.query(deliveries!(
                "d.subscriber = $4 AND d.event > $1 AND d.event < $2 ORDER BY d.event LIMIT $3"
            ))
            .bind(after.0)
            .bind(last)
            .bind(STEP)
            .bind(subscriber)
            .fetch_all()
            .await?
        }
        None => {
            tx.query(deliveries!(
                "(d.event, d.subscriber) > ($1, $4) AND d.event < $2 ORDER BY d.event, d.subscriber LIMIT $3"
            ))
            .bind(after.0)
            .bind(last)
            .bind(STEP)
            .bind(&after.1)
            .fetch_all()
            .await?
        }
    };
    if rows.is_empty() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for row in rows {
        let (event, subscriber) = (row.int("event")?, row.text("subscriber")?);
        *after = (event, subscriber.clone());
        let is_dead = row.opt_int("letter")?.is_some();
        if received.contains(&row.int("received_at")?)
            && row.opt_int("queued")?.is_none()
            && (is_dead || !replay.filter.dead_letters_only)
        {
            found.push(Candidate { event, subscriber });
        }
    }
    Ok(Some(found))
}

struct Again {
    batch: Vec<Candidate>,
    dead_letters_only: bool,
}

/// On PostgreSQL the events stay locked: two who replay the same one come one after another, and nobody deletes it.
const LOCK: Sql = Sql::either(
    "SELECT e.id, e.account, e.kind, e.subject
     FROM json_each($1) AS asked CROSS JOIN gateway_events AS e ON e.id = asked.value ORDER BY e.id",
    "SELECT e.id, e.account, e.kind, e.subject
     FROM gateway_events AS e
     WHERE e.id IN (SELECT asked.id::bigint FROM json_array_elements_text($1::json) AS asked (id))
     ORDER BY e.id FOR NO KEY UPDATE",
);

impl Operation for Again {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let mut numbers: Vec<i64> = self.batch.iter().map(|it| it.event).collect();
        numbers.dedup();
        let events = tx
            .query(LOCK)
            .bind(serde_json::Value::from(numbers).to_string())
            .fetch_all()
            .await?;
        let mut ways = Vec::new();
        for row in &events {
            let event = row.int("id")?;
            let (account, kind) = (row.text("account")?, row.text("kind")?);
            let subject = row.opt_text("subject")?;
            for candidate in self.batch.iter().filter(|it| it.event == event) {
                let name = &candidate.subscriber;
                let lane = gateway_lane(name, &account, subject.as_deref(), &kind);
                ways.push((lane, candidate));
            }
        }
        // Lanes are locked in one order by everybody; within a lane the older event goes first.
        ways.sort_by(|one, other| (&one.0, one.1.event).cmp(&(&other.0, other.1.event)));
        let mut count = 0;
        for (lane, candidate) in ways {
            count += u64::from(again(tx, lane, candidate, self.dead_letters_only).await?);
        }
        Ok(count)
    }
}

/// Whether a delivery was put back into the queue.
async fn again(
    tx: &mut Tx,
    lane: String,
    candidate: &Candidate,
    dead_letters_only: bool,
) -> Result<bool> {
    let Candidate { event, subscriber } = candidate;
    let row = tx
        .query(
            "SELECT s.name, d.job, j.id AS queued, l.id AS letter
             FROM gateway_subscribers AS s
             LEFT JOIN gateway_deliveries AS d ON d.event = $1 AND d.subscriber = s.name
             LEFT JOIN jobs AS j ON j.id = d.job
             LEFT JOIN dead_letters AS l ON l.id = d.job
             WHERE s.name = $2",
        )
        .bind(*event)
        .bind(subscriber)
        .fetch_optional()
        .await?;
    let Some(row) = row else {
        return Ok(false);
    };
    if row.opt_int("queued")?.is_some() {
        return Ok(false);
    }
    if let Some(letter) = row.opt_int("letter")? {
        return jobs::replay(tx, letter).await;
    }
    if dead_letters_only {
        return Ok(false);
    }
    let job = JobSpec::new(job_kind(subscriber), event)?.lane(lane);
    let job = jobs::add(tx, &job).await?;
    tx.query(
        "INSERT INTO gateway_deliveries (event, subscriber, job) VALUES ($1, $2, $3)
         ON CONFLICT (event, subscriber) DO UPDATE SET job = excluded.job",
    )
    .bind(*event)
    .bind(subscriber)
    .bind(job)
    .execute()
    .await?;
    Ok(true)
}
