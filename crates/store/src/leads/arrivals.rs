//! PostgreSQL: leads that arrive together are stored together.
//!
//! A lead is rows in four tables. As a transaction that is eight trips to the server, and with many visitors they, not
//! the disk, are what everybody waits for. So all tables are in one statement, and that statement takes as many leads as
//! have arrived while the one before it was on its way: a lead that comes alone waits for nobody.

use serde::Serialize;
use uuid::Uuid;

use super::{LeadJob, LeadRow, Leads, NewLeadRow};
use crate::arrivals::{Arrival, Arrivals, join};
use crate::db::{COUNTER_SHARDS, Operation, Tx};
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::store::Inner;

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

/// A lead that becomes work.
#[derive(Debug)]
pub(crate) struct Queued {
    new: NewLeadRow,
    job: LeadJob,
}

/// Stores a lead with its job, together with others that arrive now.
///
/// When the connection breaks in the middle nobody knows whether the lead was stored. But its intake id is there once at
/// most: so it is looked for, and stored again if it is not found; if both happened, the second is refused.
pub(super) async fn take(leads: &Leads, new: NewLeadRow, job: LeadJob) -> Result<LeadRow> {
    let intake_id = new.intake_id;
    let mut is_unsure = false;
    for _ in 1..TRIES {
        let queued = Queued {
            new: new.clone(),
            job: job.clone(),
        };
        let error = match join(&leads.inner, queued).await.flatten() {
            Ok(taken) => return Ok(new.accepted(taken.id, taken.created_at)),
            Err(error) if error.is_undone() => error,
            Err(error) if is_unsure && error.kind() == StoreErrorKind::Conflict => error,
            Err(error) => return Err(error),
        };
        is_unsure = true;
        match leads.get_by_intake(intake_id).await {
            Ok(Some(lead)) => return Ok(lead),
            Ok(None) => tracing::debug!(%error, "a lead is stored again"),
            Err(_) => return Err(error),
        }
    }
    let queued = Queued {
        new: new.clone(),
        job,
    };
    let taken = join(&leads.inner, queued).await.flatten()?;
    Ok(new.accepted(taken.id, taken.created_at))
}

impl Arrival for Queued {
    type Outcome = Result<Taken>;

    fn queue(inner: &Inner) -> &Arrivals<Self> {
        &inner.arrivals
    }

    async fn store(inner: &Inner, group: &[&Self]) -> Result<Vec<Result<Taken>>> {
        let rows: Vec<Row<'_>> = group.iter().map(|queued| Row::of(queued)).collect();
        let rows = serde_json::to_string(&rows)
            .map_err(|_| StoreError::invalid("a lead cannot be written as JSON"))?;
        let taken = inner.db.write_alone(Take { rows }).await?;
        let find = |queued: &&Self| {
            let mut taken = taken.iter().copied();
            taken
                .find(|row| row.intake_id == queued.new.intake_id)
                .ok_or_else(|| StoreError::internal("a lead was not stored with its group"))
        };
        Ok(group.iter().map(find).collect())
    }
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
    fn of(queued: &'a Queued) -> Self {
        let Queued { new, job } = queued;
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
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
