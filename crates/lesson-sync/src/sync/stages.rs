//! The stages of a course, as they are in the account.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use amocrm_sdk::leads::{LOST, WON};
use amocrm_sdk::pipelines::Pipeline;
use amocrm_sdk::{Client, PipelineId, StatusId};
use chrono::{DateTime, TimeDelta, Utc};
use connection::{CrmError, Linked};

use crate::config::{Course, Courses, DealRule};

/// After this time pipelines are read again: people change them.
const FRESH_FOR: TimeDelta = TimeDelta::minutes(10);
/// The same while a lesson has no stage, which somebody may be about to mend.
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

    fn fresh_for(&self) -> TimeDelta {
        match self.missing().next() {
            None => FRESH_FOR,
            Some(_) => INCOMPLETE_FRESH_FOR,
        }
    }

    fn place(&self, stage: u64) -> Option<usize> {
        self.order.iter().position(|id| *id == stage)
    }
}

/// Whether a deal there is won or lost.
pub(super) fn is_final(stage: u64) -> bool {
    stage == WON.get() || stage == LOST.get()
}

/// By account and course, with the time of reading.
type Known = BTreeMap<(String, String), (DateTime<Utc>, Ladder)>;

/// What was read, for a while.
#[derive(Debug, Default)]
pub(crate) struct Ladders(Mutex<Known>);

impl Ladders {
    /// A course's stages; read anew if they are old.
    pub(crate) async fn get(
        &self,
        linked: &Linked,
        courses: &Courses,
        course: &str,
        now: DateTime<Utc>,
    ) -> Result<Ladder, CrmError> {
        let key = (linked.account.clone(), course.to_owned());
        let known = self.with(|known| known.get(&key).cloned());
        if let Some((read_at, ladder)) = known
            && (now - read_at).abs() < ladder.fresh_for()
        {
            return Ok(ladder);
        }
        let Some(course) = courses.named(course) else {
            return Err(CrmError::Missing(format!(
                "course {course} is not configured any more"
            )));
        };
        let pipelines = read_pipelines(&linked.client).await?;
        let ladder = Ladder::of(course, &pipelines)?;
        self.with(|known| known.insert(key, (now, ladder.clone())));
        Ok(ladder)
    }

    fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The account's pipelines.
pub(crate) async fn read_pipelines(client: &Client) -> Result<Vec<Pipeline>, CrmError> {
    Ok(client.pipelines().list().all().await?)
}
