//! Our status on its way to amoCRM.
//!
//! [`begin_move`](Leads::begin_move) notes what is about to be sent, so that its echo is known for one whatever becomes of
//! the process. [`end_move`](Leads::end_move) notes that amoCRM has it.

use chrono::{DateTime, Utc};

use super::stage::{self, Stage, StageReport, Verdict};
use super::status::{NewLine, locked};
use super::{HistoryEvent, LeadRow, Leads, ReportKind, StatusOrigin, lead, lead_columns};
use crate::db::{Operation, Tx};
use crate::error::Result;
use crate::jobs::{self, Ack, Claimed, JobSpec};

/// Where a deal is after it was moved, or was found to be there.
#[derive(Debug, Clone)]
pub struct Moved {
    /// The status that the deal was moved for.
    pub status: String,
    /// The stage.
    pub stage: Stage,
    /// When it was changed last, by amoCRM's clock, if the answer told.
    pub told_at: Option<DateTime<Utc>>,
}

/// A page of leads whose status has not reached amoCRM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsentPage {
    /// The leads.
    pub leads: Vec<UnsentLead>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<i64>,
}

/// A lead whose status has not reached amoCRM although nobody is about to carry it there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsentLead {
    /// The lead.
    pub id: i64,
    /// Its status.
    pub status: String,
    /// The dead letter of the job that tried. `None`: there is a new job now.
    pub dead_letter: Option<i64>,
}

impl Leads {
    /// Notes, durably, that the deal is about to be moved to `stage` for `status`. `None`: the job has passed on, or the
    /// lead has another status by now, or need not be moved any more; send nothing.
    pub async fn begin_move(
        &self,
        id: i64,
        status: &str,
        stage: Stage,
        job: &Claimed,
    ) -> Result<Option<LeadRow>> {
        let begin = BeginMove {
            id,
            status: status.to_owned(),
            stage,
            job: job.clone(),
        };
        self.inner.db.write(begin).await
    }

    /// Ends the job: amoCRM has the status. `look` is as in [`hear`](Leads::hear): if something else was told meanwhile,
    /// amoCRM is asked.
    pub async fn end_move<J>(&self, id: i64, moved: Moved, job: &Claimed, look: J) -> Result<Ack>
    where
        J: Fn(i64, Option<DateTime<Utc>>) -> Result<JobSpec> + Send + Sync + 'static,
    {
        let job = job.clone();
        let end = EndMove {
            id,
            moved,
            job,
            look,
            funnels: self.inner.funnels,
        };
        self.inner.db.write(end).await
    }

    /// Notes that the lead's deal is gone: deleted, or merged into another. Its status stays, and nothing is to be moved
    /// any more. Returns whether that is news.
    pub async fn set_gone(&self, id: i64, origin: StatusOrigin) -> Result<bool> {
        self.inner.db.write(SetGone { id, origin }).await
    }

    /// A page of the leads whose status has waited since before `before` and has no job to carry it: `job` makes one,
    /// unless the last one is a dead letter, which a person has to look at. `lane` names the lane of a lead's jobs.
    pub async fn resend<J, L>(
        &self,
        after: i64,
        before: DateTime<Utc>,
        lane: L,
        job: J,
    ) -> Result<UnsentPage>
    where
        J: Fn(&LeadRow) -> Result<JobSpec> + Send + Sync + 'static,
        L: Fn(i64) -> String + Send + Sync + 'static,
    {
        let before = before.timestamp_micros();
        let resend = Resend {
            after,
            before,
            lane,
            job,
        };
        self.inner.db.write(resend).await
    }
}

struct BeginMove {
    id: i64,
    status: String,
    stage: Stage,
    job: Claimed,
}

impl Operation for BeginMove {
    type Output = Option<LeadRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<LeadRow>> {
        if !jobs::holds(tx, &self.job).await?.is_recorded() {
            return Ok(None);
        }
        let row = tx
            .query(concat!(
                "UPDATE leads SET amo_sent_pipeline_id = $3, amo_sent_status_id = $4
                 WHERE id = $1 AND local_status = $2 AND move_pending = 1 RETURNING ",
                lead_columns!()
            ))
            .bind(self.id)
            .bind(&self.status)
            .bind(self.stage.pipeline_id)
            .bind(self.stage.status_id)
            .fetch_optional()
            .await?;
        row.as_ref().map(lead).transpose()
    }
}

struct EndMove<J> {
    id: i64,
    moved: Moved,
    job: Claimed,
    look: J,
    funnels: bool,
}

impl<J> Operation for EndMove<J>
where
    J: Fn(i64, Option<DateTime<Utc>>) -> Result<JobSpec> + Send + Sync + 'static,
{
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        let moved = &self.moved;
        let row = locked(tx, self.id).await?;
        if jobs::complete(tx, &self.job).await? == Ack::Stale {
            return Ok(Ack::Stale);
        }
        let Some(row) = row else {
            return Ok(Ack::Recorded);
        };
        let current = lead(&row)?;
        let report = StageReport {
            account: current.account.clone(),
            amo_lead_id: current.amo_lead_id.unwrap_or_default(),
            intake_id: None,
            stage: Some(moved.stage),
            status: Some(moved.status.clone()),
            told_at: moved.told_at,
            kind: ReportKind::Read,
            by_user: None,
            origin: StatusOrigin::Delivery,
        };
        // A later change of ours is still pending, and has its own job; to it this is an echo.
        let row = tx
            .query(concat!(
                "UPDATE leads SET amo_sent_pipeline_id = $3, amo_sent_status_id = $4,
                     move_pending = CASE WHEN local_status = $2 THEN 0 ELSE move_pending END
                 WHERE id = $1 RETURNING ",
                lead_columns!()
            ))
            .bind(self.id)
            .bind(&moved.status)
            .bind(moved.stage.pipeline_id)
            .bind(moved.stage.status_id)
            .fetch_one()
            .await?;
        let is_outrun = stage::judge(&stage::known(&row, &lead(&row)?)?, &report) == Verdict::Stale;
        if is_outrun {
            // Somebody has moved it since, or our times of it are wrong.
            stage::ask(tx, &current, &report, &self.look).await?;
        } else {
            stage::take(tx, &row, &report, &self.look, self.funnels).await?;
        }
        // Without a time there will be an echo that is news.
        if moved.told_at.is_some() {
            tx.query(
                "UPDATE leads SET amo_sent_pipeline_id = NULL, amo_sent_status_id = NULL WHERE id = $1",
            )
            .bind(self.id)
            .execute()
            .await?;
        }
        Ok(Ack::Recorded)
    }
}

struct SetGone {
    id: i64,
    origin: StatusOrigin,
}

impl Operation for SetGone {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let now = tx.now().await?;
        let row = tx
            .query(concat!(
                "UPDATE leads SET amo_gone_at = $2, move_pending = 0, updated_at = $2
                 WHERE id = $1 AND amo_gone_at IS NULL RETURNING ",
                lead_columns!()
            ))
            .bind(self.id)
            .bind(now)
            .fetch_optional()
            .await?;
        let Some(row) = row else {
            return Ok(false);
        };
        let current = lead(&row)?;
        let line = NewLine {
            lead_id: self.id,
            event: HistoryEvent::DealGone,
            from: &current.local_status,
            to: &current.local_status,
            origin: self.origin,
            by_user: None,
            pipeline_id: current.amo_pipeline_id,
            status_id: current.amo_status_id,
            at: now,
        };
        line.write(tx).await?;
        Ok(true)
    }
}

/// So many leads are looked at in one transaction.
const RESEND_PAGE: i64 = 100;

struct Resend<J, L> {
    after: i64,
    before: i64,
    lane: L,
    job: J,
}

impl<J, L> Operation for Resend<J, L>
where
    J: Fn(&LeadRow) -> Result<JobSpec> + Send + Sync + 'static,
    L: Fn(i64) -> String + Send + Sync + 'static,
{
    type Output = UnsentPage;

    async fn run(&self, tx: &mut Tx) -> Result<UnsentPage> {
        let rows = tx
            .query(concat!(
                "SELECT ",
                lead_columns!(),
                " FROM leads WHERE move_pending = 1 AND id > $1 AND status_changed_at < $2 AND amo_lead_id IS NOT NULL
                 ORDER BY id LIMIT $3"
            ))
            .bind(self.after)
            .bind(self.before)
            .bind(RESEND_PAGE)
            .fetch_all()
            .await?;
        let mut page = UnsentPage::default();
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == RESEND_PAGE);
        for row in rows {
            let current = lead(&row)?;
            page.next = is_full.then_some(current.id);
            let lane = (self.lane)(current.id);
            // Jobs of the lane run one after another: while there is one, ours may be behind it.
            let is_busy = tx
                .query("SELECT depth FROM lanes WHERE lane = $1")
                .bind(&lane)
                .fetch_optional()
                .await?
                .is_some();
            if is_busy {
                continue;
            }
            let dead = tx
                .query("SELECT max(id) AS id FROM dead_letters WHERE lane = $1")
                .bind(&lane)
                .fetch_one()
                .await?;
            let dead_letter = dead.opt_int("id")?;
            if dead_letter.is_none() {
                jobs::add(tx, &(self.job)(&current)?).await?;
            }
            page.leads.push(UnsentLead {
                id: current.id,
                status: current.local_status,
                dead_letter,
            });
        }
        Ok(page)
    }
}
