//! Putting lessons that have ended back, to be compared with amoCRM again.

use chrono::{DateTime, Utc};

use super::{Lessons, accept, outcome};
use crate::db::{Operation, Tx};
use crate::error::Result;

/// Students of one step.
const STEP: i64 = 100;

/// How many lessons have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedLessons {
    /// The lessons.
    pub lessons: u64,
    /// Whose they are.
    pub students: u64,
}

/// What one step has put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LessonsRequeued {
    /// The lessons.
    pub lessons: u64,
    /// Whose they are.
    pub students: u64,
    /// Where the next step begins.
    pub last_student: i64,
}

impl Lessons {
    /// Lessons that were told since then and have ended, well or not.
    pub async fn count_ended_since(&self, since: DateTime<Utc>) -> Result<EndedLessons> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(
                "SELECT count(*) AS lessons, count(DISTINCT student) AS students FROM lesson_completions
                 WHERE received_at >= $1 AND state <> 'queued'",
            )
            .bind(since.timestamp_micros())
            .fetch_one()
            .await?;
        let count = |name| -> Result<u64> { Ok(u64::try_from(row.int(name)?).unwrap_or_default()) };
        Ok(EndedLessons {
            lessons: count("lessons")?,
            students: count("students")?,
        })
    }

    /// Puts the ended lessons of some students back, with a job for each student who has none: of those after this
    /// number. `None`: there are no more.
    pub async fn requeue_ended_since(
        &self,
        since: DateTime<Utc>,
        after: Option<i64>,
    ) -> Result<Option<LessonsRequeued>> {
        let since = since.timestamp_micros();
        let after = after.unwrap_or(0);
        self.inner.db.write(Requeue { since, after }).await
    }
}

struct Requeue {
    since: i64,
    after: i64,
}

impl Operation for Requeue {
    type Output = Option<LessonsRequeued>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<LessonsRequeued>> {
        let rows = tx
            .query(
                "SELECT id, email, course FROM lesson_students s
                 WHERE id > $2 AND EXISTS (SELECT 1 FROM lesson_completions
                     WHERE student = s.id AND received_at >= $1 AND state <> 'queued')
                 ORDER BY id LIMIT $3",
            )
            .bind(self.since)
            .bind(self.after)
            .bind(STEP)
            .fetch_all()
            .await?;
        let mut students = Vec::with_capacity(rows.len());
        for row in &rows {
            students.push((row.text("email")?, row.text("course")?, row.int("id")?));
        }
        let Some(last_student) = students.iter().map(|(_, _, id)| *id).max() else {
            return Ok(None);
        };
        // In the order of whoever takes lessons.
        students.sort();
        let mut lessons = 0;
        for (_, _, student) in &students {
            outcome::lock(tx, *student).await?;
            lessons += tx
                .query(
                    "UPDATE lesson_completions SET state = 'queued'
                     WHERE student = $1 AND received_at >= $2 AND state <> 'queued'",
                )
                .bind(*student)
                .bind(self.since)
                .execute()
                .await?;
        }
        let numbers: Vec<i64> = students.iter().map(|(_, _, student)| *student).collect();
        let now = tx.now().await?;
        accept::start(tx, &numbers, now).await?;
        Ok(Some(LessonsRequeued {
            lessons,
            students: u64::try_from(students.len()).unwrap_or_default(),
            last_student,
        }))
    }
}
