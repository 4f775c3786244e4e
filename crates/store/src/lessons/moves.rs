//! Moves of deals that amoCRM tells of: our own coming back, and those of managers.
//!
//! A move of ours is written down before it is sent. Whatever amoCRM tells of it, before or after the answer, twice or
//! never, meets that line and ends there. What meets none is somebody else's, and is stored together with the job that
//! tells the platform.

use std::fmt;

use chrono::{DateTime, Utc};

use super::Lessons;
use crate::clock::instant;
use crate::db::{Operation, Row, Tx};
use crate::error::Result;
use crate::jobs::{self, JobSpec};

/// Tells the platform of a manager's move; the payload is the move's number.
pub const LESSON_CALLBACK: &str = "lesson.callback";

/// How far amoCRM's clock may differ from ours, in microseconds.
const CLOCKS_DIFFER: i64 = 5 * 60 * 1_000_000;
/// How long after it was written down a move may be made: what an attempt may take, and what amoCRM may still be at work on
/// after that.
const MOVE_TAKES: i64 = 5 * 60 * 1_000_000;
/// How long lines of our own are kept: all of amoCRM's repetitions lie within 95 minutes (`01-auth-limits-webhooks.md`
/// §6.9), and a gateway may deliver days later.
const OWN_KEPT: i64 = 30 * 24 * 60 * 60 * 1_000_000;
/// How long managers' moves are kept.
const KEPT: i64 = 365 * 24 * 60 * 60 * 1_000_000;
/// Rows that one step of pruning deletes.
const PRUNE_BATCH: i64 = 500;

/// A change of a deal's stage as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageMove {
    /// The deal.
    pub lead_id: i64,
    /// Its pipeline, if that was told.
    pub pipeline_id: Option<i64>,
    /// Where it was.
    pub old_stage_id: Option<i64>,
    /// Where it is.
    pub stage_id: i64,
    /// Who moved it; `0` is a robot.
    pub by_user: Option<i64>,
    /// When, by amoCRM's clock.
    pub moved_at: Option<DateTime<Utc>>,
}

/// What became of moves that were told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MovesHeard {
    /// Our own coming back.
    pub ours: u64,
    /// Somebody else's, of a student's deal.
    pub managers: u64,
    /// Known already, or of no student's deal.
    pub others: u64,
}

/// A move of a student's deal by somebody else.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagerMove {
    /// Its number.
    pub id: i64,
    /// The course.
    pub course: String,
    /// The student's e-mail.
    pub email: String,
    /// The student's number on the platform, if that was told.
    pub user_id: Option<String>,
    /// The deal.
    pub lead_id: i64,
    /// Its pipeline, if that was told.
    pub pipeline_id: Option<i64>,
    /// Where it was, if that was told.
    pub old_stage_id: Option<i64>,
    /// Where it is.
    pub stage_id: i64,
    /// Who moved it, if that was told; `0` is a robot.
    pub by_user: Option<i64>,
    /// When.
    pub moved_at: DateTime<Utc>,
}

impl fmt::Debug for ManagerMove {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerMove")
            .field("id", &self.id)
            .field("lead_id", &self.lead_id)
            .field("stage_id", &self.stage_id)
            .finish_non_exhaustive()
    }
}

macro_rules! moves {
    ($condition:literal) => {
        concat!(
            "SELECT m.id, s.course, s.email, m.lead_id, m.pipeline_id, m.old_stage_id, m.stage_id, m.by_user, m.moved_at,
                 (SELECT user_id FROM lesson_completions WHERE student = s.id AND lesson =
                     (SELECT max(lesson) FROM lesson_completions
                      WHERE student = s.id AND user_id IS NOT NULL)) AS user_id
             FROM lesson_manager_moves m JOIN lesson_students s ON s.id = m.student WHERE ",
            $condition
        )
    };
}

impl Lessons {
    /// Writes down that a student's deal is about to be moved by us.
    pub async fn begin_move(&self, student: i64, lead_id: i64, stage_id: i64) -> Result<()> {
        let begin = BeginMove {
            student,
            lead_id,
            stage_id,
        };
        self.inner.db.write(begin).await
    }

    /// Takes moves that amoCRM tells of, all or none. With `tell` each of a manager gets a job that tells the platform, in
    /// their order for each student.
    pub async fn hear_moves(&self, moves: Vec<StageMove>, tell: bool) -> Result<MovesHeard> {
        self.inner.db.write(HearMoves { moves, tell }).await
    }

    /// The move with this number.
    pub async fn manager_move(&self, id: i64) -> Result<Option<ManagerMove>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(moves!("m.id = $1"))
            .bind(id)
            .fetch_optional()
            .await?;
        row.as_ref().map(manager_move).transpose()
    }

    /// The latest move of a student's deal by somebody else.
    pub async fn last_manager_move(&self, student: i64) -> Result<Option<ManagerMove>> {
        let mut tx = self.inner.db.read().await?;
        // amoCRM tells whole seconds: of several moves in the last one, that which came last.
        let rows = tx
            .query(moves!(
                "m.student = $1 AND m.moved_at =
                     (SELECT max(moved_at) FROM lesson_manager_moves WHERE student = $1)
                 ORDER BY m.id"
            ))
            .bind(student)
            .fetch_all()
            .await?;
        rows.last().map(manager_move).transpose()
    }
}

/// The lane of a student's callbacks: they are told in their order.
pub(super) fn lane(student: i64) -> String {
    format!("lesson.callback/{student}")
}

fn manager_move(row: &Row) -> Result<ManagerMove> {
    Ok(ManagerMove {
        id: row.int("id")?,
        course: row.text("course")?,
        email: row.text("email")?,
        user_id: row.opt_text("user_id")?,
        lead_id: row.int("lead_id")?,
        pipeline_id: row.opt_int("pipeline_id")?,
        old_stage_id: row.opt_int("old_stage_id")?,
        stage_id: row.int("stage_id")?,
        by_user: row.opt_int("by_user")?,
        moved_at: instant(row.int("moved_at")?),
    })
}

struct BeginMove {
    student: i64,
    lead_id: i64,
    stage_id: i64,
}

impl Operation for BeginMove {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        let now = tx.now().await?;
        tx.query("INSERT INTO lesson_own_moves (lead_id, stage_id, begun_at) VALUES ($1, $2, $3)")
            .bind(self.lead_id)
            .bind(self.stage_id)
            .bind(now)
            .execute()
            .await?;
        // So that a manager's move meanwhile is known to be of this student's deal.
        tx.query(
            "UPDATE lesson_students SET lead_id = $2
             WHERE id = $1 AND (lead_id IS NULL OR lead_id <> $2)",
        )
        .bind(self.student)
        .bind(self.lead_id)
        .execute()
        .await?;
        Ok(())
    }
}

struct HearMoves {
    moves: Vec<StageMove>,
    tell: bool,
}

impl Operation for HearMoves {
    type Output = MovesHeard;

    async fn run(&self, tx: &mut Tx) -> Result<MovesHeard> {
        let mut heard = MovesHeard::default();
        let now = tx.now().await?;
        for told in &self.moves {
            let at = told.moved_at.map_or(now, |at| at.timestamp_micros());
            if is_ours(tx, told, at).await? {
                heard.ours += 1;
                continue;
            }
            let students = tx
                .query("SELECT id FROM lesson_students WHERE lead_id = $1 ORDER BY id")
                .bind(told.lead_id)
                .fetch_all()
                .await?;
            let mut is_news = false;
            for student in &students {
                is_news |= self.keep(tx, student.int("id")?, told, at, now).await?;
            }
            if is_news {
                heard.managers += 1;
            } else {
                heard.others += 1;
            }
        }
        Ok(heard)
    }
}

impl HearMoves {
    /// Stores a manager's move. `false`: it is known.
    async fn keep(
        &self,
        tx: &mut Tx,
        student: i64,
        told: &StageMove,
        at: i64,
        now: i64,
    ) -> Result<bool> {
        let kept = tx
            .query(
                "INSERT INTO lesson_manager_moves
                     (student, lead_id, pipeline_id, old_stage_id, stage_id, by_user, moved_at, received_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (student, moved_at, stage_id) DO NOTHING RETURNING id",
            )
            .bind(student)
            .bind(told.lead_id)
            .bind(told.pipeline_id)
            .bind(told.old_stage_id)
            .bind(told.stage_id)
            .bind(told.by_user)
            .bind(at)
            .bind(now)
            .fetch_optional()
            .await?;
        let Some(kept) = kept else { return Ok(false) };
        if self.tell {
            let job = JobSpec::new(LESSON_CALLBACK, &kept.int("id")?)?.lane(lane(student));
            jobs::add(tx, &job).await?;
        }
        Ok(true)
    }
}

/// Whether a move is one that we have written down. A line stands for one move: once it was told, it is known by its time.
async fn is_ours(tx: &mut Tx, told: &StageMove, at: i64) -> Result<bool> {
    let lines = tx
        .query(
            "SELECT id, told_at FROM lesson_own_moves
             WHERE lead_id = $1 AND stage_id = $2 AND begun_at >= $3 AND begun_at <= $4
             ORDER BY begun_at, id",
        )
        .bind(told.lead_id)
        .bind(told.stage_id)
        .bind(at.saturating_sub(MOVE_TAKES + CLOCKS_DIFFER))
        .bind(at.saturating_add(CLOCKS_DIFFER))
        .fetch_all()
        .await?;
    let mut first_untold = None;
    for line in &lines {
        match line.opt_int("told_at")? {
            Some(known) if known == at => return Ok(true),
            None if first_untold.is_none() => first_untold = Some(line.int("id")?),
            Some(_) | None => {}
        }
    }
    let Some(line) = first_untold else {
        return Ok(false);
    };
    tx.query("UPDATE lesson_own_moves SET told_at = $2 WHERE id = $1")
        .bind(line)
        .bind(at)
        .execute()
        .await?;
    Ok(true)
}

/// Deletes a batch of rows that have been kept long enough.
pub(crate) async fn prune(tx: &mut Tx, now: i64) -> Result<u64> {
    let own = tx
        .query(
            "DELETE FROM lesson_own_moves WHERE id IN
             (SELECT id FROM lesson_own_moves WHERE begun_at <= $1 ORDER BY begun_at LIMIT $2)",
        )
        .bind(now.saturating_sub(OWN_KEPT))
        .bind(PRUNE_BATCH)
        .execute()
        .await?;
    let managers = tx
        .query(
            "DELETE FROM lesson_manager_moves WHERE id IN
             (SELECT id FROM lesson_manager_moves WHERE received_at <= $1 ORDER BY received_at LIMIT $2)",
        )
        .bind(now.saturating_sub(KEPT))
        .bind(PRUNE_BATCH)
        .execute()
        .await?;
    Ok(own + managers)
}
