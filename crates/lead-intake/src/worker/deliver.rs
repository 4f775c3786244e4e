//! A lead becomes a deal, once.

use std::time::Duration;

use amocrm_sdk::{ContactId, PipelineId, StatusId};
use store::{
    Ack, Claimed, ContactClaim, Delivered, DeliveryState, Identity, LeadRow, ReportKind,
    RetryAfter, Stage, StageReport, StatusOrigin, StoreError,
};

use super::Worker;
use super::job::{Finish, Job};
use super::manager::{Choice, Facts};
use crate::crm::{
    CrmError, Deal, Found, Leftover, Linked, Mapping, Order, Verdict, Why, Without, create_deal,
    find_contact, find_delivered, refuses_the_contact, what_is_refused,
};
use crate::lead::{LeadForm, LeadStatus};

/// How long a lead may keep others with the same phone or e-mail waiting when its process was killed: longer than its
/// own job waits for another worker, or the others would overtake it and make a second contact.
const CLAIM_LIFE: Duration = Duration::from_mins(10);

/// How soon a lead that waits for another of the same person looks again: a delivery takes about as long.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How an attempt ended.
enum End {
    Delivered(Deal, Finish, Vec<Leftover>),
    /// An earlier attempt had made the deal, and it is at another stage by now.
    Found(Deal, Finish, Option<LeadStatus>),
    /// Another lead of the same person goes first.
    Wait(Duration),
    /// The job has passed on to somebody else.
    Stale,
}

impl Worker {
    pub(super) async fn deliver(
        &self,
        linked: &Linked,
        job: &Claimed,
        lead: i64,
    ) -> Result<Ack, StoreError> {
        let Some(row) = self.store.leads().get(lead).await? else {
            return self
                .store
                .jobs()
                .bury(job, "there is no such lead", None)
                .await;
        };
        if row.delivery == DeliveryState::Delivered {
            // The process ended between the two; the commit says that it is done.
            return self.store.jobs().complete(job).await;
        }
        if job.taken_over() && row.attempt_started_at.is_some() {
            return self
                .store
                .jobs()
                .retry(job, self.hands.until_others_notice())
                .await;
        }
        // Until the look is done, an earlier attempt may have made the person's contact.
        let mut doubt = row.attempt_started_at.is_some();
        match self.attempt(linked, job, &row, &mut doubt).await {
            Ok(End::Delivered(deal, finish, leftovers)) => {
                self.warn(row.id, &leftovers).await?;
                self.delivered(linked, job, &row, deal, finish).await
            }
            Ok(End::Found(deal, finish, status)) => {
                // First, because a crash after the job's end would lose it.
                if let Some(status) = status {
                    self.follow(linked, &row, deal, status).await?;
                }
                self.delivered(linked, job, &row, deal, finish).await
            }
            Ok(End::Wait(pause)) => {
                let wait = RetryAfter::new(pause, "another lead of the same person goes first");
                self.store.jobs().retry(job, wait.uncounted()).await
            }
            Ok(End::Stale) => Ok(Ack::Stale),
            Err(error) => self.not_delivered(linked, job, &row, &error, doubt).await,
        }
    }

    async fn attempt(
        &self,
        linked: &Linked,
        job: &Claimed,
        row: &LeadRow,
        doubt: &mut bool,
    ) -> Result<End, CrmError> {
        let form: LeadForm = serde_json::from_value(row.payload.clone())
            .map_err(|_| CrmError::Gone("the stored form is of another release".to_owned()))?;
        let mapping = Mapping::current(&self.crm, linked, &self.config.intake).await?;
        let intake_id = row.intake_id.to_string();
        let finish = Finish {
            lead: row.id,
            ..Finish::default()
        };

        // Before anything is asked of amoCRM: a lead that has to wait costs no requests.
        let known = match self.claim_person(linked, row, &form).await? {
            ContactClaim::Busy { retry_after } => {
                return Ok(End::Wait(self.next_look(row, retry_after)));
            }
            ContactClaim::Granted { known_contact_id } => known_contact_id,
        };
        // An earlier attempt may have reached amoCRM although its answer did not reach us.
        if let Some(since) = row.attempt_started_at
            && let Some(deal) =
                find_delivered(&linked.client, &mapping, &intake_id, since, self.crm.now()).await?
        {
            tracing::info!(lead.id = row.id, deal.id = %deal.id, "an earlier attempt had succeeded");
            let contact = deal.contact.map(ContactId::get);
            let finish = Finish {
                contact,
                unplaced: None,
                ..finish
            };
            // The webhook of a move went by while nobody knew whose deal it is.
            let status = deal.status.and_then(|stage| {
                let pipeline = deal.pipeline.map(PipelineId::get);
                mapping.stages.status(pipeline, stage.get())
            });
            self.follow_manager(row, &deal).await?;
            return Ok(End::Found(deal, finish, status));
        }
        *doubt = false;

        let found = match self.find_person(linked, row, &form, known).await? {
            Person::Busy(pause) => return Ok(End::Wait(self.next_look(row, pause))),
            Person::Free(found) => found,
        };
        let facts = Facts {
            row,
            form: &form,
            mapping: &mapping,
            person: found,
            refused: &[],
        };
        let Choice::Made(manager) = self.choose_manager(linked, job, facts).await? else {
            return Ok(End::Stale);
        };
        // From here on amoCRM may hold the lead; this has to be known after a crash.
        if self
            .store
            .leads()
            .mark_attempt(row.id, job)
            .await?
            .is_none()
        {
            return Ok(End::Stale);
        }
        let order = Order {
            id: row.id,
            intake_id: &intake_id,
            form: &form,
            config: &self.config.intake,
            fields: &self.config.fields,
            mapping: &mapping,
            manager,
        };
        let Some((deal, leftovers)) = self.make_managed_deal(linked, job, order, facts).await?
        else {
            return Ok(End::Stale);
        };
        if deal.is_merged {
            tracing::warn!(
                lead.id = row.id,
                deal.id = %deal.id,
                "amoCRM's duplicate control folded the lead into a deal that was there"
            );
            let finish = Finish {
                contact: deal.contact.map(ContactId::get),
                unplaced: None,
                is_merged: true,
                ..finish
            };
            let merged = Leftover {
                field: "duplicate control".to_owned(),
                value: String::new(),
                why: Why::Merged,
            };
            return Ok(End::Delivered(deal, finish, vec![merged]));
        }
        let incomplete = found.filter(|found| !found.is_complete);
        let finish = Finish {
            contact: incomplete.map(|found| found.id.get()),
            unplaced: Some(pairs(&leftovers)),
            ..finish
        };
        Ok(End::Delivered(deal, finish, leftovers))
    }

    /// Makes the deal, and chooses another manager as often as amoCRM does not take one. `None`: the job has passed on to
    /// somebody else.
    async fn make_managed_deal(
        &self,
        linked: &Linked,
        job: &Claimed,
        mut order: Order<'_>,
        facts: Facts<'_>,
    ) -> Result<Option<(Deal, Vec<Leftover>)>, CrmError> {
        let contact = facts.person.map(|person| person.id);
        let mut refused = Vec::new();
        loop {
            let made = self.make_deal(linked, order, contact).await;
            match (made, order.manager) {
                (Err(error), Some(user)) if error.refuses_manager() => {
                    tracing::warn!(
                        lead.id = order.id,
                        user.id = %user,
                        "amoCRM does not take the manager, another is chosen"
                    );
                    refused.push(user);
                    let facts = Facts {
                        refused: &refused,
                        ..facts
                    };
                    match self.choose_manager(linked, job, facts).await? {
                        Choice::Made(manager) => order.manager = manager,
                        Choice::Stale => return Ok(None),
                    }
                }
                (made, _) => return made.map(Some),
            }
        }
    }

    /// Makes the deal. If amoCRM refuses a value, what is known of the account may be out of date, for people delete
    /// stages and fields: it is read again before anything is held against the lead. A value that is refused all the
    /// same is left out, and goes into the note.
    async fn make_deal(
        &self,
        linked: &Linked,
        order: Order<'_>,
        contact: Option<ContactId>,
    ) -> Result<(Deal, Vec<Leftover>), CrmError> {
        let client = &linked.client;
        let whole = Without::default();
        let mut refusal = match create_deal(client, order, contact, &whole).await {
            Err(error) if refuses_values(&error) => error,
            outcome => return outcome,
        };
        tracing::warn!(lead.id = order.id, "amoCRM refused a value: {refusal}");
        if let Some(contact) = contact.filter(|_| refuses_the_contact(&refusal)) {
            let leads = self.store.leads();
            leads
                .forget_contact(&linked.account, raw(contact.get()))
                .await?;
            return Err(CrmError::Missing(format!(
                "contact {contact} was deleted a moment ago; another is looked for"
            )));
        }
        let mapping = Mapping::read(&self.crm, linked, &self.config.intake).await?;
        let is_news = !mapping.says_the_same_as(order.mapping);
        let order = Order {
            mapping: &mapping,
            ..order
        };
        if is_news {
            refusal = match create_deal(client, order, contact, &whole).await {
                Err(error) if refuses_values(&error) => error,
                outcome => return outcome,
            };
        }
        let without = what_is_refused(order, &refusal);
        match create_deal(client, order, contact, &without).await {
            Err(error) if refuses_values(&error) => {
                create_deal(client, order, contact, &Without::everything()).await
            }
            outcome => outcome,
        }
    }

    /// Takes over who is responsible for a deal that had been made before its lead was known to be delivered.
    async fn follow_manager(&self, row: &LeadRow, deal: &Deal) -> Result<(), StoreError> {
        let Some(user) = deal.responsible else {
            return Ok(());
        };
        let told_at = deal.updated_at.unwrap_or_else(|| self.crm.now());
        let is_change = row.responsible_user_id.is_some();
        self.store
            .managers()
            .follow(row.id, raw(user.get()), told_at, is_change)
            .await?;
        Ok(())
    }

    /// Takes over the stage that a deal has reached while its lead was not known to be delivered.
    async fn follow(
        &self,
        linked: &Linked,
        row: &LeadRow,
        deal: Deal,
        status: LeadStatus,
    ) -> Result<(), StoreError> {
        let stage = |status: StatusId| Stage {
            pipeline_id: deal.pipeline.map(|id| raw(id.get())),
            status_id: raw(status.get()),
        };
        let report = StageReport {
            account: linked.account.clone(),
            amo_lead_id: raw(deal.id.get()),
            intake_id: Some(row.intake_id),
            stage: deal.status.map(stage),
            status: Some(status.as_str().to_owned()),
            told_at: deal.updated_at,
            kind: ReportKind::Read,
            by_user: None,
            origin: StatusOrigin::Delivery,
        };
        self.hear(vec![report]).await?;
        Ok(())
    }

    /// Takes the right to find or make the person's contact.
    async fn claim_person(
        &self,
        linked: &Linked,
        row: &LeadRow,
        form: &LeadForm,
    ) -> Result<ContactClaim, StoreError> {
        let email = form.email.iter().map(Identity::email);
        let phone = form.phone.iter().map(Identity::phone);
        let identities: Vec<_> = email.chain(phone).collect();
        self.store
            .leads()
            .claim_identities(row.id, &linked.account, &identities, CLAIM_LIFE)
            .await
    }

    /// How soon a lead that waits for another of its person looks again: the longer it has waited, the later, up to what
    /// the store says.
    fn next_look(&self, row: &LeadRow, longest: Duration) -> Duration {
        let waited = (self.crm.now() - row.created_at)
            .to_std()
            .unwrap_or_default();
        (waited / 4).max(LOOK_AGAIN).min(longest)
    }

    /// Looks for the contact of the person that is claimed.
    async fn find_person(
        &self,
        linked: &Linked,
        row: &LeadRow,
        form: &LeadForm,
        known: Option<i64>,
    ) -> Result<Person, CrmError> {
        let region = self.config.intake.phone_region();
        let known = known
            .and_then(|id| u64::try_from(id).ok())
            .map(ContactId::new);
        let found = find_contact(&linked.client, form, known, region).await?;
        if let Some(known) = known
            && found.as_ref().map(|found| found.id) != Some(known)
        {
            // Deleted or merged in amoCRM: whoever comes next must not rely on it, and one of us makes the new one.
            self.store
                .leads()
                .forget_contact(&linked.account, raw(known.get()))
                .await?;
            let again = self.claim_person(linked, row, form).await?;
            if let ContactClaim::Busy { retry_after } = again {
                return Ok(Person::Busy(retry_after));
            }
        }
        Ok(Person::Free(found))
    }

    async fn delivered(
        &self,
        linked: &Linked,
        job: &Claimed,
        row: &LeadRow,
        deal: Deal,
        finish: Finish,
    ) -> Result<Ack, StoreError> {
        let contact = finish.contact;
        let finish = Finish {
            deal: deal.id.get(),
            contact: None,
            ..finish
        };
        let has_comment = row
            .payload
            .get("comment")
            .is_some_and(|text| !text.is_null());
        let nothing_left = !has_comment
            && self.config.managers.task.is_none()
            && finish.unplaced.as_ref().is_some_and(Vec::is_empty);
        let mut then = Vec::new();
        if let Some(contact) = contact {
            let lead = row.id;
            then.push(Job::Contact { lead, contact }.spec()?);
        }
        if !nothing_left {
            then.push(Job::Finish(finish).spec()?);
        }
        if row.is_move_pending
            && let Ok(status) = row.local_status.parse()
        {
            // The job that was added with the status ran in vain if an earlier delivery was given up.
            let job = Job::Move {
                lead: row.id,
                status,
            };
            then.push(job.spec()?);
        }
        let made = Delivered {
            // It may have been accepted while another account was connected.
            account: Some(linked.account.clone()),
            contact_id: deal.contact.map(|id| raw(id.get())),
            lead_id: raw(deal.id.get()),
            pipeline_id: deal.pipeline.map(|id| raw(id.get())),
            status_id: deal.status.map(|id| raw(id.get())),
            then,
        };
        let ack = self.store.leads().set_delivered(row.id, made, job).await?;
        if ack.is_recorded() {
            self.hands.gate().succeed();
            metrics::counter!("leads_delivered_total").increment(1);
            tracing::info!(
                lead.id = row.id,
                deal.id = %deal.id,
                attempts = row.attempts + 1,
                "lead delivered"
            );
        }
        Ok(ack)
    }

    async fn not_delivered(
        &self,
        linked: &Linked,
        job: &Claimed,
        row: &LeadRow,
        error: &CrmError,
        doubt: bool,
    ) -> Result<Ack, StoreError> {
        let verdict = self.judge(linked, job, error).await;
        let leads = self.store.leads();
        if verdict == Verdict::Fail {
            metrics::counter!("leads_failed_total").increment(1);
            tracing::error!(lead.id = row.id, "the lead cannot be delivered: {error}");
            return leads.set_failed(row.id, &error.to_string(), job).await;
        }
        tracing::warn!(
            lead.id = row.id,
            attempts = row.attempts + 1,
            "delivery failed, to be tried again: {error}"
        );
        let retry = self.hands.retry_after(job, verdict, error);
        if doubt || error.is_unknown() {
            // The person's contact may exist and not be found yet: others go on waiting for this lead.
            self.store.jobs().retry(job, retry).await
        } else {
            leads.set_retry(row.id, retry, job).await
        }
    }
}

/// The right to the person's contact.
enum Person {
    Busy(Duration),
    Free(Option<Found>),
}

/// Whether values are refused, and not the manager: for that another is chosen.
fn refuses_values(error: &CrmError) -> bool {
    error.is_validation() && !error.refuses_manager()
}

/// As a job remembers them.
pub(super) fn pairs(leftovers: &[Leftover]) -> Vec<(String, String)> {
    leftovers
        .iter()
        .map(|left| (left.field.clone(), left.value.clone()))
        .collect()
}

/// Numbers of amoCRM fit: they are below 2^53.
pub(super) fn raw(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
