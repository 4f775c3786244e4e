//! The same inserts without a service around them, and an answer without any.
//!
//! One row each for the webhook, its event, what tells it from others, its lane, its job and its delivery, with the same
//! indexes, in one transaction that is durable before the answer; nothing is parsed, compared, routed or counted. The
//! databases are set up as ours are: WAL with `synchronous=FULL` and one writing connection on SQLite, a pool of eight on
//! PostgreSQL. With `--group` it commits for all requests that wait.

use std::io::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgConnection, PgPool, SqliteConnection, SqlitePool};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

const TABLES: [&str; 6] = [
    "requests (id {id}, account TEXT NOT NULL, request_id TEXT, body {bytes} NOT NULL, digest TEXT NOT NULL, received_at BIGINT NOT NULL)",
    "events (id {id}, request BIGINT NOT NULL, event_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, subject TEXT, received_at BIGINT NOT NULL, envelope TEXT NOT NULL)",
    "dedup (key TEXT NOT NULL PRIMARY KEY, event_id TEXT NOT NULL, expires_at BIGINT NOT NULL)",
    "lanes (lane TEXT NOT NULL PRIMARY KEY, depth BIGINT NOT NULL)",
    "jobs (id {id}, kind TEXT NOT NULL, lane TEXT NOT NULL, payload TEXT NOT NULL, due_at BIGINT NOT NULL)",
    "deliveries (event BIGINT NOT NULL, subscriber TEXT NOT NULL, job BIGINT NOT NULL, PRIMARY KEY (event, subscriber))",
];
const INDEXES: [&str; 6] = [
    "CREATE INDEX requests_request_id ON requests (account, request_id) WHERE request_id IS NOT NULL",
    "CREATE INDEX events_request ON events (request)",
    "CREATE INDEX events_subject ON events (subject, id)",
    "CREATE INDEX events_kind ON events (kind, id)",
    "CREATE INDEX jobs_due ON jobs (kind, due_at, id)",
    "CREATE INDEX jobs_age ON jobs (kind, id)",
];
/// `$1` is the number of the webhook, `$2` its body, `$3` its text, `$4` a name that no other has.
const SQLITE: [&str; 6] = [
    "INSERT INTO requests VALUES ($1, 'default', $4, $2, $4, $1)",
    "INSERT INTO events VALUES ($1, $1, $4, 'leads.status', $4, $1, $3)",
    "INSERT INTO dedup VALUES ($4, $4, $1)",
    "INSERT INTO lanes VALUES ($4, 1)",
    "INSERT INTO jobs VALUES ($1, 'gateway/away', $4, $4, $1)",
    "INSERT INTO deliveries VALUES ($1, 'away', $1)",
];
/// PostgreSQL takes them as one statement, as ours does: a round trip each is what would be measured otherwise.
const POSTGRES: &str = "WITH
    a AS (INSERT INTO requests VALUES ($1, 'default', $4, $2, $4, $1)),
    b AS (INSERT INTO events VALUES ($1, $1, $4, 'leads.status', $4, $1, $3)),
    c AS (INSERT INTO dedup VALUES ($4, $4, $1)),
    d AS (INSERT INTO lanes VALUES ($4, 1)),
    e AS (INSERT INTO jobs VALUES ($1, 'gateway/away', $4, $4, $1))
    INSERT INTO deliveries VALUES ($1, 'away', $1)";

/// Connections to PostgreSQL: as many as ours has.
const CONNECTIONS: u32 = 8;
/// Requests of one commit: as many as ours takes.
const GROUP: usize = 64;

static NUMBERS: AtomicI64 = AtomicI64::new(1);

#[derive(Clone)]
enum Database {
    Nothing,
    Sqlite(SqlitePool),
    Postgres(PgPool),
    Grouped(mpsc::Sender<(Bytes, oneshot::Sender<()>)>),
}

/// Listens on a free port, says which, and serves until it is killed.
pub(super) async fn serve(url: &str, group: bool) -> anyhow::Result<()> {
    let database = open(url).await?;
    let database = if group { grouped(database) } else { database };
    let routes = Router::new()
        .route("/webhooks/amocrm/{secret}", post(take))
        .with_state(database);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    Ok(axum::serve(listener, routes).await?)
}

async fn open(url: &str) -> anyhow::Result<Database> {
    if url == "none" {
        return Ok(Database::Nothing);
    }
    let table = |table: &str, id: &str, bytes: &str| {
        let table = table.replace("{id}", id).replace("{bytes}", bytes);
        format!("CREATE TABLE {table}")
    };
    if url.starts_with("postgres") {
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect(url)
            .await?;
        for text in TABLES {
            let text = table(text, "BIGINT PRIMARY KEY", "BYTEA");
            sqlx::query(sqlx::AssertSqlSafe(text))
                .execute(&pool)
                .await?;
        }
        for text in INDEXES {
            sqlx::query(text).execute(&pool).await?;
        }
        return Ok(Database::Postgres(pool));
    }
    let path = url.strip_prefix("sqlite://").context("no database's URL")?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?;
    for text in TABLES {
        let text = table(text, "INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB");
        sqlx::query(sqlx::AssertSqlSafe(text))
            .execute(&pool)
            .await?;
    }
    for text in INDEXES {
        sqlx::query(text).execute(&pool).await?;
    }
    Ok(Database::Sqlite(pool))
}

async fn take(State(database): State<Database>, body: Bytes) -> StatusCode {
    let stored = match &database {
        Database::Nothing => Ok(()),
        Database::Sqlite(_) | Database::Postgres(_) => commit(&database, &[body]).await,
        Database::Grouped(queue) => {
            let (reply, answer) = oneshot::channel();
            let sent = queue.send((body, reply)).await;
            // Who is not answered is told by the dropped channel.
            match sent {
                Ok(()) => answer.await.map_err(anyhow::Error::from),
                Err(error) => Err(anyhow::anyhow!("{error}")),
            }
        }
    };
    match stored {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// One task that commits for all who wait.
fn grouped(database: Database) -> Database {
    let (queue, mut waiting) = mpsc::channel::<(Bytes, oneshot::Sender<()>)>(1024);
    tokio::spawn(async move {
        let mut group = Vec::with_capacity(GROUP);
        while waiting.recv_many(&mut group, GROUP).await > 0 {
            let (bodies, replies): (Vec<_>, Vec<_>) = group.drain(..).unzip();
            if commit(&database, &bodies).await.is_ok() {
                for reply in replies {
                    let _ = reply.send(());
                }
            }
        }
    });
    Database::Grouped(queue)
}

async fn commit(database: &Database, bodies: &[Bytes]) -> anyhow::Result<()> {
    match database {
        Database::Sqlite(pool) => {
            let mut transaction = pool.begin().await?;
            for body in bodies {
                insert_sqlite(&mut transaction, body).await?;
            }
            transaction.commit().await?;
        }
        Database::Postgres(pool) => {
            let mut transaction = pool.begin().await?;
            for body in bodies {
                insert_postgres(&mut transaction, body).await?;
            }
            transaction.commit().await?;
        }
        Database::Nothing | Database::Grouped(_) => {}
    }
    Ok(())
}

async fn insert_sqlite(connection: &mut SqliteConnection, body: &Bytes) -> anyhow::Result<()> {
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let (text, name) = (std::str::from_utf8(body)?, name(number));
    for statement in SQLITE {
        sqlx::query(statement)
            .bind(number)
            .bind(body.as_ref())
            .bind(text)
            .bind(&name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn insert_postgres(connection: &mut PgConnection, body: &Bytes) -> anyhow::Result<()> {
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    sqlx::query(POSTGRES)
        .bind(number)
        .bind(body.as_ref())
        .bind(std::str::from_utf8(body)?)
        .bind(name(number))
        .execute(connection)
        .await?;
    Ok(())
}

/// As long as an event's id.
fn name(number: i64) -> String {
    format!("evt_{number:032}")
}
