//! The end of a student's job, with what became of each lesson.

use super::{Lessons, accept, finals, log, tallies};
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::{self, Ack, Claimed, RetryAfter};

/// What became of one lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LessonEnd {
    /// The completion's number.
    pub completion: i64,
    /// One word: `moved`, `ahead`, `closed`, `waiting`, `failed`.
    pub outcome: &'static str,
    /// The deal is at the lesson's stage or further.
    pub success: bool,
    /// The deal.
    pub lead_id: Option<i64>,
    /// The stage it is at.
    pub stage_id: Option<i64>,
    /// Why not, for people: no secrets and nothing that belongs to people.
    pub error: Option<String>,
}

/// What is next for the student.
#[derive(Debug, Clone)]
pub enum LessonNext {
    /// These lessons have ended.
    Done,
    /// They wait for this in amoCRM. The log gets their rows when the waiting begins, not each time that it goes on.
    Wait(RetryAfter, &'static str),
    /// Something failed that may succeed later: no rows.
    Retry(RetryAfter),
    /// They are given up: the job becomes a dead letter.
    Dead(String),
}

/// How a student's job ends.
#[derive(Debug, Clone)]
pub struct LessonOutcome {
    /// The student.
    pub student: i64,
    /// The deal, if one was found: the next job begins with it.
    pub lead_id: Option<i64>,
    /// What became of the lessons.
    pub ends: Vec<LessonEnd>,
    /// The course's last lesson, if something is to be done once when it was reached.
    pub final_lesson: Option<u32>,
    /// What is next.
    pub next: LessonNext,
}

impl Lessons {
    /// Ends a student's job: lessons, log and queue together. If another lesson has come meanwhile, the job goes on.
    pub async fn record(&self, outcome: LessonOutcome, job: &Claimed) -> Result<Ack> {
        let job = job.clone();
        self.inner.db.write(Record { outcome, job }).await
    }

    /// Revives a dead letter of a student. `false`: there is no such letter.
    pub async fn retry_failed(&self, student: i64, letter: i64) -> Result<bool> {
        self.inner.db.write(RetryFailed { student, letter }).await
    }
}

struct Record {
    outcome: LessonOutcome,
    job: Claimed,
}

impl Operation for Record {
    type Output = Ack;

    async fn run(&self, tx: &mut Tx) -> Result<Ack> {
        let outcome = &self.outcome;
        // The student first, as whoever takes lessons does.
        let waiting = lock(tx, outcome.student).await?;
        if jobs::holds(tx, &self.job).await? == Ack::Stale {
            return Ok(Ack::Stale);
        }
        let now = tx.now().await?;
        let is_news = match &outcome.next {
            LessonNext::Wait(_, reason) => waiting.as_deref() != Some(reason),
            LessonNext::Retry(_) => false,
            LessonNext::Done | LessonNext::Dead(_) => true,
        };
        for end in &outcome.ends {
            if is_news {
                let attempts = i64::from(self.job.attempts().saturating_add(1));
                log::add(tx, outcome.student, end, attempts, now).await?;
            }
            let state = match &outcome.next {
                LessonNext::Done if end.success => "done",
                LessonNext::Done | LessonNext::Dead(_) => "failed",
                LessonNext::Wait(..) | LessonNext::Retry(_) => continue,
            };
            tx.query("UPDATE lesson_completions SET state = $2 WHERE id = $1")
                .bind(end.completion)
                .bind(state)
                .execute()
                .await?;
        }
        if let Some(last) = outcome.final_lesson {
            finals::begin(tx, outcome.student, last, &outcome.ends, now).await?;
        }
        let waits_for = match &outcome.next {
            LessonNext::Wait(_, reason) => Some(*reason),
            LessonNext::Retry(_) => waiting.as_deref(),
            LessonNext::Done | LessonNext::Dead(_) => None,
        };
        let known = tx
            .query(
                "UPDATE lesson_students SET waiting = $2, lead_id = coalesce($3, lead_id), updated_at = $4 WHERE id = $1",
            )
            .bind(outcome.student)
            .bind(waits_for)
            .bind(outcome.lead_id)
            .bind(now)
            .execute()
            .await?;
        if known > 0 {
            tallies::waiting(tx, waiting.as_deref(), waits_for);
        }
        match &outcome.next {
            LessonNext::Wait(after, _) | LessonNext::Retry(after) => {
                return jobs::retry(tx, &self.job, after).await;
            }
            LessonNext::Done => {
                let ack = jobs::complete(tx, &self.job).await?;
                go_on(tx, outcome.student).await?;
                Ok(ack)
            }
            // Of somebody who was forgotten meanwhile no letter is kept.
            LessonNext::Dead(_) if known == 0 => jobs::complete(tx, &self.job).await,
            LessonNext::Dead(reason) => {
                let ack = jobs::bury(tx, &self.job, reason, None).await?;
                go_on(tx, outcome.student).await?;
                Ok(ack)
            }
        }
    }
}

/// The job is gone; another begins if a lesson has come meanwhile.
async fn go_on(tx: &mut Tx, student: i64) -> Result<()> {
    tx.query("UPDATE lesson_students SET has_job = 0 WHERE id = $1")
        .bind(student)
        .execute()
        .await?;
    let more = tx
        .query("SELECT id FROM lesson_completions WHERE student = $1 AND state = 'queued' LIMIT 1")
        .bind(student)
        .fetch_optional()
        .await?;
    match more {
        Some(_) => {
            let now = tx.now().await?;
            accept::start(tx, &[student], now).await
        }
        None => Ok(()),
    }
}

/// Locks the student's row and gives what the lessons wait for.
pub(super) async fn lock(tx: &mut Tx, student: i64) -> Result<Option<String>> {
    let sql = Sql::either(
        "SELECT waiting FROM lesson_students WHERE id = $1",
        "SELECT waiting FROM lesson_students WHERE id = $1 FOR UPDATE",
    );
    let row = tx.query(sql).bind(student).fetch_optional().await?;
    row.map_or(Ok(None), |row| row.opt_text("waiting"))
}

struct RetryFailed {
    student: i64,
    letter: i64,
}

impl Operation for RetryFailed {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        lock(tx, self.student).await?;
        if !jobs::replay(tx, self.letter).await? {
            return Ok(false);
        }
        // With a new patience: the waiting counts from now.
        let now = tx.now().await?;
        tx.query(
            "UPDATE lesson_completions SET state = 'queued', received_at = $2
             WHERE student = $1 AND state = 'failed'",
        )
        .bind(self.student)
        .bind(now)
        .execute()
        .await?;
        tx.query("UPDATE lesson_students SET has_job = 1 WHERE id = $1")
            .bind(self.student)
            .execute()
            .await?;
        Ok(true)
    }
}
