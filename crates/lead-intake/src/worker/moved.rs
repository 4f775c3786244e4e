//! A status set here moves the deal there, unless somebody has moved it there since.

use amocrm_sdk::LeadId;
use chrono::{DateTime, Utc};
use store::{Ack, Claimed, LeadRow, Moved, ReportKind, Stage, StatusOrigin, StoreError};

use super::Worker;
use super::job::look;
use crate::crm::{
    CrmError, DealNow, Linked, Mapping, Verdict, last_move, move_deal, read_deal, target,
};
use crate::lead::LeadStatus;

/// What became of an attempt.
enum End {
    Moved(Moved),
    /// The deal was deleted, or merged into another.
    Gone,
    /// Somebody has changed it since, here or there: the newer change wins, and has its own job if it needs one.
    Superseded,
}

impl Worker {
    pub(super) async fn move_deal(
        &self,
        linked: &Linked,
        job: &Claimed,
        lead: i64,
        status: LeadStatus,
    ) -> Result<Ack, StoreError> {
        let (jobs, leads) = (self.store.jobs(), self.store.leads());
        let Some(row) = leads.get(lead).await? else {
            return jobs.complete(job).await;
        };
        match self.try_move(linked, job, &row, status).await {
            Ok(End::Moved(moved)) => {
                self.hands.gate().succeed();
                let ack = leads.end_move(lead, moved, job, look).await?;
                if ack.is_recorded() {
                    metrics::counter!("deals_moved_total").increment(1);
                    tracing::info!(lead.id = lead, lead.status = %status, "deal moved");
                }
                Ok(ack)
            }
            Ok(End::Superseded) => {
                self.hands.gate().succeed();
                jobs.complete(job).await
            }
            Ok(End::Gone) => {
                self.hands.gate().succeed();
                self.note_gone(lead, StatusOrigin::Delivery).await?;
                jobs.complete(job).await
            }
            Err(error) => {
                let verdict = self.judge(linked, job, &error).await;
                if verdict == Verdict::Fail {
                    tracing::error!(lead.id = lead, lead.status = %status, "the deal cannot be moved: {error}");
                    jobs.bury(job, "the deal cannot be moved", Some(&error.to_string()))
                        .await
                } else {
                    tracing::warn!(lead.id = lead, lead.status = %status, "the deal is moved later: {error}");
                    jobs.retry(job, self.hands.retry_after(job, verdict, &error))
                        .await
                }
            }
        }
    }

    async fn try_move(
        &self,
        linked: &Linked,
        job: &Claimed,
        row: &LeadRow,
        status: LeadStatus,
    ) -> Result<End, CrmError> {
        // The lane lets this job run only after the delivery has ended; if that failed, the one that succeeds adds
        // another.
        let (true, Some(deal)) = (wants(row, status), row.amo_lead_id) else {
            return Ok(End::Superseded);
        };
        let deal = LeadId::new(u64::try_from(deal).unwrap_or_default());
        let mapping = Mapping::current(&self.crm, linked, &self.config.intake).await?;
        let Some(now) = read_deal(&linked.client, deal).await? else {
            return Ok(End::Gone);
        };
        let wanted = target(&mapping, status, &now)?;
        if now.stage == Some(wanted) {
            return Ok(End::Moved(Moved {
                status: status.as_str().to_owned(),
                stage: wanted,
                told_at: now.changed_at,
            }));
        }
        if !self
            .is_still_wanted(linked, &mapping, row, status, now)
            .await?
        {
            return Ok(End::Superseded);
        }
        match self.send_move(linked, job, row, status, wanted).await {
            // Somebody may have made the stage anew since we read them.
            Err(error) if error.is_validation() => {
                let mapping = Mapping::read(&self.crm, linked, &self.config.intake).await?;
                let wanted = target(&mapping, status, &now)?;
                self.send_move(linked, job, row, status, wanted).await
            }
            outcome => outcome,
        }
    }

    /// Whether our status is newer than where the deal is. If amoCRM has not told of it yet, somebody has moved it, and the
    /// store judges who was first.
    async fn is_still_wanted(
        &self,
        linked: &Linked,
        mapping: &Mapping,
        row: &LeadRow,
        status: LeadStatus,
        now: DealNow,
    ) -> Result<bool, CrmError> {
        let Some(stage) = now.stage else {
            return Ok(true);
        };
        let known = row.amo_status_id.map(|status_id| Stage {
            pipeline_id: row.amo_pipeline_id,
            status_id,
        });
        let is_known = known == Some(stage);
        let second = |at: DateTime<Utc>| at.timestamp();
        let is_newer = now.changed_at.map(second) > row.amo_seen_at.map(second);
        if is_known && !is_newer {
            return Ok(true);
        }
        // The deal may have been edited after it was moved. That matters only if the edit is newer than our status.
        let is_later = now.changed_at.map(second) > Some(second(row.status_changed_at));
        let deal = row.amo_lead_id.and_then(|id| u64::try_from(id).ok());
        let told = match deal.filter(|_| is_later) {
            // The feed lags: what it tells of a time when the deal was known to be elsewhere is another move.
            Some(deal) => last_move(&linked.client, LeadId::new(deal), stage)
                .await
                .filter(|(at, _)| is_known || row.amo_seen_at.is_none_or(|seen| *at >= seen)),
            None => None,
        };
        if is_known && is_later && told.is_none() {
            // Where it was all along, as far as anybody can tell.
            return Ok(true);
        }
        let mut report = self.report(linked, mapping, row, now, StatusOrigin::Delivery);
        if let Some((at, by)) = told {
            (report.told_at, report.by_user) = (Some(at), by);
        }
        report.kind = ReportKind::Found;
        self.hear(vec![report]).await?;
        let row = self.store.leads().get(row.id).await?;
        Ok(row.is_some_and(|row| wants(&row, status)))
    }

    async fn send_move(
        &self,
        linked: &Linked,
        job: &Claimed,
        row: &LeadRow,
        status: LeadStatus,
        wanted: Stage,
    ) -> Result<End, CrmError> {
        let leads = self.store.leads();
        // Its echo has to be known for one, even after a crash.
        let begun = leads
            .begin_move(row.id, status.as_str(), wanted, job)
            .await?;
        let Some(deal) = begun.and_then(|row| row.amo_lead_id) else {
            return Ok(End::Superseded);
        };
        let deal = LeadId::new(u64::try_from(deal).unwrap_or_default());
        Ok(match move_deal(&linked.client, deal, wanted).await? {
            Some(told_at) => End::Moved(Moved {
                status: status.as_str().to_owned(),
                stage: wanted,
                told_at,
            }),
            None => End::Gone,
        })
    }

    /// Notes that a lead's deal is gone.
    pub(super) async fn note_gone(
        &self,
        lead: i64,
        origin: StatusOrigin,
    ) -> Result<(), StoreError> {
        if self.store.leads().set_gone(lead, origin).await? {
            metrics::counter!("deals_gone_total").increment(1);
            tracing::warn!(
                lead.id = lead,
                "the lead's deal was deleted in amoCRM, or merged into another"
            );
        }
        Ok(())
    }
}

/// Whether the lead still waits to be moved for this status.
fn wants(row: &LeadRow, status: LeadStatus) -> bool {
    row.is_move_pending && row.local_status == status.as_str()
}
