//! Checkpoints of SQLite, beside the writer.
//!
//! What is committed stands in the write-ahead log and is copied into the database's file later. Left to itself, SQLite
//! lets the commit that fills the log do that, and whoever stores something waits behind it until thousands of pages are
//! on the disk: seconds, on a busy one. So a connection of its own copies them while commits go on.
//!
//! The log begins anew only when all of it is copied, which beside a writer that never pauses is never. So when it has
//! become long, and few pages are left, the writer is asked to copy the rest between two commits.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::task::JoinHandle;

use crate::error::{Result, StoreError};

/// How long after a commit its pages are copied, with those of the commits since.
const EVERY: Duration = Duration::from_secs(1);
/// A log of so many pages begins anew: 16 MiB.
const LONG: i64 = 4096;
/// So many pages are few: the writer copies them in some milliseconds.
const FEW: i64 = 256;
/// How often pages are copied in a row to leave few. A disk that is slower than the writer leaves more.
const PASSES: u32 = 8;

/// The task that copies; it ends with the value.
pub(super) struct Checkpoints(Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>);

impl Checkpoints {
    /// Copies on this connection whenever `commits` tells of one, and calls `finish` when the writer shall copy the rest.
    pub(super) fn spawn(
        conn: SqliteConnection,
        commits: Arc<Notify>,
        finish: impl Fn() + Send + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(conn, commits, finish, stopped));
        Self(Mutex::new(Some((stop, task))))
    }

    /// Gives back the file.
    pub(super) async fn close(&self) {
        if let Some((stop, task)) = self.0.lock().await.take() {
            drop(stop);
            // An error means that it has ended already.
            let _ = task.await;
        }
    }
}

async fn run(
    mut conn: SqliteConnection,
    commits: Arc<Notify>,
    finish: impl Fn(),
    mut stopped: oneshot::Receiver<()>,
) {
    let mut before = 0;
    loop {
        let due = async {
            commits.notified().await;
            tokio::time::sleep(EVERY).await;
        };
        tokio::select! {
            () = due => {}
            _ = &mut stopped => break,
        }
        match copy(&mut conn, &mut before).await {
            Ok(true) => finish(),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "a checkpoint failed"),
        }
    }
    if let Err(error) = conn.close().await {
        tracing::debug!(error = %StoreError::from_sqlx(&error), "closing SQLite failed");
    }
}

/// Copies until few pages are left. `before` is how many of the log were copied. Returns whether the log is long, and
/// could begin anew if the rest were copied too.
async fn copy(conn: &mut SqliteConnection, before: &mut i64) -> Result<bool> {
    let mut log = Log::default();
    for _ in 0..PASSES {
        log = checkpoint(conn).await?;
        // What was committed since the last time, which took about as long as this.
        let fresh = log.copied - std::mem::replace(before, log.copied);
        // A log that has begun anew is short.
        if log.pages < LONG || (0..=FEW).contains(&fresh) {
            break;
        }
    }
    // Pages that somebody reads cannot be copied over.
    Ok(log.pages >= LONG && log.copied == log.pages)
}

/// A log, in pages.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Log {
    pages: i64,
    copied: i64,
}

/// Copies what can be copied without anybody having to wait.
pub(super) async fn checkpoint(conn: &mut SqliteConnection) -> Result<Log> {
    let (_busy, pages, copied): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_one(conn)
        .await?;
    Ok(Log { pages, copied })
}
