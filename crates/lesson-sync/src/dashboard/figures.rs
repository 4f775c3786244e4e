//! The figures: what the store has added up, arranged for people and programs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use connection::dashboard::{ConnectionFigures, QueueFigures, ReasonFigures, queue_figures};
use serde::{Deserialize, Serialize};
use service_kit::dashboard::{Period, by_period, periods, whole};
use store::{DeadLetter, DeadLetterFilter, LessonTallies};
use utoipa::ToSchema;

use crate::api::{ApiError, AppState};
use crate::config::Config;
use crate::dead_letters::student_of;
use crate::sync::QUEUE;

/// As many dead letters are listed.
const LETTERS: u32 = 10;

/// What lessons end as, in the order in which it is told. What else there is comes after them.
const OUTCOMES: [&str; 8] = [
    "moved",
    "ahead",
    "final",
    "no_contact",
    "no_deal",
    "not_in_pipeline",
    "closed",
    "failed",
];

/// How the lessons of some days are doing. Days are the office's.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Figures {
    /// When this was true.
    pub(crate) at: DateTime<Utc>,
    /// The office's offset from UTC.
    #[schema(example = "+03:00")]
    pub(crate) time_zone: String,
    /// The days, or, of more than 92, the weeks; whole ones.
    pub(crate) periods: Vec<Period>,
    /// Since midnight.
    pub(crate) today: TodayFigures,
    /// What became of lessons: lines of the log by outcome.
    pub(crate) outcomes: Vec<OutcomeFigures>,
    /// How many students finished which lesson.
    pub(crate) courses: Vec<CourseFigures>,
    /// Students whose lessons wait now for something in amoCRM.
    pub(crate) waiting: Vec<WaitingFigures>,
    /// Attempts that failed.
    pub(crate) failures: FailureFigures,
    /// Work that is not done yet.
    pub(crate) queue: Vec<QueueFigures>,
    /// The connection to amoCRM.
    pub(crate) connection: ConnectionFigures,
}

/// Since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct TodayFigures {
    /// Finished lessons that were told and were new.
    pub(crate) finished: u64,
    /// Deals that were moved.
    pub(crate) moved: u64,
    /// Attempts that failed.
    pub(crate) failed_attempts: u64,
}

/// What became of lessons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OutcomeFigures {
    /// One word, as in the log: `moved`.
    pub(crate) outcome: String,
    /// In all.
    pub(crate) total: u64,
    /// In each period.
    pub(crate) by_period: Vec<u64>,
}

/// A course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct CourseFigures {
    /// Its name.
    pub(crate) course: String,
    /// Its lessons, in their order.
    pub(crate) lessons: Vec<LessonFigures>,
}

/// A lesson of a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct LessonFigures {
    /// The lesson, counted from 1.
    pub(crate) lesson_number: u32,
    /// How many students finished it.
    pub(crate) students: u64,
}

/// Students whose lessons wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct WaitingFigures {
    /// For what: `no_contact`, `no_deal`, `not_in_pipeline`.
    pub(crate) reason: String,
    /// How many.
    pub(crate) students: u64,
}

/// Attempts that failed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct FailureFigures {
    /// In all. Most are tried again and succeed.
    pub(crate) attempts: u64,
    /// By reason, the most frequent first.
    pub(crate) reasons: Vec<ReasonFigures>,
    /// What was given up, and a person has to look at: the oldest ten.
    pub(crate) dead_letters: Vec<LetterFigures>,
}

/// A dead letter, without what belongs to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct LetterFigures {
    /// Its number; a retry keeps it.
    pub(crate) id: i64,
    /// What was to be done: `lesson.sync`.
    pub(crate) kind: String,
    /// The student's number with us.
    pub(crate) student: Option<i64>,
    /// Why it is here.
    pub(crate) reason: String,
    /// What the last attempt said.
    pub(crate) error: Option<String>,
    /// When it came here.
    pub(crate) died_at: DateTime<Utc>,
}

impl From<DeadLetter> for LetterFigures {
    fn from(letter: DeadLetter) -> Self {
        Self {
            student: student_of(&letter),
            id: letter.id,
            kind: letter.kind,
            reason: letter.reason,
            error: letter.last_error,
            died_at: letter.died_at,
        }
    }
}

impl Figures {
    /// Reads sums, ends of indexes and a short list; nothing here counts a table.
    pub(crate) async fn read(state: &AppState, days: u32) -> Result<Self, ApiError> {
        let store = &state.store;
        let tallies = store.lessons().tallies(whole(days)).await?;
        let queue = queue_figures(QUEUE, store).await?;
        let mut letters = Vec::new();
        for kind in QUEUE.all() {
            let filter = DeadLetterFilter::kind(kind).limit(LETTERS);
            letters.extend(store.jobs().dead_letters(filter).await?);
        }
        letters.sort_by_key(|letter| letter.id);
        letters.truncate(LETTERS as usize);
        let connection = ConnectionFigures::read(&state.crm).await?;
        let reasons = ReasonFigures::sum(&tallies.failed);
        let periods = periods(tallies.last_day, days);
        Ok(Self {
            at: tallies.at,
            time_zone: state.config.dashboard.time_zone().to_string(),
            today: today(&tallies),
            outcomes: outcomes(&tallies, &periods),
            courses: courses(&state.config, &tallies),
            waiting: tallies
                .waiting
                .into_iter()
                .map(|(reason, students)| WaitingFigures { reason, students })
                .collect(),
            failures: FailureFigures {
                attempts: reasons.iter().map(|it| it.attempts).sum(),
                reasons,
                dead_letters: letters.into_iter().map(LetterFigures::from).collect(),
            },
            queue,
            connection,
            periods,
        })
    }

    /// How many lines of the log tell of this outcome.
    pub(super) fn outcome(&self, word: &str) -> u64 {
        let found = self.outcomes.iter().find(|it| it.outcome == word);
        found.map_or(0, |it| it.total)
    }
}

fn today(tallies: &LessonTallies) -> TodayFigures {
    let today = tallies.last_day;
    let ended = tallies.ended.iter().filter(|it| it.day == today);
    let moved = ended.filter(|it| it.key == "moved").map(|it| it.count);
    let finished = tallies.finished.iter().filter(|it| it.day == today);
    let failed = tallies.failed.iter().filter(|it| it.day == today);
    TodayFigures {
        finished: finished.map(|it| it.count).sum(),
        moved: moved.sum(),
        failed_attempts: failed.map(|it| it.count).sum(),
    }
}

fn outcomes(tallies: &LessonTallies, periods: &[Period]) -> Vec<OutcomeFigures> {
    let mut found: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for tally in &tallies.ended {
        let days = found.entry(&tally.key).or_default();
        days.push((tally.day, tally.count));
    }
    let place = |word: &str| OUTCOMES.iter().position(|known| *known == word);
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(word, _)| (place(word).unwrap_or(OUTCOMES.len()), *word));
    found
        .into_iter()
        .map(|(word, days)| OutcomeFigures {
            outcome: word.to_owned(),
            total: days.iter().map(|it| it.1).sum(),
            by_period: by_period(periods, days.into_iter()),
        })
        .collect()
}

/// The courses that are configured, also before their first lesson, and those that were.
fn courses(config: &Config, tallies: &LessonTallies) -> Vec<CourseFigures> {
    let mut sums: BTreeMap<(&str, u32), u64> = BTreeMap::new();
    for tally in &tallies.finished {
        let (course, lesson) = &tally.key;
        *sums.entry((course, *lesson)).or_default() += tally.count;
    }
    let mut courses = Vec::new();
    for course in config.courses.all() {
        let lessons = (1..).zip(&course.lessons).map(|(lesson_number, _)| {
            let place = (course.name.as_str(), lesson_number);
            LessonFigures {
                lesson_number,
                students: sums.remove(&place).unwrap_or(0),
            }
        });
        courses.push(CourseFigures {
            lessons: lessons.collect(),
            course: course.name.clone(),
        });
    }
    for ((course, lesson_number), students) in sums {
        let lesson = LessonFigures {
            lesson_number,
            students,
        };
        match courses.iter_mut().find(|it| it.course == course) {
            Some(known) => known.lessons.push(lesson),
            None => courses.push(CourseFigures {
                course: course.to_owned(),
                lessons: vec![lesson],
            }),
        }
    }
    courses
}
