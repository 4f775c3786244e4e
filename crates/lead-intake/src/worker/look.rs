//! amoCRM told something that can be read in two ways, so it is asked.

use std::time::Duration;

use amocrm_sdk::LeadId;
use store::{
    Ack, Claimed, DeliveryState, LeadRow, ReportKind, RetryAfter, StageHeard, StageReport,
    StatusOrigin, StoreError,
};

use super::Worker;
use super::job::{Look, look};
use crate::crm::{CrmError, DealNow, Linked, Mapping, Meaning, Verdict, read_deal};

/// How soon a lead whose delivery has not ended is looked at again.
const DELIVERY_PAUSE: Duration = Duration::from_secs(2);

/// What became of an attempt.
enum End {
    Done,
    /// The account was read a moment ago; later.
    Later(Duration),
}

impl Worker {
    pub(super) async fn look(
        &self,
        linked: &Linked,
        job: &Claimed,
        wanted: Look,
    ) -> Result<Ack, StoreError> {
        let jobs = self.store.jobs();
        let row = self.store.leads().get(wanted.lead).await?;
        let is_under_way = row.is_some_and(|row| {
            matches!(
                row.delivery,
                DeliveryState::Queued | DeliveryState::Delivering
            )
        });
        if is_under_way {
            let wait = RetryAfter::new(DELIVERY_PAUSE, "the delivery has not ended");
            return jobs.retry(job, wait.uncounted()).await;
        }
        match self.try_look(linked, job, wanted).await {
            Ok(End::Done) => {
                self.hands.gate().succeed();
                jobs.complete(job).await
            }
            Ok(End::Later(pause)) => {
                let wait = RetryAfter::new(pause, "the account was read a moment ago");
                jobs.retry(job, wait.uncounted()).await
            }
            Err(error) => {
                let verdict = self.judge(linked, job, &error).await;
                if verdict == Verdict::Fail {
                    tracing::error!(
                        lead.id = wanted.lead,
                        "the deal cannot be looked at: {error}"
                    );
                    jobs.bury(
                        job,
                        "the deal cannot be looked at",
                        Some(&error.to_string()),
                    )
                    .await
                } else {
                    tracing::warn!(
                        lead.id = wanted.lead,
                        "the deal is looked at later: {error}"
                    );
                    jobs.retry(job, self.hands.retry_after(job, verdict, &error))
                        .await
                }
            }
        }
    }

    async fn try_look(
        &self,
        linked: &Linked,
        job: &Claimed,
        wanted: Look,
    ) -> Result<End, CrmError> {
        let leads = self.store.leads();
        let Some(row) = leads.begin_look(wanted.lead, job).await? else {
            return Ok(End::Done);
        };
        let Some(deal) = row.amo_lead_id.and_then(|id| u64::try_from(id).ok()) else {
            return Ok(End::Done);
        };
        let Some(now) = read_deal(&linked.client, LeadId::new(deal)).await? else {
            self.note_gone(row.id, StatusOrigin::Look).await?;
            return Ok(End::Done);
        };
        let mut mapping = Mapping::current(&self.crm, linked, &self.config.intake).await?;
        if meaning(&mapping, now, self.crm.now()) == Meaning::Unknown {
            if let Some(rest) = mapping.rests_for(self.crm.now()) {
                // Unless it was read after we heard of the stage: then it means nothing to us.
                if mapping.read_at < job.created_at() {
                    return Ok(End::Later(rest));
                }
            } else {
                mapping = Mapping::read(&self.crm, linked, &self.config.intake).await?;
            }
        }
        let mut report = self.report(linked, &mapping, &row, now, StatusOrigin::Look);
        // The job waits longer than a second, so the one in doubt is over if nothing newer is told.
        if now.changed_at.is_some() && now.changed_at == wanted.heard {
            report.kind = ReportKind::Settled;
        }
        self.hear(vec![report]).await?;
        Ok(End::Done)
    }

    /// What a deal that was read says.
    pub(crate) fn report(
        &self,
        linked: &Linked,
        mapping: &Mapping,
        row: &LeadRow,
        now: DealNow,
        origin: StatusOrigin,
    ) -> StageReport {
        StageReport {
            account: linked.account.clone(),
            amo_lead_id: row.amo_lead_id.unwrap_or_default(),
            intake_id: None,
            stage: now.stage,
            status: meaning(mapping, now, self.crm.now())
                .status()
                .map(|status| status.as_str().to_owned()),
            told_at: now.changed_at,
            kind: ReportKind::Read,
            by_user: now.changed_by,
            origin,
        }
    }

    /// Takes reports, and tells the log what follows.
    pub(crate) async fn hear(
        &self,
        reports: Vec<StageReport>,
    ) -> Result<Vec<StageHeard>, StoreError> {
        let heard = self.store.leads().hear(reports, look).await?;
        for outcome in &heard {
            if let StageHeard::Followed(row) = outcome {
                metrics::counter!("statuses_followed_total").increment(1);
                tracing::info!(
                    lead.id = row.id,
                    lead.status = row.local_status,
                    "status follows amoCRM"
                );
            }
        }
        Ok(heard)
    }
}

/// What the stage of a deal means.
pub(crate) fn meaning(
    mapping: &Mapping,
    now: DealNow,
    at: chrono::DateTime<chrono::Utc>,
) -> Meaning {
    let Some(stage) = now.stage else {
        return Meaning::Nothing;
    };
    let pipeline = stage.pipeline_id.and_then(|id| u64::try_from(id).ok());
    mapping.meaning(
        pipeline,
        u64::try_from(stage.status_id).unwrap_or_default(),
        at,
    )
}
