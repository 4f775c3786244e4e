//! What a deal lacks after it was made: its note, its task, and somebody to complete its contact.

use amocrm_sdk::{LeadId, UserId};
use store::{Ack, Claimed, JobSpec, LeadRow, StatusOrigin, StoreError};

use super::Worker;
use super::deliver::pairs;
use super::job::{Finish, Job};
use crate::crm::{
    CrmError, Linked, Mapping, Order, Verdict, add_note_once, add_task_once, folded,
    missing_values, note_text, read_deal,
};
use crate::lead::LeadForm;

impl Worker {
    pub(super) async fn finish(
        &self,
        linked: &Linked,
        job: &Claimed,
        finish: Finish,
    ) -> Result<Ack, StoreError> {
        let lead = finish.lead;
        let jobs = self.store.jobs();
        if job.taken_over() {
            return jobs.retry(job, self.hands.until_others_notice()).await;
        }
        match self.try_finish(linked, finish).await {
            Ok(then) => {
                self.hands.gate().succeed();
                jobs.complete_and_add(job, then).await
            }
            Err(error) => {
                let verdict = self.judge(linked, job, &error).await;
                if verdict == Verdict::Fail {
                    tracing::error!(lead.id = lead, "the deal's note cannot be added: {error}");
                    jobs.bury(
                        job,
                        "the deal cannot be completed",
                        Some(&error.to_string()),
                    )
                    .await
                } else {
                    tracing::warn!(lead.id = lead, "the deal is completed later: {error}");
                    jobs.retry(job, self.hands.retry_after(job, verdict, &error))
                        .await
                }
            }
        }
    }

    /// Every step looks before it writes, so that doing it again changes nothing. Gives what is left for others.
    async fn try_finish(&self, linked: &Linked, finish: Finish) -> Result<Vec<JobSpec>, CrmError> {
        let Some(mut row) = self.store.leads().get(finish.lead).await? else {
            return Ok(Vec::new());
        };
        let form: LeadForm = serde_json::from_value(row.payload.clone())
            .map_err(|_| CrmError::Gone("the stored form is of another release".to_owned()))?;
        let deal = LeadId::new(finish.deal);
        let intake_id = row.intake_id.to_string();
        let unplaced = if let Some(unplaced) = finish.unplaced {
            unplaced
        } else {
            let mapping = Mapping::current(&self.crm, linked, &self.config.intake).await?;
            let order = Order {
                id: row.id,
                intake_id: &intake_id,
                form: &form,
                config: &self.config.intake,
                fields: &self.config.fields,
                mapping: &mapping,
                manager: None,
            };
            if finish.is_merged {
                row = self.take_over(linked, &mapping, row, deal).await?;
                pairs(&folded(order))
            } else {
                let leftovers = missing_values(&linked.client, order, deal).await?;
                self.warn(row.id, &leftovers).await?;
                pairs(&leftovers)
            }
        };
        if let Some(text) = note_text(&form, &unplaced, &intake_id) {
            add_note_once(&linked.client, deal, text, &intake_id).await?;
        }
        self.add_task(linked, &row, deal).await?;
        let lead = row.id;
        let complete = finish.contact.map(|contact| Job::Contact { lead, contact });
        Ok(complete
            .map(|job| job.spec())
            .transpose()?
            .into_iter()
            .collect())
    }

    /// Takes over where a deal is, and whose, that was there before its lead.
    async fn take_over(
        &self,
        linked: &Linked,
        mapping: &Mapping,
        row: LeadRow,
        deal: LeadId,
    ) -> Result<LeadRow, CrmError> {
        let Some(now) = read_deal(&linked.client, deal).await? else {
            self.note_gone(row.id, StatusOrigin::Delivery).await?;
            return Ok(row);
        };
        // Of a lead without a manager nobody here asked who it belongs to.
        if let Some(manager) = now.manager
            && row
                .responsible_user_id
                .is_some_and(|known| known != manager)
        {
            let told_at = now.changed_at.unwrap_or_else(|| self.crm.now());
            self.store
                .managers()
                .follow(row.id, manager, told_at, true)
                .await?;
        }
        let report = self.report(linked, mapping, &row, now, StatusOrigin::Delivery);
        self.hear(vec![report]).await?;
        Ok(self.store.leads().get(row.id).await?.unwrap_or(row))
    }

    /// The task of the deal's manager, if the settings want one.
    async fn add_task(&self, linked: &Linked, row: &LeadRow, deal: LeadId) -> Result<(), CrmError> {
        let config = &self.config.managers;
        let Some(text) = &config.task else {
            return Ok(());
        };
        // Of the deal and not of this attempt: a lead that waited long is late already, so it counts from its delivery.
        let made_at = row.delivered_at.unwrap_or_else(|| self.crm.now());
        let due = made_at + config.task_due();
        let manager = row
            .responsible_user_id
            .and_then(|id| u64::try_from(id).ok())
            .map(UserId::new);
        add_task_once(&linked.client, deal, text, due, manager).await
    }
}
