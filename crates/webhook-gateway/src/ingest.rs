//! What comes in: from a request of amoCRM to durable events, and nothing else.

mod again;
pub(crate) mod disabled;
mod event;
mod fields;
pub(crate) mod page;
mod reading;
pub(crate) mod receive;

use std::sync::Arc;
use std::time::Duration;

use amocrm_sdk::webhook::{AccountRef, Event};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service_kit::clock::SharedClock;
use service_kit::http::TrustedProxies;
use store::{Acceptance, NewRequest, Store, StoreError};
use utoipa::ToSchema;

pub(crate) use self::again::Reread;

use crate::account::{Account, Accounts};
use crate::config::Config;
use crate::routing::Routing;

/// Everything that taking webhooks needs. A clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    pub(crate) accounts: Accounts,
    pub(crate) routing: Routing,
    store: Store,
    clock: SharedClock,
    dedup_window: Duration,
    proxies: Arc<TrustedProxies>,
}

/// A request of amoCRM, understood as far as it can be.
#[derive(Debug)]
struct Arrived {
    at: DateTime<Utc>,
    request_id: Option<String>,
    content_type: Option<String>,
    body: Bytes,
    account: AccountRef,
    events: Vec<Event>,
    problem: Option<String>,
}

/// What became of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Receipt {
    /// The number that the webhook is kept under.
    pub(crate) request: i64,
    /// Events in it.
    pub(crate) events: usize,
    /// Those of them that had come before.
    pub(crate) duplicates: usize,
    /// Why there are none, if that is not as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

impl Intake {
    pub(crate) fn new(
        config: &Config,
        accounts: Accounts,
        routing: Routing,
        store: Store,
        clock: SharedClock,
    ) -> Self {
        Self {
            accounts,
            routing,
            store,
            clock,
            dedup_window: config.gateway.dedup_window(),
            proxies: Arc::new(config.server.proxies()),
        }
    }

    /// Makes a webhook durable, with everything that follows from it.
    async fn take(&self, account: &Account, arrived: Arrived) -> Result<Receipt, StoreError> {
        let mut snapshot = self.routing.snapshot().await?;
        loop {
            let events = arrived
                .events
                .iter()
                .map(|event| {
                    event::prepare(event, &arrived, &account.name, &snapshot, self.dedup_window)
                })
                .collect();
            let request = NewRequest {
                account: account.name.clone(),
                request_id: arrived.request_id.clone(),
                content_type: arrived.content_type.clone(),
                body: arrived.body.clone(),
                problem: arrived.problem.clone(),
                events,
            };
            let accepted = self
                .store
                .gateway()
                .accept(request, snapshot.version)
                .await?;
            match accepted {
                Acceptance::RegistryChanged => snapshot = self.routing.reload().await?,
                Acceptance::Stored { request, events } => {
                    let duplicates = events.iter().filter(|event| event.duplicate).count();
                    count(account, &arrived, duplicates);
                    return Ok(Receipt {
                        request,
                        events: events.len(),
                        duplicates,
                        problem: arrived.problem,
                    });
                }
            }
        }
    }
}

fn count(account: &Account, arrived: &Arrived, duplicates: usize) {
    let account = &account.name;
    metrics::counter!("gateway_webhooks_accepted_total", "account" => account.clone()).increment(1);
    if arrived.problem.is_some() {
        metrics::counter!("gateway_webhooks_unread_total", "account" => account.clone())
            .increment(1);
    }
    if duplicates > 0 {
        let duplicates = u64::try_from(duplicates).unwrap_or(u64::MAX);
        metrics::counter!("gateway_duplicates_total", "account" => account.clone())
            .increment(duplicates);
    }
    for event in &arrived.events {
        let (entity, action) = event::labels(event);
        metrics::counter!("gateway_events_total", "entity" => entity, "action" => action)
            .increment(1);
    }
}
