//! A lead enters a funnel: each of its steps becomes a row and a job.

use chrono::{DateTime, Utc};

use super::{
    AddressKey, Channel, Funnels, MessageState, Stops, count_transition, recipient, stamp, until,
};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::{self, Ack, Claimed, JobSpec};
use crate::leads::Identity;

/// A lead and the messages that its new status brings.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The lead.
    pub lead_id: i64,
    /// The status that it entered.
    pub status: String,
    /// The messages, in the order of their steps.
    pub messages: Vec<NewMessage>,
    /// All addresses of the lead: an answer from any of them is an answer.
    pub addresses: Vec<Identity>,
}

/// A message to be sent later.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The funnel.
    pub funnel: String,
    /// The step; 1 is the first.
    pub step: i64,
    /// How it travels.
    pub channel: Channel,
    /// Whom to.
    pub to: Identity,
    /// What stops it.
    pub stops: Stops,
    /// When to send it.
    pub due_at: DateTime<Utc>,
}

/// What became of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolled {
    /// So many messages are new.
    Done(u64),
    /// The job has passed on to somebody else: nothing was changed.
    Stale,
}

impl Funnels {
    /// Makes a row and a job of each message that the lead does not have yet, and ends the job that asked for it. A lead
    /// that has left the status again gets only what a change of the status does not stop.
    pub async fn enrol(&self, enrolment: Enrolment, job: &Claimed) -> Result<Enrolled> {
        let enrol = Enrol {
            key: self.address_key().await?.clone(),
            enrolment,
            job: job.clone(),
        };
        self.inner.db.write(enrol).await
    }
}

struct Enrol {
    key: AddressKey,
    enrolment: Enrolment,
    job: Claimed,
}

impl Operation for Enrol {
    type Output = Enrolled;

    async fn run(&self, tx: &mut Tx) -> Result<Enrolled> {
        if jobs::complete(tx, &self.job).await? == Ack::Stale {
            return Ok(Enrolled::Stale);
        }
        let Enrolment {
            lead_id,
            status,
            messages,
            addresses,
        } = &self.enrolment;
        if messages.is_empty() {
            return Ok(Enrolled::Done(0));
        }
        let sql = Sql::either(
            "SELECT local_status FROM leads WHERE id = $1 AND wiped_at IS NULL",
            "SELECT local_status FROM leads WHERE id = $1 AND wiped_at IS NULL FOR UPDATE",
        );
        // A person who was forgotten since the messages were planned gets none.
        let Some(row) = tx.query(sql).bind(*lead_id).fetch_optional().await? else {
            return Ok(Enrolled::Done(0));
        };
        let has_left = row.text("local_status")? != *status;
        // In one order for everybody who locks several.
        let mut in_order: Vec<_> = addresses.iter().map(|it| self.key.mark(it)).collect();
        in_order.sort_unstable();
        in_order.dedup();
        let mut known = Vec::new();
        for mark in in_order {
            let (id, unsubscribed) = recipient(tx, &mark).await?;
            known.push((mark, id, unsubscribed));
            tx.query(
                "INSERT INTO funnel_addresses (recipient_id, lead_id) VALUES ($1, $2)
                 ON CONFLICT (recipient_id, lead_id) DO NOTHING",
            )
            .bind(id)
            .bind(*lead_id)
            .execute()
            .await?;
        }
        let mut new = 0;
        for message in messages {
            if has_left && message.stops.status {
                continue;
            }
            let mark = self.key.mark(&message.to);
            let (recipient, unsubscribed) = match known.iter().find(|it| it.0 == mark) {
                Some((_, id, unsubscribed)) => (*id, *unsubscribed),
                None => recipient(tx, &mark).await?,
            };
            new += u64::from(self.add(tx, message, recipient, unsubscribed).await?);
        }
        Ok(Enrolled::Done(new))
    }
}

impl Enrol {
    async fn add(
        &self,
        tx: &mut Tx,
        message: &NewMessage,
        recipient: i64,
        unsubscribed: bool,
    ) -> Result<bool> {
        let now = tx.now().await?;
        let due = stamp(message.due_at);
        let state = if unsubscribed {
            MessageState::Stopped
        } else {
            MessageState::Pending
        };
        let row = tx
            .query(
                "INSERT INTO funnel_messages (lead_id, funnel, step, channel, recipient_id, stops, state, reason, due_at,
                     ended_at, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                 ON CONFLICT (lead_id, funnel, step) DO NOTHING RETURNING id",
            )
            .bind(self.enrolment.lead_id)
            .bind(&message.funnel)
            .bind(message.step)
            .bind(message.channel.as_str())
            .bind(recipient)
            .bind(message.stops.bits())
            .bind(state.as_str())
            .bind(unsubscribed.then_some("unsubscribed"))
            .bind(due)
            .bind(unsubscribed.then_some(now))
            .bind(now)
            .fetch_optional()
            .await?;
        let Some(row) = row else {
            return Ok(false);
        };
        count_transition(tx, &message.funnel, None, state);
        if state == MessageState::Pending {
            // In a lane, so that the second message never overtakes the first.
            let lane = format!("funnel/{}/{}", self.enrolment.lead_id, message.funnel);
            let job = JobSpec::new(message.channel.job(), &row.int("id")?)?
                .lane(lane)
                .delay(until(due, now));
            jobs::add(tx, &job).await?;
        }
        Ok(true)
    }
}
