//! Checkpoints of SQLite, beside the writer.
//!
//! What is committed stands in the write-ahead log and is copied into the database's file later. Left to itself, SQLite
//! lets the commit that fills the log do that, and whoever stores something waits behind it until thousands of pages are
//! on the disk: seconds, on a busy one. So a connection of its own copies them while commits go on, and the writer, which
//! alone can begin the log anew, finds little left to copy.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::task::JoinHandle;

use crate::error::StoreError;

/// How long after a commit its pages are copied, with those of the commits since.
const EVERY: Duration = Duration::from_secs(1);

/// The task that copies; it ends with the value.
pub(super) struct Checkpoints(Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>);

impl Checkpoints {
    /// Copies on this connection whenever `commits` tells of one.
    pub(super) fn spawn(conn: SqliteConnection, commits: Arc<Notify>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(conn, commits, stopped));
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

async fn run(mut conn: SqliteConnection, commits: Arc<Notify>, mut stopped: oneshot::Receiver<()>) {
    loop {
        let due = async {
            commits.notified().await;
            tokio::time::sleep(EVERY).await;
        };
        tokio::select! {
            () = due => {}
            _ = &mut stopped => break,
        }
        let copied = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(&mut conn)
            .await;
        if let Err(error) = copied {
            tracing::debug!(error = %StoreError::from_sqlx(&error), "a checkpoint failed");
        }
    }
    if let Err(error) = conn.close().await {
        tracing::debug!(error = %StoreError::from_sqlx(&error), "closing SQLite failed");
    }
}
