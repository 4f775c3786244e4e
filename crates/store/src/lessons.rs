//! Finished lessons on their way to amoCRM: who finished what, and what became of it.
//!
//! A student of a course has at most one job at a time, however many lessons were finished: the job brings the deal up
//! to the highest of them. A lesson that comes while the job runs is seen when it ends, in the same transaction, so
//! none is forgotten and none needs a job of its own.
//!
//! Every end of a lesson is a row of `amocrm_logs`, written together with the end.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::clock::instant;
use crate::db::{Row, Tx};
use crate::error::{Result, StoreError};
use crate::store::Inner;

mod accept;
mod finals;
mod log;
mod moves;
mod outcome;
mod read;
mod replay;
mod retention;
mod tallies;

pub(crate) use self::accept::Told;
pub use self::accept::{LessonsAccepted, NewCompletion};
pub use self::finals::{FinalAction, FinalStep, LESSON_FINAL};
pub use self::log::{LessonLog, LessonLogFilter};
pub use self::moves::{LESSON_CALLBACK, ManagerMove, MovesHeard, StageMove};
pub use self::outcome::{LessonEnd, LessonNext, LessonOutcome};
pub use self::replay::{EndedLessons, LessonsRequeued};
pub use self::retention::{LessonRetention, LessonsSwept};
pub use self::tallies::LessonTallies;
pub(crate) use self::tallies::{LessonSums, flush};

/// Brings a student's deal up to the highest finished lesson; the payload is the student's number.
pub const LESSON_SYNC: &str = "lesson.sync";

/// Finished lessons. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Lessons {
    inner: Arc<Inner>,
}

impl Lessons {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

/// A student of a course.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Student {
    /// Their number.
    pub id: i64,
    /// The course.
    pub course: String,
    /// The e-mail, in lower case.
    pub email: String,
    /// The deal that was moved last.
    pub lead_id: Option<i64>,
    /// What the student's lessons wait for, if they wait.
    pub waiting: Option<String>,
    /// Since when we know them.
    pub created_at: DateTime<Utc>,
}

impl fmt::Debug for Student {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Student")
            .field("id", &self.id)
            .field("course", &self.course)
            .finish_non_exhaustive()
    }
}

/// How far a finished lesson has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompletionState {
    /// It waits for the student's job.
    Queued,
    /// The deal is at its stage or further.
    Done,
    /// Nothing more is tried; the log says why.
    Failed,
}

impl CompletionState {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn read(text: &str) -> Result<Self> {
        match text {
            "queued" => Ok(Self::Queued),
            "done" => Ok(Self::Done),
            "failed" => Ok(Self::Failed),
            _ => Err(StoreError::internal("a completion has an unknown state")),
        }
    }
}

/// A finished lesson as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion {
    /// Its number.
    pub id: i64,
    /// The lesson, counted from 1.
    pub lesson: u32,
    /// How far it has come.
    pub state: CompletionState,
    /// When the student finished it, if that was told.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was stored.
    pub received_at: DateTime<Utc>,
}

/// Deletes a batch of rows that have been kept long enough.
pub(crate) async fn prune(tx: &mut Tx, now: i64) -> Result<u64> {
    Ok(tallies::prune(tx, now).await? + moves::prune(tx, now).await?)
}

fn student(row: &Row) -> Result<Student> {
    Ok(Student {
        id: row.int("id")?,
        course: row.text("course")?,
        email: row.text("email")?,
        lead_id: row.opt_int("lead_id")?,
        waiting: row.opt_text("waiting")?,
        created_at: instant(row.int("created_at")?),
    })
}

fn completion(row: &Row) -> Result<Completion> {
    Ok(Completion {
        id: row.int("id")?,
        lesson: u32::try_from(row.int("lesson")?).unwrap_or(u32::MAX),
        state: CompletionState::read(&row.text("state")?)?,
        completed_at: row.opt_int("completed_at")?.map(instant),
        received_at: instant(row.int("received_at")?),
    })
}

/// What the lanes of students begin with.
const LANE: &str = "lesson/";

/// Every lane of a student: what is forgotten with them is found by it.
fn lanes(student: i64) -> [String; 3] {
    [lane(student), finals::lane(student), moves::lane(student)]
}

/// The lane of a student's jobs: a dead letter that is revived does not run beside a newer job.
fn lane(student: i64) -> String {
    format!("{LANE}{student}")
}
