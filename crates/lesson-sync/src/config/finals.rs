//! What is done at the deal once, after the last lesson of a course.

use std::time::Duration;

use serde::Deserialize;
use service_kit::clock::parse_span;

/// When a task is due unless the settings say it.
const DUE: Duration = Duration::from_hours(24);
/// A task that is due later than this is a mistake.
const LONGEST_DUE: Duration = Duration::from_hours(365 * 24);
/// The longest name of a tag that is taken.
const LONGEST_TAG: usize = 255;
/// The longest text of a task or a note that is taken.
const LONGEST_TEXT: usize = 4_096;

/// What is done at a student's deal after the last lesson, once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FinalAction {
    /// A tag for the deal.
    pub tag: Option<String>,
    /// A task for its manager.
    pub task: Option<FinalTask>,
    /// A note.
    pub note: Option<String>,
}

/// A task for the manager of a deal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalTask {
    /// What is to be done.
    pub text: String,
    /// When it is due, from the end of the last lesson.
    pub due: Duration,
}

/// As it is written: `[course.final]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FinalEntry {
    pub(super) tag: Option<String>,
    pub(super) task: Option<String>,
    pub(super) task_due: Option<String>,
    pub(super) note: Option<String>,
}

impl FinalEntry {
    pub(super) fn is_empty(&self) -> bool {
        let all = [&self.tag, &self.task, &self.task_due, &self.note];
        all.iter().all(|field| field.is_none())
    }

    /// What it means.
    ///
    /// # Errors
    ///
    /// The field that is wrong, and what is expected.
    pub(super) fn read(&self) -> Result<FinalAction, (&'static str, String)> {
        let text = |field, value: &Option<String>, longest| match value.as_deref().map(str::trim) {
            None => Ok(None),
            Some(text) if (1..=longest).contains(&text.chars().count()) => {
                Ok(Some(text.to_owned()))
            }
            Some(_) => Err((field, format!("has to have 1 to {longest} characters"))),
        };
        let tag = text("tag", &self.tag, LONGEST_TAG)?;
        let task = text("task", &self.task, LONGEST_TEXT)?;
        let note = text("note", &self.note, LONGEST_TEXT)?;
        let due = match &self.task_due {
            None => DUE,
            Some(_) if task.is_none() => {
                return Err(("task_due", "is set without a task".to_owned()));
            }
            Some(due) => parse_span(due.trim())
                .filter(|due| *due <= LONGEST_DUE)
                .ok_or_else(|| {
                    let wrong = format!("`{due}` is no time within a year, such as 4h or 1d");
                    ("task_due", wrong)
                })?,
        };
        if tag.is_none() && task.is_none() && note.is_none() {
            return Err(("tag", "is unset, and so are task and note".to_owned()));
        }
        Ok(FinalAction {
            tag,
            task: task.map(|text| FinalTask { text, due }),
            note,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let entry = |tag: Option<&str>, task: Option<&str>, due: Option<&str>| FinalEntry {
            tag: tag.map(str::to_owned),
            task: task.map(str::to_owned),
            task_due: due.map(str::to_owned),
            note: None,
        };
        let read = entry(None, Some(" Позвонить "), Some("4h")).read().unwrap();
        let task = read.task.unwrap();
        assert_eq!(
            (task.text.as_str(), task.due),
            ("Позвонить", Duration::from_hours(4))
        );
        for (entry, field) in [
            (entry(None, None, None), "tag"),
            (entry(Some(" "), None, None), "tag"),
            (entry(Some("x"), None, Some("1d")), "task_due"),
            (entry(None, Some("x"), Some("soon")), "task_due"),
            (entry(None, Some("x"), Some("400d")), "task_due"),
            (entry(None, Some(&"x".repeat(5_000)), None), "task"),
        ] {
            assert_eq!(entry.read().unwrap_err().0, field, "{entry:?}");
        }
    }
}
