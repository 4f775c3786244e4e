//! Taking a lead: the row, the job and the idempotency key in one transaction.

use std::fmt;
use std::time::Duration;

use tokio::time::timeout;

use super::{DeliveryState, LeadRow, Leads, NewLeadRow, count_transition, lead, lead_columns};
use crate::clock::micros;
use crate::db::{Operation, Tx};
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::funnels;
use crate::jobs::{self, JobSpec};

/// How long an `Idempotency-Key` is remembered.
pub const IDEMPOTENCY_LIFE: Duration = Duration::from_hours(24);

/// How long the outcome of a commit is asked for after its answer was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The `Idempotency-Key` of a request, and what tells its body from another.
#[derive(Clone)]
pub struct IdempotencyKey {
    /// The header's value; put whatever it is valid within in front of it.
    pub key: String,
    /// A hash of the body. The same key with another fingerprint is [`Accepted::KeyReused`].
    pub fingerprint: String,
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyKey").finish_non_exhaustive()
    }
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    /// It is durable, and so is the job that delivers it.
    Created(LeadRow),
    /// The same request was here within the last 24 hours: this is its lead, as it is now.
    Replayed(LeadRow),
    /// The key was used for another body within the last 24 hours: nothing was stored. Answer 422.
    KeyReused,
}

impl Leads {
    /// Stores a lead together with the job that delivers it. The job's payload is made from the lead's number.
    ///
    /// ```no_run
    /// # async fn example(store: store::Store, new: store::NewLeadRow) -> Result<(), store::StoreError> {
    /// use store::{Accepted, JobSpec};
    ///
    /// let job = |lead_id: i64| JobSpec::new("lead.deliver", &lead_id);
    /// match store.leads().accept(new, None, job).await? {
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
    pub async fn accept<J>(
        &self,
        new: NewLeadRow,
        key: Option<IdempotencyKey>,
        job: J,
    ) -> Result<Accepted>
    where
        J: Fn(i64) -> Result<JobSpec> + Send + Sync + 'static,
    {
        let payload = new.payload.to_string();
        let intake_id = new.intake_id;
        let accept = Accept {
            new,
            payload,
            key,
            job,
            funnels: self.inner.funnels,
        };
        match self.inner.db.write(accept).await {
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

struct Accept<J> {
    new: NewLeadRow,
    payload: String,
    key: Option<IdempotencyKey>,
    job: J,
    funnels: bool,
}

impl<J> Operation for Accept<J>
where
    J: Fn(i64) -> Result<JobSpec> + Send + Sync + 'static,
{
    type Output = Accepted;

    async fn run(&self, tx: &mut Tx) -> Result<Accepted> {
        let now = tx.now().await?;
        if let Some(key) = &self.key
            && let Some(known) = reserve(tx, key, now).await?
        {
            return Ok(known);
        }
        let lead = self.insert(tx, now).await?;
        if let Some(key) = &self.key {
            tx.query("UPDATE idempotency_keys SET lead_id = $2 WHERE key = $1")
                .bind(&key.key)
                .bind(lead.id)
                .execute()
                .await?;
        }
        jobs::add(tx, &(self.job)(lead.id)?).await?;
        if self.funnels {
            funnels::entered(tx, lead.id, &lead.local_status).await?;
        }
        count_transition(tx, None, DeliveryState::Queued);
        Ok(Accepted::Created(lead))
    }
}

impl<J> Accept<J> {
    async fn insert(&self, tx: &mut Tx, now: i64) -> Result<LeadRow> {
        let new = &self.new;
        let row = tx
            .query(concat!(
                "INSERT INTO leads (intake_id, account, name, phone, email, utm_source, utm_medium, utm_campaign,
                     utm_content, utm_term, payload, local_status, status_changed_at, delivery_state, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'queued', $13, $13)
                 RETURNING ",
                lead_columns!()
            ))
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
            .fetch_one()
            .await?;
        lead(&row)
    }
}

/// Takes the key, or tells what it stands for. On PostgreSQL a second request with the same key waits here until the
/// first has committed.
async fn reserve(tx: &mut Tx, key: &IdempotencyKey, now: i64) -> Result<Option<Accepted>> {
    tx.query("DELETE FROM idempotency_keys WHERE key = $1 AND expires_at <= $2")
        .bind(&key.key)
        .bind(now)
        .execute()
        .await?;
    let taken = tx
        .query(
            "INSERT INTO idempotency_keys (key, fingerprint, lead_id, expires_at) VALUES ($1, $2, 0, $3)
             ON CONFLICT (key) DO NOTHING",
        )
        .bind(&key.key)
        .bind(&key.fingerprint)
        .bind(now.saturating_add(micros(IDEMPOTENCY_LIFE)))
        .execute()
        .await?;
    if taken > 0 {
        return Ok(None);
    }
    let known = tx
        .query("SELECT fingerprint, lead_id FROM idempotency_keys WHERE key = $1")
        .bind(&key.key)
        .fetch_one()
        .await?;
    if known.text("fingerprint")? != key.fingerprint {
        return Ok(Some(Accepted::KeyReused));
    }
    let row = tx
        .query(concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads WHERE id = $1"
        ))
        .bind(known.int("lead_id")?)
        .fetch_optional()
        .await?
        .ok_or_else(|| StoreError::internal("an idempotency key stands for a lead that is gone"))?;
    Ok(Some(Accepted::Replayed(lead(&row)?)))
}
