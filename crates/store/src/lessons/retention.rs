//! How long lessons are kept, and forgetting a student.

use std::time::Duration;

use super::{Lessons, lanes, tallies};
use crate::clock::micros;
use crate::db::{Operation, Sql, Tx};
use crate::error::Result;
use crate::jobs::dead_counter;

/// How many lines of the log one step deletes: some milliseconds, after which others get the database.
const LINES: i64 = 500;
/// How many students one step forgets, each with all finished lessons.
const STUDENTS: i64 = 100;

/// How long lessons are kept. `None`: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LessonRetention {
    /// Lines of the log. They hold the e-mail.
    pub log: Option<Duration>,
    /// A student of whom nothing was heard since, with the lessons. One whose lessons wait is kept whatever happens.
    pub students: Option<Duration>,
}

/// What one step has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LessonsSwept {
    /// Lines of the log.
    pub lines: u64,
    /// Students.
    pub students: u64,
}

impl LessonsSwept {
    /// Whether there was nothing to do: the sweep is complete.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl Lessons {
    /// Takes one step in deleting what has been kept long enough. Repeat it with pauses until nothing is left to do:
    /// whoever writes meanwhile waits for one small batch at most. The sums stay as they are.
    pub async fn sweep(&self, retention: LessonRetention) -> Result<LessonsSwept> {
        self.inner.db.write(Sweep(retention)).await
    }

    /// Forgets whoever has this e-mail (in lower case): lessons, log and dead letters. Work on them that is on its way
    /// ends without an effect here. Returns whether there was anything.
    pub async fn erase(&self, email: &str) -> Result<bool> {
        let email = email.to_owned();
        self.inner.db.write(Erase { email }).await
    }
}

struct Sweep(LessonRetention);

impl Operation for Sweep {
    type Output = LessonsSwept;

    async fn run(&self, tx: &mut Tx) -> Result<LessonsSwept> {
        let now = tx.now().await?;
        let before = |kept: Option<Duration>| kept.map(|kept| now.saturating_sub(micros(kept)));
        let mut swept = LessonsSwept::default();
        if let Some(before) = before(self.0.log) {
            swept.lines = tx
                .query(
                    "DELETE FROM amocrm_logs WHERE id IN
                     (SELECT id FROM amocrm_logs WHERE created_at <= $1 ORDER BY created_at LIMIT $2)",
                )
                .bind(before)
                .bind(LINES)
                .execute()
                .await?;
        }
        if let Some(before) = before(self.0.students) {
            let quiet = tx
                .query(QUIET)
                .bind(before)
                .bind(STUDENTS)
                .fetch_all()
                .await?;
            for row in quiet {
                forget(tx, row.int("id")?).await?;
                swept.students += 1;
            }
        }
        Ok(swept)
    }
}

/// Students without work whose last news is old. Whoever is being told of right now is news, and left.
const QUIET: Sql = Sql::either(
    "SELECT id FROM lesson_students WHERE has_job = 0 AND updated_at <= $1
     ORDER BY updated_at LIMIT $2",
    "SELECT id FROM lesson_students WHERE has_job = 0 AND updated_at <= $1
     ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED",
);

const OF_EMAIL: Sql = Sql::either(
    "SELECT id, waiting FROM lesson_students WHERE email = $1 ORDER BY course",
    "SELECT id, waiting FROM lesson_students WHERE email = $1 ORDER BY course FOR UPDATE",
);

/// Deletes a student, whose row is locked, with everything that hangs on it.
async fn forget(tx: &mut Tx, student: i64) -> Result<()> {
    tx.query("DELETE FROM lesson_finals WHERE student = $1")
        .bind(student)
        .execute()
        .await?;
    tx.query("DELETE FROM lesson_manager_moves WHERE student = $1")
        .bind(student)
        .execute()
        .await?;
    tx.query("DELETE FROM lesson_completions WHERE student = $1")
        .bind(student)
        .execute()
        .await?;
    // After the rows, which whoever buries a job has locked: a letter that is sent again later would find nobody.
    for lane in lanes(student) {
        let letters = tx
            .query("DELETE FROM dead_letters WHERE lane = $1 RETURNING kind")
            .bind(lane)
            .fetch_all()
            .await?;
        for row in letters {
            tx.count(dead_counter(&row.text("kind")?), -1);
        }
    }
    tx.query("DELETE FROM lesson_students WHERE id = $1")
        .bind(student)
        .execute()
        .await?;
    Ok(())
}

struct Erase {
    email: String,
}

impl Operation for Erase {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let students = tx.query(OF_EMAIL).bind(&self.email).fetch_all().await?;
        let mut is_known = false;
        for row in students {
            let waiting = row.opt_text("waiting")?;
            tallies::waiting(tx, waiting.as_deref(), None);
            forget(tx, row.int("id")?).await?;
            is_known = true;
        }
        let lines = tx
            .query("DELETE FROM amocrm_logs WHERE user_email = $1")
            .bind(&self.email)
            .execute()
            .await?;
        Ok(is_known || lines > 0)
    }
}
