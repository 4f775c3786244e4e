//! The attempts to deliver a lead and how they end.

use super::{DeliveryState, LeadRow, Leads, count_transition, identities, lead, lead_columns};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::{self, Ack, Claimed, JobSpec, RetryAfter};
use crate::tallies;

/// What amoCRM made of a lead.
#[derive(Debug, Clone, Default)]
pub struct Delivered {
    /// The account that has it; `None` if it is the one that the lead was accepted for.
    pub account: Option<String>,
    /// The contact; `None` if the deal has none any more.
    pub contact_id: Option<i64>,
    /// The deal. Several leads may share one: amoCRM's duplicate control folds a new deal into an open one.
    pub lead_id: i64,
    /// The deal's pipeline.
    pub pipeline_id: Option<i64>,
    /// The deal's stage.
    pub status_id: Option<i64>,
    /// What is left to do; in the lead's lane it is behind whatever waits there.
    pub then: Vec<JobSpec>,
}

impl Leads {
    /// Notes, durably, that an attempt begins. Nothing may be sent before this returns the lead.
    ///
    /// The time of the first attempt is kept through all later ones. `None`: the job has passed on to another
    /// worker, or there is no such lead; send nothing.
    pub async fn mark_attempt(&self, id: i64, job: &Claimed) -> Result<Option<LeadRow>> {
        let job = job.clone();
        self.inner.db.write(MarkAttempt { id, job }).await
    }

    /// Notes what amoCRM made of the lead, ends the job, adds those that follow from it, and tells the lead's identities
    /// their contact, together.
    pub async fn set_delivered(&self, id: i64, made: Delivered, job: &Claimed) -> Result<Ack> {
        self.finish(id, job, End::Delivered(made)).await
    }

    /// Notes that an attempt failed and when the job tries again; gives up the claim on the identities. The error is
    /// kept for people: no secrets, phones or e-mails in it.
    pub async fn set_retry(&self, id: i64, retry: RetryAfter, job: &Claimed) -> Result<Ack> {
        self.finish(id, job, End::Retry(retry)).await
    }

    /// Gives up: the job becomes a dead letter. The error is kept for people, as above.
    pub async fn set_failed(&self, id: i64, error: &str, job: &Claimed) -> Result<Ack> {
        self.finish(id, job, End::Failed(error.to_owned())).await
    }

    async fn finish(&self, id: i64, job: &Claimed, end: End) -> Result<Ack> {
        let job = job.clone();
        self.inner.db.write(Finish { id, job, end }).await
    }
}

struct MarkAttempt {
    id: i64,
    job: Claimed,
}

impl Operation for MarkAttempt {
    type Output = Option<LeadRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<LeadRow>> {
        if jobs::holds(tx, &self.job).await? == Ack::Stale {
            return Ok(None);
        }
        let now = tx.now().await?;
        let Some(before) = state(tx, self.id).await? else {
            return Ok(None);
        };
        let row = tx
            .query(concat!(
                "UPDATE leads SET attempts = attempts + 1, attempt_started_at = coalesce(attempt_started_at, $2),
                     delivery_state = CASE delivery_state WHEN 'delivered' THEN 'delivered' ELSE 'delivering' END,
                     updated_at = $2
                 WHERE id = $1 RETURNING ",
                lead_columns!()
            ))
            .bind(self.id)
            .bind(now)
            .fetch_one()
            .await?;
        let lead = lead(&row)?;
        count_transition(tx, Some(before), lead.delivery);
        Ok(Some(lead))
    }
}

enum End {
    Delivered(Delivered),
    Retry(RetryAfter),
    Failed(String),
}

struct Finish {
    id: i64,
    job: Claimed,
    end: End,
}

impl Operation for Finish {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        let ack = match &self.end {
            End::Delivered(_) => jobs::complete(tx, &self.job).await?,
            End::Retry(retry) => jobs::retry(tx, &self.job, retry).await?,
            End::Failed(error) => {
                jobs::bury(tx, &self.job, "the lead cannot be delivered", Some(error)).await?
            }
        };
        if ack == Ack::Stale {
            return Ok(ack);
        }
        let Some(before) = state(tx, self.id).await? else {
            return Ok(ack);
        };
        let now = tx.now().await?;
        match &self.end {
            End::Delivered(made) => {
                // A webhook may have told of a later stage before we knew whose deal it is.
                let row = tx
                    .query(
                        "UPDATE leads SET delivery_state = 'delivered', amo_contact_id = $2, amo_lead_id = $3,
                             amo_pipeline_id = CASE WHEN amo_seen_at IS NULL THEN $4 ELSE amo_pipeline_id END,
                             amo_status_id = CASE WHEN amo_seen_at IS NULL THEN $5 ELSE amo_status_id END,
                             delivered_at = $6, updated_at = $6,
                             account = coalesce($7, account), last_error = NULL
                         WHERE id = $1 RETURNING created_at",
                    )
                    .bind(self.id)
                    .bind(made.contact_id)
                    .bind(made.lead_id)
                    .bind(made.pipeline_id)
                    .bind(made.status_id)
                    .bind(now)
                    .bind(made.account.as_deref())
                    .fetch_one()
                    .await?;
                if before != DeliveryState::Delivered {
                    tallies::delivered(tx, row.int("created_at")?, now);
                }
                count_transition(tx, Some(before), DeliveryState::Delivered);
                match made.contact_id {
                    Some(contact) => identities::resolve(tx, self.id, contact).await?,
                    // There is no contact to remember.
                    None => identities::release(tx, self.id).await?,
                }
                for job in &made.then {
                    jobs::add(tx, job).await?;
                }
            }
            End::Retry(retry) => {
                note_error(tx, self.id, &retry.error, now).await?;
                identities::release(tx, self.id).await?;
            }
            End::Failed(error) => {
                note_error(tx, self.id, error, now).await?;
                tx.query("UPDATE leads SET delivery_state = 'failed' WHERE id = $1")
                    .bind(self.id)
                    .execute()
                    .await?;
                count_transition(tx, Some(before), DeliveryState::Failed);
                identities::release(tx, self.id).await?;
            }
        }
        Ok(ack)
    }
}

async fn note_error(tx: &mut Tx, id: i64, error: &str, now: i64) -> Result<()> {
    tx.query("UPDATE leads SET last_error = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(error)
        .bind(now)
        .execute()
        .await?;
    Ok(())
}

/// The lead's state, with its row locked on PostgreSQL.
async fn state(tx: &mut Tx, id: i64) -> Result<Option<DeliveryState>> {
    let sql = Sql::either(
        "SELECT delivery_state FROM leads WHERE id = $1",
        "SELECT delivery_state FROM leads WHERE id = $1 FOR UPDATE",
    );
    let Some(row) = tx.query(sql).bind(id).fetch_optional().await? else {
        return Ok(None);
    };
    Ok(DeliveryState::parse(&row.text("delivery_state")?))
}
