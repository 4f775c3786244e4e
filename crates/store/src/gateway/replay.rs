//! Delivering again: the same event, the same id, attempts counted from the beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::read::first_since;
use super::rows::json;
use super::{Gateway, gateway_lane, job_kind, subscriber_of};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::{dead_counter, depth_counter};

/// How many deliveries one transaction puts back into the queue: some milliseconds, after which others get the database.
const BATCH: usize = 250;
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

/// How the deliveries stand, now that nobody else replays their events. Those to subscribers that are gone are left out.
const STANDING: Sql = Sql::either(
    "SELECT CAST(asked.key AS INT) AS n, j.id AS queued, l.id AS letter
     FROM json_each($1) AS asked
     CROSS JOIN gateway_subscribers AS s ON s.name = asked.value->>'subscriber'
     LEFT JOIN gateway_deliveries AS d ON d.event = asked.value->>'event' AND d.subscriber = s.name
     LEFT JOIN jobs AS j ON j.id = d.job
     LEFT JOIN dead_letters AS l ON l.id = d.job",
    "SELECT asked.n, j.id AS queued, l.id AS letter
     FROM json_to_recordset($1::json) AS asked (n bigint, event bigint, subscriber text)
     JOIN gateway_subscribers AS s ON s.name = asked.subscriber
     LEFT JOIN gateway_deliveries AS d ON d.event = asked.event AND d.subscriber = s.name
     LEFT JOIN jobs AS j ON j.id = d.job
     LEFT JOIN dead_letters AS l ON l.id = d.job",
);

/// Dead letters that are still there. On PostgreSQL they stay locked: nobody else replays one or throws it away.
const LETTERS: Sql = Sql::either(
    "SELECT l.id FROM json_each($1) AS asked CROSS JOIN dead_letters AS l ON l.id = asked.value",
    "SELECT l.id FROM dead_letters AS l
     WHERE l.id IN (SELECT asked.id::bigint FROM json_array_elements_text($1::json) AS asked (id))
     ORDER BY l.id FOR UPDATE",
);

/// Puts all of them into their lanes: `$2` tells how many come into each, `$3` which are new jobs, `$4` which are dead
/// letters. These keep their numbers, and the fence goes on where it was: whoever held the job before it died is refused
/// still. Lanes are locked in one order by everybody, and jobs numbered after that.
const QUEUE: Sql = Sql::either(
    "INSERT INTO lanes (lane, depth) SELECT h.value->>'lane', h.value->>'many' FROM json_each($2) AS h WHERE true
     ON CONFLICT (lane) DO UPDATE SET depth = lanes.depth + excluded.depth;
     INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
     SELECT 'gateway/' || (w.value->>'subscriber'), w.value->>'lane', CAST(w.value->>'event' AS TEXT),
         CASE WHEN w.value->>'nth' > 0 OR lanes.depth > w.value->>'many' THEN 1 ELSE 0 END, $1, $1
     FROM json_each($3) AS w CROSS JOIN lanes ON lanes.lane = w.value->>'lane' ORDER BY w.key;
     INSERT INTO gateway_deliveries (event, subscriber, job)
     SELECT w.value->>'event', w.value->>'subscriber',
         (SELECT max(id) FROM jobs) + 1 - json_array_length($3) + w.key
     FROM json_each($3) AS w WHERE true
     ON CONFLICT (event, subscriber) DO UPDATE SET job = excluded.job;
     INSERT INTO jobs (id, kind, lane, payload, waiting, due_at, fence, last_error, created_at)
     SELECT l.id, l.kind, w.value->>'lane', l.payload,
         CASE WHEN w.value->>'nth' > 0 OR lanes.depth > w.value->>'many' THEN 1 ELSE 0 END, $1, l.fence + 1,
         l.last_error, l.created_at
     FROM json_each($4) AS w CROSS JOIN lanes ON lanes.lane = w.value->>'lane'
     CROSS JOIN dead_letters AS l ON l.id = w.value->>'letter';
     DELETE FROM dead_letters WHERE id IN (SELECT w.value->>'letter' FROM json_each($4) AS w)",
    "WITH heads AS (
         INSERT INTO lanes (lane, depth)
         SELECT lane, many FROM json_to_recordset($2::json) AS h (lane text, many bigint) ORDER BY lane COLLATE \"C\"
         ON CONFLICT (lane) DO UPDATE SET depth = lanes.depth + excluded.depth
         RETURNING lane, depth),
     fresh AS MATERIALIZED (
         SELECT nextval('jobs_id_seq') AS id, way.*
         FROM (SELECT w.*, heads.depth
               FROM json_to_recordset($3::json) AS w (n bigint, event bigint, subscriber text, lane text, nth bigint,
                   many bigint)
               JOIN heads ON heads.lane = w.lane ORDER BY w.n) AS way),
     risen AS MATERIALIZED (
         SELECT w.*, heads.depth
         FROM json_to_recordset($4::json) AS w (letter bigint, lane text, nth bigint, many bigint)
         JOIN heads ON heads.lane = w.lane),
     sent AS (
         INSERT INTO gateway_deliveries (event, subscriber, job) SELECT event, subscriber, id FROM fresh
         ON CONFLICT (event, subscriber) DO UPDATE SET job = excluded.job),
     gone AS (
         DELETE FROM dead_letters WHERE id IN (SELECT letter FROM risen)
         RETURNING id, kind, payload, fence, last_error, created_at)
     INSERT INTO jobs (id, kind, lane, payload, waiting, due_at, fence, last_error, created_at)
     SELECT id, 'gateway/' || subscriber, lane, event::text, CASE WHEN nth > 0 OR depth > many THEN 1 ELSE 0 END,
         $1::bigint, 0, NULL, $1::bigint
     FROM fresh
     UNION ALL
     SELECT gone.id, gone.kind, risen.lane, gone.payload, CASE WHEN nth > 0 OR depth > many THEN 1 ELSE 0 END,
         $1::bigint, gone.fence + 1, gone.last_error, gone.created_at
     FROM gone JOIN risen ON risen.letter = gone.id",
);

/// A delivery that is asked for, as the database reads it.
#[derive(Serialize)]
struct AskedRow<'a> {
    n: usize,
    event: i64,
    subscriber: &'a str,
}

/// A delivery on its way into a lane, with its place among those of the batch.
#[derive(Serialize)]
struct WayRow<'a> {
    n: usize,
    event: i64,
    subscriber: &'a str,
    lane: &'a str,
    letter: Option<i64>,
    nth: usize,
    many: usize,
}

/// The dead letter, if it is one, the event and the subscriber.
type Way<'a> = (Option<i64>, i64, &'a str);

/// How many come into a lane.
#[derive(Serialize)]
struct HeadRow<'a> {
    lane: &'a str,
    many: usize,
}

impl Operation for Again {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let lanes = self.lanes(tx).await?;
        let standing = self.standing(tx).await?;
        // By lanes, because everybody locks them in one order. Within a lane the numbers of dead letters are the
        // lower ones, so they go first; then the older events.
        let mut ways: BTreeMap<&str, Vec<Way<'_>>> = BTreeMap::new();
        for (place, letter) in standing {
            let (Some(lane), Some(candidate)) = (lanes.get(&place), self.batch.get(place)) else {
                continue;
            };
            let way = (letter, candidate.event, candidate.subscriber.as_str());
            ways.entry(lane).or_default().push(way);
        }
        let (mut heads, mut fresh, mut letters) = (Vec::new(), Vec::new(), Vec::new());
        for (lane, mut ways) in ways {
            ways.sort_by_key(|&(letter, event, _)| (letter.unwrap_or(i64::MAX), event));
            let many = ways.len();
            heads.push(HeadRow { lane, many });
            for (nth, (letter, event, subscriber)) in ways.into_iter().enumerate() {
                let rows = if letter.is_some() {
                    tx.count(dead_counter(&job_kind(subscriber)), -1);
                    &mut letters
                } else {
                    &mut fresh
                };
                tx.count(depth_counter(&job_kind(subscriber)), 1);
                rows.push(WayRow {
                    n: rows.len(),
                    event,
                    subscriber,
                    lane,
                    letter,
                    nth,
                    many,
                });
            }
        }
        let count = fresh.len() + letters.len();
        if count > 0 {
            let now = tx.now().await?;
            tx.query(QUEUE)
                .bind(now)
                .bind(json(&heads)?)
                .bind(json(&fresh)?)
                .bind(json(&letters)?)
                // All rows, so that all statements run.
                .fetch_all()
                .await?;
            tx.work_is_due();
        }
        Ok(count as u64)
    }
}

impl Again {
    /// The lane of each delivery whose event is still there.
    async fn lanes(&self, tx: &mut Tx) -> Result<BTreeMap<usize, String>> {
        let numbers: BTreeSet<i64> = self.batch.iter().map(|it| it.event).collect();
        let numbers: Vec<_> = numbers.into_iter().collect();
        let events = tx.query(LOCK).bind(json(&numbers)?).fetch_all().await?;
        let mut told = BTreeMap::new();
        for row in &events {
            let (account, kind) = (row.text("account")?, row.text("kind")?);
            told.insert(row.int("id")?, (account, row.opt_text("subject")?, kind));
        }
        let lane = |candidate: &Candidate| {
            let (account, subject, kind) = told.get(&candidate.event)?;
            let name = &candidate.subscriber;
            Some(gateway_lane(name, account, subject.as_deref(), kind))
        };
        let lanes = self.batch.iter().enumerate();
        Ok(lanes
            .filter_map(|(place, candidate)| Some((place, lane(candidate)?)))
            .collect())
    }

    /// The deliveries that are not in the queue, with their dead letters.
    async fn standing(&self, tx: &mut Tx) -> Result<Vec<(usize, Option<i64>)>> {
        let asked: Vec<_> = self
            .batch
            .iter()
            .enumerate()
            .map(|(n, candidate)| AskedRow {
                n,
                event: candidate.event,
                subscriber: &candidate.subscriber,
            })
            .collect();
        let rows = tx.query(STANDING).bind(json(&asked)?).fetch_all().await?;
        let mut standing = Vec::with_capacity(rows.len());
        let mut letters = Vec::new();
        for row in rows {
            let letter = row.opt_int("letter")?;
            letters.extend(letter);
            let is_wanted = letter.is_some() || !self.dead_letters_only;
            if row.opt_int("queued")?.is_none() && is_wanted {
                let place = usize::try_from(row.int("n")?).unwrap_or(usize::MAX);
                standing.push((place, letter));
            }
        }
        if !letters.is_empty() {
            let rows = tx.query(LETTERS).bind(json(&letters)?).fetch_all().await?;
            let there = rows
                .iter()
                .map(|row| row.int("id"))
                .collect::<Result<BTreeSet<_>>>()?;
            standing.retain(|(_, letter)| letter.is_none_or(|id| there.contains(&id)));
        }
        Ok(standing)
    }
}
