//! A lead's status and its history. What amoCRM tells of it, and how the two sides agree, is in [`stage`](super::stage).

use std::fmt;

use chrono::{DateTime, Utc};

use super::{LeadRow, Leads, lead, lead_columns};
use crate::clock::instant;
use crate::db::{Operation, Row, Sql, Tx};
use crate::error::{Result, StoreError};
use crate::funnels;
use crate::jobs::{self, JobSpec};
use crate::tallies;

/// Where a change came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusOrigin {
    /// A request to our API; it goes on to amoCRM.
    Api,
    /// amoCRM, by a webhook of its own.
    Webhook,
    /// amoCRM, by a signed delivery of the webhook gateway.
    Gateway,
    /// amoCRM, asked because what it told could be read in two ways.
    Look,
    /// amoCRM, asked because webhooks get lost.
    Reconcile,
    /// amoCRM, found while delivering the lead or moving its deal.
    Delivery,
}

impl StatusOrigin {
    const ALL: [Self; 6] = [
        Self::Api,
        Self::Webhook,
        Self::Gateway,
        Self::Look,
        Self::Reconcile,
        Self::Delivery,
    ];

    /// The word in tables and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Webhook => "webhook",
            Self::Gateway => "gateway",
            Self::Look => "look",
            Self::Reconcile => "reconcile",
            Self::Delivery => "delivery",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        // `crm` is what the first release wrote.
        if word == "crm" {
            return Some(Self::Webhook);
        }
        Self::ALL.into_iter().find(|origin| origin.as_str() == word)
    }
}

impl fmt::Display for StatusOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A status that somebody sets here, now.
#[derive(Debug, Clone)]
pub struct StatusChange {
    /// Our status.
    pub status: String,
    /// Where it comes from.
    pub origin: StatusOrigin,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum StatusChanged {
    /// It is durable, with its line in the history and the job that passes it on.
    Applied(LeadRow),
    /// The lead has this status already. It was wanted again now, so a move in amoCRM that we have not heard of gives way:
    /// the job is there, unless one was.
    Unchanged(LeadRow),
    /// The deal was deleted in amoCRM, or merged into another: there is nothing to move. Nothing was changed.
    DealGone(LeadRow),
    /// There is no such lead.
    NotFound,
}

/// What a line of the history tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HistoryEvent {
    /// The status changed.
    Status,
    /// The deal was found to be deleted in amoCRM, or merged into another.
    DealGone,
    /// The deal is back.
    DealBack,
}

impl HistoryEvent {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::DealGone => "deal_gone",
            Self::DealBack => "deal_back",
        }
    }

    fn parse(word: &str) -> Self {
        match word {
            "deal_gone" => Self::DealGone,
            "deal_back" => Self::DealBack,
            _ => Self::Status,
        }
    }
}

/// A line of a lead's history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeadHistory {
    /// Its number.
    pub id: i64,
    /// What happened.
    pub event: HistoryEvent,
    /// The status before.
    pub from: String,
    /// The status after.
    pub to: String,
    /// Where the change came from.
    pub origin: StatusOrigin,
    /// Who did it in amoCRM, where it says so. `0` is a robot.
    pub by_user: Option<i64>,
    /// The pipeline in amoCRM.
    pub amo_pipeline_id: Option<i64>,
    /// The stage in amoCRM.
    pub amo_status_id: Option<i64>,
    /// When it was changed, by the clock of the side where it was.
    pub at: DateTime<Utc>,
}

impl Leads {
    /// Sets a lead's status, writes its history and adds `job`, which passes the change on, in one transaction.
    ///
    /// The change is of now: it is newer than everything that is known.
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

    /// A page of a lead's history, newest first. `before` is the number of the last line of the page before.
    pub async fn history(
        &self,
        lead_id: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LeadHistory>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(
            "SELECT id, from_status, to_status, origin, by_user, what, amo_pipeline_id, amo_status_id, at
             FROM lead_history WHERE lead_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(lead_id)
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all()
        .await?
        .iter()
        .map(line)
        .collect()
    }
}

fn line(row: &Row) -> Result<LeadHistory> {
    Ok(LeadHistory {
        id: row.int("id")?,
        event: HistoryEvent::parse(&row.opt_text("what")?.unwrap_or_default()),
        from: row.text("from_status")?,
        to: row.text("to_status")?,
        origin: StatusOrigin::parse(&row.text("origin")?)
            .ok_or_else(|| StoreError::internal("a line of history has an unknown origin"))?,
        by_user: row.opt_int("by_user")?,
        amo_pipeline_id: row.opt_int("amo_pipeline_id")?,
        amo_status_id: row.opt_int("amo_status_id")?,
        at: instant(row.int("at")?),
    })
}

/// A line about to be written.
pub(super) struct NewLine<'a> {
    pub(super) lead_id: i64,
    pub(super) event: HistoryEvent,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) origin: StatusOrigin,
    pub(super) by_user: Option<i64>,
    pub(super) pipeline_id: Option<i64>,
    pub(super) status_id: Option<i64>,
    pub(super) at: i64,
}

impl NewLine<'_> {
    pub(super) async fn write(self, tx: &mut Tx) -> Result<()> {
        let what = (self.event != HistoryEvent::Status).then(|| self.event.as_str());
        tx.query(
            "INSERT INTO lead_history
                 (lead_id, from_status, to_status, origin, by_user, what, amo_pipeline_id, amo_status_id, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.lead_id)
        .bind(self.from)
        .bind(self.to)
        .bind(self.origin.as_str())
        .bind(self.by_user)
        .bind(what)
        .bind(self.pipeline_id)
        .bind(self.status_id)
        .bind(self.at)
        .execute()
        .await?;
        Ok(())
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
        let Some(row) = locked(tx, self.id).await? else {
            return Ok(StatusChanged::NotFound);
        };
        let current = lead(&row)?;
        let is_same = current.local_status == self.change.status;
        if current.amo_gone_at.is_some() {
            return Ok(if is_same {
                StatusChanged::Unchanged(current)
            } else {
                StatusChanged::DealGone(current)
            });
        }
        let now = tx.now().await?;
        // amoCRM's clock may be ahead of ours: time does not run backward in the row.
        let at = now.max(current.status_changed_at.timestamp_micros());
        let row = tx
            .query(concat!(
                "UPDATE leads SET local_status = $2, status_changed_at = $3, move_pending = $5, updated_at = $4
                 WHERE id = $1 RETURNING ",
                lead_columns!()
            ))
            .bind(self.id)
            .bind(&self.change.status)
            .bind(at)
            .bind(now)
            .bind(i64::from(self.job.is_some()))
            .fetch_one()
            .await?;
        let needs_job = !(is_same && current.is_move_pending);
        if let Some(job) = self.job.as_ref().filter(|_| needs_job) {
            jobs::add(tx, job).await?;
        }
        let row = lead(&row)?;
        if is_same {
            return Ok(StatusChanged::Unchanged(row));
        }
        changed(tx, &current, &self.change.status, self.funnels).await?;
        let line = NewLine {
            lead_id: self.id,
            event: HistoryEvent::Status,
            from: &current.local_status,
            to: &self.change.status,
            origin: self.change.origin,
            by_user: None,
            pipeline_id: None,
            status_id: None,
            at,
        };
        line.write(tx).await?;
        Ok(StatusChanged::Applied(row))
    }
}

/// What follows from a change of status, whoever made it.
pub(super) async fn changed(
    tx: &mut Tx,
    before: &LeadRow,
    status: &str,
    funnels: bool,
) -> Result<()> {
    let created_at = before.created_at.timestamp_micros();
    tallies::reached(tx, before.id, created_at, status).await?;
    funnels::left(tx, before.id).await?;
    if funnels {
        funnels::entered(tx, before.id, status).await?;
    }
    Ok(())
}

/// A lead that is about to be changed; on PostgreSQL its row stays locked until the commit.
pub(super) async fn locked(tx: &mut Tx, id: i64) -> Result<Option<Row>> {
    let sql = Sql::either(
        concat!("SELECT ", lead_columns!(), " FROM leads WHERE id = $1"),
        concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads WHERE id = $1 FOR UPDATE"
        ),
    );
    tx.query(sql).bind(id).fetch_optional().await
}
