//! The parts that `GET /health` tells of.

use std::sync::Arc;
use std::time::Duration;

use service_kit::health::{Finding, Health};
use store::Store;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::account::{Accounts, Standing, last_seen};

/// Less room than this is a matter of days.
const LITTLE_ROOM: u64 = 256 * 1024 * 1024;
/// How long it is believed that the database takes writes. Anybody may ask for our health; not everybody may have us
/// write.
const BELIEVED: Duration = Duration::from_secs(1);

/// The database has to take writes, or webhooks cannot be taken: 503. Everything else may be away, events wait.
pub(crate) fn health(store: &Store, accounts: &Accounts) -> Health {
    let writable = Writable {
        store: store.clone(),
        last: Arc::default(),
    };
    let (disk_store, seen_store) = (store.clone(), store.clone());
    let accounts = accounts.clone();
    let health = Health::new()
        .needs("database", move || {
            let writable = writable.clone();
            async move { writable.look().await }
        })
        .uses("subscription", move || {
            let (store, accounts) = (seen_store.clone(), accounts.clone());
            async move { subscription(&store, &accounts).await }
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

/// What the last look at the subscriptions in amoCRM found; nobody is asked here.
async fn subscription(store: &Store, accounts: &Accounts) -> Result<Finding, Finding> {
    let mut bad = Vec::new();
    let mut active = 0;
    for account in accounts.iter() {
        match last_seen(store, &account.name).await {
            Ok(Some(seen)) if seen.standing == Standing::Active => active += 1,
            Ok(Some(seen)) => bad.push(format!("{}: {}", account.name, seen.detail)),
            // Whoever subscribes by hand, or has not begun, is told by the doctor.
            Ok(None) => {}
            Err(error) => return Err(Finding::new(error.to_string())),
        }
    }
    let figure = |finding: Finding| finding.figure("active", float(active));
    if bad.is_empty() {
        let text = match active {
            0 => "not watched: PUBLIC_URL is unset, or nothing was subscribed yet".to_owned(),
            active => format!("amoCRM sends from {active} accounts"),
        };
        return Ok(figure(Finding::new(text)));
    }
    Err(figure(Finding::new(bad.join("; "))))
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
