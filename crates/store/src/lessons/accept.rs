//! Taking finished lessons: rows and jobs in one transaction.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};

use super::{LESSON_SYNC, Lessons, lane, tallies};
use crate::db::{Operation, Tx};
use crate::error::Result;
use crate::idempotency::{self, Before, IdempotencyKey};
use crate::jobs::{self, JobSpec};

/// A lesson that a student has finished.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCompletion {
    /// The course.
    pub course: String,
    /// The student's e-mail, in lower case.
    pub email: String,
    /// The lesson, counted from 1.
    pub lesson: u32,
    /// The student's number on the platform.
    pub user_id: Option<String>,
    /// When it was finished, if that was told.
    pub completed_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for NewCompletion {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCompletion")
            .field("course", &self.course)
            .field("lesson", &self.lesson)
            .finish_non_exhaustive()
    }
}

/// What became of what was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LessonsAccepted {
    /// All are durable, and so are the jobs. For each lesson, in the order given, its number, and whether it was known
    /// already.
    Stored(Vec<(i64, bool)>),
    /// The key was used for another body within its life: nothing was stored.
    KeyReused,
}

impl Lessons {
    /// Stores finished lessons, all or none, with a job for each student who has none.
    pub async fn accept(
        &self,
        new: Vec<NewCompletion>,
        key: Option<IdempotencyKey>,
    ) -> Result<LessonsAccepted> {
        self.inner.db.write(Accept { new, key }).await
    }
}

struct Accept {
    new: Vec<NewCompletion>,
    key: Option<IdempotencyKey>,
}

impl Operation for Accept {
    type Output = LessonsAccepted;

    async fn run(&self, tx: &mut Tx) -> Result<LessonsAccepted> {
        let now = tx.now().await?;
        // The same body again does no harm: what it tells is known.
        if let Some(key) = &self.key
            && let Before::Another = idempotency::take(tx, key, now).await?
        {
            return Ok(LessonsAccepted::KeyReused);
        }
        // In one order by everybody: each student's row stays locked until the commit.
        let mut students: BTreeMap<(&str, &str), i64> = self
            .new
            .iter()
            .map(|new| ((new.email.as_str(), new.course.as_str()), 0))
            .collect();
        for ((email, course), id) in &mut students {
            *id = upsert(tx, course, email, now).await?;
        }
        let mut stored = Vec::with_capacity(self.new.len());
        let mut busy = BTreeMap::new();
        for new in &self.new {
            let student = students
                .get(&(new.email.as_str(), new.course.as_str()))
                .copied()
                .unwrap_or_default();
            let (id, is_new) = insert(tx, student, new, now).await?;
            stored.push((id, !is_new));
            if is_new {
                tallies::finished(tx, now, &new.course, new.lesson);
                busy.insert(student, ());
            }
        }
        for student in busy.keys() {
            start(tx, *student).await?;
        }
        Ok(LessonsAccepted::Stored(stored))
    }
}

/// Gives the student a job unless there is one. The student's row is locked.
pub(super) async fn start(tx: &mut Tx, student: i64) -> Result<()> {
    let idle = tx
        .query("UPDATE lesson_students SET has_job = 1 WHERE id = $1 AND has_job = 0")
        .bind(student)
        .execute()
        .await?;
    if idle > 0 {
        let job = JobSpec::new(LESSON_SYNC, &student)?.lane(lane(student));
        jobs::add(tx, &job).await?;
    }
    Ok(())
}

async fn upsert(tx: &mut Tx, course: &str, email: &str, now: i64) -> Result<i64> {
    tx.query(
        "INSERT INTO lesson_students (course, email, created_at, updated_at) VALUES ($1, $2, $3, $3)
         ON CONFLICT (email, course) DO UPDATE SET updated_at = excluded.updated_at
         RETURNING id",
    )
    .bind(course)
    .bind(email)
    .bind(now)
    .fetch_one()
    .await?
    .int("id")
}

async fn insert(tx: &mut Tx, student: i64, new: &NewCompletion, now: i64) -> Result<(i64, bool)> {
    let inserted = tx
        .query(
            "INSERT INTO lesson_completions (student, lesson, user_id, completed_at, received_at, state)
             VALUES ($1, $2, $3, $4, $5, 'queued')
             ON CONFLICT (student, lesson) DO NOTHING RETURNING id",
        )
        .bind(student)
        .bind(i64::from(new.lesson))
        .bind(&new.user_id)
        .bind(new.completed_at.map(|at| at.timestamp_micros()))
        .bind(now)
        .fetch_optional()
        .await?;
    if let Some(row) = inserted {
        return Ok((row.int("id")?, true));
    }
    let known = tx
        .query("SELECT id FROM lesson_completions WHERE student = $1 AND lesson = $2")
        .bind(student)
        .bind(i64::from(new.lesson))
        .fetch_one()
        .await?;
    Ok((known.int("id")?, false))
}
