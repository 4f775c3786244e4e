//! Messages and answers of funnels become notes of the deal.

use amocrm_sdk::LeadId;
use store::{Ack, Claimed, DeliveryState, StoreError};

use super::Worker;
use crate::crm::{CrmError, Linked, Verdict, add_marked_note};

impl Worker {
    pub(super) async fn note(&self, linked: &Linked, job: &Claimed) -> Result<Ack, StoreError> {
        let (funnels, jobs) = (self.store.funnels(), self.store.jobs());
        if job.taken_over() {
            return jobs.retry(job, self.hands.until_others_notice()).await;
        }
        let note: i64 = match job.payload() {
            Ok(note) => note,
            Err(error) => {
                let reason = error.to_string();
                return jobs.bury(job, "unreadable payload", Some(&reason)).await;
            }
        };
        let Some(found) = funnels.note(note).await? else {
            return jobs.complete(job).await;
        };
        let Some(row) = self.store.leads().get(found.lead_id).await? else {
            return jobs.complete(job).await;
        };
        // The lane lets this job run only after the delivery has ended; if that failed, there is nothing to note it at.
        let made = match (row.delivery, row.amo_lead_id) {
            (DeliveryState::Delivered, Some(deal)) => {
                let deal = LeadId::new(u64::try_from(deal).unwrap_or_default());
                add_marked_note(&linked.client, deal, found.text, &found.marker).await
            }
            _ => Err(CrmError::Gone("the lead has no deal in amoCRM".to_owned())),
        };
        match made {
            Ok(()) => {
                self.hands.gate().succeed();
                funnels.note_made(note, job).await
            }
            Err(error) => {
                let verdict = self.judge(linked, job, &error).await;
                if verdict == Verdict::Fail {
                    tracing::error!(
                        lead.id = row.id,
                        "a message's note cannot be added: {error}"
                    );
                    jobs.bury(job, "the note cannot be added", Some(&error.to_string()))
                        .await
                } else {
                    tracing::warn!(lead.id = row.id, "a message's note is added later: {error}");
                    jobs.retry(job, self.hands.retry_after(job, verdict, &error))
                        .await
                }
            }
        }
    }
}
