//! The database, its disk, and what waits in it.

use service_kit::doctor::Finding;
use store::DeliveryState;

use crate::App;
use crate::worker::{KINDS, MAX_CLAIMS, all_kinds};

/// With less than this free, somebody should act before leads are refused with 503.
const LITTLE_SPACE: u64 = 1 << 30;
const NO_SPACE: u64 = 64 << 20;
const MEGABYTE: u64 = 1 << 20;
/// A job that has waited for so long tells that nobody works, or that amoCRM is away.
const LONG_WAIT_SECONDS: u64 = 600;

const DATABASE_REMEDY: &str = "is DATABASE_URL right, the server running, and the folder writable? On a first start: lead-intake migrate";

pub(super) fn refused(error: &anyhow::Error) -> Finding {
    Finding::bad(format!("Database connection failed: {error:#}")).remedy(DATABASE_REMEDY)
}

pub(super) async fn check(app: &App) -> Vec<Finding> {
    let store = app.store();
    let failed = |error: store::StoreError| {
        vec![Finding::bad(format!("Database connection failed: {error}")).remedy(DATABASE_REMEDY)]
    };
    if let Err(error) = store.ping().await {
        return failed(error);
    }
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => {}
        Ok(_) => {
            return vec![
                Finding::bad("tables are missing, or of an older release")
                    .remedy("run `lead-intake migrate`"),
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

pub(super) async fn disk(app: &App) -> Vec<Finding> {
    let store = app.store().clone();
    let space = tokio::task::spawn_blocking(move || store.disk_space()).await;
    let size = app.store().size_bytes().await.unwrap_or_default();
    let size = format!("the database takes {} MB", size / MEGABYTE);
    vec![match space {
        Ok(Ok(None)) => Finding::good(size),
        Ok(Ok(Some(disk))) => {
            let told = format!("{} MB are free on its disk; {size}", disk.free / MEGABYTE);
            let remedy =
                "make room: once the disk is full, leads are refused with 503 until there is some";
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

pub(super) async fn queue(app: &App) -> Vec<Finding> {
    let mut waiting = 0;
    let mut oldest = 0;
    for kind in KINDS {
        match app.store().jobs().stats(kind).await {
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
        .remedy("is `lead-intake serve` running? Its log says why it does not go on")
    } else {
        Finding::good(told)
    }]
}

pub(super) async fn dead_letters(app: &App) -> Vec<Finding> {
    let mut dead = 0;
    for kind in all_kinds() {
        dead += app
            .store()
            .jobs()
            .stats(kind)
            .await
            .map_or(0, |stats| stats.dead);
    }
    let leads = app.store().leads();
    let failed = leads.count(DeliveryState::Failed).await.unwrap_or(0);
    vec![if dead > 0 {
        Finding::warn(format!(
            "{dead} jobs were given up (refused, or claimed {MAX_CLAIMS} times without an outcome); {failed} \
             leads are not delivered"
        ))
        .remedy("`lead-intake dead-letters list` says why; once that is mended: `lead-intake dead-letters retry --all`")
    } else {
        Finding::good("none")
    }]
}
