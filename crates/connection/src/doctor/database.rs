//! The database, its disk, and what waits in it.

use service_kit::doctor::Finding;
use store::Store;

use crate::Queue;

/// With less than this free, somebody should act before requests are refused with 503.
const LITTLE_SPACE: u64 = 1 << 30;
const NO_SPACE: u64 = 64 << 20;
const MEGABYTE: u64 = 1 << 20;
/// A job that has waited for so long tells that nobody works, or that amoCRM is away.
const LONG_WAIT_SECONDS: u64 = 600;

fn remedy(service: &str) -> String {
    format!(
        "is DATABASE_URL right, the server running, and the folder writable? On a first start: {service} migrate"
    )
}

/// The database could not be opened.
pub fn database_refused(service: &str, error: &anyhow::Error) -> Finding {
    Finding::bad(format!("Database connection failed: {error:#}")).remedy(remedy(service))
}

/// Whether the database answers, with its tables, undamaged.
pub async fn database(service: &str, store: &Store) -> Vec<Finding> {
    let failed = |error: store::StoreError| {
        vec![Finding::bad(format!("Database connection failed: {error}")).remedy(remedy(service))]
    };
    if let Err(error) = store.ping().await {
        return failed(error);
    }
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => {}
        Ok(_) => {
            return vec![
                Finding::bad("tables are missing, or of an older release")
                    .remedy(format!("run `{service} migrate`")),
            ];
        }
        Err(error) => return failed(error),
    }
    match store.check_integrity().await {
        Ok(findings) if findings.is_empty() => vec![Finding::good(format!(
            "{} answers, its tables are up to date",
            store.backend()
        ))],
        Ok(findings) => vec![
            Finding::bad(format!("the file is damaged ({} findings)", findings.len()))
                .remedy("stop the service and restore a backup"),
        ],
        Err(error) => failed(error),
    }
}

/// Whether there is room. `refused` is what is refused without: leads.
pub async fn disk(store: &Store, refused: &str) -> Vec<Finding> {
    let asked = store.clone();
    let space = tokio::task::spawn_blocking(move || asked.disk_space()).await;
    let size = store.size_bytes().await.unwrap_or_default();
    let size = format!("the database takes {} MB", size / MEGABYTE);
    vec![match space {
        Ok(Ok(None)) => Finding::good(size),
        Ok(Ok(Some(disk))) => {
            let told = format!("{} MB are free on its disk; {size}", disk.free / MEGABYTE);
            let remedy = format!(
                "make room: once the disk is full, {refused} are refused with 503 until there is some"
            );
            match disk.free {
                ..NO_SPACE => Finding::bad(told).remedy(remedy),
                NO_SPACE..LITTLE_SPACE => Finding::warn(told).remedy(remedy),
                _ => Finding::good(told),
            }
        }
        Ok(Err(error)) => Finding::warn(error.to_string()),
        Err(_) => Finding::warn("the disk could not be asked"),
    }]
}

/// Whether jobs wait for somebody who works.
pub async fn queue(store: &Store, queue: Queue) -> Vec<Finding> {
    let mut waiting = 0;
    let mut oldest = 0;
    for kind in queue.kinds {
        match store.jobs().stats(kind).await {
            Ok(stats) => {
                waiting += stats.depth;
                oldest = oldest.max(stats.lag.as_secs());
            }
            Err(error) => return vec![Finding::bad(error.to_string())],
        }
    }
    let told = format!("{waiting} jobs are waiting");
    vec![if oldest > LONG_WAIT_SECONDS {
        Finding::warn(format!(
            "{told}, one of them has been due for {} minutes",
            oldest / 60
        ))
        .remedy(format!(
            "is `{} serve` running? Its log says why it does not go on",
            queue.service
        ))
    } else {
        Finding::good(told)
    }]
}

/// How many jobs were given up.
pub async fn dead_letters(store: &Store, queue: Queue) -> u64 {
    let mut dead = 0;
    for kind in queue.all() {
        dead += store.jobs().stats(kind).await.map_or(0, |stats| stats.dead);
    }
    dead
}
