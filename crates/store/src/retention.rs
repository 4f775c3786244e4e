//! How long things are kept, and their end.

use std::time::Duration;

use crate::clock::micros;
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::dead_counter;
use crate::leads::{Person, wipe};
use crate::quarantine;
use crate::store::Store;

/// How many rows of a kind one step deletes: some milliseconds, after which others get the database.
const BATCH: i64 = 200;
/// How many people one step forgets: each is in several tables.
const PEOPLE: i64 = 50;

/// How long things are kept. `None`: for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// The personal data of a lead, after it was delivered, or given up by a person. One that waits for either is kept
    /// whatever happens.
    pub personal: Option<Duration>,
    /// The lines of leads' histories, those about their managers, what fields they were warned about, and what was sent to
    /// people who are forgotten since. What was sent to the others is kept, or it would be sent to them again.
    pub history: Option<Duration>,
    /// What was put aside.
    pub quarantine: Option<Duration>,
    /// Dead letters of these kinds.
    pub dead_letters: Option<Duration>,
    /// The kinds of dead letters that nobody will miss.
    pub dead_letter_kinds: Vec<&'static str>,
}

/// What one step has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Leads without personal data from now on.
    pub leads: u64,
    /// Lines of histories.
    pub history: u64,
    /// Lines about managers.
    pub managers: u64,
    /// Warnings about fields.
    pub warnings: u64,
    /// Messages of funnels.
    pub messages: u64,
    /// Submissions that were put aside.
    pub quarantine: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

impl Swept {
    /// Whether there was nothing to do: the sweep is complete.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl Store {
    /// Takes one step in deleting what has been kept long enough. Repeat it with pauses until nothing is left to do:
    /// whoever writes meanwhile waits for one small batch at most.
    pub async fn sweep(&self, retention: &Retention) -> Result<Swept> {
        self.inner.db.write(Sweep(retention.clone())).await
    }
}

struct Sweep(Retention);

impl Operation for Sweep {
    type Output = Swept;

    async fn run(&self, tx: &mut Tx) -> Result<Swept> {
        let now = tx.now().await?;
        let before = |kept: Option<Duration>| kept.map(|kept| now.saturating_sub(micros(kept)));
        let mut swept = Swept::default();
        if let Some(before) = before(self.0.personal) {
            swept.leads = leads(tx, DELIVERED, before).await? + leads(tx, DROPPED, before).await?;
        }
        if let Some(before) = before(self.0.history) {
            swept.history = history(tx, before).await?;
            swept.managers = manager_history(tx, before).await?;
            swept.warnings = warnings(tx, before).await?;
            swept.messages = messages(tx, before).await?;
        }
        if let Some(before) = before(self.0.quarantine) {
            swept.quarantine = suspects(tx, before).await?;
        }
        if let Some(before) = before(self.0.dead_letters) {
            for kind in &self.0.dead_letter_kinds {
                swept.dead_letters += dead_letters(tx, kind, before).await?;
            }
        }
        Ok(swept)
    }
}

const DELIVERED: Sql = Sql::either(
    "SELECT id, account, phone, email FROM leads
     WHERE wiped_at IS NULL AND delivered_at <= $1
     ORDER BY delivered_at LIMIT $2",
    "SELECT id, account, phone, email FROM leads
     WHERE wiped_at IS NULL AND delivered_at <= $1
     ORDER BY delivered_at LIMIT $2 FOR UPDATE SKIP LOCKED",
);
const DROPPED: Sql = Sql::either(
    "SELECT id, account, phone, email FROM leads
     WHERE wiped_at IS NULL AND dropped_at <= $1
     ORDER BY dropped_at LIMIT $2",
    "SELECT id, account, phone, email FROM leads
     WHERE wiped_at IS NULL AND dropped_at <= $1
     ORDER BY dropped_at LIMIT $2 FOR UPDATE SKIP LOCKED",
);

async fn leads(tx: &mut Tx, sql: Sql, before: i64) -> Result<u64> {
    let rows = tx.query(sql).bind(before).bind(PEOPLE).fetch_all().await?;
    let mut wiped = 0;
    for row in rows {
        let person = Person {
            id: row.int("id")?,
            account: row.text("account")?,
            phone: row.opt_text("phone")?,
            email: row.opt_text("email")?,
        };
        wipe(tx, &person).await?;
        wiped += 1;
    }
    Ok(wiped)
}

async fn history(tx: &mut Tx, before: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM lead_history WHERE id IN
         (SELECT id FROM lead_history WHERE at <= $1 ORDER BY at LIMIT $2)",
    )
    .bind(before)
    .bind(BATCH)
    .execute()
    .await
}

async fn manager_history(tx: &mut Tx, before: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM manager_history WHERE id IN
         (SELECT id FROM manager_history WHERE at <= $1 ORDER BY at LIMIT $2)",
    )
    .bind(before)
    .bind(BATCH)
    .execute()
    .await
}

async fn warnings(tx: &mut Tx, before: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM lead_warnings WHERE (lead_id, field) IN
         (SELECT lead_id, field FROM lead_warnings WHERE at <= $1 ORDER BY at LIMIT $2)",
    )
    .bind(before)
    .bind(BATCH)
    .execute()
    .await
}

/// The sums of messages by funnel and state stay as they are: they tell what was sent ever.
async fn messages(tx: &mut Tx, before: i64) -> Result<u64> {
    tx.query(
        "DELETE FROM funnel_messages WHERE id IN
         (SELECT id FROM funnel_messages WHERE forgotten_at <= $1 ORDER BY forgotten_at LIMIT $2)",
    )
    .bind(before)
    .bind(BATCH)
    .execute()
    .await
}

async fn suspects(tx: &mut Tx, before: i64) -> Result<u64> {
    let gone = tx
        .query(
            "DELETE FROM quarantine WHERE id IN
             (SELECT id FROM quarantine WHERE created_at <= $1 ORDER BY created_at LIMIT $2)",
        )
        .bind(before)
        .bind(BATCH)
        .execute()
        .await?;
    tx.count(
        quarantine::COUNTER,
        -i64::try_from(gone).unwrap_or(i64::MAX),
    );
    Ok(gone)
}

async fn dead_letters(tx: &mut Tx, kind: &str, before: i64) -> Result<u64> {
    let gone = tx
        .query(
            "DELETE FROM dead_letters WHERE id IN
             (SELECT id FROM dead_letters WHERE kind = $1 AND died_at <= $2 ORDER BY died_at LIMIT $3)",
        )
        .bind(kind)
        .bind(before)
        .bind(BATCH)
        .execute()
        .await?;
    tx.count(dead_counter(kind), -i64::try_from(gone).unwrap_or(i64::MAX));
    Ok(gone)
}
