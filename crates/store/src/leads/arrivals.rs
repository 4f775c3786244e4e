//! PostgreSQL: leads that arrive together are stored together.
//!
//! A lead is rows in four tables. As a transaction that is eight trips to the server, and with many visitors they, not
//! the disk, are what everybody waits for. So all tables are in one statement, and that statement takes as many leads as
//! have arrived while the one before it was on its way: a lead that comes alone waits for nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use super::{LeadJob, LeadRow, Leads, NewLeadRow};
use crate::db::{COUNTER_SHARDS, DEADLINE, Operation, Tx, no_answer};
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::store::Inner;

/// How many leads share one statement at most.
const GROUP: usize = 64;
/// How many statements are on their way at once: while one waits for the disk, the other computes.
const STATEMENTS: usize = 2;

/// How often a lead is stored whose connection broke: a server that restarts breaks the idle ones too.
const TRIES: u32 = 3;

/// The instant comes from the server unless the process has a clock of its own. Counters are written in the order of
/// their names, as everywhere, so that two commits never wait for each other.
const TAKE: &str = "WITH moment AS MATERIALIZED (
         SELECT coalesce($2, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now),
     arrived AS MATERIALIZED (
         SELECT * FROM json_to_recordset($1::json) AS arrival (intake_id text, account text, name text, phone text,
             email text, utm_source text, utm_medium text, utm_campaign text, utm_content text, utm_term text,
             payload text, local_status text, kind text, lane text)),
     taken AS (
         INSERT INTO leads (intake_id, account, name, phone, email, utm_source, utm_medium, utm_campaign, utm_content,
             utm_term, payload, local_status, status_changed_at, delivery_state, created_at, updated_at)
         SELECT intake_id, account, name, phone, email, utm_source, utm_medium, utm_campaign, utm_content,
             utm_term, payload, local_status, now, 'queued', now, now
         FROM arrived, moment
         RETURNING id, intake_id, created_at),
     work AS MATERIALIZED (
         SELECT id, intake_id, created_at, kind, lane || id AS lane FROM taken JOIN arrived USING (intake_id)),
     heads AS (INSERT INTO lanes (lane, depth) SELECT lane, 1 FROM work WHERE lane IS NOT NULL),
     queued AS (
         INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
         SELECT kind, lane, id::text, 0, created_at, created_at FROM work),
     counted AS (
         INSERT INTO counters (name, shard, value)
         SELECT name, $3, count(*) FROM (
             SELECT 'jobs.depth/' || kind AS name FROM work UNION ALL SELECT 'leads.queued' FROM work) AS names
         GROUP BY name ORDER BY name COLLATE \"C\"
         ON CONFLICT (name, shard) DO UPDATE SET value = counters.value + excluded.value)
     SELECT id, intake_id, created_at FROM work";

/// Leads that nobody has begun to store.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arrival>,
    statements: usize,
}

struct Arrival {
    new: NewLeadRow,
    job: LeadJob,
    reply: oneshot::Sender<Result<LeadRow>>,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival")
            .field("new", &self.new)
            .finish_non_exhaustive()
    }
}

impl Arrivals {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next group, or `None` at the end of the turn.
    fn next(&self) -> Option<Vec<Arrival>> {
        let mut state = self.state();
        let count = state.waiting.len().min(GROUP);
        (count > 0).then(|| state.waiting.drain(..count).collect())
    }
}

/// The right to have a statement on its way. It is given back however the work ends.
struct Turn(Arc<Inner>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.arrivals.state().statements -= 1;
        // Who came between the last look and this moment found no turn to take.
        begin(&self.0);
    }
}

/// Stores a lead with its job, together with others that arrive now.
///
/// When the connection breaks in the middle nobody knows whether the lead was stored. But its intake id is there once at
/// most: so it is looked for, and stored again if it is not found; if both happened, the second is refused.
pub(super) async fn take(leads: &Leads, new: NewLeadRow, job: LeadJob) -> Result<LeadRow> {
    let intake_id = new.intake_id;
    let mut is_unsure = false;
    for _ in 1..TRIES {
        let error = match join(&leads.inner, new.clone(), job.clone()).await {
            Err(error) if error.is_undone() => error,
            Err(error) if is_unsure && error.kind() == StoreErrorKind::Conflict => error,
            outcome => return outcome,
        };
        is_unsure = true;
        match leads.get_by_intake(intake_id).await {
            Ok(Some(lead)) => return Ok(lead),
            Ok(None) => tracing::debug!(%error, "a lead is stored again"),
            Err(_) => return Err(error),
        }
    }
    join(&leads.inner, new, job).await
}

async fn join(inner: &Arc<Inner>, new: NewLeadRow, job: LeadJob) -> Result<LeadRow> {
    let (reply, answer) = oneshot::channel();
    let arrival = Arrival { new, job, reply };
    inner.arrivals.state().waiting.push_back(arrival);
    begin(inner);
    // A server that is frozen keeps the group before us as long; who has given up is not stored later.
    timeout(DEADLINE, answer)
        .await
        .map_err(|_| no_answer())?
        .map_err(|_| StoreError::internal("the leads that arrived together were dropped"))?
}

/// Starts a task that stores what waits, unless there are enough. A task, because the caller may be dropped at any time
/// and the others wait for its statement too.
fn begin(inner: &Arc<Inner>) {
    {
        let mut state = inner.arrivals.state();
        if state.waiting.is_empty() || state.statements >= STATEMENTS {
            return;
        }
        state.statements += 1;
    }
    let turn = Turn(Arc::clone(inner));
    tokio::spawn(async move {
        while let Some(group) = turn.0.arrivals.next() {
            store(&turn.0, group).await;
        }
    });
}

async fn store(inner: &Inner, mut group: Vec<Arrival>) {
    group.retain(|arrival| !arrival.reply.is_closed());
    match attempt(inner, &group).await {
        // One of them cannot be stored; nothing was. The others shall not suffer for it.
        Err(error) if group.len() > 1 && !error.is_temporary() => {
            for arrival in group {
                let alone = vec![arrival];
                let outcome = attempt(inner, &alone).await;
                answer(alone, &outcome);
            }
        }
        outcome => answer(group, &outcome),
    }
}

/// Tells all callers. One may have gone away; its lead is durable all the same.
fn answer(group: Vec<Arrival>, outcome: &Result<Vec<Taken>>) {
    for Arrival { new, reply, .. } in group {
        let lead = match outcome {
            Ok(rows) => rows
                .iter()
                .find(|row| row.intake_id == new.intake_id)
                .map(|row| new.accepted(row.id, row.created_at))
                .ok_or_else(|| StoreError::internal("a lead was not stored with its group")),
            Err(error) => Err(error.repeat()),
        };
        let _ = reply.send(lead);
    }
}

async fn attempt(inner: &Inner, group: &[Arrival]) -> Result<Vec<Taken>> {
    if group.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row<'_>> = group.iter().map(Row::of).collect();
    let rows = serde_json::to_string(&rows)
        .map_err(|_| StoreError::invalid("a lead cannot be written as JSON"))?;
    inner.db.write_alone(Take { rows }).await
}

/// A lead on its way into the statement.
#[derive(Serialize)]
struct Row<'a> {
    intake_id: Uuid,
    account: &'a str,
    name: Option<&'a str>,
    phone: Option<&'a str>,
    email: Option<&'a str>,
    utm_source: Option<&'a str>,
    utm_medium: Option<&'a str>,
    utm_campaign: Option<&'a str>,
    utm_content: Option<&'a str>,
    utm_term: Option<&'a str>,
    payload: String,
    local_status: &'a str,
    kind: &'a str,
    lane: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(arrival: &'a Arrival) -> Self {
        let Arrival { new, job, .. } = arrival;
        Self {
            intake_id: new.intake_id,
            account: &new.account,
            name: new.name.as_deref(),
            phone: new.phone.as_deref(),
            email: new.email.as_deref(),
            utm_source: new.utm.source.as_deref(),
            utm_medium: new.utm.medium.as_deref(),
            utm_campaign: new.utm.campaign.as_deref(),
            utm_content: new.utm.content.as_deref(),
            utm_term: new.utm.term.as_deref(),
            payload: new.payload.to_string(),
            local_status: &new.local_status,
            kind: &job.kind,
            lane: job.lane.as_deref(),
        }
    }
}

struct Take {
    rows: String,
}

/// What the statement made of a lead.
struct Taken {
    id: i64,
    intake_id: Uuid,
    created_at: i64,
}

impl Operation for Take {
    type Output = Vec<Taken>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Taken>> {
        let shard = i64::from(getrandom::u32().unwrap_or(0) % COUNTER_SHARDS);
        let now = tx.own_now();
        let rows = tx
            .query(TAKE)
            .bind(&self.rows)
            .bind(now)
            .bind(shard)
            .fetch_all()
            .await?;
        tx.work_is_due();
        rows.iter()
            .map(|row| {
                Ok(Taken {
                    id: row.int("id")?,
                    intake_id: Uuid::parse_str(&row.text("intake_id")?)
                        .map_err(|_| StoreError::internal("a lead has a malformed intake id"))?,
                    created_at: row.int("created_at")?,
                })
            })
            .collect()
    }
}
