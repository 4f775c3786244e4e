//! Parts that `GET /health` of a connected service tells of.

use std::sync::Arc;
use std::time::Duration;

use service_kit::health::{Finding, Health};
use store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::{Crm, Queue, float};

/// A job that is older waits for something that a person has to do.
const OLD: Duration = Duration::from_mins(15);
/// Less room than this is a matter of days.
const LITTLE_ROOM: u64 = 256 * 1024 * 1024;
/// How long it is believed that the database takes writes. Anybody may ask for our health; not everybody may have us
/// write.
const BELIEVED: Duration = Duration::from_secs(1);

/// Adds the database, without which nothing can be taken: it has to take writes.
pub fn database_part(health: Health, store: &Store) -> Health {
    let writable = Writable {
        store: store.clone(),
        last: Arc::default(),
    };
    health.needs("database", move || {
        let writable = writable.clone();
        async move { writable.look().await }
    })
}

/// Adds amoCRM, which may be away: the queue waits.
pub fn amocrm_part(health: Health, crm: &Arc<Crm>) -> Health {
    let crm = Arc::clone(crm);
    health.uses("amocrm", move || {
        let crm = Arc::clone(&crm);
        async move {
            match crm.linked().await {
                Ok(linked) => Ok(format!("connected to {}", linked.account)),
                Err(error) => Err(error.to_string()),
            }
        }
    })
}

/// Adds the queue: jobs that wait for long, and jobs that were given up, are somebody's to look at.
pub fn queue_part(health: Health, store: &Store, queue: Queue) -> Health {
    let store = store.clone();
    health.uses("queue", move || {
        let store = store.clone();
        async move {
            look_at(queue, &store)
                .await
                .unwrap_or_else(|error| Err(Finding::new(error.to_string())))
        }
    })
}

/// Adds the disk of a SQLite file.
pub fn disk_part(health: Health, store: &Store) -> Health {
    if let Ok(None) = store.disk_space() {
        return health;
    }
    let store = store.clone();
    health.uses("disk", move || std::future::ready(disk(&store)))
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

async fn look_at(queue: Queue, store: &Store) -> Result<Result<Finding, Finding>, StoreError> {
    let (mut depth, mut dead, mut oldest) = (0, 0, Duration::ZERO);
    for kind in queue.all() {
        let stats = store.jobs().stats(kind).await?;
        dead += stats.dead;
        if queue.kinds.contains(&kind) {
            depth += stats.depth;
            oldest = oldest.max(stats.oldest_age);
        }
    }
    let text = if dead > 0 {
        format!(
            "{depth} jobs wait, {dead} were given up: see {} dead-letters list",
            queue.service
        )
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
