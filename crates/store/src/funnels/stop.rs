//! What stops messages: answers, unsubscriptions, and (with the status itself) changes of the status.

use super::note::{self, NewFunnelNote};
use super::{Funnels, MessageState, REPLY, UNSUBSCRIBE, count_transition};
use crate::db::{Operation, Tx};
use crate::error::Result;
use crate::leads::Identity;

/// An answer stops the funnels of no more leads than this: somebody who asked so often has one person's answer.
const MOST_LEADS: i64 = 100;

/// Who has answered, as far as is known.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Whoever the deal is about.
    Deal {
        /// amoCRM's account.
        account: String,
        /// The deal.
        id: i64,
    },
    /// A contact of amoCRM.
    Contact(i64),
    /// An address.
    Address(Identity),
    /// Whoever got this message.
    Message(i64),
}

/// What an answer did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replied {
    /// The leads it is from, the newest first.
    pub leads: Vec<i64>,
    /// How many messages will not be sent.
    pub stopped: u64,
}

impl Funnels {
    /// Stops what an answer stops. The note, if there is one, goes to the newest of the leads.
    pub async fn reply(&self, from: Heard, note: Option<NewFunnelNote>) -> Result<Replied> {
        let mark = match &from {
            Heard::Address(identity) => Some(self.address_key().await?.mark(identity)),
            _ => None,
        };
        self.inner.db.write(Reply { from, mark, note }).await
    }

    /// Notes that nobody at this address wants messages, for ever. Returns how many messages will not be sent; `None` if
    /// there is no such recipient.
    pub async fn unsubscribe(&self, recipient_id: i64) -> Result<Option<u64>> {
        let who = Who::Number(recipient_id);
        self.inner.db.write(Unsubscribe { who }).await
    }

    /// The same by the address itself, whether or not it was ever written to.
    pub async fn unsubscribe_address(&self, identity: Identity) -> Result<u64> {
        let who = Who::Mark(self.address_key().await?.mark(&identity));
        let stopped = self.inner.db.write(Unsubscribe { who }).await?;
        Ok(stopped.unwrap_or_default())
    }

    /// Whether the recipient has unsubscribed; `None` if there is none.
    pub async fn is_unsubscribed(&self, recipient_id: i64) -> Result<Option<bool>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query("SELECT unsubscribed_at FROM funnel_recipients WHERE id = $1")
            .bind(recipient_id)
            .fetch_optional()
            .await?;
        row.map(|row| Ok(row.opt_int("unsubscribed_at")?.is_some()))
            .transpose()
    }
}

/// Stops the lead's pending messages that have one of these bits, or all if there are none. Returns how many.
pub(super) async fn stop(tx: &mut Tx, lead: i64, bit: i64, reason: &str) -> Result<u64> {
    let now = tx.now().await?;
    let stopped = tx
        .query(
            "UPDATE funnel_messages SET state = 'stopped', reason = $3, ended_at = $4
             WHERE lead_id = $1 AND state = 'pending' AND (stops & $2 <> 0 OR $2 = 0) RETURNING funnel",
        )
        .bind(lead)
        .bind(bit)
        .bind(reason)
        .bind(now)
        .fetch_all()
        .await?;
    for row in &stopped {
        count_transition(
            tx,
            &row.text("funnel")?,
            Some(MessageState::Pending),
            MessageState::Stopped,
        );
    }
    // One that is on its way may be refused for the time being: then this is remembered, and it is not sent again.
    tx.query(
        "UPDATE funnel_messages SET stop_reason = $3
         WHERE lead_id = $1 AND state = 'sending' AND stop_reason IS NULL AND (stops & $2 <> 0 OR $2 = 0)",
    )
    .bind(lead)
    .bind(bit)
    .bind(reason)
    .execute()
    .await?;
    Ok(stopped.len() as u64)
}

struct Reply {
    from: Heard,
    /// What stands for the address, if it is one that was heard.
    mark: Option<String>,
    note: Option<NewFunnelNote>,
}

impl Operation for Reply {
    type Output = Replied;

    async fn run(&self, tx: &mut Tx) -> Result<Replied> {
        let leads = self.leads(tx).await?;
        let mut stopped = 0;
        for lead in &leads {
            stopped += stop(tx, *lead, REPLY, "the client has answered").await?;
        }
        if let (Some(note), Some(lead)) = (&self.note, leads.first()) {
            note::add(tx, *lead, note).await?;
        }
        Ok(Replied { leads, stopped })
    }
}

impl Reply {
    async fn leads(&self, tx: &mut Tx) -> Result<Vec<i64>> {
        let query = match &self.from {
            // Leads that were accepted before any account was connected have no account.
            Heard::Deal { account, id } => tx
                .query("SELECT id FROM leads WHERE account IN ($1, '') AND amo_lead_id = $2")
                .bind(account)
                .bind(*id),
            Heard::Contact(id) => tx
                .query("SELECT id FROM leads WHERE amo_contact_id = $1 ORDER BY id DESC LIMIT $2")
                .bind(*id)
                .bind(MOST_LEADS),
            Heard::Address(_) => tx
                .query(
                    "SELECT lead_id AS id FROM funnel_addresses WHERE recipient_id =
                         (SELECT id FROM funnel_recipients WHERE address = $1)
                     ORDER BY lead_id DESC LIMIT $2",
                )
                .bind(&self.mark)
                .bind(MOST_LEADS),
            Heard::Message(id) => tx
                .query("SELECT lead_id AS id FROM funnel_messages WHERE id = $1")
                .bind(*id),
        };
        query
            .fetch_all()
            .await?
            .iter()
            .map(|row| row.int("id"))
            .collect()
    }
}

enum Who {
    Number(i64),
    Mark(String),
}

struct Unsubscribe {
    who: Who,
}

impl Operation for Unsubscribe {
    type Output = Option<u64>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<u64>> {
        let id = match &self.who {
            Who::Number(id) => *id,
            Who::Mark(mark) => super::recipient(tx, mark).await?.0,
        };
        let now = tx.now().await?;
        let known = tx
            .query(
                "UPDATE funnel_recipients SET unsubscribed_at = coalesce(unsubscribed_at, $2) WHERE id = $1",
            )
            .bind(id)
            .bind(now)
            .execute()
            .await?;
        if known == 0 {
            return Ok(None);
        }
        let own = tx
            .query(
                "UPDATE funnel_messages SET state = 'stopped', reason = 'unsubscribed', ended_at = $2
                 WHERE recipient_id = $1 AND state = 'pending' RETURNING funnel",
            )
            .bind(id)
            .bind(now)
            .fetch_all()
            .await?;
        for row in &own {
            count_transition(
                tx,
                &row.text("funnel")?,
                Some(MessageState::Pending),
                MessageState::Stopped,
            );
        }
        tx.query(
            "UPDATE funnel_messages SET stop_reason = 'unsubscribed'
             WHERE recipient_id = $1 AND state = 'sending' AND stop_reason IS NULL",
        )
        .bind(id)
        .execute()
        .await?;
        let mut stopped = own.len() as u64;
        let leads = tx
            .query(
                "SELECT lead_id FROM funnel_addresses WHERE recipient_id = $1 ORDER BY lead_id DESC LIMIT $2",
            )
            .bind(id)
            .bind(MOST_LEADS)
            .fetch_all()
            .await?;
        for lead in leads {
            stopped += stop(tx, lead.int("lead_id")?, UNSUBSCRIBE, "unsubscribed").await?;
        }
        Ok(Some(stopped))
    }
}
