//! The final action of a course: what is done at a student's deal once, after the last lesson.
//!
//! It begins in the transaction in which the last lesson ends, with a job of its own, so that it neither gets lost nor
//! holds up a move. Each step is written down when it is done: an attempt goes on where the one before it has stopped.

use chrono::{DateTime, Utc};

use super::{LessonEnd, Lessons, log};
use crate::clock::instant;
use crate::db::{Operation, Tx};
use crate::error::Result;
use crate::jobs::{self, Ack, Claimed, JobSpec};

/// Does a student's final action; the payload is the student's number.
pub const LESSON_FINAL: &str = "lesson.final";

/// A step of a final action, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalStep {
    /// The deal gets a tag.
    Tag,
    /// Its manager gets a task.
    Task,
    /// It gets a note.
    Note,
}

impl FinalStep {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tag, Self::Task, Self::Note];
}

/// A student's final action as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FinalAction {
    /// The student.
    pub student: i64,
    /// The last lesson.
    pub completion: i64,
    /// The deal.
    pub lead_id: i64,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// Which steps are done, in the order of [`FinalStep::ALL`].
    done: [bool; 3],
}

impl FinalAction {
    /// Whether a step is done.
    pub fn has_done(&self, step: FinalStep) -> bool {
        match step {
            FinalStep::Tag => self.done[0],
            FinalStep::Task => self.done[1],
            FinalStep::Note => self.done[2],
        }
    }
}

impl Lessons {
    /// A student's final action, if it has begun.
    pub async fn final_action(&self, student: i64) -> Result<Option<FinalAction>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(
                "SELECT student, completion, lead_id, tagged_at, tasked_at, noted_at, created_at FROM lesson_finals
                 WHERE student = $1",
            )
            .bind(student)
            .fetch_optional()
            .await?;
        let Some(row) = row else { return Ok(None) };
        let is_done = |name| -> Result<bool> { Ok(row.opt_int(name)?.is_some()) };
        Ok(Some(FinalAction {
            student: row.int("student")?,
            completion: row.int("completion")?,
            lead_id: row.int("lead_id")?,
            created_at: instant(row.int("created_at")?),
            done: [
                is_done("tagged_at")?,
                is_done("tasked_at")?,
                is_done("noted_at")?,
            ],
        }))
    }

    /// Writes down that a step is done.
    pub async fn end_final_step(
        &self,
        student: i64,
        step: FinalStep,
        job: &Claimed,
    ) -> Result<Ack> {
        let job = job.clone();
        self.inner.db.write(EndStep { student, step, job }).await
    }

    /// Ends a final action with its row in the log; with a reason it is a dead letter.
    pub async fn end_final(
        &self,
        student: i64,
        end: LessonEnd,
        dead: Option<String>,
        job: &Claimed,
    ) -> Result<Ack> {
        let job = job.clone();
        let end = End {
            student,
            told: end,
            dead,
            job,
        };
        self.inner.db.write(end).await
    }
}

/// The lane of a student's final action, which does not hold up the moves in theirs.
pub(super) fn lane(student: i64) -> String {
    format!("lesson.final/{student}")
}

/// Begins the final action if these ends tell that the last lesson was reached, and it has not begun before.
pub(super) async fn begin(
    tx: &mut Tx,
    student: i64,
    last_lesson: u32,
    ends: &[LessonEnd],
    now: i64,
) -> Result<()> {
    let last = tx
        .query("SELECT id FROM lesson_completions WHERE student = $1 AND lesson = $2")
        .bind(student)
        .bind(i64::from(last_lesson))
        .fetch_optional()
        .await?;
    let Some(last) = last else { return Ok(()) };
    let completion = last.int("id")?;
    let reached = ends
        .iter()
        .find(|end| end.completion == completion && end.success);
    let Some(lead) = reached.and_then(|end| end.lead_id) else {
        return Ok(());
    };
    let begun = tx
        .query(
            "INSERT INTO lesson_finals (student, completion, lead_id, state, created_at)
             VALUES ($1, $2, $3, 'queued', $4) ON CONFLICT (student) DO NOTHING",
        )
        .bind(student)
        .bind(completion)
        .bind(lead)
        .bind(now)
        .execute()
        .await?;
    if begun > 0 {
        let job = JobSpec::new(LESSON_FINAL, &student)?.lane(lane(student));
        jobs::add(tx, &job).await?;
    }
    Ok(())
}

struct EndStep {
    student: i64,
    step: FinalStep,
    job: Claimed,
}

impl Operation for EndStep {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        if jobs::holds(tx, &self.job).await? == Ack::Stale {
            return Ok(Ack::Stale);
        }
        let text = match self.step {
            FinalStep::Tag => "UPDATE lesson_finals SET tagged_at = $2 WHERE student = $1",
            FinalStep::Task => "UPDATE lesson_finals SET tasked_at = $2 WHERE student = $1",
            FinalStep::Note => "UPDATE lesson_finals SET noted_at = $2 WHERE student = $1",
        };
        let now = tx.now().await?;
        tx.query(text)
            .bind(self.student)
            .bind(now)
            .execute()
            .await?;
        Ok(Ack::Recorded)
    }
}

struct End {
    student: i64,
    told: LessonEnd,
    dead: Option<String>,
    job: Claimed,
}

impl Operation for End {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        if jobs::holds(tx, &self.job).await? == Ack::Stale {
            return Ok(Ack::Stale);
        }
        let now = tx.now().await?;
        let attempts = i64::from(self.job.attempts().saturating_add(1));
        log::add(tx, self.student, &self.told, attempts, now).await?;
        let state = if self.told.success { "done" } else { "failed" };
        let known = tx
            .query("UPDATE lesson_finals SET state = $2 WHERE student = $1")
            .bind(self.student)
            .bind(state)
            .execute()
            .await?;
        match &self.dead {
            // Of somebody who was forgotten meanwhile no letter is kept.
            Some(reason) if known > 0 => jobs::bury(tx, &self.job, reason, None).await,
            _ => jobs::complete(tx, &self.job).await,
        }
    }
}
