//! What tests need of a database, so that SQL stays in this crate: schemas to drop, a disk that is full, a lock.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::store::Store;

/// Has the disk under a SQLite database be full, or no longer.
///
/// It may not grow by a page, which SQLite reports as it does a full disk.
pub async fn fill_disk(store: &Store, is_full: bool) -> Result<()> {
    store.inner.db.write(Disk(is_full)).await
}

struct Disk(bool);

impl Operation for Disk {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        // Less than there are means as many as there are.
        let sql = if self.0 {
            Sql::from("PRAGMA max_page_count = 1")
        } else {
            Sql::from("PRAGMA max_page_count = 1073741823")
        };
        tx.query(sql).fetch_optional().await?;
        Ok(())
    }
}

/// Another program that writes to a SQLite file, and takes its time.
#[derive(Debug)]
pub struct Locked {
    conn: SqliteConnection,
}

impl Locked {
    /// Takes the write lock.
    pub async fn take(file: &Path) -> Result<Self> {
        let mut conn = SqliteConnectOptions::new().filename(file).connect().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut conn).await?;
        Ok(Self { conn })
    }

    /// Gives it back.
    pub async fn release(mut self) -> Result<()> {
        sqlx::query("ROLLBACK").execute(&mut self.conn).await?;
        Ok(self.conn.close().await?)
    }
}

/// A PostgreSQL schema of one test's own, on a server that others use too.
#[derive(Clone)]
pub struct Schema {
    server: String,
    name: String,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Schema {
    /// Makes an empty schema on the server at this `postgres://` URL.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses.
    pub async fn create(server: &str) -> Result<Self> {
        let schema = Self {
            server: server.to_owned(),
            name: format!("test_{}", Uuid::new_v4().simple()),
        };
        schema.run(format!("CREATE SCHEMA {}", schema.name)).await?;
        Ok(schema)
    }

    /// The URL whose connections see this schema and no other.
    pub fn url(&self) -> String {
        let glue = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{glue}options[search_path]={}", self.server, self.name)
    }

    /// Drops it with all it holds.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses.
    pub async fn drop(&self) -> Result<()> {
        self.run(format!("DROP SCHEMA {} CASCADE", self.name)).await
    }

    /// Ends at most so many connections of stores to the server, whatever they are at, those at work first. Returns how
    /// many. The schemas of others on the server suffer too: it should be one's own.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses.
    pub async fn cut_connections(&self, at_most: u32) -> Result<u64> {
        let mut admin = PgConnection::connect(&self.server).await?;
        let cut = sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'amocrm-store' AND pid <> pg_backend_pid()
             ORDER BY state = 'idle', random() LIMIT $1",
        )
        .bind(i64::from(at_most))
        .fetch_all(&mut admin)
        .await?
        .len();
        admin.close().await?;
        Ok(u64::try_from(cut).unwrap_or(u64::MAX))
    }

    /// Has whoever stores an event of this id wait in the middle of his transaction, until what this returns is
    /// released: his event has its number by then.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses.
    pub async fn hold_event(&self, event_id: &str) -> Result<HeldEvent> {
        let mut conn = PgConnection::connect(&self.url()).await?;
        sqlx::query("BEGIN").execute(&mut conn).await?;
        sqlx::query(
            "INSERT INTO gateway_events (request, event_id, account, kind, received_at, envelope)
             VALUES (0, $1, '', '', 0, '')",
        )
        .bind(event_id)
        .execute(&mut conn)
        .await?;
        Ok(HeldEvent { conn })
    }

    async fn run(&self, statement: String) -> Result<()> {
        let mut admin = PgConnection::connect(&self.server).await?;
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut admin)
            .await?;
        Ok(admin.close().await?)
    }
}

/// The id of an event, held by a transaction that will come to nothing.
#[derive(Debug)]
pub struct HeldEvent {
    conn: PgConnection,
}

impl HeldEvent {
    /// Whether somebody waits for it.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached.
    pub async fn is_waited_for(&mut self) -> Result<bool> {
        let waiting = sqlx::query(
            "SELECT 1 FROM pg_locks
             WHERE locktype = 'transactionid' AND NOT granted AND transactionid = pg_current_xact_id()::xid",
        );
        Ok(waiting.fetch_optional(&mut self.conn).await?.is_some())
    }

    /// Lets whoever waits go on.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached.
    pub async fn release(mut self) -> Result<()> {
        sqlx::query("ROLLBACK").execute(&mut self.conn).await?;
        Ok(self.conn.close().await?)
    }
}
