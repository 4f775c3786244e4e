//! Taking a lead: the row, the job and the idempotency key in one transaction.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    DeliveryState, LeadRow, Leads, NewLeadRow, arrivals, count_transition, lead, lead_columns,
};
use crate::db::{Backend, Operation, Sql, Tx};
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::funnels;
use crate::idempotency::{self, Before, IdempotencyKey};
use crate::jobs::depth_counter;

/// How long the outcome of a commit is asked for after its answer was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The job that delivers a lead: its payload is the lead's number. It is data rather than a function of the number, so
/// that the database can make the job together with the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadJob {
    pub(super) kind: String,
    pub(super) lane: Option<String>,
}

impl LeadJob {
    /// A job of `kind`, due at once.
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            lane: None,
        }
    }

    /// Puts it into the lane that is named by this and the lead's number: the lead's own, so it never waits there.
    #[must_use]
    pub fn lane(mut self, prefix: impl Into<String>) -> Self {
        self.lane = Some(prefix.into());
        self
    }
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    /// It is durable, and so is the job that delivers it.
    Created(LeadRow),
    /// The same request was here within the key's life: this is its lead, as it is now.
    Replayed(LeadRow),
    /// The key was used for another body within its life: nothing was stored. Answer 422.
    KeyReused,
}

impl Leads {
    /// Stores a lead together with the job that delivers it.
    ///
    /// ```no_run
    /// # async fn example(store: store::Store, new: store::NewLeadRow) -> Result<(), store::StoreError> {
    /// use store::{Accepted, LeadJob};
    ///
    /// match store.leads().accept(new, None, LeadJob::new("lead.deliver")).await? {
    ///     Accepted::Created(lead) | Accepted::Replayed(lead) => println!("lead {}", lead.id),
    ///     Accepted::KeyReused => println!("422"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing is stored then, with one exception: when PostgreSQL goes away in the middle of the commit and does not
    /// come back at once, nobody knows. A client that sends the same `Idempotency-Key` again is safe in every case.
    pub async fn accept(
        &self,
        new: NewLeadRow,
        key: Option<IdempotencyKey>,
        job: LeadJob,
    ) -> Result<Accepted> {
        if job.kind.is_empty() {
            return Err(StoreError::invalid("a job needs a kind"));
        }
        let intake_id = new.intake_id;
        let is_with_funnels = self.inner.funnels;
        let accepted = match (&self.inner.db.backend, key) {
            // What differs from lead to lead is in one statement; a key and a funnel take several.
            (Backend::Postgres(_), None) if !is_with_funnels => {
                let taken = arrivals::take(self, new, job).await;
                taken.map(Accepted::Created)
            }
            (_, key) => {
                let payload = new.payload.to_string();
                let accept = Accept {
                    new,
                    payload,
                    key,
                    job,
                    funnels: is_with_funnels,
                };
                self.inner.db.write(accept).await
            }
        };
        match accepted {
            // The commit may have happened although its answer was lost. If it did, saying otherwise makes the client
            // send the lead again.
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {
                match timeout(LOOK_AGAIN, self.get_by_intake(intake_id)).await {
                    Ok(Ok(Some(lead))) => Ok(Accepted::Created(lead)),
                    _ => Err(error),
                }
            }
            outcome => outcome,
        }
    }
}

struct Accept {
    new: NewLeadRow,
    payload: String,
    key: Option<IdempotencyKey>,
    job: LeadJob,
    funnels: bool,
}

/// On SQLite every statement is a trip to the thread that owns the connection: one for all three tables.
const INSERT: Sql = Sql::either(
    "INSERT INTO leads (intake_id, account, name, phone, email, utm_source, utm_medium, utm_campaign,
         utm_content, utm_term, payload, local_status, status_changed_at, delivery_state, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'queued', $13, $13);
     INSERT INTO lanes (lane, depth) SELECT $15 || last_insert_rowid(), 1 WHERE $15 IS NOT NULL;
     INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
     VALUES ($14, $15 || last_insert_rowid(), CAST(last_insert_rowid() AS TEXT), 0, $13, $13)
     RETURNING CAST(payload AS INTEGER) AS id",
    "WITH taken AS (
         INSERT INTO leads (intake_id, account, name, phone, email, utm_source, utm_medium, utm_campaign,
             utm_content, utm_term, payload, local_status, status_changed_at, delivery_state, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'queued', $13, $13)
         RETURNING id),
     heads AS (INSERT INTO lanes (lane, depth) SELECT $15 || id, 1 FROM taken WHERE $15 IS NOT NULL)
     INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
     SELECT $14, $15 || id, CAST(id AS TEXT), 0, $13, $13 FROM taken
     RETURNING CAST(payload AS BIGINT) AS id",
);

impl Accept {
    async fn insert(&self, tx: &mut Tx, now: i64) -> Result<i64> {
        let new = &self.new;
        let inserted = tx
            .query(INSERT)
            .bind(new.intake_id.to_string())
            .bind(&new.account)
            .bind(&new.name)
            .bind(&new.phone)
            .bind(&new.email)
            .bind(&new.utm.source)
            .bind(&new.utm.medium)
            .bind(&new.utm.campaign)
            .bind(&new.utm.content)
            .bind(&new.utm.term)
            .bind(&self.payload)
            .bind(&new.local_status)
            .bind(now)
            .bind(&self.job.kind)
            .bind(&self.job.lane)
            // All rows, so that all three statements run.
            .fetch_all()
            .await?;
        let row = inserted.first();
        row.ok_or_else(|| StoreError::internal("a lead was stored without its job"))?
            .int("id")
    }
}

/// Stores a lead and the job that delivers it in the transaction of whatever made it one.
pub(crate) async fn accept_within(
    tx: &mut Tx,
    new: &NewLeadRow,
    job: &LeadJob,
    funnels: bool,
) -> Result<Accepted> {
    let accept = Accept {
        payload: new.payload.to_string(),
        new: new.clone(),
        key: None,
        job: job.clone(),
        funnels,
    };
    accept.run(tx).await
}

impl Operation for Accept {
    type Output = Accepted;

    async fn run(&self, tx: &mut Tx) -> Result<Accepted> {
        let now = tx.now().await?;
        if let Some(key) = &self.key
            && let Some(known) = reserve(tx, key, now).await?
        {
            return Ok(known);
        }
        let id = self.insert(tx, now).await?;
        if let Some(key) = &self.key {
            tx.query("UPDATE idempotency_keys SET lead_id = $2 WHERE key = $1")
                .bind(&key.key)
                .bind(id)
                .execute()
                .await?;
        }
        if self.funnels {
            funnels::entered(tx, id, &self.new.local_status).await?;
        }
        tx.count(depth_counter(&self.job.kind), 1);
        count_transition(tx, None, DeliveryState::Queued);
        tx.work_is_due();
        Ok(Accepted::Created(self.new.clone().accepted(id, now)))
    }
}

/// Takes the key, or tells what it stands for.
async fn reserve(tx: &mut Tx, key: &IdempotencyKey, now: i64) -> Result<Option<Accepted>> {
    let id = match idempotency::take(tx, key, now).await? {
        Before::Nobody => return Ok(None),
        Before::Another => return Ok(Some(Accepted::KeyReused)),
        Before::Same(id) => id,
    };
    let row = tx
        .query(concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads WHERE id = $1"
        ))
        .bind(id)
        .fetch_optional()
        .await?
        .ok_or_else(|| StoreError::internal("an idempotency key stands for a lead that is gone"))?;
    Ok(Some(Accepted::Replayed(lead(&row)?)))
}
