//! Notes of a deal that messages and answers leave behind.

use std::fmt;

use super::{FUNNEL_NOTE, Funnels};
use crate::db::{Operation, Tx};
use crate::error::Result;
use crate::jobs::{self, Ack, Claimed, JobSpec};

/// A note to be made once.
#[derive(Clone)]
pub struct NewFunnelNote {
    /// What it is known by: a second one with the same marker is not made.
    pub marker: String,
    /// What it says.
    pub text: String,
    /// The lane of the jobs of a lead: the note waits there until the deal exists.
    pub lane: fn(lead_id: i64) -> String,
}

impl fmt::Debug for NewFunnelNote {
    /// Shows no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewFunnelNote")
            .field("marker", &self.marker)
            .finish_non_exhaustive()
    }
}

/// A note that is not there yet.
#[derive(Clone)]
#[non_exhaustive]
pub struct FunnelNote {
    /// The lead.
    pub lead_id: i64,
    /// What it is known by.
    pub marker: String,
    /// What it says.
    pub text: String,
}

impl fmt::Debug for FunnelNote {
    /// Shows no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunnelNote")
            .field("lead_id", &self.lead_id)
            .field("marker", &self.marker)
            .finish_non_exhaustive()
    }
}

impl Funnels {
    /// The note with this number; `None` if it has been made, or is gone with its lead.
    pub async fn note(&self, id: i64) -> Result<Option<FunnelNote>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(
                "SELECT lead_id, marker, text FROM funnel_notes WHERE id = $1 AND text IS NOT NULL",
            )
            .bind(id)
            .fetch_optional()
            .await?;
        row.map(|row| {
            Ok(FunnelNote {
                lead_id: row.int("lead_id")?,
                marker: row.text("marker")?,
                text: row.text("text")?,
            })
        })
        .transpose()
    }

    /// The deal has the note: its job ends, and its text is forgotten here.
    pub async fn note_made(&self, id: i64, job: &Claimed) -> Result<Ack> {
        let job = job.clone();
        self.inner.db.write(Made { id, job }).await
    }
}

struct Made {
    id: i64,
    job: Claimed,
}

impl Operation for Made {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        if jobs::complete(tx, &self.job).await? == Ack::Stale {
            return Ok(Ack::Stale);
        }
        tx.query("UPDATE funnel_notes SET text = NULL WHERE id = $1")
            .bind(self.id)
            .execute()
            .await?;
        Ok(Ack::Recorded)
    }
}

/// Adds a note and the job that makes it, unless there is one with this marker or the person was forgotten.
pub(super) async fn add(tx: &mut Tx, lead_id: i64, note: &NewFunnelNote) -> Result<()> {
    let now = tx.now().await?;
    let new = tx
        .query(
            "INSERT INTO funnel_notes (lead_id, marker, text, created_at)
             SELECT id, $2, $3, $4 FROM leads WHERE id = $1 AND wiped_at IS NULL
             ON CONFLICT (marker) DO NOTHING RETURNING id",
        )
        .bind(lead_id)
        .bind(&note.marker)
        .bind(&note.text)
        .bind(now)
        .fetch_optional()
        .await?;
    if let Some(row) = new {
        let job = JobSpec::new(FUNNEL_NOTE, &row.int("id")?)?.lane((note.lane)(lead_id));
        jobs::add(tx, &job).await?;
    }
    Ok(())
}
