//! A phone or e-mail that a person's contact did not have.

use amocrm_sdk::ContactId;
use store::{Ack, Claimed, StoreError};

use super::Worker;
use crate::crm::{CrmError, Linked, Verdict, complete_contact};
use crate::lead::LeadForm;

impl Worker {
    /// Reads the contact, appends what it lacks, and writes. Nobody else of us does so meanwhile: the lane sees to it.
    pub(super) async fn complete(
        &self,
        linked: &Linked,
        job: &Claimed,
        lead: i64,
        contact: u64,
    ) -> Result<Ack, StoreError> {
        let jobs = self.store.jobs();
        if job.taken_over() {
            return jobs.retry(job, self.hands.until_others_notice()).await;
        }
        let Err(error) = self.try_complete(linked, lead, contact).await else {
            self.hands.gate().succeed();
            return jobs.complete(job).await;
        };
        let verdict = self.judge(linked, job, &error).await;
        if verdict == Verdict::Fail {
            tracing::error!(lead.id = lead, "the contact cannot be completed: {error}");
            let text = error.to_string();
            return jobs
                .bury(job, "the contact cannot be completed", Some(&text))
                .await;
        }
        tracing::warn!(lead.id = lead, "the contact is completed later: {error}");
        jobs.retry(job, self.hands.retry_after(job, verdict, &error))
            .await
    }

    async fn try_complete(&self, linked: &Linked, lead: i64, contact: u64) -> Result<(), CrmError> {
        let Some(row) = self.store.leads().get(lead).await? else {
            return Ok(());
        };
        let form: LeadForm = serde_json::from_value(row.payload)
            .map_err(|_| CrmError::Gone("the stored form is of another release".to_owned()))?;
        let region = self.config.intake.phone_region();
        complete_contact(&linked.client, ContactId::new(contact), &form, region).await
    }
}
