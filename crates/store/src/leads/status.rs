//! A lead's status: changed here, in amoCRM, or both at once.
//!
//! amoCRM reports every change by a webhook, also those that we made ourselves. Three rules keep the two sides from
//! chasing each other:
//!
//! * **Older loses.** A report about a time before the last change is stale. amoCRM tells whole seconds, so a report
//!   from within the second of the last change is believed.
//! * **Same is nothing.** A report that tells what we know changes nothing.
//! * **An echo is heard once.** What we sent to amoCRM comes back; when it comes after a newer change of ours, it is
//!   taken for the echo it is, not for somebody moving the deal back.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{LeadRow, Leads, lead, lead_columns};
use crate::clock::{instant, micros};
use crate::db::{Operation, Sql, Tx};
use crate::error::{Result, StoreError};
use crate::funnels;
use crate::jobs::{self, JobSpec};
use crate::tallies;

/// How long after a change of ours its echo is expected. amoCRM delivers within seconds.
const ECHO_WINDOW: Duration = Duration::from_mins(1);
const SECOND: i64 = 1_000_000;

/// Who changed a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusOrigin {
    /// A request to our API; it goes on to amoCRM.
    Api,
    /// amoCRM, by a webhook.
    Crm,
}

impl StatusOrigin {
    /// The word in tables and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Crm => "crm",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Api, Self::Crm]
            .into_iter()
            .find(|origin| origin.as_str() == word)
    }
}

impl fmt::Display for StatusOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A status that somebody wants or reports.
#[derive(Debug, Clone)]
pub struct StatusChange {
    /// Our status.
    pub status: String,
    /// The stage in amoCRM, if it has one.
    pub amo_status_id: Option<i64>,
    /// The pipeline of that stage.
    pub amo_pipeline_id: Option<i64>,
    /// When it was changed, by the clock of whoever changed it.
    pub changed_at: DateTime<Utc>,
    /// Who changed it.
    pub origin: StatusOrigin,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum StatusChanged {
    /// It is durable, with its line in the history and the job that passes it on.
    Applied(LeadRow),
    /// The lead has this status already.
    Unchanged(LeadRow),
    /// A newer change is known.
    Stale(LeadRow),
    /// amoCRM repeats what we told it, and we have moved on since.
    Echo(LeadRow),
    /// There is no such lead.
    NotFound,
}

/// A line of a lead's history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeadHistory {
    /// Its number.
    pub id: i64,
    /// The status before.
    pub from: String,
    /// The status after.
    pub to: String,
    /// Who changed it.
    pub origin: StatusOrigin,
    /// The pipeline in amoCRM.
    pub amo_pipeline_id: Option<i64>,
    /// The stage in amoCRM.
    pub amo_status_id: Option<i64>,
    /// When it was changed.
    pub at: DateTime<Utc>,
}

impl Leads {
    /// Changes a lead's status, writes its history and adds `job`, which passes the change on, in one transaction.
    /// The job is added only if the change is [`Applied`](StatusChanged::Applied).
    pub async fn set_status(
        &self,
        id: i64,
        change: StatusChange,
        job: Option<JobSpec>,
    ) -> Result<StatusChanged> {
        let set = SetStatus {
            id,
            change,
            job,
            funnels: self.inner.funnels,
        };
        self.inner.db.write(set).await
    }

    /// The newest lines of a lead's history, oldest of them first.
    pub async fn history(&self, lead_id: i64, limit: u32) -> Result<Vec<LeadHistory>> {
        let mut tx = self.inner.db.read().await?;
        let mut lines = tx
            .query(
                "SELECT id, from_status, to_status, origin, amo_pipeline_id, amo_status_id, at
                 FROM lead_history WHERE lead_id = $1 ORDER BY id DESC LIMIT $2",
            )
            .bind(lead_id)
            .bind(i64::from(limit))
            .fetch_all()
            .await?
            .iter()
            .map(|row| {
                Ok(LeadHistory {
                    id: row.int("id")?,
                    from: row.text("from_status")?,
                    to: row.text("to_status")?,
                    origin: StatusOrigin::parse(&row.text("origin")?).ok_or_else(|| {
                        StoreError::internal("a line of history has an unknown origin")
                    })?,
                    amo_pipeline_id: row.opt_int("amo_pipeline_id")?,
                    amo_status_id: row.opt_int("amo_status_id")?,
                    at: instant(row.int("at")?),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        lines.reverse();
        Ok(lines)
    }
}

struct SetStatus {
    id: i64,
    change: StatusChange,
    job: Option<JobSpec>,
    funnels: bool,
}

impl Operation for SetStatus {
    type Output = StatusChanged;

    async fn run(&self, tx: &mut Tx) -> Result<StatusChanged> {
        let sql = Sql::either(
            concat!("SELECT ", lead_columns!(), " FROM leads WHERE id = $1"),
            concat!(
                "SELECT ",
                lead_columns!(),
                " FROM leads WHERE id = $1 FOR UPDATE"
            ),
        );
        let Some(row) = tx.query(sql).bind(self.id).fetch_optional().await? else {
            return Ok(StatusChanged::NotFound);
        };
        let current = lead(&row)?;
        let change = &self.change;
        let from_crm = change.origin == StatusOrigin::Crm;
        let echo = from_crm && self.hear_echo(tx).await?;

        let same_stage = change.amo_status_id.is_none()
            || (current.amo_status_id == change.amo_status_id
                && (change.amo_pipeline_id.is_none()
                    || current.amo_pipeline_id == change.amo_pipeline_id));
        if current.local_status == change.status && same_stage {
            return Ok(StatusChanged::Unchanged(current));
        }
        if echo {
            return Ok(StatusChanged::Echo(current));
        }
        let changed_at = change.changed_at.timestamp_micros();
        let known = current.status_changed_at.timestamp_micros();
        let older = if from_crm {
            changed_at.div_euclid(SECOND) < known.div_euclid(SECOND)
        } else {
            changed_at < known
        };
        if older {
            return Ok(StatusChanged::Stale(current));
        }
        self.apply(tx, &current, changed_at.max(known)).await
    }
}

impl SetStatus {
    async fn apply(
        &self,
        tx: &mut Tx,
        current: &LeadRow,
        changed_at: i64,
    ) -> Result<StatusChanged> {
        let change = &self.change;
        let now = tx.now().await?;
        let row = tx
            .query(concat!(
                "UPDATE leads SET local_status = $2, amo_status_id = coalesce($3, amo_status_id),
                     amo_pipeline_id = coalesce($4, amo_pipeline_id), status_changed_at = $5, updated_at = $6
                 WHERE id = $1 RETURNING ",
                lead_columns!()
            ))
            .bind(self.id)
            .bind(&change.status)
            .bind(change.amo_status_id)
            .bind(change.amo_pipeline_id)
            .bind(changed_at)
            .bind(now)
            .fetch_one()
            .await?;
        let echo_until = (change.origin == StatusOrigin::Api && change.amo_status_id.is_some())
            .then(|| now.saturating_add(micros(ECHO_WINDOW)));
        let created_at = current.created_at.timestamp_micros();
        tallies::reached(tx, self.id, created_at, &change.status).await?;
        tx.query(
            "INSERT INTO lead_history
                 (lead_id, from_status, to_status, origin, amo_pipeline_id, amo_status_id, at, echo_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.id)
        .bind(&current.local_status)
        .bind(&change.status)
        .bind(change.origin.as_str())
        .bind(change.amo_pipeline_id)
        .bind(change.amo_status_id)
        .bind(changed_at)
        .bind(echo_until)
        .execute()
        .await?;
        if let Some(job) = &self.job {
            jobs::add(tx, job).await?;
        }
        if current.local_status != change.status {
            funnels::left(tx, self.id).await?;
            if self.funnels {
                funnels::entered(tx, self.id, &change.status).await?;
            }
        }
        Ok(StatusChanged::Applied(lead(&row)?))
    }

    /// Uses up the oldest expected echo of this report, if there is one.
    async fn hear_echo(&self, tx: &mut Tx) -> Result<bool> {
        let Some(status_id) = self.change.amo_status_id else {
            return Ok(false);
        };
        let now = tx.now().await?;
        let heard = tx
            .query(
                "UPDATE lead_history SET echo_until = NULL
                 WHERE id = (SELECT min(id) FROM lead_history
                             WHERE lead_id = $1 AND amo_status_id = $2 AND echo_until > $3
                               AND ($4 IS NULL OR amo_pipeline_id IS NULL OR amo_pipeline_id = $4))",
            )
            .bind(self.id)
            .bind(status_id)
            .bind(now)
            .bind(self.change.amo_pipeline_id)
            .execute()
            .await?;
        Ok(heard > 0)
    }
}
