//! A status set here moves the deal there.

use amocrm_sdk::LeadId;
use store::{Ack, Claimed, DeliveryState, LeadRow, StoreError};

use super::Worker;
use crate::crm::{CrmError, Linked, Mapping, Verdict, move_deal};
use crate::lead::LeadStatus;

impl Worker {
    pub(super) async fn move_deal(
        &self,
        linked: &Linked,
        job: &Claimed,
        lead: i64,
        status: LeadStatus,
    ) -> Result<Ack, StoreError> {
        let jobs = self.store.jobs();
        let Some(row) = self.store.leads().get(lead).await? else {
            return jobs.complete(job).await;
        };
        // Somebody has changed it since, here or there: the newer change wins, and has its own job if it needs one.
        if row.local_status != status.as_str() {
            return jobs.complete(job).await;
        }
        match self.try_move(linked, &row, status).await {
            Ok(()) => {
                self.gate.succeed();
                metrics::counter!("deals_moved_total").increment(1);
                tracing::info!(lead.id = lead, lead.status = %status, "deal moved");
                jobs.complete(job).await
            }
            Err(error) => {
                let verdict = self.judge(linked, &error).await;
                if verdict == Verdict::Fail {
                    tracing::error!(lead.id = lead, lead.status = %status, "the deal cannot be moved: {error}");
                    jobs.bury(job, "the deal cannot be moved", Some(&error.to_string()))
                        .await
                } else {
                    tracing::warn!(lead.id = lead, lead.status = %status, "the deal is moved later: {error}");
                    jobs.retry(job, self.retry_after(job, verdict, &error))
                        .await
                }
            }
        }
    }

    async fn try_move(
        &self,
        linked: &Linked,
        row: &LeadRow,
        status: LeadStatus,
    ) -> Result<(), CrmError> {
        // The lane lets this job run only after the delivery has ended; if that failed, there is nothing to move.
        let deal = match (row.delivery, row.amo_lead_id) {
            (DeliveryState::Delivered, Some(deal)) => u64::try_from(deal).unwrap_or_default(),
            _ => return Err(CrmError::Gone("the lead has no deal in amoCRM".to_owned())),
        };
        let mapping = Mapping::current(&self.crm, linked, &self.config.intake).await?;
        let deal = LeadId::new(deal);
        match move_deal(&linked.client, &mapping, deal, status).await {
            // Somebody may have made the stage anew since we read them.
            Err(error) if error.is_validation() => {
                let mapping = Mapping::read(&self.crm, linked, &self.config.intake).await?;
                move_deal(&linked.client, &mapping, deal, status).await?;
            }
            outcome => {
                outcome?;
            }
        }
        Ok(())
    }
}
