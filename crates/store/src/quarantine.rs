//! Submissions that look like a machine's: answered like others, but not delivered.
//!
//! A machine fills fields that no person sees. So, sometimes, does a person's browser or a clumsy form: nothing is
//! thrown away here at once. A person looks at what was put aside, and what is a lead after all becomes one, once.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::instant;
use crate::counters;
use crate::db::{Operation, Row, Tx};
use crate::error::{Result, StoreError};
use crate::leads::{Accepted, LeadJob, LeadRow, NewLeadRow, accept_within};
use crate::store::Inner;

/// The most submissions on one page.
const MAX_PAGE: u32 = 500;
/// How many submissions there are.
pub(crate) const COUNTER: &str = "quarantine";

/// What was put aside. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Quarantine {
    inner: Arc<Inner>,
}

/// A submission that was put aside.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Suspect {
    /// Its number; leads are numbered by themselves.
    pub id: i64,
    /// Would name it in amoCRM too.
    pub intake_id: Uuid,
    /// Everything that was submitted.
    pub payload: Value,
    /// Why it was put aside.
    pub reason: String,
    /// When it came.
    pub created_at: DateTime<Utc>,
}

impl fmt::Debug for Suspect {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspect")
            .field("id", &self.id)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Quarantine {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Puts a submission aside and returns it as it is stored.
    pub async fn put(&self, intake_id: Uuid, payload: &Value, reason: &str) -> Result<Suspect> {
        let put = Put {
            intake_id,
            payload: payload.to_string(),
            reason: reason.to_owned(),
        };
        self.inner.db.write(put).await
    }

    /// The submission with this number.
    pub async fn get(&self, id: i64) -> Result<Option<Suspect>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(
                "SELECT id, intake_id, payload, reason, created_at FROM quarantine WHERE id = $1",
            )
            .bind(id)
            .fetch_optional()
            .await?;
        row.as_ref().map(suspect).transpose()
    }

    /// A page of submissions, the newest first; `after` is the last number of the page before.
    pub async fn list(&self, after: Option<i64>, limit: u32) -> Result<Vec<Suspect>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(
            "SELECT id, intake_id, payload, reason, created_at FROM quarantine
             WHERE id < $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(after.unwrap_or(i64::MAX))
        .bind(i64::from(limit.clamp(1, MAX_PAGE)))
        .fetch_all()
        .await?
        .iter()
        .map(suspect)
        .collect()
    }

    /// How many there are: read from a counter, not counted.
    pub async fn count(&self) -> Result<u64> {
        let mut tx = self.inner.db.read().await?;
        counters::read(&mut tx, COUNTER).await
    }

    /// Makes a submission the lead that it is after all, with the job that delivers it. `None`: it is not here any
    /// more; whoever came first has released it.
    pub async fn release(&self, id: i64, new: NewLeadRow, job: LeadJob) -> Result<Option<LeadRow>> {
        let release = Release {
            id,
            new,
            job,
            funnels: self.inner.funnels,
        };
        self.inner.db.write(release).await
    }

    /// Throws a submission away. Returns whether there was one.
    pub async fn discard(&self, id: i64) -> Result<bool> {
        self.inner.db.write(Discard { id }).await
    }
}

fn suspect(row: &Row) -> Result<Suspect> {
    Ok(Suspect {
        id: row.int("id")?,
        intake_id: Uuid::parse_str(&row.text("intake_id")?)
            .map_err(|_| StoreError::internal("a submission has a malformed intake id"))?,
        payload: row.json("payload")?,
        reason: row.text("reason")?,
        created_at: instant(row.int("created_at")?),
    })
}

struct Put {
    intake_id: Uuid,
    payload: String,
    reason: String,
}

impl Operation for Put {
    type Output = Suspect;

    async fn run(&self, tx: &mut Tx) -> Result<Suspect> {
        let now = tx.now().await?;
        let row = tx
            .query(
                "INSERT INTO quarantine (intake_id, payload, reason, created_at) VALUES ($1, $2, $3, $4)
                 RETURNING id, intake_id, payload, reason, created_at",
            )
            .bind(self.intake_id.to_string())
            .bind(&self.payload)
            .bind(&self.reason)
            .bind(now)
            .fetch_one()
            .await?;
        tx.count(COUNTER, 1);
        suspect(&row)
    }
}

struct Release {
    id: i64,
    new: NewLeadRow,
    job: LeadJob,
    funnels: bool,
}

impl Operation for Release {
    type Output = Option<LeadRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<LeadRow>> {
        if !delete(tx, self.id).await? {
            return Ok(None);
        }
        match accept_within(tx, &self.new, &self.job, self.funnels).await? {
            Accepted::Created(lead) => Ok(Some(lead)),
            _ => Err(StoreError::internal("a lead without a key was not created")),
        }
    }
}

struct Discard {
    id: i64,
}

impl Operation for Discard {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        delete(tx, self.id).await
    }
}

async fn delete(tx: &mut Tx, id: i64) -> Result<bool> {
    let gone = tx
        .query("DELETE FROM quarantine WHERE id = $1")
        .bind(id)
        .execute()
        .await?;
    if gone > 0 {
        tx.count(COUNTER, -1);
    }
    Ok(gone > 0)
}
