//! SQLite: one connection writes, a few read.
//!
//! Eight writing connections were measured at half the speed of one, with stalls of a second while they polled for the
//! lock. So all writes of a process pass through one task, which commits whatever has queued up meanwhile as a group:
//! one fsync for up to [`GROUP`] operations. Each operation runs within its own savepoint, so a failing one leaves its
//! neighbours alone, and none is acknowledged before the `COMMIT` is on the disk (`synchronous=FULL`).

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqlitePool};
use tokio::sync::{Notify, mpsc, oneshot};

use super::checkpoint::{Checkpoints, checkpoint};
use super::{Conn, Effects, Operation, Time, Tx};
use crate::error::{Result, StoreError, StoreErrorKind};

/// How many operations share one commit at most. 64 reached 34,600 rows per second where one alone reached 4,700.
const GROUP: usize = 64;
/// A write that takes longer is told of: whoever stores something waits behind it.
const SLOW: Duration = Duration::from_millis(500);
/// How many operations may wait for the writer before callers have to wait for a place.
const QUEUE: usize = 1024;
const READERS: u32 = 4;
/// How long another process may hold the write lock before callers are told [`StoreErrorKind::Unavailable`]: below
/// the 1.5 s within which a webhook must be answered.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1200);
const READER_TIMEOUT: Duration = Duration::from_secs(2);
/// The write-ahead log is cut back to this after a checkpoint.
const WAL_LIMIT_BYTES: &str = "67108864";
/// Every commit copies a log of so many pages by itself: 256 MiB, which is more than [`Checkpoints`] leaves unless the disk
/// is slower than whoever stores something, who then has to wait for it.
const WAL_LIMIT_PAGES: &str = "65536";

pub(crate) struct SqliteDb {
    pub(crate) path: PathBuf,
    pub(crate) readers: SqlitePool,
    writer: SqliteWriter,
    quota: SqliteWriter,
    checkpoints: Checkpoints,
}

/// The way to a task that owns a writing connection.
struct SqliteWriter {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Write(Box<dyn Erased>),
    /// The log is copied but for its last pages: copy them, and it begins anew.
    Checkpoint,
    Close(oneshot::Sender<()>),
}

impl SqliteDb {
    pub(crate) async fn open(path: PathBuf, time: Time, bell: Arc<Notify>) -> Result<Self> {
        create(&path)?;
        let conn = connect(&writer_options(&path)).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(READER_TIMEOUT)
            .test_before_acquire(false)
            .connect_lazy_with(
                options(&path)
                    .create_if_missing(false)
                    .pragma("query_only", "ON"),
            );
        let mut quota = connect(&quota_options(&path)?).await?;
        sqlx::raw_sql(QUOTA_TABLE).execute(&mut quota).await?;
        let copying = connect(&options(&path).create_if_missing(false)).await?;
        let commits = Arc::new(Notify::new());
        let writer = SqliteWriter::spawn(conn, time.clone(), bell, Arc::clone(&commits));
        let finish = {
            let queue = writer.queue.clone();
            // A queue without a place is no hurry: it is asked again.
            move || drop(queue.try_send(Message::Checkpoint))
        };
        Ok(Self {
            path,
            readers,
            writer,
            quota: SqliteWriter::spawn(quota, time, Arc::default(), Arc::default()),
            checkpoints: Checkpoints::spawn(copying, commits, finish),
        })
    }

    pub(super) async fn write<O: Operation>(&self, operation: O) -> Result<O::Output> {
        self.writer.write(operation).await
    }

    /// Runs `operation` in the file of the request budget.
    pub(super) async fn write_quota<O: Operation>(&self, operation: O) -> Result<O::Output> {
        self.quota.write(operation).await
    }

    pub(super) async fn reader(&self) -> Result<PoolConnection<Sqlite>> {
        Ok(self.readers.acquire().await?)
    }

    /// Commits what is queued, then gives back the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.checkpoints.close().await;
        self.writer.close().await;
        self.quota.close().await;
    }

    /// A writing connection of its own, for migrations: they take their time.
    pub(crate) async fn connect(&self, busy_timeout: Duration) -> Result<SqliteConnection> {
        Ok(writer_options(&self.path)
            .busy_timeout(busy_timeout)
            .connect()
            .await?)
    }
}

impl fmt::Debug for SqliteDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteDb")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the store is closed")
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

fn writer_options(path: &Path) -> SqliteConnectOptions {
    options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Wiped secrets leave no copy in free pages.
        .pragma("secure_delete", "ON")
        .pragma("journal_size_limit", WAL_LIMIT_BYTES)
        .pragma("wal_autocheckpoint", WAL_LIMIT_PAGES)
}

/// Two processes that switch a new file to WAL at once may be told "busy" at once, whatever the busy timeout.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let mut tries = 0;
    loop {
        match options.connect().await.map_err(StoreError::from) {
            Err(error) if error.kind() == StoreErrorKind::Unavailable && tries < CONNECT_TRIES => {
                tries += 1;
                tokio::time::sleep(CONNECT_PAUSE).await;
            }
            other => return other,
        }
    }
}

const CONNECT_TRIES: u32 = 10;
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// The same table as in `migrations/postgres`.
const QUOTA_TABLE: &str = "CREATE TABLE IF NOT EXISTS quota (
    scope TEXT NOT NULL PRIMARY KEY, arrival_at INTEGER NOT NULL, spacing INTEGER NOT NULL,
    paused_at INTEGER, paused_until INTEGER, pause_reason TEXT) STRICT, WITHOUT ROWID";

/// The file of the request budget, beside the database.
///
/// It is a file of its own because a permit must not wait behind a group commit, and a permit lost in a power failure
/// harms nobody: a commit here waits for no disk. Measured with 64 tasks writing to the main file: a permit took 0.57 ms
/// (p50), as much as without them. `NORMAL`, not `OFF`: in WAL mode it costs an fsync per checkpoint
/// only, and the file stays whole whatever happens.
fn quota_options(path: &Path) -> Result<SqliteConnectOptions> {
    let mut name = path.as_os_str().to_owned();
    name.push("-quota");
    let path = PathBuf::from(name);
    create(&path)?;
    Ok(options(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal))
}

/// Creates the file and its folders, readable by nobody else: it holds phones and e-mails.
fn create(path: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        StoreError::new(
            StoreErrorKind::Unavailable,
            format!("cannot create {}: {}", path.display(), error.kind()),
        )
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = std::fs::OpenOptions::new();
    file.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path).map_err(failed)?;
    Ok(())
}

/// An operation whose type the writer does not know.
trait Erased: Send {
    /// Its type, for the log.
    fn name(&self) -> &'static str;
    /// Nobody waits for it any more.
    fn is_abandoned(&self) -> bool;
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<()>>;
    fn acknowledge(self: Box<Self>, outcome: Result<()>);
}

struct Pending<O: Operation> {
    operation: O,
    output: Option<O::Output>,
    reply: oneshot::Sender<Result<O::Output>>,
}

impl<O: Operation> Erased for Pending<O> {
    fn name(&self) -> &'static str {
        std::any::type_name::<O>()
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<()>> {
        async {
            self.output = None;
            self.output = Some(self.operation.run(tx).await?);
            Ok(())
        }
        .boxed()
    }

    fn acknowledge(self: Box<Self>, outcome: Result<()>) {
        let Self { output, reply, .. } = *self;
        let output = outcome
            .and_then(|()| output.ok_or_else(|| StoreError::internal("an operation was not run")));
        // The caller may have gone away; its change is durable all the same.
        let _ = reply.send(output);
    }
}

impl SqliteWriter {
    fn spawn(conn: SqliteConnection, time: Time, bell: Arc<Notify>, commits: Arc<Notify>) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let writer = Writer {
            tx: Tx::new(Conn::Sqlite(Box::new(conn)), time),
            bell,
            commits,
        };
        tokio::spawn(writer.run(messages));
        Self { queue }
    }

    async fn write<O: Operation>(&self, operation: O) -> Result<O::Output> {
        let (reply, answer) = oneshot::channel();
        let pending = Box::new(Pending {
            operation,
            output: None,
            reply,
        });
        self.queue
            .send(Message::Write(pending))
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.queue.send(Message::Close(reply)).await.is_ok() {
            // An error means that the writer has ended already.
            let _ = done.await;
        }
    }
}

struct Writer {
    tx: Tx,
    bell: Arc<Notify>,
    /// Told of every commit.
    commits: Arc<Notify>,
}

/// Why a group could not be committed.
enum Torn {
    /// The write lock was not given: nobody else would get it either.
    NotBegun(StoreError),
    /// The transaction was lost on the way: its operations may succeed alone.
    Lost(StoreError),
}

/// Operations that another process kept from being tried.
struct LockedOut {
    group: Vec<Box<dyn Erased>>,
    error: StoreError,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut group: Vec<Box<dyn Erased>> = Vec::with_capacity(GROUP);
        let mut closing = None;
        let mut is_log_long = false;
        while closing.is_none() {
            let Some(first) = queue.recv().await else {
                break;
            };
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Write(operation) => group.push(operation),
                    Message::Checkpoint => is_log_long = true,
                    Message::Close(reply) => {
                        closing = Some(reply);
                        break;
                    }
                }
                next = if group.len() < GROUP {
                    queue.try_recv().ok()
                } else {
                    None
                };
            }
            if let Some(locked_out) = self.commit(std::mem::take(&mut group)).await {
                // Those who queued up meanwhile have waited too, and would wait as long again.
                group = locked_out.group;
                while group.len() < QUEUE {
                    match queue.try_recv() {
                        Ok(Message::Write(operation)) => group.push(operation),
                        Ok(Message::Checkpoint) => is_log_long = true,
                        Ok(Message::Close(reply)) => {
                            closing = Some(reply);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                refuse(std::mem::take(&mut group), &locked_out.error);
            }
            if std::mem::take(&mut is_log_long) {
                self.finish_checkpoint().await;
            }
        }
        drop(queue);
        if let Conn::Sqlite(conn) = self.tx.conn
            && let Err(error) = conn.close().await
        {
            tracing::debug!(error = %StoreError::from_sqlx(&error), "closing SQLite failed");
        }
        if let Some(reply) = closing {
            let _ = reply.send(());
        }
    }

    /// Runs the group and answers every caller, but those for whom the write lock was not given.
    async fn commit(&mut self, mut group: Vec<Box<dyn Erased>>) -> Option<LockedOut> {
        group.retain(|operation| !operation.is_abandoned());
        if group.is_empty() {
            return None;
        }
        match self.attempt(&mut group).await {
            Ok(outcomes) => acknowledge(group, outcomes),
            Err(Torn::NotBegun(error)) => return Some(LockedOut { group, error }),
            Err(Torn::Lost(error)) if group.len() == 1 => refuse(group, &error),
            Err(Torn::Lost(_)) => {
                let mut rest = group.into_iter();
                while let Some(operation) = rest.next() {
                    let mut alone = vec![operation];
                    match self.attempt(&mut alone).await {
                        Ok(outcomes) => acknowledge(alone, outcomes),
                        Err(Torn::Lost(error)) => refuse(alone, &error),
                        Err(Torn::NotBegun(error)) => {
                            alone.extend(rest);
                            return Some(LockedOut {
                                group: alone,
                                error,
                            });
                        }
                    }
                }
            }
        }
        None
    }

    /// Copies the last pages of the log.
    async fn finish_checkpoint(&mut self) {
        let Conn::Sqlite(conn) = &mut self.tx.conn else {
            return;
        };
        let mut watch = Watch::start();
        if let Err(error) = checkpoint(conn).await {
            tracing::debug!(%error, "a checkpoint failed");
        }
        watch.lap("the end of a checkpoint");
        watch.stop(0);
    }

    /// One transaction. `Ok` means that it is durable, or that there was nothing to commit.
    async fn attempt(&mut self, group: &mut [Box<dyn Erased>]) -> Result<Vec<Result<()>>, Torn> {
        self.tx
            .control("BEGIN IMMEDIATE")
            .await
            .map_err(Torn::NotBegun)?;
        match self.fill(group).await {
            Ok((outcomes, effects)) => {
                self.commits.notify_one();
                if effects.work_is_due {
                    self.bell.notify_waiters();
                }
                Ok(outcomes)
            }
            Err(error) => {
                // SQLite may have rolled back by itself; then this fails, and that is fine.
                let _ = self.tx.control("ROLLBACK").await;
                Err(Torn::Lost(error))
            }
        }
    }

    async fn fill(&mut self, group: &mut [Box<dyn Erased>]) -> Result<(Vec<Result<()>>, Effects)> {
        let alone = group.len() == 1;
        let mut outcomes = Vec::with_capacity(group.len());
        let mut effects = Effects::default();
        let mut watch = Watch::start();
        for operation in group {
            if !alone {
                self.tx.control("SAVEPOINT operation").await?;
            }
            self.tx.now = None;
            self.tx.effects = Effects::default();
            let outcome = AssertUnwindSafe(operation.run(&mut self.tx))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(StoreError::internal("an operation panicked")));
            match &outcome {
                Ok(()) => effects.absorb(std::mem::take(&mut self.tx.effects)),
                Err(error) if alone => {
                    return Err(StoreError::new(error.kind(), error.to_string()));
                }
                Err(_) => self.tx.control("ROLLBACK TO operation").await?,
            }
            if !alone {
                self.tx.control("RELEASE operation").await?;
            }
            outcomes.push(outcome);
            watch.lap(operation.name());
        }
        self.tx.flush_counters(&mut effects).await?;
        watch.lap("the counters");
        self.tx.control("COMMIT").await?;
        watch.lap("the commit");
        watch.stop(outcomes.len());
        Ok((outcomes, effects))
    }
}

/// Says what a write that kept everybody waiting was about.
struct Watch {
    start: Instant,
    last: Instant,
    slowest: (Duration, &'static str),
}

impl Watch {
    fn start() -> Self {
        let start = Instant::now();
        Self {
            start,
            last: start,
            slowest: (Duration::ZERO, ""),
        }
    }

    fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.slowest = self.slowest.max((now.duration_since(self.last), name));
        self.last = now;
    }

    fn stop(self, operations: usize) {
        let took = self.last.duration_since(self.start);
        if took > SLOW {
            let (longest, name) = self.slowest;
            tracing::warn!(
                took_ms = took.as_millis(),
                operations,
                slowest = name,
                slowest_ms = longest.as_millis(),
                "a write to the database took long; is the disk slow, or busy with something else?"
            );
        }
    }
}

fn acknowledge(group: Vec<Box<dyn Erased>>, outcomes: Vec<Result<()>>) {
    for (operation, outcome) in group.into_iter().zip(outcomes) {
        operation.acknowledge(outcome);
    }
}

fn refuse(group: Vec<Box<dyn Erased>>, error: &StoreError) {
    for operation in group {
        operation.acknowledge(Err(StoreError::new(error.kind(), error.to_string())));
    }
}
