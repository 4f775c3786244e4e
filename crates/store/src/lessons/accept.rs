//! Taking finished lessons: rows and jobs in one transaction.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{LANE, LESSON_SYNC, Lessons, tallies};
use crate::arrivals::{Arrival, Arrivals, join};
use crate::db::{Operation, Sql, Tx};
use crate::error::{Result, StoreError};
use crate::idempotency::{self, IdempotencyKey};
use crate::jobs::depth_counter;
use crate::store::Inner;

/// What a lesson adds to a write besides its texts, in bytes.
const LESSON_BYTES: usize = 100;

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
    /// Stores finished lessons, all or none, with a job for each student who has none. What arrives together is stored
    /// together.
    pub async fn accept(
        &self,
        new: Vec<NewCompletion>,
        key: Option<IdempotencyKey>,
    ) -> Result<LessonsAccepted> {
        join(&self.inner, Told { new, key }).await
    }
}

/// What one request tells.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    new: Vec<NewCompletion>,
    key: Option<IdempotencyKey>,
}

impl Arrival for Told {
    type Outcome = LessonsAccepted;

    fn queue(inner: &Inner) -> &Arrivals<Self> {
        &inner.lessons
    }

    fn weight(&self) -> usize {
        let texts = |new: &NewCompletion| {
            let user = new.user_id.as_ref().map_or(0, String::len);
            LESSON_BYTES + new.course.len() + new.email.len() + user
        };
        self.new.iter().map(texts).sum()
    }

    async fn store(inner: &Inner, group: &[&Self]) -> Result<Vec<LessonsAccepted>> {
        let told = group.iter().map(|&told| told.clone()).collect();
        inner.db.write(Accept { told }).await
    }
}

struct Accept {
    told: Vec<Told>,
}

/// A student before there is a number: e-mail and course.
type Who<'a> = (&'a str, &'a str);

impl Operation for Accept {
    type Output = Vec<LessonsAccepted>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<LessonsAccepted>> {
        let keys = self.told.iter().filter_map(|told| told.key.as_ref());
        let owners = idempotency::take_all(tx, keys).await?;
        // The same body again does no harm: what it tells is known.
        let is_reused = |told: &Told| {
            let key = told.key.as_ref();
            key.is_some_and(|key| owners.get(&key.key) != Some(&key.fingerprint))
        };
        let fresh = self.told.iter().filter(|told| !is_reused(told));
        let mut lessons: Vec<&NewCompletion> = fresh.flat_map(|told| &told.new).collect();
        let (students, now) = students(tx, &lessons).await?;
        let student = |new: &NewCompletion| {
            let who = (new.email.as_str(), new.course.as_str());
            students.get(&who).copied().unwrap_or_default()
        };
        // Whoever tells a lesson first has told it.
        let mut seen = BTreeSet::new();
        lessons.retain(|new| seen.insert((student(new), new.lesson)));
        let rows = lessons.iter().map(|new| (student(new), *new)).collect();
        let mut stored = completions(tx, rows, now).await?;
        let mut busy = BTreeSet::new();
        for new in lessons {
            let student = student(new);
            if let Some((_, false)) = stored.get(&(student, new.lesson)) {
                tallies::finished(tx, now, &new.course, new.lesson);
                busy.insert(student);
            }
        }
        start(tx, &busy.into_iter().collect::<Vec<_>>(), now).await?;
        let mut accepted = Vec::with_capacity(self.told.len());
        for told in &self.told {
            if is_reused(told) {
                accepted.push(LessonsAccepted::KeyReused);
                continue;
            }
            let mut numbers = Vec::with_capacity(told.new.len());
            for new in &told.new {
                let found = stored.get_mut(&(student(new), new.lesson));
                let (id, known) = found.ok_or_else(|| {
                    StoreError::internal("a lesson was not stored with its group")
                })?;
                numbers.push((*id, std::mem::replace(known, true)));
            }
            accepted.push(LessonsAccepted::Stored(numbers));
        }
        Ok(accepted)
    }
}

/// In one order by everybody: a student's row stays locked until the commit, so that a lesson and the end of the job
/// before it see each other.
const STUDENTS: Sql = Sql::either(
    "INSERT INTO lesson_students (email, course, created_at, updated_at)
     SELECT w.value->>0, w.value->>1, $1, $1 FROM json_each($2) AS w WHERE true ORDER BY w.key
     ON CONFLICT (email, course) DO UPDATE SET updated_at = excluded.updated_at
     RETURNING id, email, course, updated_at",
    "WITH moment AS MATERIALIZED (
         SELECT coalesce($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now)
     INSERT INTO lesson_students (email, course, created_at, updated_at)
     SELECT w.value->>0, w.value->>1, moment.now, moment.now
     FROM json_array_elements($2::json) AS w (value), moment
     ORDER BY (w.value->>0) COLLATE \"C\", (w.value->>1) COLLATE \"C\"
     ON CONFLICT (email, course) DO UPDATE SET updated_at = excluded.updated_at
     RETURNING id, email, course, updated_at",
);

/// The students' numbers, and the instant.
async fn students<'a>(
    tx: &mut Tx,
    lessons: &[&'a NewCompletion],
) -> Result<(HashMap<Who<'a>, i64>, i64)> {
    let who: BTreeSet<Who<'_>> = lessons
        .iter()
        .map(|new| (new.email.as_str(), new.course.as_str()))
        .collect();
    if who.is_empty() {
        return Ok((HashMap::new(), tx.now().await?));
    }
    let now = tx.known_now().await?;
    let rows = tx
        .query(STUDENTS)
        .bind(now)
        .bind(json!(who).to_string())
        .fetch_all()
        .await?;
    let mut found = HashMap::with_capacity(rows.len());
    let mut now = 0;
    for row in rows {
        found.insert([row.text("email")?, row.text("course")?], row.int("id")?);
        now = row.int("updated_at")?;
    }
    let numbers = who.into_iter().filter_map(|(email, course)| {
        let id = found.get(&[email.to_owned(), course.to_owned()])?;
        Some(((email, course), *id))
    });
    Ok((numbers.collect(), now))
}

/// Those that are new; then those that are known, among which SQLite counts the new ones too.
const COMPLETIONS: Sql = Sql::either(
    "INSERT INTO lesson_completions (student, lesson, user_id, completed_at, received_at, state)
     SELECT t.value->>'student', t.value->>'lesson', t.value->>'user_id', t.value->>'completed_at', $1, 'queued'
     FROM json_each($2) AS t WHERE true ORDER BY t.key
     ON CONFLICT (student, lesson) DO NOTHING RETURNING 0 AS known, id, student, lesson;
     SELECT 1 AS known, c.id, c.student, c.lesson FROM json_each($2) AS t
     CROSS JOIN lesson_completions AS c ON c.student = t.value->>'student' AND c.lesson = t.value->>'lesson'",
    "WITH told AS MATERIALIZED (
         SELECT * FROM json_to_recordset($2::json)
             AS t (n bigint, student bigint, lesson bigint, user_id text, completed_at bigint)),
     stored AS (
         INSERT INTO lesson_completions (student, lesson, user_id, completed_at, received_at, state)
         SELECT student, lesson, user_id, completed_at, $1, 'queued' FROM told ORDER BY n
         ON CONFLICT (student, lesson) DO NOTHING RETURNING id, student, lesson)
     SELECT 0::bigint AS known, id, student, lesson FROM stored
     UNION ALL
     SELECT 1::bigint, c.id, c.student, c.lesson
     FROM told JOIN lesson_completions AS c ON c.student = told.student AND c.lesson = told.lesson",
);

/// Stores the lessons of students whose rows are locked, each once. The number of each, and whether it was known.
async fn completions(
    tx: &mut Tx,
    lessons: Vec<(i64, &NewCompletion)>,
    now: i64,
) -> Result<HashMap<(i64, u32), (i64, bool)>> {
    if lessons.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Value = lessons
        .iter()
        .enumerate()
        .map(|(n, (student, new))| {
            json!({
                "n": n,
                "student": student,
                "lesson": new.lesson,
                "user_id": new.user_id,
                "completed_at": new.completed_at.map(|at| at.timestamp_micros()),
            })
        })
        .collect();
    let rows = tx
        .query(COMPLETIONS)
        .bind(now)
        .bind(rows.to_string())
        .fetch_all()
        .await?;
    let mut stored = HashMap::with_capacity(lessons.len());
    for row in rows {
        let lesson = u32::try_from(row.int("lesson")?).unwrap_or(u32::MAX);
        let number = (row.int("id")?, row.int("known")? != 0);
        stored
            .entry((row.int("student")?, lesson))
            .or_insert(number);
    }
    Ok(stored)
}

/// Only who has no job gets one. It waits behind what else the student's lane holds.
const START: Sql = Sql::either(
    "INSERT INTO lanes (lane, depth)
     SELECT $3 || s.id, 1 FROM json_each($4) AS t CROSS JOIN lesson_students AS s ON s.id = t.value
     WHERE s.has_job = 0
     ON CONFLICT (lane) DO UPDATE SET depth = lanes.depth + 1;
     INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
     SELECT $2, lanes.lane, CAST(s.id AS TEXT), lanes.depth > 1, $1, $1
     FROM json_each($4) AS t CROSS JOIN lesson_students AS s ON s.id = t.value
     CROSS JOIN lanes ON lanes.lane = $3 || s.id
     WHERE s.has_job = 0 ORDER BY t.key;
     UPDATE lesson_students SET has_job = 1
     WHERE id IN (SELECT value FROM json_each($4)) AND has_job = 0 RETURNING id",
    "WITH idle AS (
         UPDATE lesson_students SET has_job = 1
         WHERE id IN (SELECT t.value::bigint FROM json_array_elements_text($4::json) AS t (value)) AND has_job = 0
         RETURNING id),
     heads AS (
         INSERT INTO lanes (lane, depth) SELECT $3 || id, 1 FROM idle ORDER BY ($3 || id) COLLATE \"C\"
         ON CONFLICT (lane) DO UPDATE SET depth = lanes.depth + 1 RETURNING lane, depth)
     INSERT INTO jobs (kind, lane, payload, waiting, due_at, created_at)
     SELECT $2, heads.lane, idle.id::text, (heads.depth > 1)::int, $1, $1
     FROM idle JOIN heads ON heads.lane = $3 || idle.id ORDER BY idle.id RETURNING id",
);

/// Gives these students a job each unless they have one. Their rows are locked.
pub(super) async fn start(tx: &mut Tx, students: &[i64], now: i64) -> Result<()> {
    if students.is_empty() {
        return Ok(());
    }
    let started = tx
        .query(START)
        .bind(now)
        .bind(LESSON_SYNC)
        .bind(LANE)
        .bind(json!(students).to_string())
        .fetch_all()
        .await?;
    if !started.is_empty() {
        tx.count(
            depth_counter(LESSON_SYNC),
            i64::try_from(started.len()).unwrap_or(i64::MAX),
        );
        tx.work_is_due();
    }
    Ok(())
}
