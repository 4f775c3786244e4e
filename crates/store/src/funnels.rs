//! Messages to clients: what a funnel sends to a lead, once.
//!
//! The order of things that keeps a message from being lost or sent twice:
//!
//! 1. A lead is accepted, or its status changes: the job [`FUNNEL_ENTER`] becomes durable in that very transaction, and
//!    what was pending because of the old status is stopped in it. So no way to a status is forgotten.
//! 2. [`enrol`](Funnels::enrol): every step of a funnel becomes a row and a job that is due later. A lead has each step
//!    of a funnel once, however often it comes back to the status.
//! 3. [`begin`](Funnels::begin): **before** the first byte that could make a message arrive, its beginning becomes
//!    durable. Whoever asked not to be written to, or has been written to often enough today, stays alone here.
//! 4. [`finish`](Funnels::finish): what became of it, the end of the job and the note of the deal become durable
//!    together. A message that was begun by a process which is gone is [`Unknown`](MessageState::Unknown) and is never
//!    begun again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::instant;
use crate::counters;
use crate::db::{Row, Tx};
use crate::error::{Result, StoreError};
use crate::jobs::{self, JobSpec};
use crate::store::Inner;

mod address;
mod enrol;
mod note;
mod send;
mod stop;

pub(crate) use self::address::AddressKey;
pub use self::enrol::{Enrolled, Enrolment, NewMessage};
pub use self::note::{FunnelNote, NewFunnelNote};
pub use self::send::{Begin, End, FunnelLimits, Receipt};
pub use self::stop::{Heard, Replied};

/// The job that a lead's entering a status leaves behind; its payload is [`StatusEntered`].
pub const FUNNEL_ENTER: &str = "funnel.enter";
/// The job that makes a note of the deal; its payload is the note's number.
pub const FUNNEL_NOTE: &str = "funnel.note";

/// The most messages of one lead that are shown.
const MAX_SHOWN: i64 = 200;

/// The tables of funnels. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Funnels {
    inner: Arc<Inner>,
}

/// A lead has entered a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatusEntered {
    /// The lead.
    pub lead: i64,
    /// The status.
    pub status: String,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// By SMTP.
    Email,
    /// By WhatsApp's Cloud API.
    Whatsapp,
}

impl Channel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Email, Self::Whatsapp];

    /// The word in tables, answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Whatsapp => "whatsapp",
        }
    }

    /// The kind of the jobs that send; their payload is the message's number.
    pub const fn job(self) -> &'static str {
        match self {
            Self::Email => "funnel.email",
            Self::Whatsapp => "funnel.whatsapp",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// Waits for its time, or for another attempt.
    Pending,
    /// On its way just now.
    Sending,
    /// The server has taken it.
    Sent,
    /// It was on its way when the answer, or the process, was lost. It is not sent again.
    Unknown,
    /// Refused for good.
    Failed,
    /// Not sent, because something happened first.
    Stopped,
}

impl MessageState {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Sending,
        Self::Sent,
        Self::Unknown,
        Self::Failed,
        Self::Stopped,
    ];

    /// The word in tables, answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// What stops a message that has not been sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stops {
    /// An answer of the client.
    pub reply: bool,
    /// A change of the status.
    pub status: bool,
    /// An unsubscription of any of the lead's addresses. The address itself is never written to again, whatever this says.
    pub unsubscribe: bool,
}

const REPLY: i64 = 1;
const STATUS: i64 = 2;
const UNSUBSCRIBE: i64 = 4;
/// No message has this bit: [`forget`] stops every one.
const EVERYTHING: i64 = 0;

impl Stops {
    fn bits(self) -> i64 {
        i64::from(self.reply) * REPLY
            + i64::from(self.status) * STATUS
            + i64::from(self.unsubscribe) * UNSUBSCRIBE
    }
}

/// A message as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageRow {
    /// Its number.
    pub id: i64,
    /// The lead.
    pub lead_id: i64,
    /// The funnel.
    pub funnel: String,
    /// The step; 1 is the first.
    pub step: i64,
    /// How it travels.
    pub channel: Channel,
    /// The number that stands for the address.
    pub recipient_id: i64,
    /// How far it has come.
    pub state: MessageState,
    /// Why it failed, was stopped, or is tried again.
    pub reason: Option<String>,
    /// When it was planned to be sent; quiet hours, limits and failures may delay it.
    pub due_at: DateTime<Utc>,
    /// When it may have begun to leave us.
    pub begun_at: Option<DateTime<Utc>>,
    /// When its outcome was known.
    pub ended_at: Option<DateTime<Utc>>,
    /// How often it was begun.
    pub attempts: i64,
    /// What the messenger said later: `delivered`, `read`, `failed`.
    pub receipt: Option<String>,
}

macro_rules! message_columns {
    () => {
        "id, lead_id, funnel, step, channel, recipient_id, state, reason, due_at, begun_at, ended_at, attempts, receipt"
    };
}

fn message(row: &Row) -> Result<MessageRow> {
    let strange = || StoreError::internal("a message has an unknown channel or state");
    Ok(MessageRow {
        id: row.int("id")?,
        lead_id: row.int("lead_id")?,
        funnel: row.text("funnel")?,
        step: row.int("step")?,
        channel: Channel::parse(&row.text("channel")?).ok_or_else(strange)?,
        recipient_id: row.int("recipient_id")?,
        state: MessageState::parse(&row.text("state")?).ok_or_else(strange)?,
        reason: row.opt_text("reason")?,
        due_at: instant(row.int("due_at")?),
        begun_at: row.opt_int("begun_at")?.map(instant),
        ended_at: row.opt_int("ended_at")?.map(instant),
        attempts: row.int("attempts")?,
        receipt: row.opt_text("receipt")?,
    })
}

impl Funnels {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The message with this number.
    pub async fn message(&self, id: i64) -> Result<Option<MessageRow>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(concat!(
                "SELECT ",
                message_columns!(),
                " FROM funnel_messages WHERE id = $1"
            ))
            .bind(id)
            .fetch_optional()
            .await?;
        row.as_ref().map(message).transpose()
    }

    /// The messages of a lead, by funnel and step.
    pub async fn messages_of(&self, lead_id: i64) -> Result<Vec<MessageRow>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(concat!(
            "SELECT ",
            message_columns!(),
            " FROM funnel_messages WHERE lead_id = $1 ORDER BY funnel, step LIMIT $2"
        ))
        .bind(lead_id)
        .bind(MAX_SHOWN)
        .fetch_all()
        .await?
        .iter()
        .map(message)
        .collect()
    }

    /// How many messages of a funnel are in a state, with those that are deleted since: read from a counter, not counted.
    pub async fn count(&self, funnel: &str, state: MessageState) -> Result<u64> {
        let mut tx = self.inner.db.read().await?;
        counters::read(&mut tx, &counter(funnel, state)).await
    }
}

fn counter(funnel: &str, state: MessageState) -> String {
    format!("funnels.{funnel}/{}", state.as_str())
}

/// Moves a message from one counter to another.
fn count_transition(tx: &mut Tx, funnel: &str, from: Option<MessageState>, to: MessageState) {
    if let Some(from) = from {
        tx.count(counter(funnel, from), -1);
    }
    tx.count(counter(funnel, to), 1);
}

/// Leaves the job behind that looks for funnels which begin with this status.
pub(crate) async fn entered(tx: &mut Tx, lead: i64, status: &str) -> Result<()> {
    let entered = StatusEntered {
        lead,
        status: status.to_owned(),
        at: instant(tx.now().await?),
    };
    jobs::add(tx, &JobSpec::new(FUNNEL_ENTER, &entered)?).await?;
    Ok(())
}

/// Stops what was pending because of the status that the lead had.
pub(crate) async fn left(tx: &mut Tx, lead: i64) -> Result<()> {
    stop::stop(tx, lead, STATUS, "the status has changed").await?;
    Ok(())
}

/// Stops what was pending for a person who is to be forgotten, and deletes what tells who that was: answers and letters
/// that have not become notes yet, the addresses of the lead, and the messenger's numbers, which hold the telephone's.
/// What was sent and when stays.
pub(crate) async fn forget(tx: &mut Tx, lead: i64) -> Result<()> {
    let now = tx.now().await?;
    stop::stop(tx, lead, EVERYTHING, "the person was forgotten").await?;
    tx.query(
        "UPDATE funnel_messages SET external_id = NULL, forgotten_at = $2
         WHERE lead_id = $1 AND forgotten_at IS NULL",
    )
    .bind(lead)
    .bind(now)
    .execute()
    .await?;
    for delete in [
        "DELETE FROM funnel_notes WHERE lead_id = $1",
        "DELETE FROM funnel_addresses WHERE lead_id = $1",
    ] {
        tx.query(delete).bind(lead).execute().await?;
    }
    Ok(())
}

/// The number of an address, made if need be, and whether it is unsubscribed. The row stays locked on PostgreSQL.
async fn recipient(tx: &mut Tx, mark: &str) -> Result<(i64, bool)> {
    let row = tx
        .query(
            "INSERT INTO funnel_recipients (address) VALUES ($1)
             ON CONFLICT (address) DO UPDATE SET address = excluded.address RETURNING id, unsubscribed_at",
        )
        .bind(mark)
        .fetch_one()
        .await?;
    Ok((row.int("id")?, row.opt_int("unsubscribed_at")?.is_some()))
}

/// Microseconds of an instant.
fn stamp(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// How long it is until `due`.
fn until(due: i64, now: i64) -> std::time::Duration {
    crate::clock::duration(due.saturating_sub(now))
}
