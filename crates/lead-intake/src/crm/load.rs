//! How many open deals managers have.

use std::collections::BTreeMap;
use std::time::Duration;

use amocrm_sdk::entity::Direction;
use amocrm_sdk::leads::{LOST, LeadFilter, LeadOrder, WON};
use amocrm_sdk::{PipelineId, StatusId, UserId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Crm, CrmError, Linked, Mapping};

/// A count is used so long; what was assigned since is added to it.
const FRESH_FOR: Duration = Duration::from_mins(1);
/// At most so many deals are looked at, newest first: 20 requests. A team with more is compared by its newest.
const MAX_DEALS: usize = 5_000;
/// Deals on a page.
const PAGE: usize = 250;

/// Open deals by user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loads {
    /// By the database's clock, before amoCRM was asked.
    pub(crate) counted_at: DateTime<Utc>,
    /// Whose deals were counted.
    users: Vec<i64>,
    pub(crate) open: BTreeMap<i64, u64>,
}

impl Loads {
    /// How many deals of our pipeline each of these users has open, counted within the last minute by whichever process.
    pub(crate) async fn current(
        crm: &Crm,
        linked: &Linked,
        mapping: &Mapping,
        users: &[i64],
    ) -> Result<Self, CrmError> {
        let now = crm.store().managers().now().await?;
        let key = format!("loads/{}", linked.account);
        // A count of another release is made anew.
        let stored: Option<serde_json::Value> = crm.store().meta().get(&key).await?;
        let stored: Option<Self> = stored.and_then(|value| serde_json::from_value(value).ok());
        if let Some(known) = stored.filter(|known| known.is_fresh(now))
            && users.iter().all(|user| known.users.contains(user))
        {
            return Ok(known);
        }
        let counted = Self::count(linked, mapping, users, now).await?;
        crm.store().meta().put(&key, &counted).await?;
        Ok(counted)
    }

    async fn count(
        linked: &Linked,
        mapping: &Mapping,
        users: &[i64],
        now: DateTime<Utc>,
    ) -> Result<Self, CrmError> {
        let ids = users.iter().filter_map(|id| u64::try_from(*id).ok());
        let pipeline = PipelineId::new(mapping.stages.pipeline_id);
        let mut filter = LeadFilter::new().responsible_users(ids.map(UserId::new));
        for stage in &mapping.stages.open {
            filter = filter.status(pipeline, StatusId::new(*stage));
        }
        let mut deals = linked
            .client
            .leads()
            .list()
            .filter(filter)
            .order(LeadOrder::Id, Direction::Descending)
            .limit(PAGE)
            .stream();
        let mut open = BTreeMap::new();
        let mut looked_at = 0;
        while let Some(deal) = deals.try_next().await? {
            // amoCRM ignores a filter that it does not understand, and then gives all deals.
            let is_open = deal.status_id != Some(WON) && deal.status_id != Some(LOST);
            if let Some(user) = deal.responsible_user_id.filter(|_| is_open) {
                let user = i64::try_from(user.get()).unwrap_or(i64::MAX);
                *open.entry(user).or_insert(0) += 1;
            }
            looked_at += 1;
            if looked_at == MAX_DEALS {
                tracing::warn!(
                    "managers have more than {MAX_DEALS} open deals; their newest are compared"
                );
                break;
            }
        }
        Ok(Self {
            counted_at: now,
            users: users.to_vec(),
            open,
        })
    }

    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        (now - self.counted_at)
            .abs()
            .to_std()
            .is_ok_and(|age| age < FRESH_FOR)
    }
}
