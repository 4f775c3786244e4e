//! The parts that `GET /health` tells of.

use std::sync::Arc;
use std::time::Duration;

use service_kit::health::{Finding, Health};
use store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::crm::Crm;
use crate::worker::{KINDS, all_kinds};

/// A job that is older waits for something that a person has to do.
const OLD: Duration = Duration::from_mins(15);
/// Less room than this is a matter of days.
const LITTLE_ROOM: u64 = 256 * 1024 * 1024;
/// How long it is believed that the database takes writes. Anybody may ask for our health; not everybody may have us
/// write.
const BELIEVED: Duration = Duration::from_secs(1);

/// The database has to take writes, or leads cannot be taken: 503. amoCRM may be away, leads wait in the queue.
pub(crate) fn health(store: &Store, crm: &Arc<Crm>) -> Health {
    let writable = Writable {
        store: store.clone(),
        last: Arc::default(),
    };
    let crm = Arc::clone(crm);
    let (queue_store, disk_store) = (store.clone(), store.clone());
    let health = Health::new()
        .needs("database", move || {
            let writable = writable.clone();
            async move { writable.look().await }
        })
        .uses("amocrm", move || {
            let crm = Arc::clone(&crm);
            async move {
                match crm.linked().await {
                    Ok(linked) => Ok(format!("connected to {}", linked.account)),
                    Err(error) => Err(error.to_string()),
                }
            }
        })
        .uses("queue", move || {
            let store = queue_store.clone();
            async move {
                queue(&store)
                    .await
                    .unwrap_or_else(|error| Err(Finding::new(error.to_string())))
            }
        });
    if let Ok(None) = store.disk_space() {
        return health;
    }
    health.uses("disk", move || std::future::ready(disk(&disk_store)))
}

/// When it was looked, and what was found.
type Looked = (Instant, Result<String, String>);

#[derive(Clone)]
struct Writable {
    store: Store,
    last: Arc<Mutex<Option<Looked>>>,
}

impl Writable {
    async fn look(&self) -> Result<String, String> {
        let mut last = self.last.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < BELIEVED
        {
            return outcome.clone();
        }
        let outcome = match self.store.check_writable().await {
            Ok(()) => Ok(format!("{} takes writes", self.store.backend())),
            Err(error) => Err(error.to_string()),
        };
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }
}

async fn queue(store: &Store) -> Result<Result<Finding, Finding>, StoreError> {
    let (mut depth, mut dead, mut oldest) = (0, 0, Duration::ZERO);
    for kind in all_kinds() {
        let stats = store.jobs().stats(kind).await?;
        dead += stats.dead;
        // What funnels do is planned far ahead: its age says nothing.
        if KINDS.contains(&kind) {
            depth += stats.depth;
            oldest = oldest.max(stats.oldest_age);
        }
    }
    let text = if dead > 0 {
        format!("{depth} jobs wait, {dead} were given up: see lead-intake dead-letters list")
    } else if oldest > OLD {
        format!(
            "{depth} jobs wait, the oldest for {} minutes",
            oldest.as_secs() / 60
        )
    } else {
        format!("{depth} jobs wait")
    };
    let finding = Finding::new(text)
        .figure("depth", float(depth))
        .figure("failed", float(dead))
        .figure("oldest_age_seconds", oldest.as_secs_f64());
    Ok(if dead > 0 || oldest > OLD {
        Err(finding)
    } else {
        Ok(finding)
    })
}

fn disk(store: &Store) -> Result<Finding, Finding> {
    let free = match store.disk_space() {
        Ok(disk) => disk.map_or(0, |disk| disk.free),
        Err(error) => return Err(Finding::new(error.to_string())),
    };
    let text = format!("{} MiB are free", free / 1024 / 1024);
    let finding = Finding::new(text).figure("free_bytes", float(free));
    if free < LITTLE_ROOM {
        Err(finding)
    } else {
        Ok(finding)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people and dashboards"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
