//! `amocrm_logs`: what became of every finished lesson.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{LessonEnd, Lessons, tallies};
use crate::clock::instant;
use crate::db::{Row, Tx};
use crate::error::Result;

/// The most rows on one page.
const MAX_PAGE: u32 = 500;

/// A row of the log.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LessonLog {
    /// Its number.
    pub id: i64,
    /// The course.
    pub course: String,
    /// The student's e-mail.
    pub email: String,
    /// The lesson, counted from 1.
    pub lesson: u32,
    /// One word.
    pub outcome: String,
    /// The deal is at the lesson's stage or further.
    pub success: bool,
    /// The deal.
    pub lead_id: Option<i64>,
    /// The stage it is at.
    pub stage_id: Option<i64>,
    /// Why not.
    pub error: Option<String>,
    /// How many attempts it took.
    pub attempts: u32,
    /// When the lesson was told.
    pub received_at: DateTime<Utc>,
    /// When this was written.
    pub created_at: DateTime<Utc>,
}

impl fmt::Debug for LessonLog {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LessonLog")
            .field("id", &self.id)
            .field("lesson", &self.lesson)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// Which rows: a page, the newest first.
#[derive(Clone, Default)]
pub struct LessonLogFilter {
    /// Only of this e-mail, in lower case.
    pub email: Option<String>,
    /// Only of this lesson.
    pub lesson: Option<u32>,
    /// Only successes, or only failures.
    pub success: Option<bool>,
    /// Only from this time on.
    pub since: Option<DateTime<Utc>>,
    /// Only until this time.
    pub until: Option<DateTime<Utc>>,
    /// Goes on after the row with this number.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

impl fmt::Debug for LessonLogFilter {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LessonLogFilter")
            .field("lesson", &self.lesson)
            .field("success", &self.success)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// A text per question, so that each walks along an index. The last conditions are looked at row by row; the plus keeps
/// the databases from sorting what the index on the time would give them.
macro_rules! rows {
    ($condition:literal) => {
        concat!(
            "SELECT id, course, user_email, lesson_number, outcome, success, lead_id, stage_id, error_message,
                 attempts, received_at, created_at
             FROM amocrm_logs WHERE ",
            $condition,
            "id < $1 AND +created_at >= $2 AND +created_at < $3 AND ($4 < 0 OR lesson_number = $4)
                 AND ($5 < 0 OR success = $5)
             ORDER BY id DESC LIMIT $6"
        )
    };
}

impl Lessons {
    /// A page of the log, the newest first.
    pub async fn log(&self, filter: &LessonLogFilter) -> Result<Vec<LessonLog>> {
        let text = match (&filter.email, filter.lesson, filter.success) {
            (Some(_), _, _) => rows!("user_email = $7 AND "),
            (None, Some(_), _) => rows!("lesson_number = $7 AND "),
            (None, None, Some(_)) => rows!("success = $7 AND "),
            (None, None, None) => rows!(""),
        };
        let mut tx = self.inner.db.read().await?;
        let micros = |at: DateTime<Utc>| at.timestamp_micros();
        let mut query = tx
            .query(text)
            .bind(filter.after.unwrap_or(i64::MAX))
            .bind(filter.since.map_or(i64::MIN, micros))
            .bind(filter.until.map_or(i64::MAX, micros))
            .bind(filter.lesson.map_or(-1, i64::from))
            .bind(filter.success.map_or(-1, i64::from))
            .bind(i64::from(filter.limit.clamp(1, MAX_PAGE)));
        query = match (&filter.email, filter.lesson, filter.success) {
            (Some(email), _, _) => query.bind(email),
            (None, Some(lesson), _) => query.bind(i64::from(lesson)),
            (None, None, Some(success)) => query.bind(i64::from(success)),
            (None, None, None) => query,
        };
        query.fetch_all().await?.iter().map(line).collect()
    }

    /// How many rows of each outcome there are since a time.
    pub async fn outcomes_since(&self, since: DateTime<Utc>) -> Result<Vec<(String, u64)>> {
        let mut tx = self.inner.db.read().await?;
        let rows = tx
            .query(
                "SELECT outcome, count(*) AS times FROM amocrm_logs WHERE created_at >= $1
                 GROUP BY outcome ORDER BY outcome",
            )
            .bind(since.timestamp_micros())
            .fetch_all()
            .await?;
        rows.iter()
            .map(|row| {
                let times = u64::try_from(row.int("times")?).unwrap_or_default();
                Ok((row.text("outcome")?, times))
            })
            .collect()
    }
}

fn line(row: &Row) -> Result<LessonLog> {
    let number = |name| -> Result<u32> { Ok(u32::try_from(row.int(name)?).unwrap_or(u32::MAX)) };
    Ok(LessonLog {
        id: row.int("id")?,
        course: row.text("course")?,
        email: row.text("user_email")?,
        lesson: number("lesson_number")?,
        outcome: row.text("outcome")?,
        success: row.int("success")? != 0,
        lead_id: row.opt_int("lead_id")?,
        stage_id: row.opt_int("stage_id")?,
        error: row.opt_text("error_message")?,
        attempts: number("attempts")?,
        received_at: instant(row.int("received_at")?),
        created_at: instant(row.int("created_at")?),
    })
}

pub(super) async fn add(
    tx: &mut Tx,
    student: i64,
    end: &LessonEnd,
    attempts: i64,
    now: i64,
) -> Result<()> {
    tx.query(
        "INSERT INTO amocrm_logs (course, user_email, lesson_number, outcome, success, lead_id, stage_id,
             error_message, attempts, received_at, created_at)
         SELECT s.course, s.email, c.lesson, $3, $4, $5, $6, $7, $8, c.received_at, $9
         FROM lesson_completions c JOIN lesson_students s ON s.id = c.student
         WHERE c.id = $2 AND s.id = $1",
    )
    .bind(student)
    .bind(end.completion)
    .bind(end.outcome)
    .bind(i64::from(end.success))
    .bind(end.lead_id)
    .bind(end.stage_id)
    .bind(&end.error)
    .bind(attempts)
    .bind(now)
    .execute()
    .await?;
    tallies::ended(tx, now, end.outcome);
    Ok(())
}
