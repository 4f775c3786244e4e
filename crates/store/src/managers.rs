//! Who is responsible for which lead, and why.
//!
//! A choice is durable with its lead before the lead is sent, so that another attempt, or another process, uses the same.
//! It is made and written in one operation: [`assign`](Managers::assign). That is what makes a turn of a round robin
//! belong to one lead, however many processes deliver and however often each tries.
//!
//! A circle of managers (a *pool*) remembers which of its turns was whose last. Whoever waited longest is next; so
//! somebody who joins, leaves or comes back from a holiday changes nothing for the others.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::clock::instant;
use crate::error::{Result, StoreError};
use crate::store::Inner;

mod assign;
mod follow;

pub use self::assign::{AssignManager, Assigned, ManagerPool, ManagerStrategy};
pub use self::follow::ManagerFollowed;

/// The managers of leads. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Managers {
    inner: Arc<Inner>,
}

/// Why a lead has its manager, or none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManagerReason {
    /// The client is known: the manager stays.
    RepeatedClient,
    /// It was their turn.
    RoundRobin,
    /// They had the fewest open deals.
    LeastLoaded,
    /// No rule is about this lead: amoCRM decides.
    NoRule,
    /// Nobody whom a rule names is active: amoCRM decides.
    NoActiveUser,
    /// The account's users could not be read: amoCRM decides.
    UsersUnreadable,
    /// Somebody, or a robot, changed it in amoCRM.
    Crm,
}

impl ManagerReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RepeatedClient,
        Self::RoundRobin,
        Self::LeastLoaded,
        Self::NoRule,
        Self::NoActiveUser,
        Self::UsersUnreadable,
        Self::Crm,
    ];

    /// The word in tables, answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RepeatedClient => "repeated_client",
            Self::RoundRobin => "round_robin",
            Self::LeastLoaded => "least_loaded",
            Self::NoRule => "no_rule",
            Self::NoActiveUser => "no_active_user",
            Self::UsersUnreadable => "users_unreadable",
            Self::Crm => "crm",
        }
    }

    /// The reason with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for ManagerReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who changed a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManagerOrigin {
    /// The service, by its rules.
    Intake,
    /// amoCRM.
    Crm,
}

impl ManagerOrigin {
    /// The word in tables and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Crm => "crm",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Intake, Self::Crm]
            .into_iter()
            .find(|origin| origin.as_str() == word)
    }
}

/// A line of the history of a lead's managers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ManagerChange {
    /// Its number.
    pub id: i64,
    /// Who was responsible before.
    pub from: Option<i64>,
    /// Who is responsible after.
    pub to: Option<i64>,
    /// Who changed it.
    pub origin: ManagerOrigin,
    /// Why.
    pub reason: ManagerReason,
    /// What the choice was made from: what the caller of [`assign`](Managers::assign) gave, with `turn`, `among` and
    /// `open` where they apply.
    pub details: Value,
    /// When.
    pub at: DateTime<Utc>,
}

impl Managers {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The database's time: when counts that are about to be read will have been true.
    pub async fn now(&self) -> Result<DateTime<Utc>> {
        let mut tx = self.inner.db.read().await?;
        Ok(instant(tx.now().await?))
    }

    /// The newest changes of a lead's manager, oldest of them first.
    pub async fn history(&self, lead_id: i64, limit: u32) -> Result<Vec<ManagerChange>> {
        let mut tx = self.inner.db.read().await?;
        let mut changes = tx
            .query(
                "SELECT id, from_user_id, to_user_id, origin, reason, details, at
                 FROM manager_history WHERE lead_id = $1 ORDER BY id DESC LIMIT $2",
            )
            .bind(lead_id)
            .bind(i64::from(limit))
            .fetch_all()
            .await?
            .iter()
            .map(|row| {
                let unknown = || StoreError::internal("a change of a manager has an unknown word");
                Ok(ManagerChange {
                    id: row.int("id")?,
                    from: row.opt_int("from_user_id")?,
                    to: row.opt_int("to_user_id")?,
                    origin: ManagerOrigin::parse(&row.text("origin")?).ok_or_else(unknown)?,
                    reason: ManagerReason::parse(&row.text("reason")?).ok_or_else(unknown)?,
                    details: row.json("details")?,
                    at: instant(row.int("at")?),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        changes.reverse();
        Ok(changes)
    }
}
