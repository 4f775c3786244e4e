//! Forward-only migrations, compiled in.
//!
//! A migration is a pair of files `migrations/{sqlite,postgres}/NNNN_name.sql`. It must leave the database usable by
//! the release before it, which goes on running during a rolling restart: add, don't rename. Each is applied and recorded in
//! one transaction under one lock, so any number of processes may start at once, and one that dies half-way has applied
//! some and left the others. Together in one transaction, they would keep what they touch locked until the last has ended.

use std::time::Duration;

use sqlx::Connection as _;

use crate::db::{Backend, Db};
use crate::error::{Result, StoreError, StoreErrorKind};

struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }),*]
    };
}

const MIGRATIONS: &[Migration] = migrations![
    1 "0001_foundation",
    2 "0002_status",
    3 "0003_managers",
    4 "0004_funnels",
    5 "0005_tallies",
    6 "0006_access",
    7 "0007_provision",
    8 "0008_takeover",
    9 "0009_gateway",
    11 "0011_shared_deals",
    12 "0012_lessons",
    13 "0013_forgetting",
    14 "0014_outages",
    15 "0015_audit",
    16 "0016_lesson_follow_ups",
    17 "0017_lesson_tallies",
    18 "0018_locks",
];

/// Another process may be migrating a large database.
const LOCK_TIMEOUT: Duration = Duration::from_mins(1);

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)";
const NEWEST: &str = "SELECT coalesce(max(version), 0) FROM schema_migrations";
const RECORD: &str =
    "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)";

/// Applies what is pending and returns the names of those that this call has applied.
pub(crate) async fn migrate(db: &Db) -> Result<Vec<&'static str>> {
    let mut applied = Vec::new();
    while let Some(name) = step(db).await? {
        applied.push(name);
    }
    Ok(applied)
}

/// Applies the next one that is pending. The lock is taken anew for each: between two, whoever else uses the database gets
/// its turn.
async fn step(db: &Db) -> Result<Option<&'static str>> {
    let applied_at = db.time.clock.micros();
    match &db.backend {
        Backend::Sqlite(sqlite) => {
            let mut conn = sqlite.connect(LOCK_TIMEOUT).await?;
            let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(CREATE).execute(&mut *tx).await?;
            let newest: i64 = sqlx::query_scalar(NEWEST).fetch_one(&mut *tx).await?;
            let next = after(newest)?.first();
            if let Some(migration) = next {
                sqlx::raw_sql(migration.sqlite).execute(&mut *tx).await?;
                sqlx::query(RECORD)
                    .bind(migration.version)
                    .bind(migration.name)
                    .bind(applied_at)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
            conn.close().await?;
            Ok(next.map(|migration| migration.name))
        }
        Backend::Postgres(postgres) => {
            let mut tx = postgres.pool.begin().await?;
            // The lock is of the schema: the tests have many in one database.
            sqlx::raw_sql(
                "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0;
                 SELECT pg_advisory_xact_lock(hashtext('amocrm-store ' || current_schema()))",
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query(CREATE).execute(&mut *tx).await?;
            let newest: i64 = sqlx::query_scalar(NEWEST).fetch_one(&mut *tx).await?;
            let next = after(newest)?.first();
            if let Some(migration) = next {
                sqlx::raw_sql(migration.postgres).execute(&mut *tx).await?;
                sqlx::query(RECORD)
                    .bind(migration.version)
                    .bind(migration.name)
                    .bind(applied_at)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
            Ok(next.map(|migration| migration.name))
        }
    }
}

/// The migrations that [`migrate`] would apply.
///
/// # Errors
///
/// [`StoreErrorKind::SchemaTooNew`] when a newer release has been here.
pub(crate) async fn pending(db: &Db) -> Result<Vec<&'static str>> {
    let newest: Result<i64, sqlx::Error> = match &db.backend {
        Backend::Sqlite(sqlite) => sqlx::query_scalar(NEWEST).fetch_one(&sqlite.readers).await,
        Backend::Postgres(postgres) => sqlx::query_scalar(NEWEST).fetch_one(&postgres.pool).await,
    };
    let newest = match newest.map_err(StoreError::from) {
        Err(error) if error.kind() == StoreErrorKind::SchemaMissing => 0,
        other => other?,
    };
    Ok(names(after(newest)?))
}

fn after(newest: i64) -> Result<&'static [Migration]> {
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if newest > known {
        return Err(StoreError::new(
            StoreErrorKind::SchemaTooNew,
            format!(
                "the database has schema {newest}, this program knows up to {known}: run a newer release, or restore a backup made before the upgrade"
            ),
        ));
    }
    let first = MIGRATIONS.partition_point(|migration| migration.version <= newest);
    Ok(&MIGRATIONS[first..])
}

fn names(migrations: &[Migration]) -> Vec<&'static str> {
    migrations.iter().map(|migration| migration.name).collect()
}
