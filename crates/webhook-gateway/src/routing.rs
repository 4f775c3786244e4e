//! Who gets which event: the subscribers as they are in the database, and what each of them wants.

mod filter;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use store::{
    NewSubscriber, Registry, Route, Store, StoreError, SubscriberRow, SubscriberSource,
    gateway_lane,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::filter::{Facts, Filter};
use crate::config::{FileSubscriber, SubscriberSettings};

/// How long a secret that was replaced in the file goes on signing beside the new one.
const OLD_SECRET: Duration = Duration::from_hours(24);

/// How often is looked whether another instance has changed the subscribers. Intake does not depend on it: there the
/// version is compared in the transaction.
const POLL: Duration = Duration::from_secs(1);

/// The subscribers at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// What the store compares when it takes a webhook that was routed by this.
    pub(crate) version: i64,
    /// In the order of their names.
    pub(crate) subscribers: Vec<Subscriber>,
    /// The fields whose changes anybody asks for.
    pub(crate) watched: BTreeSet<String>,
}

/// A subscriber as it is routed to.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    /// Everything that the store knows.
    pub(crate) row: SubscriberRow,
    filter: Filter,
}

impl Subscriber {
    fn new(row: SubscriberRow) -> Self {
        let settings = serde_json::from_value::<SubscriberSettings>(row.settings.clone());
        let filter = match settings {
            Ok(settings) => Filter::new(&settings),
            Err(error) => {
                // A newer release has written it. Rather one event too many than one lost: it is kept until somebody
                // can read what is wanted.
                tracing::error!(
                    subscriber = row.name,
                    "the settings of a subscriber cannot be read; everything is kept for it: {error}"
                );
                Filter::everything()
            }
        };
        Self { row, filter }
    }
}

impl Snapshot {
    pub(crate) fn new(registry: Registry) -> Self {
        let subscribers: Vec<_> = registry
            .subscribers
            .into_iter()
            .map(Subscriber::new)
            .collect();
        let watched = subscribers
            .iter()
            .flat_map(|subscriber| subscriber.filter.changed())
            .cloned()
            .collect();
        Self {
            version: registry.version,
            subscribers,
            watched,
        }
    }

    /// Where an event goes.
    pub(crate) fn routes(&self, facts: &Facts<'_>) -> Vec<Route> {
        self.subscribers
            .iter()
            .filter(|subscriber| subscriber.filter.admits(facts))
            .map(|subscriber| Route {
                lane: gateway_lane(
                    &subscriber.row.name,
                    facts.account,
                    facts.subject,
                    facts.kind,
                ),
                subscriber: subscriber.row.name.clone(),
                changed: if facts.tells_fields() {
                    subscriber.filter.changed().to_vec()
                } else {
                    Vec::new()
                },
            })
            .collect()
    }
}

/// A subscriber of the file as it is stored.
pub(crate) fn stored(subscriber: &FileSubscriber) -> anyhow::Result<NewSubscriber> {
    let settings = serde_json::to_value(&subscriber.settings)?;
    let new = NewSubscriber::new(&subscriber.name, SubscriberSource::File, settings)
        .keep_old_secret_for(OLD_SECRET);
    Ok(match &subscriber.secret {
        Some(secret) => new.secret(secret.clone()),
        None => new,
    })
}

/// The present subscribers. A clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Routing {
    store: Store,
    current: Arc<RwLock<Option<Arc<Snapshot>>>>,
}

impl Routing {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            current: Arc::default(),
        }
    }

    /// The subscribers as they were read last.
    pub(crate) async fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match current {
            Some(current) => Ok(current),
            None => self.reload().await,
        }
    }

    /// Reads the subscribers again.
    pub(crate) async fn reload(&self) -> Result<Arc<Snapshot>, StoreError> {
        let read = Arc::new(Snapshot::new(self.store.gateway().registry().await?));
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody who began later may have read something newer.
        match &*current {
            Some(known) if known.version > read.version => Ok(Arc::clone(known)),
            _ => {
                *current = Some(Arc::clone(&read));
                Ok(read)
            }
        }
    }

    /// Follows what other instances change, until the token is cancelled.
    pub(crate) async fn follow(&self, shutdown: CancellationToken) {
        while shutdown
            .run_until_cancelled(tokio::time::sleep(POLL))
            .await
            .is_some()
        {
            if let Err(error) = self.look().await {
                tracing::warn!("the subscribers cannot be looked at: {error}");
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let known = self.snapshot().await?.version;
        if self.store.gateway().registry_version().await? != known {
            self.reload().await?;
        }
        Ok(())
    }
}
