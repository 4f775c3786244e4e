//! Courses: which lesson leads to which stage of which pipeline.

use std::path::Path;

use serde::Deserialize;
use service_kit::config::Problems;

use super::finals::{FinalAction, FinalEntry};

/// A pipeline or a stage, as somebody has named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By its number in amoCRM.
    Id(u64),
    /// By its name there, whatever the case.
    Name(String),
}

impl Named {
    /// Digits are a number.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        match text.parse() {
            Ok(id) => Self::Id(id),
            Err(_) => Self::Name(text.to_owned()),
        }
    }

    /// Whether this is it.
    pub fn is(&self, id: u64, name: &str) -> bool {
        match self {
            Self::Id(ours) => *ours == id,
            Self::Name(ours) => ours.to_lowercase() == name.trim().to_lowercase(),
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name(name) => write!(f, "«{name}»"),
        }
    }
}

/// Which of a student's open deals in the pipeline is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DealRule {
    /// The one that was created last.
    #[default]
    Newest,
    /// The one that was created first.
    Oldest,
    /// The one that was changed last.
    LastChanged,
}

/// A lesson of a course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// What the platform calls it.
    pub id: Option<String>,
    /// What the platform calls its module.
    pub module: Option<String>,
    /// The stage that it leads to.
    pub stage: Named,
}

/// A course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Its name in our tables.
    pub name: String,
    /// The pipeline with its students' deals.
    pub pipeline: Named,
    /// Which deal is meant.
    pub deal: DealRule,
    /// Its lessons, in their order.
    pub lessons: Vec<Lesson>,
    /// What is done once after the last of them.
    pub final_action: Option<FinalAction>,
}

impl Course {
    /// A course with the usual rule.
    pub fn new(name: impl Into<String>, pipeline: Named, lessons: Vec<Lesson>) -> Self {
        Self {
            name: name.into(),
            pipeline,
            deal: DealRule::default(),
            lessons,
            final_action: None,
        }
    }

    /// The last lesson, if something is to be done once when it was finished.
    pub fn final_lesson(&self) -> Option<u32> {
        let last = u32::try_from(self.lessons.len()).ok();
        last.filter(|_| self.final_action.is_some())
    }

    /// The lesson of this number, counted from 1.
    pub fn lesson(&self, number: u32) -> Option<&Lesson> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.lessons.get(index)
    }

    /// The lessons with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &Lesson)> {
        (1..).zip(&self.lessons)
    }
}

/// All courses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Courses(Vec<Course>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "course")]
    courses: Vec<CourseEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CourseEntry {
    name: String,
    pipeline: Text,
    #[serde(default)]
    deal: DealRule,
    #[serde(default, rename = "lesson")]
    lessons: Vec<LessonEntry>,
    #[serde(rename = "final")]
    final_entry: Option<FinalEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LessonEntry {
    id: Option<Text>,
    module: Option<Text>,
    stage: Text,
}

/// Numbers may be written with and without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Number(u64),
    Text(String),
}

impl Text {
    fn into_string(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.trim().to_owned(),
        }
    }
}

impl Courses {
    /// A single course.
    pub fn one(course: Course) -> Self {
        Self(vec![course])
    }

    /// All of them.
    pub fn all(&self) -> &[Course] {
        &self.0
    }

    /// The course of this name.
    pub fn named(&self, name: &str) -> Option<&Course> {
        self.0.iter().find(|course| course.name == name)
    }

    /// The last lesson of a course, if something is to be done once when it was finished.
    pub fn final_lesson(&self, course: &str) -> Option<u32> {
        self.named(course).and_then(Course::final_lesson)
    }

    /// Reads a file with courses.
    pub(super) fn read(path: &str, problems: &mut Problems) -> Self {
        let read = std::fs::read_to_string(Path::new(path)).map_err(|error| error.to_string());
        let courses = read.and_then(|text| Self::parse(&text));
        courses.unwrap_or_else(|error| {
            problems.report("lessons.courses", format!("{path}: {error}"));
            Self::default()
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut courses: Vec<Course> = Vec::new();
        for entry in file.courses {
            let name = entry.name.trim().to_owned();
            if name.is_empty() {
                return Err("a course has no name".to_owned());
            }
            if courses.iter().any(|course| course.name == name) {
                return Err(format!("there are two courses «{name}»"));
            }
            if entry.lessons.is_empty() {
                return Err(format!("course «{name}» has no [[course.lesson]]"));
            }
            let lessons: Vec<_> = entry
                .lessons
                .into_iter()
                .map(|lesson| Lesson {
                    id: lesson.id.map(Text::into_string),
                    module: lesson.module.map(Text::into_string),
                    stage: Named::read(&lesson.stage.into_string()),
                })
                .collect();
            let pipeline = Named::read(&entry.pipeline.into_string());
            let final_action = entry.final_entry.as_ref().map(FinalEntry::read);
            let final_action = final_action
                .transpose()
                .map_err(|(field, wrong)| format!("course «{name}»: final.{field} {wrong}"))?;
            courses.push(Course {
                deal: entry.deal,
                final_action,
                ..Course::new(name, pipeline, lessons)
            });
        }
        if courses.is_empty() {
            return Err("there is no [[course]]".to_owned());
        }
        let mut known = std::collections::BTreeSet::new();
        for lesson in courses.iter().flat_map(|course| &course.lessons) {
            if let Some(id) = &lesson.id
                && !known.insert(id.clone())
            {
                return Err(format!("lesson id {id} is used twice"));
            }
        }
        Ok(Self(courses))
    }

    /// The lesson that the platform means: by its id, or by its number within a course (which may be left out if there is
    /// only one).
    ///
    /// # Errors
    ///
    /// The field that is wrong, and what is known.
    pub fn find(
        &self,
        course: Option<&str>,
        id: Option<&str>,
        number: Option<u32>,
        module: Option<&str>,
    ) -> Result<(&Course, u32), (&'static str, String)> {
        let within: Vec<&Course> = match course {
            None => self.0.iter().collect(),
            Some(name) => {
                let known = || self.0.iter().map(|course| course.name.as_str());
                vec![self.named(name).ok_or_else(|| {
                    let known: Vec<_> = known().collect();
                    ("course", format!("unknown; known are {}", known.join(", ")))
                })?]
            }
        };
        let (field, found) = match (id, number) {
            (Some(id), _) => {
                let found = within.iter().find_map(|course| {
                    let mut lessons = course.numbered();
                    lessons
                        .find(|(_, lesson)| lesson.id.as_deref() == Some(id))
                        .map(|(number, _)| (*course, number))
                });
                ("lesson_id", found)
            }
            (None, Some(number)) => {
                let [course] = within.as_slice() else {
                    return Err((
                        "course",
                        "needed beside lesson_number, for there are several courses".to_owned(),
                    ));
                };
                let found = course.lesson(number).map(|_| (*course, number));
                ("lesson_number", found)
            }
            (None, None) => {
                return Err((
                    "lesson_id",
                    "lesson_id or lesson_number is needed".to_owned(),
                ));
            }
        };
        let Some((course, number)) = found else {
            return Err((field, format!("unknown; known are {}", known(&within))));
        };
        if let (Some(told), Some(lesson)) = (module, course.lesson(number))
            && let Some(ours) = &lesson.module
            && ours != told
        {
            return Err(("module_id", format!("lesson {number} is of module {ours}")));
        }
        Ok((course, number))
    }
}

/// What can be told: `67 (lesson 1), 68 (lesson 2)`.
fn known(courses: &[&Course]) -> String {
    let mut names = Vec::new();
    for course in courses {
        for (number, lesson) in course.numbered() {
            let id = lesson.id.as_deref();
            let beside = if courses.len() > 1 {
                format!("lesson {number} of {}", course.name)
            } else {
                format!("lesson {number}")
            };
            names.push(id.map_or(beside.clone(), |id| format!("{id} ({beside})")));
        }
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [[course]]
        name = "tripwire"
        pipeline = "onAI Academy"
        [[course.lesson]]
        id = 67
        module = 16
        stage = "ПРОШЕЛ ПЕРВЫЙ УРОК"
        [[course.lesson]]
        id = "68"
        stage = 65432101

        [[course]]
        name = "main"
        pipeline = 10350882
        deal = "oldest"
        [[course.lesson]]
        stage = "Урок 1"
    "#;

    #[test]
    fn a_lesson_is_found_by_its_id_or_by_its_number_within_a_course() {
        let courses = Courses::parse(FILE).unwrap();
        let found = |course, id, number, module| {
            courses
                .find(course, id, number, module)
                .map(|(course, number)| (course.name.as_str(), number))
        };
        assert_eq!(
            found(None, Some("67"), None, Some("16")),
            Ok(("tripwire", 1))
        );
        assert_eq!(found(None, Some("68"), Some(9), None), Ok(("tripwire", 2)));
        assert_eq!(found(Some("main"), None, Some(1), None), Ok(("main", 1)));
        for (course, id, number, module, field, part) in [
            (
                None,
                Some("70"),
                None,
                None,
                "lesson_id",
                "67 (lesson 1 of tripwire)",
            ),
            (None, None, Some(1), None, "course", "several"),
            (Some("x"), None, Some(1), None, "course", "tripwire, main"),
            (
                Some("main"),
                None,
                Some(2),
                None,
                "lesson_number",
                "lesson 1",
            ),
            (None, Some("67"), None, Some("17"), "module_id", "module 16"),
            (None, None, None, None, "lesson_id", "needed"),
        ] {
            let (wrong, why) = found(course, id, number, module).unwrap_err();
            assert_eq!(wrong, field);
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn a_file_that_contradicts_itself_is_refused() {
        for (text, part) in [
            ("", "no [[course]]"),
            (
                "[[course]]\nname = 'a'\npipeline = 1",
                "no [[course.lesson]]",
            ),
            (
                "[[course]]\nname = 'a'\npipeline = 1\nlesson = [{id = 1, stage = 2}, {id = '1', stage = 3}]",
                "used twice",
            ),
            ("[[course]]\nname = 'a'\nstages = 1", "unknown field"),
            (
                "[[course]]\nname = 'a'\npipeline = 1\nlesson = [{stage = 2}]\nfinal = {task = 'x', task_due = '2'}",
                "course «a»: final.task_due",
            ),
        ] {
            let error = Courses::parse(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
