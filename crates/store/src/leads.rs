//! Leads on their way to amoCRM and back.
//!
//! The order of things that keeps a lead from being lost or doubled:
//!
//! 1. [`accept`](Leads::accept): the lead, the job that delivers it and its idempotency key become durable together;
//!    only then is the visitor answered.
//! 2. [`mark_attempt`](Leads::mark_attempt): **before** anything is sent, the time of the first attempt becomes
//!    durable. A later attempt knows from it that amoCRM may hold the lead already, and since when.
//! 3. [`claim_identities`](Leads::claim_identities): of two leads with one e-mail or phone, one creates the contact
//!    and the other waits for its number.
//! 4. [`set_delivered`](Leads::set_delivered): amoCRM's numbers, the end of the job and the contact of the identities
//!    become durable together.
//!
//! Outcomes are reported with the [`Claimed`](crate::Claimed) job: a worker whose lease has passed on changes nothing.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::instant;
use crate::db::{Row, Tx};
use crate::error::{Result, StoreError};
use crate::managers::ManagerReason;
use crate::store::Inner;

mod accept;
mod arrivals;
mod deliver;
mod drop;
mod erase;
mod identities;
mod moves;
mod read;
mod retry;
mod stage;
mod status;
mod warnings;

pub(crate) use self::accept::accept_within;
pub use self::accept::{Accepted, LeadJob};
pub(crate) use self::arrivals::Queued;
pub(crate) use self::erase::{Person, wipe};

pub use self::deliver::Delivered;
pub use self::erase::Erased;
pub use self::identities::{ContactClaim, Identity, IdentityKind};
pub use self::moves::{Moved, UnsentLead, UnsentPage};
pub use self::read::{LeadFilter, LeadOrder};
pub use self::stage::{ReportKind, Stage, StageHeard, StageReport};
pub use self::status::{HistoryEvent, LeadHistory, StatusChange, StatusChanged, StatusOrigin};
pub use self::warnings::{LeadWarning, WarnedField};

/// The table of leads. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Leads {
    inner: Arc<Inner>,
}

impl Leads {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

/// How far a lead has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Durable, and nothing has been sent yet.
    Queued,
    /// At least one attempt has begun.
    Delivering,
    /// amoCRM has it; its numbers are known.
    Delivered,
    /// Given up: the job is a dead letter, which a person may replay.
    Failed,
}

impl DeliveryState {
    /// The word in tables, answers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The state with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Queued,
            Self::Delivering,
            Self::Delivered,
            Self::Failed,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }

    fn counter(self) -> String {
        format!("leads.{}", self.as_str())
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the visitor came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Utm {
    /// `utm_source`.
    pub source: Option<String>,
    /// `utm_medium`.
    pub medium: Option<String>,
    /// `utm_campaign`.
    pub campaign: Option<String>,
    /// `utm_content`.
    pub content: Option<String>,
    /// `utm_term`.
    pub term: Option<String>,
}

/// A lead as it came in, validated and normalised.
#[derive(Clone)]
pub struct NewLeadRow {
    /// Names this submission everywhere, also in amoCRM. The caller's random number.
    pub intake_id: Uuid,
    /// The amoCRM account it goes to: `acme.amocrm.ru`.
    pub account: String,
    /// The person's name.
    pub name: Option<String>,
    /// E.164.
    pub phone: Option<String>,
    /// Lower case.
    pub email: Option<String>,
    /// Where the visitor came from.
    pub utm: Utm,
    /// Everything else that was submitted, for the delivery.
    pub payload: Value,
    /// Our status to begin with.
    pub local_status: String,
}

impl NewLeadRow {
    /// The row that it becomes when it is accepted.
    fn accepted(self, id: i64, now: i64) -> LeadRow {
        let at = instant(now);
        LeadRow {
            id,
            intake_id: self.intake_id,
            account: self.account,
            name: self.name,
            phone: self.phone,
            email: self.email,
            utm: self.utm,
            payload: self.payload,
            local_status: self.local_status,
            status_changed_at: at,
            delivery: DeliveryState::Queued,
            amo_contact_id: None,
            amo_lead_id: None,
            amo_pipeline_id: None,
            amo_status_id: None,
            amo_seen_at: None,
            amo_gone_at: None,
            is_move_pending: false,
            attempts: 0,
            last_error: None,
            attempt_started_at: None,
            created_at: at,
            updated_at: at,
            delivered_at: None,
            responsible_user_id: None,
            manager_reason: None,
        }
    }
}

impl fmt::Debug for NewLeadRow {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewLeadRow")
            .field("intake_id", &self.intake_id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// A lead as it is stored.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct LeadRow {
    /// Our number.
    pub id: i64,
    /// Names this submission everywhere, also in amoCRM.
    pub intake_id: Uuid,
    /// The amoCRM account it goes to.
    pub account: String,
    /// The person's name.
    pub name: Option<String>,
    /// E.164.
    pub phone: Option<String>,
    /// Lower case.
    pub email: Option<String>,
    /// Where the visitor came from.
    pub utm: Utm,
    /// Everything else that was submitted.
    pub payload: Value,
    /// Our status.
    pub local_status: String,
    /// When our status changed, by whoever changed it.
    pub status_changed_at: DateTime<Utc>,
    /// How far it has come.
    pub delivery: DeliveryState,
    /// The contact in amoCRM.
    pub amo_contact_id: Option<i64>,
    /// The deal in amoCRM.
    pub amo_lead_id: Option<i64>,
    /// The deal's pipeline, as amoCRM told it last.
    pub amo_pipeline_id: Option<i64>,
    /// The deal's stage, as amoCRM told it last.
    pub amo_status_id: Option<i64>,
    /// amoCRM's time of that.
    pub amo_seen_at: Option<DateTime<Utc>>,
    /// When the deal was found to be deleted or merged into another.
    pub amo_gone_at: Option<DateTime<Utc>>,
    /// Our status has not reached amoCRM yet.
    pub is_move_pending: bool,
    /// How many attempts have begun.
    pub attempts: u32,
    /// What the last failed attempt said.
    pub last_error: Option<String>,
    /// When the **first** attempt began: amoCRM holds nothing of this lead that is older.
    pub attempt_started_at: Option<DateTime<Utc>>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When anything of it changed.
    pub updated_at: DateTime<Utc>,
    /// When amoCRM had it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The user of amoCRM who is responsible for it; `None`: whoever amoCRM takes by default, or we do not know.
    pub responsible_user_id: Option<i64>,
    /// Why that user, or why nobody; `None`: nobody has been looked for.
    pub manager_reason: Option<ManagerReason>,
}

impl fmt::Debug for LeadRow {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadRow")
            .field("id", &self.id)
            .field("intake_id", &self.intake_id)
            .field("account", &self.account)
            .field("local_status", &self.local_status)
            .field("delivery", &self.delivery)
            .field("amo_lead_id", &self.amo_lead_id)
            .finish_non_exhaustive()
    }
}

/// The columns that [`lead`] reads, for `SELECT` and `RETURNING`.
macro_rules! lead_columns {
    () => {
        "id, intake_id, account, name, phone, email, utm_source, utm_medium, utm_campaign, utm_content, utm_term,
         payload, local_status, status_changed_at, delivery_state, amo_contact_id, amo_lead_id, amo_pipeline_id,
         amo_status_id, amo_seen_at, amo_sent_pipeline_id, amo_sent_status_id, amo_gone_at, move_pending, attempts,
         last_error, attempt_started_at, created_at, updated_at, delivered_at, responsible_user_id, manager_reason"
    };
}
use lead_columns;

fn lead(row: &Row) -> Result<LeadRow> {
    let delivery = DeliveryState::parse(&row.text("delivery_state")?)
        .ok_or_else(|| StoreError::internal("a lead has an unknown delivery state"))?;
    Ok(LeadRow {
        id: row.int("id")?,
        intake_id: Uuid::parse_str(&row.text("intake_id")?)
            .map_err(|_| StoreError::internal("a lead has a malformed intake id"))?,
        account: row.text("account")?,
        name: row.opt_text("name")?,
        phone: row.opt_text("phone")?,
        email: row.opt_text("email")?,
        utm: Utm {
            source: row.opt_text("utm_source")?,
            medium: row.opt_text("utm_medium")?,
            campaign: row.opt_text("utm_campaign")?,
            content: row.opt_text("utm_content")?,
            term: row.opt_text("utm_term")?,
        },
        payload: row.json("payload")?,
        local_status: row.text("local_status")?,
        status_changed_at: instant(row.int("status_changed_at")?),
        delivery,
        amo_contact_id: row.opt_int("amo_contact_id")?,
        amo_lead_id: row.opt_int("amo_lead_id")?,
        amo_pipeline_id: row.opt_int("amo_pipeline_id")?,
        amo_status_id: row.opt_int("amo_status_id")?,
        amo_seen_at: row.opt_int("amo_seen_at")?.map(instant),
        amo_gone_at: row.opt_int("amo_gone_at")?.map(instant),
        is_move_pending: row.int("move_pending")? != 0,
        attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        last_error: row.opt_text("last_error")?,
        attempt_started_at: row.opt_int("attempt_started_at")?.map(instant),
        created_at: instant(row.int("created_at")?),
        updated_at: instant(row.int("updated_at")?),
        delivered_at: row.opt_int("delivered_at")?.map(instant),
        responsible_user_id: row.opt_int("responsible_user_id")?,
        manager_reason: row
            .opt_text("manager_reason")?
            .as_deref()
            .and_then(ManagerReason::parse),
    })
}

/// Moves a lead from one counter of states to another.
fn count_transition(tx: &mut Tx, from: Option<DeliveryState>, to: DeliveryState) {
    if from != Some(to) {
        if let Some(from) = from {
            tx.count(from.counter(), -1);
        }
        tx.count(to.counter(), 1);
    }
}
