//! Who is responsible for a lead: decided and written down before the lead is sent.

use std::collections::BTreeMap;

use amocrm_sdk::{ErrorKind, UserId};
use serde_json::json;
use store::{AssignManager, Claimed, LeadRow, ManagerPool, ManagerReason, ManagerStrategy};

use super::Worker;
use super::deliver::raw;
use crate::config::{AssignmentStrategy, KeepClients};
use crate::crm::{CrmError, Found, Linked, Loads, Mapping, Team, deal_tags};
use crate::lead::LeadForm;
use crate::managers::{Circle, Plan, everybody_named};

/// So often a lead is tried again, after the retries of the client, because users or deals cannot be read; then it goes
/// without a manager of ours: a lead never waits for one.
const PATIENCE: u32 = 1;
/// So many managers amoCRM may refuse before it decides itself.
const MAX_REFUSED: usize = 3;

/// Who gets a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// This user; `None`: amoCRM decides.
    Made(Option<UserId>),
    /// The job has passed on to somebody else.
    Stale,
}

/// What is known of a lead when its manager is chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) row: &'a LeadRow,
    pub(super) form: &'a LeadForm,
    pub(super) mapping: &'a Mapping,
    /// The person's contact.
    pub(super) person: Option<Found>,
    /// Users whom amoCRM did not take for this lead.
    pub(super) refused: &'a [UserId],
}

impl Worker {
    /// Decides who is responsible for a lead, unless that is decided already.
    pub(super) async fn choose_manager(
        &self,
        linked: &Linked,
        job: &Claimed,
        facts: Facts<'_>,
    ) -> Result<Choice, CrmError> {
        let config = &self.config.managers;
        if !config.is_on() {
            return Ok(Choice::Made(None));
        }
        let mut choice = AssignManager {
            lead_id: facts.row.id,
            account: linked.account.clone(),
            active: Vec::new(),
            keepers: Vec::new(),
            contact_id: facts.person.map(|person| raw(person.id.get())),
            contact_user_id: facts
                .person
                .and_then(|person| person.responsible)
                .map(|user| raw(user.get())),
            pool: None,
            nobody: ManagerReason::NoActiveUser,
            details: json!({}),
        };
        let refused: Vec<i64> = facts.refused.iter().map(|user| raw(user.get())).collect();
        if !refused.is_empty() {
            choice.details["refused"] = json!(refused);
        }
        let team = self.team(linked, job, !refused.is_empty()).await?;
        if team.refusal.is_some() {
            choice.nobody = ManagerReason::UsersUnreadable;
            // Whoever was chosen while the users could be read stays.
            let known = facts.row.responsible_user_id.into_iter();
            choice.active = known.filter(|user| !refused.contains(user)).collect();
        } else if refused.len() < MAX_REFUSED {
            // Beyond that nobody is proposed any more.
            self.propose(&mut choice, linked, job, facts, &team, &refused)
                .await?;
        }
        let Some(assigned) = self.store.managers().assign(choice, job).await? else {
            return Ok(Choice::Stale);
        };
        if assigned.is_new {
            metrics::counter!("managers_assigned_total", "reason" => assigned.reason.as_str())
                .increment(1);
            tracing::info!(
                lead.id = facts.row.id,
                user.id = assigned.user_id,
                reason = assigned.reason.as_str(),
                "manager chosen"
            );
        }
        let user = assigned.user_id.and_then(|id| u64::try_from(id).ok());
        Ok(Choice::Made(user.map(UserId::new)))
    }

    /// Says whom to choose from.
    async fn propose(
        &self,
        choice: &mut AssignManager,
        linked: &Linked,
        job: &Claimed,
        facts: Facts<'_>,
        team: &Team,
        refused: &[i64],
    ) -> Result<(), CrmError> {
        let config = &self.config.managers;
        let named = everybody_named(config, team);
        choice.active = team.active();
        choice.active.retain(|user| !refused.contains(user));
        choice.keepers = match config.keep {
            KeepClients::Active => choice.active.clone(),
            KeepClients::Listed => named.clone(),
            KeepClients::Never => Vec::new(),
        };
        choice.keepers.retain(|user| !refused.contains(user));
        let is_decided = facts
            .row
            .responsible_user_id
            .is_some_and(|user| choice.active.contains(&user));
        if is_decided {
            return Ok(());
        }
        let tags = deal_tags(&self.config.intake, facts.form);
        let plan = Plan::of(config, facts.form, &tags, team, refused);
        choice.nobody = plan.nobody();
        if !plan.skipped.is_empty() {
            choice.details["skipped"] = json!(plan.skipped);
        }
        let is_kept = choice
            .contact_user_id
            .is_some_and(|user| choice.keepers.contains(&user));
        if let Some(circle) = plan.circle.filter(|_| !is_kept) {
            if let Some(rule) = &circle.rule {
                choice.details["rule"] = json!(rule);
            }
            choice.pool = Some(
                self.pool(circle, linked, job, facts.mapping, &named)
                    .await?,
            );
        }
        Ok(())
    }

    async fn pool(
        &self,
        circle: Circle,
        linked: &Linked,
        job: &Claimed,
        mapping: &Mapping,
        named: &[i64],
    ) -> Result<ManagerPool, CrmError> {
        let strategy = match circle.strategy {
            AssignmentStrategy::RoundRobin => ManagerStrategy::RoundRobin,
            AssignmentStrategy::LeastLoaded => {
                let _turn = self.asking.lock().await;
                match Loads::current(&self.crm, linked, mapping, named).await {
                    Ok(loads) => ManagerStrategy::LeastLoaded {
                        open: loads.open,
                        counted_at: loads.counted_at,
                    },
                    Err(error) if is_borne(&error, job) => {
                        tracing::warn!("open deals cannot be counted, turns decide: {error}");
                        ManagerStrategy::LeastLoaded {
                            open: BTreeMap::new(),
                            counted_at: self.store.managers().now().await?,
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(ManagerPool {
            name: circle.pool,
            candidates: circle.candidates,
            strategy,
        })
    }

    /// The account's users. If they cannot be read and the lead has waited for them long enough, that is the answer.
    async fn team(
        &self,
        linked: &Linked,
        job: &Claimed,
        is_outdated: bool,
    ) -> Result<Team, CrmError> {
        let _turn = self.asking.lock().await;
        let team = if is_outdated {
            Team::read(&self.crm, linked).await
        } else {
            Team::current(&self.crm, linked).await
        };
        match team {
            Err(error) if is_borne(&error, job) => {
                tracing::warn!("the users cannot be read: {error}");
                Team::give_up(&self.crm, linked, error.to_string()).await
            }
            outcome => outcome,
        }
    }
}

/// Whether the lead goes on without what could not be read: amoCRM refuses to tell, or has failed to for long enough.
fn is_borne(error: &CrmError, job: &Claimed) -> bool {
    let CrmError::Sdk(error) = error else {
        return false;
    };
    match error.kind() {
        // Nothing can be sent either.
        ErrorKind::NotConnected
        | ErrorKind::NeedsReconnect
        | ErrorKind::Unauthorized
        | ErrorKind::Blocked => false,
        kind => !kind.is_transient() || job.attempts() >= PATIENCE,
    }
}
