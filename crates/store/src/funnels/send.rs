//! A message leaves, and what becomes of it.

use chrono::{DateTime, Utc};

use super::note::{self, NewFunnelNote};
use super::{Funnels, MessageState, count_transition, stamp};
use crate::db::{Operation, Row, Sql, Tx};
use crate::error::{Result, StoreError};
use crate::jobs::{self, Ack, Claimed, RetryAfter};

/// How much one day may bring.
#[derive(Debug, Clone, Copy)]
pub struct FunnelLimits {
    /// When the day began.
    pub since: DateTime<Utc>,
    /// The most messages to one address in a day, of all funnels together; at least 1.
    pub per_recipient: u32,
    /// The most messages of one funnel in a day, if there is a limit; at least 1.
    pub per_funnel: Option<u32>,
}

/// Whether a message may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Yes, and everybody knows.
    Go,
    /// Not today: the address, or the funnel, has had its share.
    Capped,
    /// It is not pending any more.
    Over(MessageState),
    /// The job has passed on to somebody else, or the message is gone with its lead.
    Stale,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum End {
    /// The server has taken it.
    Sent {
        /// The messenger's number of it.
        external_id: Option<String>,
        /// What is noted at the deal.
        note: NewFunnelNote,
    },
    /// Nobody knows whether it left. It is not sent again.
    Unknown {
        /// What was lost.
        reason: String,
        /// What is noted at the deal.
        note: NewFunnelNote,
    },
    /// Refused for good.
    Failed {
        /// By whom and why; no addresses and no texts.
        reason: String,
    },
    /// It has not left, and is tried again, unless something has stopped it meanwhile.
    Later {
        /// When, and why.
        after: RetryAfter,
    },
    /// It has not left and will not.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// What a messenger reports about a message that it took.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Our number of the message, if the report repeats it.
    pub message: Option<i64>,
    /// The messenger's number.
    pub external_id: String,
    /// `sent`, `delivered`, `read` or `failed`.
    pub word: String,
    /// Why it failed there; no addresses and no texts.
    pub reason: Option<String>,
}

impl Funnels {
    /// Notes, durably, that a message begins to leave. Nothing that could make it arrive may be sent before this says
    /// [`Go`](Begin::Go).
    pub async fn begin(&self, id: i64, limits: FunnelLimits, job: &Claimed) -> Result<Begin> {
        let job = job.clone();
        self.inner.db.write(Start { id, limits, job }).await
    }

    /// Notes how an attempt ended, and ends or reschedules its job.
    ///
    /// A late [`Sent`](End::Sent) is believed although its job has passed on: whoever has it now can only have noted
    /// that the outcome is unknown.
    pub async fn finish(&self, id: i64, end: End, job: &Claimed) -> Result<Ack> {
        let job = job.clone();
        self.inner.db.write(Finish { id, end, job }).await
    }

    /// Takes a messenger's report. Returns whether it is news about a message of ours.
    pub async fn receive(&self, receipt: Receipt) -> Result<bool> {
        self.inner.db.write(Receive { receipt }).await
    }
}

struct Start {
    id: i64,
    limits: FunnelLimits,
    job: Claimed,
}

impl Operation for Start {
    type Output = Begin;

    async fn run(&self, tx: &mut Tx) -> Result<Begin> {
        if jobs::holds(tx, &self.job).await? == Ack::Stale {
            return Ok(Begin::Stale);
        }
        let known = tx
            .query("SELECT recipient_id, funnel FROM funnel_messages WHERE id = $1")
            .bind(self.id)
            .fetch_optional()
            .await?;
        let Some(known) = known else {
            return Ok(Begin::Stale);
        };
        let (recipient, funnel) = (known.int("recipient_id")?, known.text("funnel")?);
        // The address first and the message after it, as in an unsubscription.
        let sql = Sql::either(
            "SELECT unsubscribed_at FROM funnel_recipients WHERE id = $1",
            "SELECT unsubscribed_at FROM funnel_recipients WHERE id = $1 FOR UPDATE",
        );
        let address = tx.query(sql).bind(recipient).fetch_one().await?;
        let Some((state, _)) = lock(tx, self.id).await? else {
            return Ok(Begin::Stale);
        };
        let now = tx.now().await?;
        if state == MessageState::Pending && address.opt_int("unsubscribed_at")?.is_some() {
            tx.query(
                "UPDATE funnel_messages SET state = 'stopped', reason = 'unsubscribed', ended_at = $2 WHERE id = $1",
            )
            .bind(self.id)
            .bind(now)
            .execute()
            .await?;
            count_transition(tx, &funnel, Some(state), MessageState::Stopped);
            return Ok(Begin::Over(MessageState::Stopped));
        }
        if state != MessageState::Pending {
            return Ok(Begin::Over(state));
        }
        if self.is_capped(tx, recipient, &funnel).await? {
            return Ok(Begin::Capped);
        }
        tx.query(
            "UPDATE funnel_messages SET state = 'sending', begun_at = $2, attempts = attempts + 1, reason = NULL
             WHERE id = $1",
        )
        .bind(self.id)
        .bind(now)
        .execute()
        .await?;
        count_transition(tx, &funnel, Some(state), MessageState::Sending);
        Ok(Begin::Go)
    }
}

impl Start {
    /// Looks for the message that used up the day's share, and no further.
    async fn is_capped(&self, tx: &mut Tx, recipient: i64, funnel: &str) -> Result<bool> {
        let since = stamp(self.limits.since);
        let last = tx
            .query(
                "SELECT id FROM funnel_messages WHERE recipient_id = $1 AND begun_at >= $2
                 ORDER BY begun_at LIMIT 1 OFFSET $3",
            )
            .bind(recipient)
            .bind(since)
            .bind(i64::from(self.limits.per_recipient.max(1)) - 1)
            .fetch_optional()
            .await?;
        if last.is_some() {
            return Ok(true);
        }
        let Some(per_funnel) = self.limits.per_funnel else {
            return Ok(false);
        };
        tx.query("INSERT INTO funnel_caps (funnel) VALUES ($1) ON CONFLICT (funnel) DO NOTHING")
            .bind(funnel)
            .execute()
            .await?;
        let sql = Sql::either(
            "SELECT funnel FROM funnel_caps WHERE funnel = $1",
            "SELECT funnel FROM funnel_caps WHERE funnel = $1 FOR UPDATE",
        );
        tx.query(sql).bind(funnel).fetch_one().await?;
        let last = tx
            .query(
                "SELECT id FROM funnel_messages WHERE funnel = $1 AND begun_at >= $2
                 ORDER BY begun_at LIMIT 1 OFFSET $3",
            )
            .bind(funnel)
            .bind(since)
            .bind(i64::from(per_funnel.max(1)) - 1)
            .fetch_optional()
            .await?;
        Ok(last.is_some())
    }
}

struct Finish {
    id: i64,
    end: End,
    job: Claimed,
}

impl Operation for Finish {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        // The job first and the message after it, as when it begins.
        let _ = jobs::holds(tx, &self.job).await?;
        let message = lock(tx, self.id).await?;
        let stop_reason = match (&message, &self.end) {
            (Some((_, row)), End::Later { .. }) => row.opt_text("stop_reason")?,
            _ => None,
        };
        let stopped = stop_reason.map(|reason| End::Stopped { reason });
        let end = stopped.as_ref().unwrap_or(&self.end);
        let ack = match end {
            End::Later { after } => jobs::retry(tx, &self.job, after).await?,
            _ => jobs::complete(tx, &self.job).await?,
        };
        let Some((state, row)) = message else {
            return Ok(ack);
        };
        let is_late = ack == Ack::Stale;
        let on_its_way = matches!(state, MessageState::Sending | MessageState::Unknown);
        let may = if is_late {
            on_its_way && matches!(end, End::Sent { .. })
        } else {
            matches!(state, MessageState::Sending | MessageState::Pending)
        };
        if !may {
            return Ok(ack);
        }
        let (to, reason) = match end {
            End::Sent { .. } => (MessageState::Sent, None),
            End::Unknown { reason, .. } => (MessageState::Unknown, Some(reason)),
            End::Failed { reason } => (MessageState::Failed, Some(reason)),
            End::Stopped { reason } => (MessageState::Stopped, Some(reason)),
            End::Later { after } => (MessageState::Pending, Some(&after.error)),
        };
        self.update(tx, end, to, reason).await?;
        if state != to {
            count_transition(tx, &row.text("funnel")?, Some(state), to);
        }
        if let End::Sent { note, .. } | End::Unknown { note, .. } = end {
            note::add(tx, row.int("lead_id")?, note).await?;
        }
        Ok(ack)
    }
}

impl Finish {
    async fn update(
        &self,
        tx: &mut Tx,
        end: &End,
        to: MessageState,
        reason: Option<&String>,
    ) -> Result<()> {
        let now = tx.now().await?;
        if let End::Later { .. } = end {
            // It has not left, so it does not count for the day.
            tx.query(
                "UPDATE funnel_messages SET state = $2, reason = $3, begun_at = NULL WHERE id = $1",
            )
            .bind(self.id)
            .bind(to.as_str())
            .bind(reason.cloned())
            .execute()
            .await?;
            return Ok(());
        }
        let external_id = match end {
            End::Sent { external_id, .. } => external_id.clone(),
            _ => None,
        };
        let has_left = matches!(to, MessageState::Sent | MessageState::Unknown);
        tx.query(
            "UPDATE funnel_messages SET state = $2, reason = $3, ended_at = $4, 
                 external_id = CASE WHEN forgotten_at IS NULL THEN coalesce($5, external_id) END,
                 begun_at = CASE WHEN $6 = 1 THEN begun_at ELSE NULL END
             WHERE id = $1",
        )
        .bind(self.id)
        .bind(to.as_str())
        .bind(reason.cloned())
        .bind(now)
        .bind(external_id)
        .bind(i64::from(has_left))
        .execute()
        .await?;
        Ok(())
    }
}

struct Receive {
    receipt: Receipt,
}

/// A later word replaces an earlier one; reports come in any order.
fn rank(word: &str) -> u8 {
    match word {
        "sent" => 1,
        "delivered" => 2,
        "read" => 3,
        "failed" => 4,
        _ => 0,
    }
}

impl Operation for Receive {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let receipt = &self.receipt;
        let found = tx
            .query("SELECT id FROM funnel_messages WHERE external_id = $1")
            .bind(&receipt.external_id)
            .fetch_optional()
            .await?;
        let id = match (found, receipt.message) {
            (Some(row), _) => row.int("id")?,
            (None, Some(id)) => id,
            (None, None) => return Ok(false),
        };
        let Some((state, row)) = lock(tx, id).await? else {
            return Ok(false);
        };
        if row.opt_int("forgotten_at")?.is_some() {
            return Ok(false);
        }
        let known = row.opt_text("external_id")?;
        if known.is_some_and(|known| known != receipt.external_id) {
            return Ok(false);
        }
        let word = row.opt_text("receipt")?;
        // The answer to our request was lost, but here is what it would have said. One that is on its way just now is
        // left to whoever sends it.
        let to = if state == MessageState::Unknown {
            MessageState::Sent
        } else {
            state
        };
        if rank(&receipt.word) <= word.as_deref().map_or(0, rank) && to == state {
            return Ok(false);
        }
        tx.query(
            "UPDATE funnel_messages SET state = $2, external_id = $3, receipt = $4, reason = $5 WHERE id = $1",
        )
        .bind(id)
        .bind(to.as_str())
        .bind(&receipt.external_id)
        .bind(&receipt.word)
        .bind(&receipt.reason)
        .execute()
        .await?;
        if to != state {
            count_transition(tx, &row.text("funnel")?, Some(state), to);
        }
        Ok(true)
    }
}

/// A message's state and row, locked on PostgreSQL.
async fn lock(tx: &mut Tx, id: i64) -> Result<Option<(MessageState, Row)>> {
    let sql = Sql::either(
        "SELECT state, funnel, lead_id, external_id, receipt, stop_reason, forgotten_at FROM funnel_messages
         WHERE id = $1",
        "SELECT state, funnel, lead_id, external_id, receipt, stop_reason, forgotten_at FROM funnel_messages
         WHERE id = $1 FOR UPDATE",
    );
    let Some(row) = tx.query(sql).bind(id).fetch_optional().await? else {
        return Ok(None);
    };
    let state = MessageState::parse(&row.text("state")?)
        .ok_or_else(|| StoreError::internal("a message has an unknown state"))?;
    Ok(Some((state, row)))
}
