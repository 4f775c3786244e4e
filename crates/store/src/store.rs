//! Opening, migrating, looking after and closing a database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use amocrm_sdk::oauth::TokenKey;
use amocrm_sdk::quota::Limits;
use chrono::FixedOffset;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Notify, OnceCell};
use uuid::Uuid;

use crate::arrivals::Arrivals;
use crate::audit::{self, Audit};
use crate::clock::{Clock, TimeSource};
use crate::db::{Backend, Db, Operation, PostgresDb, SqliteDb, Time, Tx};
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::funnels::{AddressKey, Funnels};
use crate::gateway::{self, Gateway};
use crate::jobs::{Jobs, JobsOptions};
use crate::keyring::Keyring;
use crate::leads::{self, Leads};
use crate::lessons::{self, Lessons};
use crate::locks::{self, Locks};
use crate::managers::Managers;
use crate::meta::Meta;
use crate::migrate;
use crate::owner::Owner;
use crate::quarantine::Quarantine;
use crate::quota::StoreQuota;
use crate::schedules::Schedules;
use crate::tallies::{self, Tallies};
use crate::tokens::Tokens;
use crate::totals::Totals;

/// How many expired rows [`Store::prune`] deletes at once, so that it never holds up the writer for long.
const PRUNE_BATCH: i64 = 500;
/// Connections to PostgreSQL per process: more did not make it faster.
const POSTGRES_CONNECTIONS: u32 = 8;
/// Moscow is three hours ahead of UTC all the year.
const MOSCOW_SECONDS: i32 = 3 * 60 * 60;

/// A database with everything the services keep in it. A clone is cheap and is the same store.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) keyring: Keyring,
    pub(crate) owner: Owner,
    pub(crate) jobs: JobsOptions,
    pub(crate) funnels: bool,
    pub(crate) arrivals: Arrivals<leads::Queued>,
    pub(crate) webhooks: Arrivals<gateway::Routed>,
    pub(crate) lessons: Arrivals<lessons::Told>,
    pub(crate) sweeping: gateway::Sweeping,
    pub(crate) address_key: OnceCell<AddressKey>,
}

/// What a store needs besides its address.
#[derive(Debug, Clone)]
pub struct Options {
    clock: Clock,
    time: TimeSource,
    keyring: Keyring,
    jobs: JobsOptions,
    funnels: bool,
    postgres_connections: u32,
    offset_seconds: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            time: TimeSource::default(),
            keyring: Keyring::none(),
            jobs: JobsOptions::default(),
            funnels: false,
            postgres_connections: POSTGRES_CONNECTIONS,
            offset_seconds: MOSCOW_SECONDS,
        }
    }
}

impl Options {
    /// The machine's clock and no keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where "now" comes from. Default: [`Clock::system`].
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Whose clock times leases, schedules and the request budget. Default: [`TimeSource::Database`].
    #[must_use]
    pub fn time_source(mut self, time: TimeSource) -> Self {
        self.time = time;
        self
    }

    /// The keys that seal tokens. Default: none, and then tokens can be neither read nor written.
    #[must_use]
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = keyring;
        self
    }

    /// How the queue treats its jobs.
    #[must_use]
    pub fn jobs(mut self, jobs: JobsOptions) -> Self {
        self.jobs = jobs;
        self
    }

    /// Whether a lead that enters a status gets a job [`FUNNEL_ENTER`](crate::FUNNEL_ENTER). Default: no. All processes
    /// on a database should agree.
    #[must_use]
    pub fn funnels(mut self, on: bool) -> Self {
        self.funnels = on;
        self
    }

    /// Connections to PostgreSQL of this process. Default: 8.
    #[must_use]
    pub fn postgres_connections(mut self, connections: u32) -> Self {
        self.postgres_connections = connections.max(1);
        self
    }

    /// Where the office is: the days of [`Tallies`] begin at its midnight. Default: Moscow, +03:00. All processes on a
    /// database need the same.
    #[must_use]
    pub fn time_zone(mut self, offset: FixedOffset) -> Self {
        self.offset_seconds = offset.local_minus_utc();
        self
    }
}

impl Store {
    /// Opens `sqlite://path/to/file.db` (created with its folders if missing) or `postgres://user:password@host/name`.
    ///
    /// The tables are not created here: see [`migrate`](Self::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`](crate::StoreErrorKind::Invalid) for a URL of another kind,
    /// [`StoreErrorKind::Unavailable`](crate::StoreErrorKind::Unavailable) when the database cannot be reached, and
    /// [`StoreErrorKind::SchemaTooNew`](crate::StoreErrorKind::SchemaTooNew) when a newer release has migrated it.
    pub async fn open(url: &SecretString, options: Options) -> Result<Self> {
        let Options {
            clock,
            time: source,
            keyring,
            jobs,
            funnels,
            postgres_connections,
            offset_seconds,
        } = options;
        let offset = i64::from(offset_seconds) * 1_000_000;
        let time = Time {
            clock,
            source,
            offset,
        };
        let bell = Arc::new(Notify::new());
        let url = url.expose_secret();
        let (backend, owner) = if let Some(path) = sqlite_path(url) {
            let path = path?;
            let db = SqliteDb::open(path.clone(), time.clone(), Arc::clone(&bell)).await?;
            (Backend::Sqlite(db), Owner::with_lock_beside(&path)?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let db = PostgresDb::open(url, postgres_connections).await?;
            (Backend::Postgres(db), Owner::new())
        } else {
            return Err(StoreError::invalid(
                "the database URL must begin with sqlite:// or postgres://",
            ));
        };
        let db = Db {
            backend,
            time,
            bell,
        };
        migrate::pending(&db).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                db,
                keyring,
                owner,
                jobs,
                funnels,
                arrivals: Arrivals::default(),
                webhooks: Arrivals::default(),
                lessons: Arrivals::default(),
                sweeping: gateway::Sweeping::default(),
                address_key: OnceCell::new(),
            }),
        })
    }

    /// Applies the pending migrations and returns their names. Any number of processes may do this at once.
    pub async fn migrate(&self) -> Result<Vec<&'static str>> {
        migrate::migrate(&self.inner.db).await
    }

    /// The migrations that [`migrate`](Self::migrate) would apply.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::SchemaTooNew`](crate::StoreErrorKind::SchemaTooNew) when a newer release has been here.
    pub async fn pending_migrations(&self) -> Result<Vec<&'static str>> {
        migrate::pending(&self.inner.db).await
    }

    /// Seals with the first key of the keyring what older ones have sealed: tokens, secrets of subscribers, the key of
    /// addresses. Returns how many there were; afterwards `ENCRYPTION_KEY` does without the older keys. With one key there is
    /// nothing to do, and nothing is read.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Decrypt`](crate::StoreErrorKind::Decrypt) when a secret opens with none of the keys.
    pub async fn reseal(&self) -> Result<u64> {
        if !self.inner.keyring.is_rotating() {
            return Ok(0);
        }
        let address_key = u64::from(self.funnels().rotate_key().await?);
        Ok(self.tokens().rotate_keys().await? + self.gateway().rotate_keys().await? + address_key)
    }

    /// Token pairs, encrypted; the SDK's `TokenStore`.
    pub fn tokens(&self) -> Tokens {
        Tokens::new(Arc::clone(&self.inner))
    }

    /// The request budget of one integration in one account, shared by every process on this database.
    pub fn quota(&self, key: &TokenKey, limits: &Limits) -> StoreQuota {
        StoreQuota::new(Arc::clone(&self.inner), key, limits)
    }

    /// The durable queue.
    pub fn jobs(&self) -> Jobs {
        Jobs::new(Arc::clone(&self.inner))
    }

    /// Leads on their way to amoCRM and back.
    pub fn leads(&self) -> Leads {
        Leads::new(Arc::clone(&self.inner))
    }

    /// Finished lessons on their way to amoCRM.
    pub fn lessons(&self) -> Lessons {
        Lessons::new(Arc::clone(&self.inner))
    }

    /// Who is responsible for which lead.
    pub fn managers(&self) -> Managers {
        Managers::new(Arc::clone(&self.inner))
    }

    /// Sums per day, for the dashboard.
    pub fn tallies(&self) -> Tallies {
        Tallies::new(Arc::clone(&self.inner))
    }

    /// Figures that only grow.
    pub fn totals(&self) -> Totals {
        Totals::new(Arc::clone(&self.inner))
    }

    /// Messages to clients.
    pub fn funnels(&self) -> Funnels {
        Funnels::new(Arc::clone(&self.inner))
    }

    /// Webhooks and their deliveries.
    pub fn gateway(&self) -> Gateway {
        Gateway::new(Arc::clone(&self.inner))
    }

    /// Signs `message` for `purpose` with the newest key of `ENCRYPTION_KEY`: for links that only we can make.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`](crate::StoreErrorKind::Invalid) without a key.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> Result<[u8; 32]> {
        self.inner.keyring.sign(purpose, message)
    }

    /// Whether one of the keys of `ENCRYPTION_KEY` made this signature, or its first 16 bytes or more, in constant time.
    pub fn verify(&self, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        self.inner.keyring.verify(purpose, message, signature)
    }

    /// Work that one process at a time does now and then.
    pub fn schedules(&self) -> Schedules {
        Schedules::new(Arc::clone(&self.inner))
    }

    /// Submissions that look like a machine's.
    pub fn quarantine(&self) -> Quarantine {
        Quarantine::new(Arc::clone(&self.inner))
    }

    /// Who has changed what.
    pub fn audit(&self) -> Audit {
        Audit::new(Arc::clone(&self.inner))
    }

    /// Small settings and single-use states.
    pub fn meta(&self) -> Meta {
        Meta::new(Arc::clone(&self.inner))
    }

    /// What only one may do at a time, over all processes.
    pub fn locks(&self) -> Locks {
        Locks::new(Arc::clone(&self.inner))
    }

    /// `sqlite` or `postgres`.
    pub fn backend(&self) -> &'static str {
        match self.inner.db.backend {
            Backend::Sqlite(_) => "sqlite",
            Backend::Postgres(_) => "postgres",
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        let mut tx = self.inner.db.read().await?;
        tx.query("SELECT CAST(1 AS BIGINT) AS one")
            .fetch_one()
            .await?;
        Ok(())
    }

    /// Whether the database takes writes: a full disk, or a lock that somebody holds, is not seen by reading.
    pub async fn check_writable(&self) -> Result<()> {
        self.inner.db.write(Probe).await
    }

    /// Reads the whole SQLite file and tells what is damaged: an empty list is good news. For `doctor`, not for
    /// health checks. PostgreSQL looks after itself.
    pub async fn check_integrity(&self) -> Result<Vec<String>> {
        if let Backend::Postgres(_) = self.inner.db.backend {
            return Ok(Vec::new());
        }
        let mut tx = self.inner.db.read().await?;
        let mut findings = Vec::new();
        for row in tx.query("PRAGMA integrity_check").fetch_all().await? {
            let finding = row.text("integrity_check")?;
            if finding != "ok" {
                findings.push(finding);
            }
        }
        Ok(findings)
    }

    /// The space on the disk of the SQLite file; `None` for PostgreSQL, whose disk is another machine's.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`](crate::StoreErrorKind::Unavailable) when the folder cannot be asked.
    pub fn disk_space(&self) -> Result<Option<DiskSpace>> {
        let Backend::Sqlite(db) = &self.inner.db.backend else {
            return Ok(None);
        };
        let folder = match db.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let found = rustix::fs::statvfs(folder).map_err(|error| {
            StoreError::new(
                StoreErrorKind::Unavailable,
                format!("the disk of {} cannot be asked: {error}", folder.display()),
            )
        })?;
        Ok(Some(DiskSpace {
            free: found.f_bavail.saturating_mul(found.f_frsize),
            total: found.f_blocks.saturating_mul(found.f_frsize),
        }))
    }

    /// How many bytes the database takes.
    pub async fn size_bytes(&self) -> Result<u64> {
        let sql = crate::db::Sql::either(
            "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
            "SELECT pg_database_size(current_database()) AS bytes",
        );
        let mut tx = self.inner.db.read().await?;
        let bytes = tx.query(sql).fetch_one().await?.int("bytes")?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// Adds up the new leads and deletes what has expired: idempotency keys, unused states, old sums, lines of the audit
    /// log, locks that nobody gave back. Call it now and then, say once a minute.
    /// Returns how many rows went.
    pub async fn prune(&self) -> Result<u64> {
        // What is deleted must have been added up before.
        self.tallies().fold().await?;
        let mut total = 0;
        loop {
            let gone = self.inner.db.write(Prune).await?;
            total += gone;
            if gone == 0 {
                return Ok(total);
            }
        }
    }

    /// Commits what is on its way, then closes the connections. What is asked of the store afterwards fails with
    /// [`StoreErrorKind::Unavailable`](crate::StoreErrorKind::Unavailable).
    pub async fn close(&self) {
        match &self.inner.db.backend {
            Backend::Sqlite(db) => db.close().await,
            Backend::Postgres(db) => db.close().await,
        }
    }
}

/// The space on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// What we may still write.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// The path in a SQLite URL, or `None` if it is not one.
fn sqlite_path(url: &str) -> Option<Result<PathBuf>> {
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))?;
    // `?mode=rwc` and the like are habits from elsewhere; the file is always created.
    let path = path.split('?').next().unwrap_or_default();
    Some(if path.is_empty() || path == ":memory:" {
        Err(StoreError::invalid(
            "the database URL needs a path: sqlite://var/store.db (a database in memory would lose what was acknowledged)",
        ))
    } else {
        Ok(PathBuf::from(path))
    })
}

struct Probe;

impl Operation for Probe {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        let now = tx.now().await?;
        tx.query(
            "INSERT INTO settings (key, value, updated_at) VALUES ('store.probe', 'null', $1)
             ON CONFLICT (key) DO UPDATE SET updated_at = excluded.updated_at",
        )
        .bind(now)
        .execute()
        .await?;
        Ok(())
    }
}

struct Prune;

impl Operation for Prune {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let now = tx.now().await?;
        let keys = tx
            .query(
                "DELETE FROM idempotency_keys WHERE key IN
                 (SELECT key FROM idempotency_keys WHERE expires_at <= $1 LIMIT $2)",
            )
            .bind(now)
            .bind(PRUNE_BATCH)
            .execute()
            .await?;
        let states = tx
            .query(
                "DELETE FROM states WHERE state IN
                 (SELECT state FROM states WHERE expires_at <= $1 LIMIT $2)",
            )
            .bind(now)
            .bind(PRUNE_BATCH)
            .execute()
            .await?;
        let sums = tallies::prune(tx, now).await?;
        let lessons = lessons::prune(tx, now).await?;
        let audit = audit::prune(tx, now).await?;
        let locks = locks::prune(tx, now).await?;
        Ok(keys + states + sums + lessons + audit + locks)
    }
}

/// A name that no other holder of a lease has: one per opened store.
pub(crate) fn unique_name() -> String {
    Uuid::new_v4().simple().to_string()
}
