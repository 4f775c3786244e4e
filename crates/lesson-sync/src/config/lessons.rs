//! `[lessons]`: the courses, the platform's key, and how patiently deals are looked for.

use std::collections::BTreeMap;
use std::time::Duration;

use connection::{Backoff, DeliveryConfig, Pace};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::config::{Problems, Section, SecurityConfig, ServerConfig, Variable};
use service_kit::dashboard::DashboardConfig;

use super::finals::FinalEntry;
use super::{Course, Courses, Lesson, Named};

/// Lessons that have a variable each; more need a file.
const MOST_STAGES: u32 = 20;
/// The shortest key that is not guessed.
const KEY_LENGTH: usize = 16;

/// `[lessons]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LessonsConfig {
    #[serde(default)]
    pipeline: Option<String>,
    #[serde(default)]
    stages: BTreeMap<String, String>,
    #[serde(default)]
    ids: Option<String>,
    #[serde(default)]
    modules: Option<String>,
    #[serde(default)]
    courses: Option<String>,
    #[serde(default)]
    final_tag: Option<String>,
    #[serde(default)]
    final_task: Option<String>,
    #[serde(default)]
    final_task_due: Option<String>,
    #[serde(default)]
    final_note: Option<String>,
    #[serde(default)]
    api_key: Option<SecretString>,
    /// How many students this process works on at once.
    pub workers: usize,
    retry_base_ms: u64,
    retry_max_ms: u64,
    settle_ms: u64,
    recheck_minutes: f64,
    patience_hours: u64,
}

impl LessonsConfig {
    /// The platform's key.
    pub fn api_key(&self) -> Option<&SecretString> {
        self.api_key.as_ref()
    }

    /// After how long a student who is not in amoCRM is looked for again.
    pub fn recheck(&self) -> Duration {
        Duration::from_secs_f64(self.recheck_minutes * 60.0)
    }

    /// How long they are looked for.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_hours.saturating_mul(3_600))
    }

    /// The first pause after a failure.
    pub fn first_pause(&self) -> Duration {
        Duration::from_millis(self.retry_base_ms)
    }

    /// How long amoCRM may still be at work on a request whose answer was lost.
    pub fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }

    /// How the queue is worked on.
    pub fn pace(&self, times: &DeliveryConfig) -> Pace {
        let millis = Duration::from_millis;
        Pace::new(times)
            .hands(self.workers)
            .backoff(Backoff::new(
                millis(self.retry_base_ms),
                millis(self.retry_max_ms),
            ))
            .settle(self.settle())
    }

    /// The settings that a guide gives examples for: variables and values.
    pub fn examples(&self) -> impl Iterator<Item = (String, &str)> {
        let pipeline = self.pipeline.as_deref();
        let stages = self
            .stages
            .iter()
            .map(|(name, stage)| (variable_of(name), stage.as_str()));
        pipeline
            .map(|pipeline| ("AMOCRM_PIPELINE_ID".to_owned(), pipeline))
            .into_iter()
            .chain(stages)
    }

    /// The courses that are configured.
    pub(super) fn courses(&self, problems: &mut Problems) -> Courses {
        let last = FinalEntry {
            tag: self.final_tag.clone(),
            task: self.final_task.clone(),
            task_due: self.final_task_due.clone(),
            note: self.final_note.clone(),
        };
        if let Some(path) = &self.courses {
            if self.pipeline.is_some() || !self.stages.is_empty() {
                problems.report(
                    "lessons.courses",
                    "names a file while AMOCRM_PIPELINE_ID or AMOCRM_STAGE_LESSON_… are set; take one of both",
                );
            }
            if !last.is_empty() {
                problems.report(
                    "lessons.courses",
                    "names a file while LESSON_FINAL_… are set; put them into [course.final] there",
                );
            }
            return Courses::read(path, problems);
        }
        let Some(pipeline) = &self.pipeline else {
            problems.report(
                "lessons.pipeline",
                "is unset: which pipeline are the students' deals in?",
            );
            return Courses::default();
        };
        let stages = self.stages_in_order(problems);
        let ids = list(self.ids.as_deref());
        let modules = list(self.modules.as_deref());
        for (key, given) in [("lessons.ids", &ids), ("lessons.modules", &modules)] {
            if !given.is_empty() && given.len() != stages.len() {
                problems.report(
                    key,
                    format!(
                        "names {} while there are stages for {} lessons; they belong together in their order",
                        given.len(),
                        stages.len()
                    ),
                );
            }
        }
        let lessons = stages
            .into_iter()
            .enumerate()
            .map(|(index, stage)| Lesson {
                id: ids.get(index).cloned(),
                module: modules.get(index).cloned(),
                stage: Named::read(&stage),
            })
            .collect();
        let final_action = if last.is_empty() {
            None
        } else {
            let read = last.read();
            read.map_err(|(field, wrong)| problems.report(&format!("lessons.final_{field}"), wrong))
                .ok()
        };
        Courses::one(Course {
            final_action,
            ..Course::new("default", Named::read(pipeline), lessons)
        })
    }

    fn stages_in_order(&self, problems: &mut Problems) -> Vec<String> {
        let mut stages = Vec::new();
        let mut gap = None;
        for number in 1..=MOST_STAGES {
            let key = format!("lesson_{number}");
            match (self.stages.get(&key), gap) {
                (Some(stage), None) => stages.push(stage.trim().to_owned()),
                (Some(_), Some(missing)) => {
                    problems.report(
                        &format!("lessons.stages.lesson_{missing}"),
                        format!("is unset while that of lesson {number} is set"),
                    );
                    break;
                }
                (None, None) => gap = Some(number),
                (None, Some(_)) => {}
            }
        }
        if stages.is_empty() && gap == Some(1) {
            problems.report(
                "lessons.stages.lesson_1",
                "is unset: which stage does the first lesson lead to?",
            );
        }
        stages
    }

    /// Whoever reaches the service could move deals without a key, and the platform could do with a token's what it is
    /// not trusted with.
    pub(super) fn check_key(
        &self,
        server: &ServerConfig,
        security: &SecurityConfig,
        problems: &mut Problems,
    ) {
        if let Some(key) = &self.api_key
            && let Some(token) = security.token_like(key.expose_secret())
        {
            problems.report(
                "lessons.api_key",
                format!(
                    "is the same as {token}: the platform would get that role; give each its own"
                ),
            );
        }
        if self.api_key.is_none() && !server.is_loopback() {
            problems.report(
                "lessons.api_key",
                "is unset while other machines can reach the service: anybody could move deals",
            );
        }
    }
}

impl Section for LessonsConfig {
    const NAME: &'static str = "lessons";

    fn validate(&self, problems: &mut Problems) {
        problems.range("lessons.workers", self.workers, 1, 1_000);
        problems.range("lessons.retry_base_ms", self.retry_base_ms, 10, 600_000);
        problems.range(
            "lessons.retry_max_ms",
            self.retry_max_ms,
            self.retry_base_ms,
            86_400_000,
        );
        problems.range("lessons.settle_ms", self.settle_ms, 0, 600_000);
        problems.range(
            "lessons.recheck_minutes",
            self.recheck_minutes,
            0.01,
            1_440.0,
        );
        problems.range("lessons.patience_hours", self.patience_hours, 0, 2_160);
        for name in self.stages.keys() {
            let number = name.strip_prefix("lesson_").and_then(|it| it.parse().ok());
            if !number.is_some_and(|number: u32| (1..=MOST_STAGES).contains(&number)) {
                problems.report(
                    "lessons.stages",
                    format!("{name} is no lesson: expected lesson_1 to lesson_{MOST_STAGES}"),
                );
            }
        }
        if let Some(key) = &self.api_key
            && key.expose_secret().len() < KEY_LENGTH
        {
            problems.report("lessons.api_key", "the value is too short to be secret");
        }
    }
}

fn variable_of(name: &str) -> String {
    format!("AMOCRM_STAGE_{}", name.to_uppercase())
}

fn list(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

const fn stage(name: &'static str, key: &'static str) -> Variable {
    Variable::plain(name, key, "the number or the name of a stage", "65432100")
}

/// lesson-sync's own variables.
pub const LESSON_VARIABLES: &[Variable] = &[
    Variable::plain(
        "AMOCRM_PIPELINE_ID",
        "lessons.pipeline",
        "the number or the name of a pipeline",
        "10350882",
    ),
    stage("AMOCRM_STAGE_LESSON_1", "lessons.stages.lesson_1"),
    stage("AMOCRM_STAGE_LESSON_2", "lessons.stages.lesson_2"),
    stage("AMOCRM_STAGE_LESSON_3", "lessons.stages.lesson_3"),
    stage("AMOCRM_STAGE_LESSON_4", "lessons.stages.lesson_4"),
    stage("AMOCRM_STAGE_LESSON_5", "lessons.stages.lesson_5"),
    stage("AMOCRM_STAGE_LESSON_6", "lessons.stages.lesson_6"),
    stage("AMOCRM_STAGE_LESSON_7", "lessons.stages.lesson_7"),
    stage("AMOCRM_STAGE_LESSON_8", "lessons.stages.lesson_8"),
    stage("AMOCRM_STAGE_LESSON_9", "lessons.stages.lesson_9"),
    stage("AMOCRM_STAGE_LESSON_10", "lessons.stages.lesson_10"),
    stage("AMOCRM_STAGE_LESSON_11", "lessons.stages.lesson_11"),
    stage("AMOCRM_STAGE_LESSON_12", "lessons.stages.lesson_12"),
    stage("AMOCRM_STAGE_LESSON_13", "lessons.stages.lesson_13"),
    stage("AMOCRM_STAGE_LESSON_14", "lessons.stages.lesson_14"),
    stage("AMOCRM_STAGE_LESSON_15", "lessons.stages.lesson_15"),
    stage("AMOCRM_STAGE_LESSON_16", "lessons.stages.lesson_16"),
    stage("AMOCRM_STAGE_LESSON_17", "lessons.stages.lesson_17"),
    stage("AMOCRM_STAGE_LESSON_18", "lessons.stages.lesson_18"),
    stage("AMOCRM_STAGE_LESSON_19", "lessons.stages.lesson_19"),
    stage("AMOCRM_STAGE_LESSON_20", "lessons.stages.lesson_20"),
    Variable::plain(
        "LESSON_IDS",
        "lessons.ids",
        "what the platform calls the lessons, in their order, separated by commas",
        "67,68,69",
    ),
    Variable::plain(
        "LESSON_MODULE_IDS",
        "lessons.modules",
        "what the platform calls their modules, in the same order",
        "16,17,18",
    ),
    Variable::plain(
        "LESSON_COURSES",
        "lessons.courses",
        "the path of a TOML file with courses",
        "lesson-sync.toml",
    ),
    Variable::plain(
        "LESSON_FINAL_TAG",
        "lessons.final_tag",
        "the name of a tag",
        "прошёл курс",
    ),
    Variable::plain(
        "LESSON_FINAL_TASK",
        "lessons.final_task",
        "the text of a task",
        "Позвонить: студент прошёл курс",
    ),
    Variable::plain(
        "LESSON_FINAL_TASK_DUE",
        "lessons.final_task_due",
        "a number and m, h or d, within a year",
        "1d",
    ),
    Variable::plain(
        "LESSON_FINAL_NOTE",
        "lessons.final_note",
        "the text of a note",
        "Студент прошёл все уроки",
    ),
    Variable::secret(
        "LESSON_API_KEY",
        "lessons.api_key",
        "at least 16 characters",
        "openssl rand -hex 24",
    ),
    Variable::plain(
        "LESSON_WORKERS",
        "lessons.workers",
        "a number from 1 to 1000",
        "256",
    ),
    Variable::plain(
        "LESSON_RETRY_BASE_MS",
        "lessons.retry_base_ms",
        "milliseconds from 10 to 600000",
        "1000",
    ),
    Variable::plain(
        "LESSON_RETRY_MAX_MS",
        "lessons.retry_max_ms",
        "milliseconds from LESSON_RETRY_BASE_MS to 86400000",
        "60000",
    ),
    Variable::plain(
        "LESSON_SETTLE_MS",
        "lessons.settle_ms",
        "milliseconds from 0 to 600000",
        "20000",
    ),
    Variable::plain(
        "LESSON_RECHECK_MINUTES",
        "lessons.recheck_minutes",
        "minutes from 0.01 to 1440",
        "30",
    ),
    Variable::plain(
        "LESSON_PATIENCE_HOURS",
        "lessons.patience_hours",
        "hours from 0 to 2160",
        "168",
    ),
    DashboardConfig::time_zone_variable("LESSON_TIME_ZONE"),
    Variable::plain(
        "LESSON_LOG_DAYS",
        "retention.log_days",
        "days from 0 (for ever) to 36500",
        "365",
    ),
    Variable::plain(
        "LESSON_STUDENT_DAYS",
        "retention.student_days",
        "days from 0 (for ever) to 36500",
        "365",
    ),
    Variable::plain(
        "LESSON_CALL_TIMEOUT_MS",
        "delivery.call_timeout_ms",
        "milliseconds from 500 to 120000",
        "20000",
    ),
    Variable::plain(
        "LESSON_LEASE_MS",
        "delivery.lease_ms",
        "milliseconds from LESSON_CALL_TIMEOUT_MS + 15000 to 600000: shorter, and two workers could be at one deal",
        "45000",
    ),
    Variable::plain(
        "LESSON_BLOCK_PAUSE_MS",
        "delivery.block_pause_ms",
        "milliseconds from 1000 to 86400000",
        "600000",
    ),
];
