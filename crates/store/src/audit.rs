//! Who has changed what: lines that are written before the change is made, and never rewritten.
//!
//! Both databases refuse to update a line, whoever asks; it goes when it is [`AUDIT_LIFE`] old. A line names routes and
//! numbers, no person.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::{instant, micros};
use crate::db::{Operation, Row, Tx};
use crate::error::Result;
use crate::store::Inner;

/// How long a line is kept.
pub const AUDIT_LIFE: Duration = Duration::from_hours(365 * 24);
/// Who uses the command line has the machine, and needs no token.
const COMMAND_LINE: &str = "command line";
/// The most lines on one page.
const MAX_PAGE: u32 = 500;
/// How many lines one step deletes: some milliseconds, after which others get the database.
const BATCH: i64 = 200;

/// The audit log. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Audit {
    inner: Arc<Inner>,
}

/// What somebody is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditEntry {
    /// What he proved to be: `viewer`, `operator`, `admin`, `command line`.
    pub role: String,
    /// The method of the request; `RUN` for a command.
    pub method: String,
    /// The route's pattern; a command's name.
    pub route: String,
    /// The path without its query; a command with what it is about.
    pub path: String,
    /// The request's id, which is in its answer and in the log.
    pub request_id: Option<String>,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// What was about to be done.
    pub entry: NewAuditEntry,
}

impl NewAuditEntry {
    /// A command of the command line, `about` something, such as the name of a subscriber, or nothing in particular.
    pub fn command(name: &str, about: &str) -> Self {
        Self {
            role: COMMAND_LINE.to_owned(),
            method: "RUN".to_owned(),
            route: name.to_owned(),
            path: format!("{name} {about}").trim_end().to_owned(),
            request_id: None,
        }
    }
}

impl Audit {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Writes a line and returns its number, once it is durable.
    pub async fn append(&self, entry: NewAuditEntry) -> Result<i64> {
        self.inner.db.write(Append(entry)).await
    }

    /// A page of lines, the newest first; `before` is the last number of the page before.
    pub async fn list(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(
            "SELECT id, at, role, method, route, path, request_id FROM audit_log
             WHERE id < $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit.clamp(1, MAX_PAGE)))
        .fetch_all()
        .await?
        .iter()
        .map(entry)
        .collect()
    }

    /// Takes one step in deleting the lines that are older than [`AUDIT_LIFE`]; how many it deleted.
    /// [`Store::prune`](crate::Store::prune) and [`Gateway::sweep`](crate::Gateway::sweep) do it as well.
    pub async fn sweep(&self) -> Result<u64> {
        self.inner.db.write(Sweep).await
    }
}

fn entry(row: &Row) -> Result<AuditEntry> {
    Ok(AuditEntry {
        id: row.int("id")?,
        at: instant(row.int("at")?),
        entry: NewAuditEntry {
            role: row.text("role")?,
            method: row.text("method")?,
            route: row.text("route")?,
            path: row.text("path")?,
            request_id: row.opt_text("request_id")?,
        },
    })
}

struct Append(NewAuditEntry);

impl Operation for Append {
    type Output = i64;

    async fn run(&self, tx: &mut Tx) -> Result<i64> {
        let now = tx.now().await?;
        tx.query(
            "INSERT INTO audit_log (at, role, method, route, path, request_id)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        )
        .bind(now)
        .bind(&self.0.role)
        .bind(&self.0.method)
        .bind(&self.0.route)
        .bind(&self.0.path)
        .bind(&self.0.request_id)
        .fetch_one()
        .await?
        .int("id")
    }
}

struct Sweep;

impl Operation for Sweep {
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64> {
        let now = tx.now().await?;
        prune(tx, now).await
    }
}

/// Deletes a batch of what is old enough.
pub(crate) async fn prune(tx: &mut Tx, now: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM audit_log WHERE id IN
         (SELECT id FROM audit_log WHERE at <= $1 ORDER BY at LIMIT $2)",
    )
    .bind(now.saturating_sub(micros(AUDIT_LIFE)))
    .bind(BATCH)
    .execute()
    .await
}
