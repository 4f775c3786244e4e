//! The figures.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::{Store, StoreError, Tally};
use utoipa::ToSchema;

use crate::{Crm, CrmError, Queue};

/// As many renewals are told.
const RENEWALS: u32 = 5;

/// Attempts that failed for a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonFigures {
    /// One word: `rate_limited`.
    pub reason: String,
    /// How many.
    pub attempts: u64,
}

impl ReasonFigures {
    /// The sums of all days, the most frequent first.
    pub fn sum(failed: &[Tally<String>]) -> Vec<Self> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for tally in failed {
            *sums.entry(&tally.key).or_default() += tally.count;
        }
        let mut reasons: Vec<_> = sums
            .into_iter()
            .map(|(reason, attempts)| Self {
                reason: reason.to_owned(),
                attempts,
            })
            .collect();
        reasons.sort_by_key(|it| std::cmp::Reverse(it.attempts));
        reasons
    }
}

/// Jobs of a kind.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QueueFigures {
    /// `lead.deliver`.
    pub kind: String,
    /// How many are waiting or at work.
    pub depth: u64,
    /// How long ago the oldest of them was added.
    pub oldest_age_seconds: u64,
    /// When the next is tried.
    pub next_at: Option<DateTime<Utc>>,
    /// How many were given up.
    pub dead_letters: u64,
}

/// Reads the counters of all kinds and the ends of indexes; nothing here counts rows.
///
/// # Errors
///
/// When the database fails.
pub async fn queue_figures(queue: Queue, store: &Store) -> Result<Vec<QueueFigures>, StoreError> {
    let mut figures = Vec::new();
    for kind in queue.all() {
        let stats = store.jobs().stats(kind).await?;
        figures.push(QueueFigures {
            kind: kind.to_owned(),
            depth: stats.depth,
            oldest_age_seconds: stats.oldest_age.as_secs(),
            next_at: stats.next_at,
            dead_letters: stats.dead,
        });
    }
    Ok(figures)
}

/// The connection to amoCRM.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ConnectionFigures {
    /// Requests can be made.
    pub connected: bool,
    /// amoCRM refuses our access; an administrator has to connect again.
    pub needs_reconnect: bool,
    /// The account.
    pub account: Option<String>,
    /// A token of somebody's own is used, which does not renew itself.
    pub long_lived: bool,
    /// When the tokens were received or last renewed.
    pub renewed_at: Option<DateTime<Utc>>,
    /// When the access token expires; it is renewed before.
    pub expires_at: Option<DateTime<Utc>>,
    /// When tokens came lately, the last first.
    pub renewals: Vec<DateTime<Utc>>,
}

impl ConnectionFigures {
    /// How the connection is.
    ///
    /// # Errors
    ///
    /// When the database fails, or the stored tokens cannot be read.
    pub async fn read(crm: &Crm) -> Result<Self, CrmError> {
        let standing = crm.standing().await?;
        let connection = standing.connection.as_ref();
        let told = |at: DateTime<Utc>| (at > DateTime::UNIX_EPOCH).then_some(at);
        let renewals = crm.renewals(RENEWALS).await?;
        Ok(Self {
            connected: standing.connected(),
            needs_reconnect: standing.needs_reconnect,
            long_lived: standing.long_lived,
            renewed_at: connection.and_then(|it| told(it.obtained_at)),
            expires_at: connection.and_then(|it| told(it.expires_at)),
            renewals: renewals.into_iter().filter_map(told).collect(),
            account: standing.account,
        })
    }
}
