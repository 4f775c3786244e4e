//! The database and its disk.

use service_kit::doctor::Finding;

use crate::App;

/// With less than this free, somebody should act before webhooks are refused with 503.
const LITTLE_SPACE: u64 = 1 << 30;
const NO_SPACE: u64 = 64 << 20;
const MEGABYTE: u64 = 1 << 20;

const DATABASE_REMEDY: &str = "is DATABASE_URL right, the server running, and the folder writable? On a first start: webhook-gateway migrate";

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
                    .remedy("run `webhook-gateway migrate`"),
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
            let remedy = "make room: once the disk is full, webhooks are refused with 503 until there is some";
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
