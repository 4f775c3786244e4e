//! A database of a test's own, on either backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use chrono::DateTime;
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use store::throwaway::Schema;
use store::{Clock, Keyring, Options, Store, TimeSource};
use tempfile::TempDir;

/// 2026-11-21 00:00:00 UTC.
const START_MICROS: i64 = 1_795_219_200_000_000;

/// Reads a variable of the environment: where PostgreSQL is, whether it may be missing, and what a child has to do.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are configured by their runner, in this one place"
)]
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Turns each `async fn law(db: TestDb)` into a test on SQLite and one on PostgreSQL.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $law:ident($db:ident: TestDb) $body:block)*) => {
        $($(#[$meta])* mod $law {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run($crate::db::TestDb::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let Some(db) = $crate::db::TestDb::postgres().await else { return };
                run(db.clone()).await;
                db.drop_schema().await;
            }

            async fn run($db: $crate::db::TestDb) $body
        })*
    };
}
pub(crate) use on_both;

/// A fresh, migrated database. Every [`open`](Self::open) is what another process would have.
#[derive(Clone)]
pub(crate) struct TestDb {
    pub(crate) url: String,
    folder: Option<Arc<TempDir>>,
    schema: Option<Schema>,
    pub(crate) hands: Hands,
}

/// The hands of the clock that stores opened with [`TestDb::open`] go by.
#[derive(Clone)]
pub(crate) struct Hands(Arc<AtomicI64>);

impl Hands {
    pub(crate) fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap();
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let hands = Arc::clone(&self.0);
        Clock::new(move || DateTime::from_timestamp_micros(hands.load(Ordering::SeqCst)).unwrap())
    }
}

impl TestDb {
    pub(crate) async fn sqlite() -> Self {
        let db = Self::sqlite_unmigrated();
        db.open().await.migrate().await.unwrap();
        db
    }

    pub(crate) fn sqlite_unmigrated() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/store.db");
        Self {
            url: format!("sqlite://{}", path.display()),
            folder: Some(Arc::new(folder)),
            schema: None,
            hands: Hands(Arc::new(AtomicI64::new(START_MICROS))),
        }
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let db = Self::postgres_unmigrated().await?;
        db.open().await.migrate().await.unwrap();
        Some(db)
    }

    pub(crate) async fn postgres_unmigrated() -> Option<Self> {
        let Some(server) = env("TEST_POSTGRES_URL") else {
            assert!(
                env("REQUIRE_ALL").as_deref() != Some("1"),
                "REQUIRE_ALL=1, but TEST_POSTGRES_URL is not set"
            );
            println!("skipped: PostgreSQL");
            return None;
        };
        let schema = Schema::create(&server).await.unwrap();
        Some(Self {
            url: schema.url(),
            folder: None,
            schema: Some(schema),
            hands: Hands(Arc::new(AtomicI64::new(START_MICROS))),
        })
    }

    pub(crate) async fn drop_schema(&self) {
        if let Some(schema) = &self.schema {
            schema.drop().await.unwrap();
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.folder.is_some()
    }

    /// Does to the database what no release of ours does.
    pub(crate) async fn execute(&self, text: &str) {
        self.try_execute(text).await.unwrap();
    }

    /// The same, where the database may refuse.
    pub(crate) async fn try_execute(&self, text: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        if self.is_sqlite() {
            let mut conn = SqliteConnection::connect(&self.url).await.unwrap();
            sql.execute(&mut conn).await?;
        } else {
            let mut conn = PgConnection::connect(&self.url).await.unwrap();
            sql.execute(&mut conn).await?;
        }
        Ok(())
    }

    /// Every byte of every file of the database.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let folder = self.folder.as_ref().unwrap().path().join("new/folder");
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        bytes
    }

    /// A store on this database that goes by the test's clock.
    pub(crate) async fn open(&self) -> Store {
        self.open_with(self.options()).await
    }

    /// A store on this database as a service opens it: real time, the database's on PostgreSQL.
    pub(crate) async fn open_in_real_time(&self) -> Store {
        let options = Options::new()
            .keyring(keyring(&[("test", 1)]))
            .postgres_connections(4);
        self.open_with(options).await
    }

    pub(crate) async fn open_with(&self, options: Options) -> Store {
        self.try_open(options).await.unwrap()
    }

    pub(crate) async fn try_open(&self, options: Options) -> store::Result<Store> {
        Store::open(&SecretString::from(self.url.as_str()), options).await
    }

    /// The options of [`open`](Self::open), to be varied.
    pub(crate) fn options(&self) -> Options {
        Options::new()
            .clock(self.hands.clock())
            .time_source(TimeSource::Process)
            .keyring(keyring(&[("test", 1)]))
            .postgres_connections(4)
    }
}

/// A keyring of named keys, each 32 times one byte.
pub(crate) fn keyring(keys: &[(&str, u8)]) -> Keyring {
    let encode = |byte| base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    let text: Vec<String> = keys
        .iter()
        .map(|(name, byte)| format!("{name}:{}", encode(*byte)))
        .collect();
    Keyring::parse(&SecretString::from(text.join(","))).unwrap()
}
