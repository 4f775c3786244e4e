//! The stages of a course, as they are in the account.

use std::collections::BTreeMap;

use amocrm_sdk::leads::{LOST, WON};
use amocrm_sdk::pipelines::Pipeline;
use amocrm_sdk::{Client, Error, PipelineId, StatusId};
use chrono::{DateTime, TimeDelta, Utc};
use connection::{CrmError, Linked};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::{Course, Courses, DealRule};

/// After this time pipelines are read again: people change them.
const FRESH_FOR: TimeDelta = TimeDelta::minutes(10);
/// The same while there is no pipeline or a lesson has no stage, which somebody may be about to mend.
const INCOMPLETE_FRESH_FOR: TimeDelta = TimeDelta::seconds(30);

/// A course's stages, found in the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ladder {
    pipeline: PipelineId,
    name: String,
    rule: DealRule,
    /// The stages in the pipeline's order.
    order: Vec<u64>,
    /// The stage of each lesson, if it is there.
    lessons: Vec<Option<u64>>,
}

impl Ladder {
    /// A course's stages in one of these pipelines.
    pub(crate) fn of(course: &Course, pipelines: &[Pipeline]) -> Result<Self, CrmError> {
        let pipeline = pipelines
            .iter()
            .find(|pipeline| course.pipeline.is(pipeline.id.get(), &pipeline.name))
            .ok_or_else(|| {
                CrmError::Missing(format!(
                    "there is no pipeline {}; `lesson-sync pipelines` lists those of the account",
                    course.pipeline
                ))
            })?;
        let statuses = pipeline.statuses();
        let find = |lesson: &crate::config::Lesson| {
            let mut found = statuses.iter();
            found
                .find(|status| {
                    !status.is_unsorted() && lesson.stage.is(status.id.get(), &status.name)
                })
                .map(|status| status.id.get())
        };
        Ok(Self {
            pipeline: pipeline.id,
            name: pipeline.name.clone(),
            rule: course.deal,
            order: statuses.iter().map(|status| status.id.get()).collect(),
            lessons: course.lessons.iter().map(find).collect(),
        })
    }

    pub(crate) fn pipeline(&self) -> PipelineId {
        self.pipeline
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn rule(&self) -> DealRule {
        self.rule
    }

    /// The stage of a lesson.
    pub(crate) fn stage(&self, lesson: u32) -> Result<StatusId, CrmError> {
        let index = usize::try_from(lesson).unwrap_or(usize::MAX).checked_sub(1);
        index
            .and_then(|index| self.lessons.get(index).copied().flatten())
            .map(StatusId::new)
            .ok_or_else(|| {
                CrmError::Missing(format!(
                    "pipeline «{}» has no stage for lesson {lesson}; `lesson-sync doctor` says which is configured",
                    self.name
                ))
            })
    }

    /// Lessons without a stage.
    pub(crate) fn missing(&self) -> impl Iterator<Item = u32> {
        (1..)
            .zip(&self.lessons)
            .filter(|(_, stage)| stage.is_none())
            .map(|(lesson, _)| lesson)
    }

    /// Lessons whose stage comes before that of the lesson before.
    pub(crate) fn backward(&self) -> Option<u32> {
        let places: Vec<_> = self
            .lessons
            .iter()
            .map(|stage| stage.and_then(|stage| self.place(stage)))
            .collect();
        (1..)
            .zip(places.windows(2))
            .find(|(_, pair)| pair[0].is_some() && pair[1].is_some() && pair[1] <= pair[0])
            .map(|(lesson, _)| lesson + 1)
    }

    /// Whether a deal at `stage` needs not be moved to `target`.
    pub(crate) fn reaches(&self, stage: u64, target: u64) -> bool {
        match (self.place(stage), self.place(target)) {
            (Some(stage), Some(target)) => stage >= target,
            _ => stage == target,
        }
    }

    /// The highest lesson that a deal at `stage` has reached.
    pub(crate) fn reached(&self, stage: u64) -> Option<u32> {
        if is_final(stage) {
            return None;
        }
        let place = self.place(stage)?;
        let lessons = (1..).zip(&self.lessons);
        let reached = lessons.filter(|(_, stage)| {
            let lesson = stage.and_then(|stage| self.place(stage));
            lesson.is_some_and(|lesson| lesson <= place)
        });
        reached.map(|(lesson, _)| lesson).max()
    }

    fn place(&self, stage: u64) -> Option<usize> {
        self.order.iter().position(|id| *id == stage)
    }
}

/// Whether a deal there is won or lost.
pub(super) fn is_final(stage: u64) -> bool {
    stage == WON.get() || stage == LOST.get()
}

fn fresh_for(ladder: &Result<Ladder, String>) -> TimeDelta {
    match ladder {
        Ok(ladder) if ladder.missing().next().is_none() => FRESH_FOR,
        _ => INCOMPLETE_FRESH_FOR,
    }
}

/// What was read, for a while. One reads, and whoever asked before gets the same.
#[derive(Debug, Default)]
pub(crate) struct Ladders(Mutex<Readings>);

/// When it was read, and the ladder or what the account lacks.
type Reading = (DateTime<Utc>, Result<Ladder, String>);

#[derive(Debug, Default)]
struct Readings {
    /// By account and course.
    known: BTreeMap<(String, String), Reading>,
    /// When the last reading that failed began.
    failed: Option<(Instant, Error)>,
}

impl Ladders {
    /// A course's stages; read anew if they are old.
    pub(crate) async fn get(
        &self,
        linked: &Linked,
        courses: &Courses,
        course: &str,
        now: DateTime<Utc>,
    ) -> Result<Ladder, CrmError> {
        let asked_at = Instant::now();
        let key = (linked.account.clone(), course.to_owned());
        let mut readings = self.0.lock().await;
        if let Some((read_at, ladder)) = readings.known.get(&key)
            && (now - *read_at).abs() < fresh_for(ladder)
        {
            return ladder.clone().map_err(CrmError::Missing);
        }
        if let Some((began, error)) = &readings.failed
            && asked_at <= *began
        {
            return Err(error.clone().into());
        }
        let Some(course) = courses.named(course) else {
            return Err(CrmError::Missing(format!(
                "course {course} is not configured any more"
            )));
        };
        let began = Instant::now();
        let pipelines = match read_pipelines(&linked.client).await {
            Err(CrmError::Sdk(error)) => {
                readings.failed = Some((began, error.clone()));
                return Err(error.into());
            }
            pipelines => pipelines?,
        };
        let ladder = match Ladder::of(course, &pipelines) {
            Err(CrmError::Missing(what)) => Err(what),
            ladder => Ok(ladder?),
        };
        readings.known.insert(key, (now, ladder.clone()));
        ladder.map_err(CrmError::Missing)
    }
}

/// The account's pipelines.
pub(crate) async fn read_pipelines(client: &Client) -> Result<Vec<Pipeline>, CrmError> {
    Ok(client.pipelines().list().all().await?)
}
