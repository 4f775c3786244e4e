//! The account, as far as lessons need it: pipelines and stages.

use amocrm_sdk::pipelines::Pipeline;
use connection::doctor::refusal;
use service_kit::doctor::Finding;

use crate::App;
use crate::config::Course;
use crate::sync::{Ladder, read_pipelines};

const LIST: &str =
    "`lesson-sync pipelines` lists the pipelines and stages of the account with their numbers";

/// Whether every lesson's stage is there, in its course's pipeline, in order.
pub(super) async fn stages(app: &App) -> Vec<Finding> {
    let read = async {
        let linked = app.crm().linked().await?;
        read_pipelines(&linked.client).await
    };
    let pipelines = match read.await {
        Ok(pipelines) => pipelines,
        Err(error) => return vec![refusal(app.crm(), &error)],
    };
    let mut found = Vec::new();
    for course in app.config().courses.all() {
        match Ladder::of(course, &pipelines) {
            Ok(ladder) => found.extend(course_stages(course, &ladder, &pipelines)),
            Err(error) => found.push(Finding::bad(error.to_string()).remedy(LIST)),
        }
    }
    found
}

fn course_stages(course: &Course, ladder: &Ladder, pipelines: &[Pipeline]) -> Vec<Finding> {
    let mut found: Vec<_> = ladder
        .missing()
        .filter_map(|number| Some((number, course.lesson(number)?)))
        .map(|(number, lesson)| {
            let elsewhere = pipelines.iter().find(|pipeline| {
                let mut statuses = pipeline.statuses().iter();
                statuses.any(|status| lesson.stage.is(status.id.get(), &status.name))
            });
            let told = match elsewhere {
                Some(other) => format!(
                    "stage {} of lesson {number} is in pipeline «{}», not in «{}»",
                    lesson.stage,
                    other.name,
                    ladder.name()
                ),
                None => format!("stage {} of lesson {number} does not exist", lesson.stage),
            };
            Finding::bad(told).remedy(LIST)
        })
        .collect();
    if let Some(lesson) = ladder.backward() {
        found.push(
            Finding::warn(format!(
                "the stage of lesson {lesson} does not come after that of lesson {}: deals only move forward, so it would \
                 never be reached",
                lesson - 1
            ))
            .remedy("put the stages into the lessons' order in amoCRM"),
        );
    }
    if found.is_empty() {
        found.push(Finding::good(format!(
            "course {}: «{}» has the stages of all {} lessons",
            course.name,
            ladder.name(),
            course.lessons.len()
        )));
    }
    found
}
