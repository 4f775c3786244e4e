//! The request budget as two rows: one of the integration in the account, one of the account.
//!
//! A permit takes from both rows in one transaction or from none. The spacing comes from the SDK's
//! [`Limits`]: it keeps every sliding second within the limit, whoever asks. Time is read **after** the rows are
//! locked; read before, it could be older than the last permit, and the next one would come too early.
//!
//! A commit that takes long delivers a permit late, and a request sent then meets those that come after it on the
//! schedule. So a permit is taken for a moment ahead where commits are slow, and one that misses its moment pushes the
//! schedule back; see [`punctual`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use amocrm_sdk::BoxError;
use amocrm_sdk::oauth::TokenKey;
use amocrm_sdk::quota::{Limits, PauseReason, Permit, Quota};
use async_trait::async_trait;

use self::line::Line;
use self::punctual::{Punctuality, Read, Use};
use crate::clock::{TimeSource, micros};
use crate::db::{Operation, Sql, Tx};
use crate::error::{Result, StoreError};
use crate::store::Inner;

mod line;
mod punctual;

/// The budget of one integration in one account, shared by every process on the same database.
#[derive(Debug, Clone)]
pub struct StoreQuota {
    inner: Arc<Inner>,
    /// The scopes in the order in which every process locks them, each with its spacing.
    scopes: Arc<[(String, i64); 2]>,
    punctuality: Arc<Punctuality>,
}

impl StoreQuota {
    pub(crate) fn new(inner: Arc<Inner>, key: &TokenKey, limits: &Limits) -> Self {
        let account = (
            format!("account {}", key.account),
            micros(limits.account_spacing()),
        );
        let integration = (
            format!("integration {} in {}", key.client_id, key.account),
            micros(limits.integration_spacing()),
        );
        Self {
            inner,
            scopes: Arc::new([account, integration]),
            punctuality: Arc::new(Punctuality::new(limits.jitter_allowance)),
        }
    }

    async fn run(&self, what: What) -> Result<Answer> {
        let ask = Ask {
            scopes: Arc::clone(&self.scopes),
            what,
        };
        self.inner.db.write_quota(ask).await
    }
}

#[async_trait]
impl Quota for StoreQuota {
    async fn try_acquire(&self) -> Result<Permit, BoxError> {
        let lead = self.punctuality.lead();
        let answer = self.run(What::Acquire(micros(lead))).await?;
        // A clock that is moved by hand says nothing about how long something took.
        let is_timed = self.inner.db.time.source == TimeSource::Database;
        if answer.permit != Permit::Granted || !is_timed {
            return Ok(answer.permit);
        }
        match self.punctuality.departs(lead, answer.read).await {
            Use::InTime => Ok(Permit::Granted),
            Use::Late(by) => {
                // Beside the request: waiting for another commit would make it later still.
                let quota = self.clone();
                tokio::spawn(async move {
                    if let Err(error) = quota.run(What::PushBack(micros(by))).await {
                        tracing::warn!("a late permit could not be told to the others: {error}");
                    }
                });
                Ok(Permit::Granted)
            }
            Use::Expired => {
                tracing::debug!("a permit came too late to be used");
                Ok(Permit::Wait(Duration::ZERO))
            }
        }
    }

    async fn pause(&self, duration: Duration, reason: PauseReason) -> Result<(), BoxError> {
        self.run(What::Pause(micros(duration), reason)).await?;
        Ok(())
    }

    async fn resume(&self) -> Result<(), BoxError> {
        self.run(What::Resume).await?;
        Ok(())
    }
}

struct Ask {
    scopes: Arc<[(String, i64); 2]>,
    what: What,
}

/// What the budget said, and when its time was read.
struct Answer {
    permit: Permit,
    read: Read,
}

enum What {
    /// A permit for the moment this many microseconds ahead.
    Acquire(i64),
    /// A request left this many microseconds after its moment.
    PushBack(i64),
    Pause(i64, PauseReason),
    Resume,
}

impl Operation for Ask {
    type Output = Answer;

    async fn run(&self, tx: &mut Tx) -> Result<Answer> {
        let mut account = self.lock(tx, 0).await?;
        let mut integration = self.lock(tx, 1).await?;
        let asked = Instant::now();
        let now = tx.fresh_now().await?;
        let read = Read::since(asked);
        let answer = |permit| Ok(Answer { permit, read });
        let [
            (account_scope, account_spacing),
            (integration_scope, integration_spacing),
        ] = &*self.scopes;
        account.believe(now);
        integration.believe(now);
        match &self.what {
            What::Acquire(lead) => {
                let departure = now.saturating_add(*lead);
                if let Some(pause) = integration.pause(departure) {
                    return answer(pause);
                }
                let wait = account.wait(departure).max(integration.wait(departure));
                if wait > 0 {
                    return answer(Permit::Wait(crate::clock::duration(wait)));
                }
                account.take(departure, *account_spacing);
                integration.take(departure, *integration_spacing);
                write(tx, account_scope, &account).await?;
            }
            What::PushBack(late) => {
                account.push_back(*late);
                integration.push_back(*late);
                write(tx, account_scope, &account).await?;
            }
            What::Pause(duration, reason) => integration.begin_pause(now, *duration, *reason),
            What::Resume => integration.end_pause(),
        }
        write(tx, integration_scope, &integration).await?;
        answer(Permit::Granted)
    }
}

impl Ask {
    /// Reads a row and locks it until the commit; makes it first if it is missing.
    async fn lock(&self, tx: &mut Tx, index: usize) -> Result<Line> {
        let (scope, _) = &self.scopes[index];
        if let Some(line) = read(tx, scope).await? {
            return Ok(line);
        }
        tx.query(
            "INSERT INTO quota (scope, arrival_at, spacing) VALUES ($1, 0, 0)
             ON CONFLICT (scope) DO NOTHING",
        )
        .bind(scope)
        .execute()
        .await?;
        read(tx, scope)
            .await?
            .ok_or_else(|| StoreError::internal("a row of the budget vanished"))
    }
}

async fn read(tx: &mut Tx, scope: &str) -> Result<Option<Line>> {
    // SQLite holds the write lock since BEGIN IMMEDIATE.
    let sql = Sql::either(
        "SELECT arrival_at, spacing, paused_at, paused_until, pause_reason FROM quota WHERE scope = $1",
        "SELECT arrival_at, spacing, paused_at, paused_until, pause_reason FROM quota WHERE scope = $1 FOR UPDATE",
    );
    let Some(row) = tx.query(sql).bind(scope).fetch_optional().await? else {
        return Ok(None);
    };
    Ok(Some(Line::new(
        row.int("arrival_at")?,
        row.int("spacing")?,
        row.opt_int("paused_at")?,
        row.opt_int("paused_until")?,
        row.opt_text("pause_reason")?.as_deref(),
    )))
}

async fn write(tx: &mut Tx, scope: &str, line: &Line) -> Result<()> {
    let (paused_at, paused_until, reason) = line.stored_pause();
    tx.query(
        "UPDATE quota SET arrival_at = $2, spacing = $3, paused_at = $4, paused_until = $5, pause_reason = $6
         WHERE scope = $1",
    )
    .bind(scope)
    .bind(line.arrival_at())
    .bind(line.spacing())
    .bind(paused_at)
    .bind(paused_until)
    .bind(reason)
    .execute()
    .await?;
    Ok(())
}
