//! Choosing a manager and writing the choice down, in one step.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{ManagerOrigin, ManagerReason, Managers};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::{self, Ack, Claimed};

/// How one of several is chosen. Whoever waited longest goes first among equals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagerStrategy {
    /// By turns.
    RoundRobin,
    /// The one with the fewest open deals: those that were counted, and those assigned that a count could not see yet.
    LeastLoaded {
        /// Open deals by user; who is not named has none.
        open: BTreeMap<i64, u64>,
        /// When they were counted: [`Managers::now`] before the question was asked.
        counted_at: DateTime<Utc>,
    },
}

/// A circle of managers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerPool {
    /// Names the circle: its turns are counted under this name.
    pub name: String,
    /// Who may be chosen, in the order of the first round.
    pub candidates: Vec<i64>,
    /// How.
    pub strategy: ManagerStrategy,
}

/// What a choice is made from.
#[derive(Debug, Clone)]
pub struct AssignManager {
    /// The lead.
    pub lead_id: i64,
    /// The account whose users they are.
    pub account: String,
    /// Who may be responsible at all; a manager who is not among them is replaced.
    pub active: Vec<i64>,
    /// Who may keep a repeated client; nobody: clients are not kept.
    pub keepers: Vec<i64>,
    /// The person's contact, if there is one: the manager of its last lead keeps it.
    pub contact_id: Option<i64>,
    /// Who is responsible for the contact in amoCRM: keeps it before everybody else.
    pub contact_user_id: Option<i64>,
    /// Whom to choose from otherwise.
    pub pool: Option<ManagerPool>,
    /// What to say if there is no pool.
    pub nobody: ManagerReason,
    /// An object that is kept with the choice, for people.
    pub details: Value,
}

/// Who is responsible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// The user; `None`: amoCRM decides.
    pub user_id: Option<i64>,
    /// Why.
    pub reason: ManagerReason,
    /// Whether this call decided it.
    pub is_new: bool,
}

impl Managers {
    /// Decides who is responsible for a lead, durably, unless that is decided: then nothing changes and no turn is used
    /// up. A manager who is not active any more is replaced.
    ///
    /// `None`: the job has passed on to another worker, or there is no such lead.
    pub async fn assign(&self, choice: AssignManager, job: &Claimed) -> Result<Option<Assigned>> {
        let job = job.clone();
        self.inner.db.write(Assign { choice, job }).await
    }
}

struct Assign {
    choice: AssignManager,
    job: Claimed,
}

/// What was chosen.
struct Chosen {
    user_id: Option<i64>,
    reason: ManagerReason,
    details: Value,
}

impl Operation for Assign {
    type Output = Option<Assigned>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<Assigned>> {
        let choice = &self.choice;
        if jobs::holds(tx, &self.job).await? == Ack::Stale {
            return Ok(None);
        }
        let sql = Sql::either(
            "SELECT responsible_user_id, manager_reason FROM leads WHERE id = $1",
            "SELECT responsible_user_id, manager_reason FROM leads WHERE id = $1 FOR UPDATE",
        );
        let Some(row) = tx.query(sql).bind(choice.lead_id).fetch_optional().await? else {
            return Ok(None);
        };
        let current = row.opt_int("responsible_user_id")?;
        let known = row
            .opt_text("manager_reason")?
            .as_deref()
            .and_then(ManagerReason::parse);
        if let (Some(user), Some(reason)) = (current, known)
            && choice.active.contains(&user)
        {
            return Ok(Some(Assigned {
                user_id: current,
                reason,
                is_new: false,
            }));
        }
        let chosen = choice.choose(tx).await?;
        // That there is nobody is said once, not at each attempt.
        let is_new = current != chosen.user_id || known != Some(chosen.reason);
        if is_new {
            chosen.write(tx, choice.lead_id, current).await?;
        }
        Ok(Some(Assigned {
            user_id: chosen.user_id,
            reason: chosen.reason,
            is_new,
        }))
    }
}

impl AssignManager {
    async fn choose(&self, tx: &mut Tx) -> Result<Chosen> {
        if let Some(user) = self.keeper(tx).await? {
            return Ok(self.chosen(Some(user), ManagerReason::RepeatedClient));
        }
        match &self.pool {
            Some(pool) if !pool.candidates.is_empty() => self.choose_from(pool, tx).await,
            _ => Ok(self.chosen(None, self.nobody)),
        }
    }

    fn chosen(&self, user_id: Option<i64>, reason: ManagerReason) -> Chosen {
        Chosen {
            user_id,
            reason,
            details: self.details.clone(),
        }
    }

    /// Who has the client already.
    async fn keeper(&self, tx: &mut Tx) -> Result<Option<i64>> {
        let may_keep = |user: &i64| self.keepers.contains(user);
        if let Some(user) = self.contact_user_id.filter(may_keep) {
            return Ok(Some(user));
        }
        let Some(contact) = self.contact_id.filter(|_| !self.keepers.is_empty()) else {
            return Ok(None);
        };
        let last = tx
            .query(
                "SELECT responsible_user_id FROM leads WHERE amo_contact_id = $1 ORDER BY id DESC LIMIT 1",
            )
            .bind(contact)
            .fetch_optional()
            .await?;
        let user = match last {
            Some(row) => row.opt_int("responsible_user_id")?,
            None => None,
        };
        Ok(user.filter(may_keep))
    }

    async fn choose_from(&self, pool: &ManagerPool, tx: &mut Tx) -> Result<Chosen> {
        // First, because on PostgreSQL it makes everybody else wait who chooses from this pool.
        let turn = tx
            .query(
                "INSERT INTO manager_pools (account, pool, turns) VALUES ($1, $2, 1)
                 ON CONFLICT (account, pool) DO UPDATE SET turns = manager_pools.turns + 1
                 RETURNING turns",
            )
            .bind(&self.account)
            .bind(&pool.name)
            .fetch_one()
            .await?
            .int("turns")?;
        let last_turns = self.last_turns(pool, tx).await?;
        let waited = |user: &i64| last_turns.get(user).copied().unwrap_or(0);
        let mut details = self.details.clone();
        details["among"] = json!(pool.candidates);
        details["turn"] = json!(turn);
        let candidates = pool.candidates.iter().copied();
        let (user, reason) = match &pool.strategy {
            ManagerStrategy::RoundRobin => {
                (candidates.min_by_key(waited), ManagerReason::RoundRobin)
            }
            ManagerStrategy::LeastLoaded { open, counted_at } => {
                let mut loads = BTreeMap::new();
                for user in &pool.candidates {
                    let counted = open.get(user).copied().unwrap_or(0);
                    loads.insert(*user, counted + unseen(tx, *user, *counted_at).await?);
                }
                details["open"] = json!(loads);
                let load = |user: &i64| loads.get(user).copied().unwrap_or(0);
                let user = candidates.min_by_key(|user| (load(user), waited(user)));
                (user, ManagerReason::LeastLoaded)
            }
        };
        if let Some(user) = user {
            tx.query(
                "INSERT INTO manager_turns (account, pool, user_id, turn) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (account, pool, user_id) DO UPDATE SET turn = excluded.turn",
            )
            .bind(&self.account)
            .bind(&pool.name)
            .bind(user)
            .bind(turn)
            .execute()
            .await?;
        }
        Ok(Chosen {
            user_id: user,
            reason,
            details,
        })
    }

    async fn last_turns(&self, pool: &ManagerPool, tx: &mut Tx) -> Result<BTreeMap<i64, i64>> {
        tx.query("SELECT user_id, turn FROM manager_turns WHERE account = $1 AND pool = $2")
            .bind(&self.account)
            .bind(&pool.name)
            .fetch_all()
            .await?
            .iter()
            .map(|row| Ok((row.int("user_id")?, row.int("turn")?)))
            .collect()
    }
}

/// How many leads a user has whose deals a count of that time could not see: made since, or still to be made.
async fn unseen(tx: &mut Tx, user: i64, counted_at: DateTime<Utc>) -> Result<u64> {
    let row = tx
        .query(
            "SELECT (SELECT count(*) FROM leads WHERE responsible_user_id = $1 AND delivered_at > $2)
                  + (SELECT count(*) FROM leads WHERE responsible_user_id = $1 AND delivered_at IS NULL
                         AND delivery_state <> 'failed') AS unseen",
        )
        .bind(user)
        .bind(counted_at.timestamp_micros())
        .fetch_one()
        .await?;
    Ok(u64::try_from(row.int("unseen")?).unwrap_or(0))
}

impl Chosen {
    async fn write(&self, tx: &mut Tx, lead_id: i64, from: Option<i64>) -> Result<()> {
        let now = tx.now().await?;
        tx.query(
            "UPDATE leads SET responsible_user_id = $2, manager_reason = $3, updated_at = $4 WHERE id = $1",
        )
        .bind(lead_id)
        .bind(self.user_id)
        .bind(self.reason.as_str())
        .bind(now)
        .execute()
        .await?;
        super::follow::add_line(
            tx,
            lead_id,
            (from, self.user_id),
            (ManagerOrigin::Intake, self.reason),
            &self.details,
            now,
        )
        .await
    }
}
