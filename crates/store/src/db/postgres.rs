//! PostgreSQL: a pool, short transactions, and another try where the server lost one for us.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool, Postgres};
use tokio::sync::Notify;

use super::{Conn, Effects, Operation, Time, Tx};
use crate::error::{Result, StoreError, StoreErrorKind};

/// How often an operation is tried when conflicting transactions or broken connections undo it.
const ATTEMPTS: u32 = 12;
/// How long an operation may take in all, the tries included: a server that is frozen, or gone without a word, would
/// otherwise be waited for until the kernel gives up, a quarter of an hour later.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// How long connections may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);
/// One task of a process asks for a permit at a time; the other connection is for pauses.
const QUOTA_CONNECTIONS: u32 = 2;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that has been idle for longer is tried before it is used: the server may have been restarted.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);
/// The parameters that the driver understands in a URL. It would log the values of others.
const PARAMETERS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

#[derive(Debug)]
pub(crate) struct PostgresDb {
    pub(crate) pool: PgPool,
    /// Connections of its own for the request budget: a permit must not queue behind other work for one. With the
    /// pool of 4 shared, 64 busy tasks made a permit wait 49 ms instead of 1.4.
    quota: PgPool,
}

impl PostgresDb {
    pub(crate) async fn open(url: &str, connections: u32) -> Result<Self> {
        check_parameters(url)?;
        let options: PgConnectOptions = url.parse().map_err(|_| {
            StoreError::invalid(
                "the database URL cannot be understood: expected postgres://user:password@host:port/database",
            )
        })?;
        let options = options
            .application_name("amocrm-store")
            .options([
                // A frozen client must not hold locks for long, nor a frozen server hold us.
                ("statement_timeout", "10s"),
                ("lock_timeout", "4s"),
                ("idle_in_transaction_session_timeout", "15s"),
                ("synchronous_commit", "on"),
            ])
            .disable_statement_logging();
        let quota = pool(QUOTA_CONNECTIONS).connect_lazy_with(options.clone());
        let pool = pool(connections)
            .connect_with(options)
            .await
            .map_err(|error| match error {
                // The pool goes on trying until its time is over, and then tells only that.
                sqlx::Error::PoolTimedOut => StoreError::new(
                    StoreErrorKind::Unavailable,
                    "the database server does not answer; does it run, and are host and port right?",
                ),
                error => error.into(),
            })?;
        Ok(Self { pool, quota })
    }

    pub(crate) async fn close(&self) {
        let closed = async {
            self.quota.close().await;
            self.pool.close().await;
        };
        if tokio::time::timeout(GOODBYE, closed).await.is_err() {
            tracing::debug!("the database server did not take leave in time");
        }
    }

    pub(super) async fn reader(&self) -> Result<PoolConnection<Postgres>> {
        Ok(self.pool.acquire().await?)
    }

    pub(super) async fn write<O: Operation>(
        &self,
        operation: O,
        time: &Time,
        bell: &Arc<Notify>,
    ) -> Result<O::Output> {
        let attempt = || Self::attempt(&self.pool, &operation, time);
        repeat(attempt, bell).await
    }

    /// Runs `operation` on the connections of the request budget.
    pub(super) async fn write_quota<O: Operation>(
        &self,
        operation: O,
        time: &Time,
        bell: &Arc<Notify>,
    ) -> Result<O::Output> {
        let attempt = || Self::attempt(&self.quota, &operation, time);
        repeat(attempt, bell).await
    }

    /// Runs an operation that is a single statement without a transaction around it.
    pub(super) async fn write_alone<O: Operation>(
        &self,
        operation: O,
        time: &Time,
        bell: &Arc<Notify>,
    ) -> Result<O::Output> {
        let attempt = || Self::attempt_alone(&self.pool, &operation, time);
        repeat(attempt, bell).await
    }

    async fn attempt_alone<O: Operation>(
        pool: &PgPool,
        operation: &O,
        time: &Time,
    ) -> Result<(O::Output, Effects), Failed> {
        let conn = pool.acquire().await.map_err(|error| Failed {
            again: is_lost(&error),
            error: error.into(),
        })?;
        let mut tx = Tx::new(Conn::PostgresReader(conn), time.clone());
        match operation.run(&mut tx).await {
            Ok(output) => Ok((output, std::mem::take(&mut tx.effects))),
            // The statement is its own commit: when the connection breaks, nobody knows whether it happened.
            Err(error) => Err(Failed {
                error,
                again: false,
            }),
        }
    }

    async fn attempt<O: Operation>(
        pool: &PgPool,
        operation: &O,
        time: &Time,
    ) -> Result<(O::Output, Effects), Failed> {
        let transaction = pool.begin().await.map_err(|error| Failed {
            again: is_lost(&error),
            error: error.into(),
        })?;
        let mut tx = Tx::new(Conn::Postgres(transaction), time.clone());
        let done = async {
            let output = operation.run(&mut tx).await?;
            let mut effects = std::mem::take(&mut tx.effects);
            tx.flush_counters(&mut effects).await?;
            Ok((output, effects))
        };
        let done = done.await.map_err(|error: StoreError| Failed {
            again: error.is_undone(),
            error,
        })?;
        if let Conn::Postgres(transaction) = tx.conn {
            // When the connection breaks here nobody knows whether the commit happened, so it is not tried again.
            transaction.commit().await.map_err(|error| Failed {
                again: matches!(&error, sqlx::Error::Database(error) if error.code().is_some_and(|code| code.starts_with("40"))),
                error: error.into(),
            })?;
        }
        Ok(done)
    }
}

pub(crate) fn no_answer() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "the database server did not answer in time",
    )
}

/// Tries until it succeeds or fails for good, and rings the bell if work became due.
async fn repeat<T, F>(attempt: impl Fn() -> F, bell: &Arc<Notify>) -> Result<T>
where
    F: Future<Output = Result<(T, Effects), Failed>>,
{
    let tries = async {
        let mut tried = 1;
        loop {
            match attempt().await {
                Ok((output, effects)) => {
                    if effects.work_is_due {
                        bell.notify_waiters();
                    }
                    return Ok(output);
                }
                Err(Failed { error, again: true }) if tried < ATTEMPTS => {
                    tracing::debug!(attempt = tried, %error, "a transaction is tried again");
                    // A few milliseconds apart, differently for each, so that the same two do not meet again.
                    let jitter = u64::from(getrandom::u32().unwrap_or(0) % 8);
                    tokio::time::sleep(Duration::from_millis(u64::from(tried) * 4 + jitter)).await;
                    tried += 1;
                }
                Err(Failed { error, .. }) => return Err(error),
            }
        }
    };
    tokio::time::timeout(DEADLINE, tries)
        .await
        .map_err(|_| no_answer())?
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move { Ok(meta.idle_for < TRUSTED_IDLE || conn.ping().await.is_ok()) })
        })
}

fn check_parameters(url: &str) -> Result<()> {
    let (_, parameters) = url.split_once('?').unwrap_or_default();
    for parameter in parameters.split('&').filter(|it| !it.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        if !PARAMETERS.contains(&name) && !name.starts_with("options[") {
            return Err(StoreError::invalid(format!(
                "the database URL has a parameter that nobody understands: one of {} was expected",
                PARAMETERS.join(", ")
            )));
        }
    }
    Ok(())
}

struct Failed {
    error: StoreError,
    again: bool,
}

fn is_lost(error: &sqlx::Error) -> bool {
    StoreError::from_sqlx(error).is_undone()
}
