//! What amoCRM tells of a deal's stage, and how the two sides come to agree. The whole rule is [`judge`].
//!
//! A status may change here and there at once. amoCRM tells of every change, also of ours, by webhooks that come late,
//! twice and in any order, and its times are whole seconds. So a lead remembers three things beside its status: the
//! stage that amoCRM told last with **amoCRM's** time of it, whether our status still has to reach amoCRM, and which
//! stage was sent while nobody knows the outcome.
//!
//! * **What amoCRM tells is ordered by amoCRM's clock alone.** A report from before the newest one is stale, whatever our
//!   clock says.
//! * **A second that is not over decides nothing.** Another stage with the very second of the newest report may be from
//!   before or after it: amoCRM is asked again when the second is over, by a job. The same goes for reports without a
//!   time, for updates that mention a stage without having moved there, and for stages that we do not know. What was
//!   read after its second counts as the end of that second.
//! * **While our status has not reached amoCRM, it gives way only to a move of a later second**, and never to the echo of
//!   what we sent ourselves. In the same second ours stays, and its job carries it there. This is the one place where the
//!   two clocks are compared. A reading tells when the deal was changed last, which need not be when it was moved, and a
//!   deal that is where it was may have been moved away and back: if it could win, it is left to the job, which finds out.
//!   Who moves the deal to the very stage that we have sent, before anybody knows whether it arrived, is taken for us.
//! * **Otherwise the newest report is how it is**, and the status follows.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::status::{NewLine, changed};
use super::{HistoryEvent, LeadRow, Leads, StatusOrigin, lead, lead_columns};
use crate::db::{Operation, Row, Sql, Tx};
use crate::error::Result;
use crate::jobs::{self, Claimed, JobSpec};

const SECOND: i64 = 1_000_000;

/// A stage of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stage {
    /// The pipeline; some reports leave it out.
    pub pipeline_id: Option<i64>,
    /// The stage.
    pub status_id: i64,
}

impl Stage {
    /// Whether both may be the same: an unknown pipeline may be any.
    fn is(self, other: Self) -> bool {
        let pipelines = self.pipeline_id.zip(other.pipeline_id);
        self.status_id == other.status_id && pipelines.is_none_or(|(one, other)| one == other)
    }
}

/// How a report has to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportKind {
    /// The deal moved to the stage at the time told.
    Moved,
    /// The deal was read there just now, and moved there at the time told: nothing of that second is newer.
    Found,
    /// The deal was read there, and was changed last at the time told. That second may not have been over.
    Read,
    /// The same, and the second was over.
    Settled,
    /// A reason to ask amoCRM, if it tells anything new.
    Hint,
}

/// What amoCRM tells of a deal.
#[derive(Debug, Clone)]
pub struct StageReport {
    /// The account. Leads accepted before any account was connected belong to whichever comes.
    pub account: String,
    /// The deal.
    pub amo_lead_id: i64,
    /// The intake id that the deal carries, by which it is known before its delivery has ended.
    pub intake_id: Option<Uuid>,
    /// Its stage; `None` if the report tells none.
    pub stage: Option<Stage>,
    /// Our status of that stage; `None` if it means nothing to us.
    pub status: Option<String>,
    /// amoCRM's time, in whole seconds.
    pub told_at: Option<DateTime<Utc>>,
    /// How to read it.
    pub kind: ReportKind,
    /// Who moved the deal, where amoCRM says so. `0` is a robot.
    pub by_user: Option<i64>,
    /// How it came to us.
    pub origin: StatusOrigin,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum StageHeard {
    /// The status follows; there is a line in the history.
    Followed(LeadRow),
    /// It is known, or changes nothing of ours.
    Known(LeadRow),
    /// Something newer is known, from amoCRM or set here.
    Stale(LeadRow),
    /// amoCRM will be asked.
    Looking(LeadRow),
    /// The deal is none of ours.
    NotOurs,
}

/// What is known before a report.
pub(super) struct Known<'a> {
    pub(super) status: &'a str,
    pub(super) changed_at: i64,
    pub(super) stage: Option<Stage>,
    pub(super) seen_at: Option<i64>,
    pub(super) sent: Option<Stage>,
    pub(super) is_pending: bool,
}

/// What a report means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing new.
    Known,
    /// Older than what is known.
    Stale,
    /// Nobody can tell from here: ask.
    Ask,
    /// The newest of amoCRM; our status stays.
    Note,
    /// The newest of amoCRM, and older than what was set here.
    Outrun,
    /// The job that moves the deal has to find out when it was moved.
    Leave,
    /// The newest of all; our status follows, or has no word for it and waits no longer to be sent.
    Follow,
}

/// The rule.
pub(super) fn judge(known: &Known<'_>, report: &StageReport) -> Verdict {
    let Some(stage) = report.stage else {
        return Verdict::Ask;
    };
    let is_same = known.stage.is_some_and(|seen| seen.is(stage));
    let agrees = report.status.as_deref().is_none_or(|it| it == known.status);
    let at = match (report.kind, end_of(report)) {
        (ReportKind::Hint, _) | (_, None) if is_same && (agrees || known.is_pending) => {
            return Verdict::Known;
        }
        (ReportKind::Hint, _) | (_, None) => return Verdict::Ask,
        (_, Some(at)) => at,
    };
    match known
        .seen_at
        .map_or(Ordering::Greater, |seen| at.cmp(&seen))
    {
        Ordering::Less => return Verdict::Stale,
        Ordering::Equal if is_same && (agrees || known.is_pending) => return Verdict::Known,
        // The second is over: what the stage means to us has changed since.
        Ordering::Equal if is_same && report.kind == ReportKind::Settled => return Verdict::Follow,
        Ordering::Equal if matches!(report.kind, ReportKind::Moved | ReportKind::Read) => {
            return Verdict::Ask;
        }
        Ordering::Equal | Ordering::Greater => {}
    }
    if report.status.as_deref() == Some(known.status) {
        return Verdict::Note;
    }
    if !known.is_pending {
        return match report.status {
            Some(_) => Verdict::Follow,
            None => Verdict::Note,
        };
    }
    let is_reading = matches!(report.kind, ReportKind::Read | ReportKind::Settled);
    let is_later = at.div_euclid(SECOND) > known.changed_at.div_euclid(SECOND);
    if known.sent.is_some_and(|sent| sent.is(stage)) || (is_reading && is_same && !is_later) {
        // Our own echo; or where it was before.
        Verdict::Note
    } else if !is_later {
        Verdict::Outrun
    } else if is_reading {
        Verdict::Leave
    } else {
        Verdict::Follow
    }
}

/// The report's time as it is compared: a second that is over counts as its end.
fn end_of(report: &StageReport) -> Option<i64> {
    let second = report.told_at?.timestamp().saturating_mul(SECOND);
    Some(match report.kind {
        ReportKind::Settled => second + SECOND - 1,
        _ => second,
    })
}

impl Leads {
    /// Takes what amoCRM tells, each report by the rule of this file and all in one transaction. A report says something
    /// to each lead that shares its deal, or is [`NotOurs`](StageHeard::NotOurs); the answers are in the order of the
    /// reports. `look` makes the job that asks amoCRM for a lead's deal; it is given the second in doubt and is added
    /// once, however many reports want it.
    pub async fn hear<J>(&self, reports: Vec<StageReport>, look: J) -> Result<Vec<StageHeard>>
    where
        J: Fn(i64, Option<DateTime<Utc>>) -> Result<JobSpec> + Send + Sync + 'static,
    {
        let hear = Hear {
            reports,
            look,
            funnels: self.inner.funnels,
        };
        self.inner.db.write(hear).await
    }

    /// Notes that amoCRM is about to be asked for the lead's deal: what comes from now on is a reason to ask again.
    /// `None`: the job has passed on, or there is no such lead.
    pub async fn begin_look(&self, id: i64, job: &Claimed) -> Result<Option<LeadRow>> {
        let job = job.clone();
        self.inner.db.write(BeginLook { id, job }).await
    }
}

struct Hear<J> {
    reports: Vec<StageReport>,
    look: J,
    funnels: bool,
}

impl<J> Operation for Hear<J>
where
    J: Fn(i64, Option<DateTime<Utc>>) -> Result<JobSpec> + Send + Sync + 'static,
{
    type Output = Vec<StageHeard>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<StageHeard>> {
        let mut heard = vec![Vec::new(); self.reports.len()];
        // Everybody locks rows in one order; the reports of one deal keep theirs.
        let mut order: Vec<usize> = (0..self.reports.len()).collect();
        order.sort_by_key(|&index| self.reports[index].amo_lead_id);
        for index in order {
            let report = &self.reports[index];
            for row in find(tx, report).await? {
                heard[index].push(take(tx, &row, report, &self.look, self.funnels).await?);
            }
            if heard[index].is_empty() {
                heard[index].push(StageHeard::NotOurs);
            }
        }
        Ok(heard.into_iter().flatten().collect())
    }
}

/// The leads that a report is about, locked.
async fn find(tx: &mut Tx, report: &StageReport) -> Result<Vec<Row>> {
    let by_deal = Sql::either(
        concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads WHERE account IN ($1, '') AND amo_lead_id = $2 ORDER BY id"
        ),
        concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads WHERE account IN ($1, '') AND amo_lead_id = $2 ORDER BY id FOR UPDATE"
        ),
    );
    let mut rows = tx
        .query(by_deal)
        .bind(&report.account)
        .bind(report.amo_lead_id)
        .fetch_all()
        .await?;
    let Some(intake_id) = report.intake_id else {
        return Ok(rows);
    };
    // A robot may move a deal before its delivery has ended, and the deal may have been another lead's before; a copy of a
    // deal carries the id of the first.
    let by_intake = Sql::either(
        concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads WHERE intake_id = $1 AND amo_lead_id IS NULL"
        ),
        concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads WHERE intake_id = $1 AND amo_lead_id IS NULL FOR UPDATE"
        ),
    );
    let early = tx
        .query(by_intake)
        .bind(intake_id.to_string())
        .fetch_optional()
        .await?;
    rows.extend(early);
    Ok(rows)
}

/// What a row knows.
pub(super) fn known<'a>(row: &Row, current: &'a LeadRow) -> Result<Known<'a>> {
    let stage = |pipeline_id: Option<i64>, status: Option<i64>| {
        let at = |status_id| Stage {
            pipeline_id,
            status_id,
        };
        status.map(at)
    };
    Ok(Known {
        status: &current.local_status,
        changed_at: current.status_changed_at.timestamp_micros(),
        stage: stage(current.amo_pipeline_id, current.amo_status_id),
        seen_at: row.opt_int("amo_seen_at")?,
        sent: stage(
            row.opt_int("amo_sent_pipeline_id")?,
            row.opt_int("amo_sent_status_id")?,
        ),
        is_pending: current.is_move_pending,
    })
}

/// Judges a report and does what follows from it.
pub(super) async fn take<J>(
    tx: &mut Tx,
    row: &Row,
    report: &StageReport,
    look: &J,
    funnels: bool,
) -> Result<StageHeard>
where
    J: Fn(i64, Option<DateTime<Utc>>) -> Result<JobSpec>,
{
    let current = lead(row)?;
    let verdict = judge(&known(row, &current)?, report);
    // Something may have been heard between the reading and now.
    if report.kind == ReportKind::Found && row.opt_int("amo_seen_at")? == end_of(report) {
        ask(tx, &current, report, look).await?;
    }
    let is_back = current.amo_gone_at.is_some() && report.kind == ReportKind::Settled;
    Ok(match verdict {
        // A deal that is in the trash and is told of may be back.
        _ if current.amo_gone_at.is_some() && report.kind != ReportKind::Settled => {
            ask(tx, &current, report, look).await?
        }
        Verdict::Known | Verdict::Stale | Verdict::Leave if is_back => {
            StageHeard::Known(note(tx, &current, report, verdict, is_back).await?)
        }
        Verdict::Known => StageHeard::Known(current),
        Verdict::Stale | Verdict::Leave => StageHeard::Stale(current),
        Verdict::Ask => ask(tx, &current, report, look).await?,
        Verdict::Note => StageHeard::Known(note(tx, &current, report, verdict, is_back).await?),
        Verdict::Outrun => StageHeard::Stale(note(tx, &current, report, verdict, is_back).await?),
        Verdict::Follow => {
            let row = note(tx, &current, report, verdict, is_back).await?;
            if row.local_status != current.local_status {
                changed(tx, &current, &row.local_status, funnels).await?;
            }
            if row.local_status == current.local_status {
                StageHeard::Known(row)
            } else {
                StageHeard::Followed(row)
            }
        }
    })
}

/// Adds the job that asks amoCRM, unless there is one that has not begun.
pub(super) async fn ask<J>(
    tx: &mut Tx,
    current: &LeadRow,
    report: &StageReport,
    look: &J,
) -> Result<StageHeard>
where
    J: Fn(i64, Option<DateTime<Utc>>) -> Result<JobSpec>,
{
    let first = tx
        .query("UPDATE leads SET look_pending = 1 WHERE id = $1 AND look_pending = 0")
        .bind(current.id)
        .execute()
        .await?;
    if first > 0 {
        jobs::add(tx, &look(current.id, report.told_at)?).await?;
    }
    Ok(StageHeard::Looking(current.clone()))
}

/// Writes down what amoCRM told last, and follows it if it is the newest of all.
async fn note(
    tx: &mut Tx,
    current: &LeadRow,
    report: &StageReport,
    verdict: Verdict,
    is_back: bool,
) -> Result<LeadRow> {
    let now = tx.now().await?;
    let told = report.told_at.map_or(now, |at| at.timestamp_micros());
    let status = match (verdict, &report.status) {
        (Verdict::Follow, Some(status)) => status.as_str(),
        _ => current.local_status.as_str(),
    };
    let is_change = status != current.local_status;
    let changed_at = current.status_changed_at.timestamp_micros();
    let changed_at = if is_change {
        changed_at.max(told)
    } else {
        changed_at
    };
    let is_newest = !matches!(verdict, Verdict::Known | Verdict::Stale | Verdict::Leave);
    let stage = report.stage.filter(|_| is_newest);
    let row = tx
        .query(concat!(
            "UPDATE leads SET local_status = $2, status_changed_at = $3, amo_status_id = coalesce($4, amo_status_id),
                 amo_pipeline_id = coalesce($5, amo_pipeline_id), amo_seen_at = coalesce($6, amo_seen_at),
                 move_pending = CASE $7 WHEN 1 THEN 0 ELSE move_pending END,
                 amo_gone_at = CASE $8 WHEN 1 THEN NULL ELSE amo_gone_at END, updated_at = $9
             WHERE id = $1 RETURNING ",
            lead_columns!()
        ))
        .bind(current.id)
        .bind(status)
        .bind(changed_at)
        .bind(stage.map(|stage| stage.status_id))
        .bind(stage.and_then(|stage| stage.pipeline_id))
        .bind(end_of(report).filter(|_| is_newest))
        .bind(i64::from(verdict == Verdict::Follow))
        .bind(i64::from(is_back))
        .bind(now)
        .fetch_one()
        .await?;
    let line = |event, from, to, at| NewLine {
        lead_id: current.id,
        event,
        from,
        to,
        origin: report.origin,
        by_user: report.by_user,
        pipeline_id: report.stage.and_then(|stage| stage.pipeline_id),
        status_id: report.stage.map(|stage| stage.status_id),
        at,
    };
    if is_back {
        let same = &current.local_status;
        let back = line(HistoryEvent::DealBack, same, same, now);
        back.write(tx).await?;
    }
    if is_change {
        let change = line(HistoryEvent::Status, &current.local_status, status, told);
        change.write(tx).await?;
    }
    lead(&row)
}

struct BeginLook {
    id: i64,
    job: Claimed,
}

impl Operation for BeginLook {
    type Output = Option<LeadRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<LeadRow>> {
        if !jobs::holds(tx, &self.job).await?.is_recorded() {
            return Ok(None);
        }
        let row = tx
            .query(concat!(
                "UPDATE leads SET look_pending = 0 WHERE id = $1 RETURNING ",
                lead_columns!()
            ))
            .bind(self.id)
            .fetch_optional()
            .await?;
        row.as_ref().map(lead).transpose()
    }
}
