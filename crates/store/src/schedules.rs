//! Work that is done now and then by one process at a time: reconciling, for instance.
//!
//! A schedule is a row. Whoever finds it due takes its turn for a while, notes how far it has come, and says when it is
//! due again. A process that is killed loses its turn when the hold ends, and the next one goes on from what was noted;
//! a turn that has passed on can note nothing any more.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::micros;
use crate::db::{Operation, Tx};
use crate::error::{Result, StoreError};
use crate::jobs::Ack;
use crate::store::Inner;

/// The schedules. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Schedules {
    inner: Arc<Inner>,
}

/// What asking for a turn gave.
#[derive(Debug, Clone)]
pub enum Turn {
    /// It is ours, until the hold ends.
    Taken(Run),
    /// It is not due for this long.
    NotDue(Duration),
    /// Another process is at it, for this long unless it goes on.
    Busy(Duration),
}

/// A turn in the hands of one process.
#[derive(Debug, Clone)]
pub struct Run {
    name: String,
    fence: i64,
    progress: Option<String>,
}

impl Run {
    /// How far the runs before have come. `None` if nothing was noted, or in another shape.
    pub fn progress<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.progress.as_deref()?).ok()
    }
}

impl Schedules {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Takes the turn if it is due, for as long as `hold`. A schedule that nobody has ever taken is due.
    pub async fn take(&self, name: &str, hold: Duration) -> Result<Turn> {
        self.ask(name, hold, false).await
    }

    /// Takes the turn whether it is due or not, unless another process is at it.
    pub async fn take_now(&self, name: &str, hold: Duration) -> Result<Turn> {
        self.ask(name, hold, true).await
    }

    async fn ask(&self, name: &str, hold: Duration, is_urgent: bool) -> Result<Turn> {
        let take = Take {
            name: name.to_owned(),
            hold: micros(hold),
            is_urgent,
        };
        self.inner.db.write(take).await
    }

    /// Notes how far the run has come and keeps the turn for another `hold`. [`Ack::Stale`]: the turn has passed on;
    /// stop.
    pub async fn note(
        &self,
        run: &Run,
        progress: &(impl Serialize + ?Sized),
        hold: Duration,
    ) -> Result<Ack> {
        let note = Note {
            run: run.clone(),
            progress: serde_json::to_string(progress)
                .map_err(|_| StoreError::invalid("progress cannot be written as JSON"))?,
            hold: micros(hold),
        };
        self.inner.db.write(note).await
    }

    /// Ends the run: the schedule is due again after `pause`. The outcome is kept for people.
    pub async fn end(&self, run: &Run, pause: Duration, outcome: &str) -> Result<Ack> {
        let end = End {
            run: run.clone(),
            pause: micros(pause),
            outcome: outcome.to_owned(),
        };
        self.inner.db.write(end).await
    }
}

struct Take {
    name: String,
    hold: i64,
    is_urgent: bool,
}

impl Operation for Take {
    type Output = Turn;

    async fn run(&self, tx: &mut Tx) -> Result<Turn> {
        let now = tx.now().await?;
        tx.query(
            "INSERT INTO schedules (name, due_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(&self.name)
        .bind(now)
        .execute()
        .await?;
        let taken = tx
            .query(
                "UPDATE schedules SET fence = fence + 1, held_until = $3
                 WHERE name = $1 AND (held_until IS NULL OR held_until <= $2) AND (due_at <= $2 OR $4 = 1)
                 RETURNING fence, progress",
            )
            .bind(&self.name)
            .bind(now)
            .bind(now.saturating_add(self.hold))
            .bind(i64::from(self.is_urgent))
            .fetch_optional()
            .await?;
        if let Some(row) = taken {
            return Ok(Turn::Taken(Run {
                name: self.name.clone(),
                fence: row.int("fence")?,
                progress: row.opt_text("progress")?,
            }));
        }
        let row = tx
            .query("SELECT due_at, held_until FROM schedules WHERE name = $1")
            .bind(&self.name)
            .fetch_one()
            .await?;
        let until = |at: i64| crate::clock::duration(at.saturating_sub(now).max(1));
        Ok(match row.opt_int("held_until")? {
            Some(held) if held > now => Turn::Busy(until(held)),
            _ => Turn::NotDue(until(row.int("due_at")?)),
        })
    }
}

struct Note {
    run: Run,
    progress: String,
    hold: i64,
}

impl Operation for Note {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        let now = tx.now().await?;
        let changed = tx
            .query(
                "UPDATE schedules SET progress = $3, held_until = $4
                 WHERE name = $1 AND fence = $2 AND held_until IS NOT NULL",
            )
            .bind(&self.run.name)
            .bind(self.run.fence)
            .bind(&self.progress)
            .bind(now.saturating_add(self.hold))
            .execute()
            .await?;
        Ok(ack(changed))
    }
}

struct End {
    run: Run,
    pause: i64,
    outcome: String,
}

impl Operation for End {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        let now = tx.now().await?;
        let changed = tx
            .query(
                "UPDATE schedules SET due_at = $3, held_until = NULL, ended_at = $4, outcome = $5
                 WHERE name = $1 AND fence = $2 AND held_until IS NOT NULL",
            )
            .bind(&self.run.name)
            .bind(self.run.fence)
            .bind(now.saturating_add(self.pause))
            .bind(now)
            .bind(&self.outcome)
            .execute()
            .await?;
        Ok(ack(changed))
    }
}

fn ack(changed: u64) -> Ack {
    if changed > 0 {
        Ack::Recorded
    } else {
        Ack::Stale
    }
}
