//! `GET /api/lessons/progress`: how far a student has come.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiQuery, FieldError, Problem};
use store::Store;
use utoipa::{IntoParams, ToSchema};

use super::ApiError;
use super::key::admit;
use crate::config::Config;
use crate::sync::normalise;

/// Which student.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Who {
    /// The e-mail, in any case.
    pub(super) email: String,
}

/// How far a student has come, course by course.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Progress {
    /// The courses in which a lesson was finished.
    pub courses: Vec<CourseProgress>,
}

/// How far a student has come in a course.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct CourseProgress {
    /// The course.
    pub course: String,
    /// The highest finished lesson.
    pub highest: u32,
    /// How many lessons the course has; 0 if it is not configured any more.
    pub of: usize,
    /// The deal, once it was found.
    pub lead_id: Option<i64>,
    /// What the next move waits for: `no_contact`, `no_deal`, `not_in_pipeline`.
    pub waiting: Option<String>,
    /// The last move of the deal by somebody else than us, if amoCRM tells of them.
    pub manager: Option<ManagerStage>,
    /// The finished lessons.
    pub lessons: Vec<LessonProgress>,
}

/// Where a manager has moved the deal.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ManagerStage {
    /// The stage.
    pub stage_id: i64,
    /// The stage before, if amoCRM has told.
    pub old_stage_id: Option<i64>,
    /// When.
    pub moved_at: DateTime<Utc>,
    /// Who it was, if amoCRM has told; `0` is a robot.
    pub user_id: Option<i64>,
}

/// A finished lesson.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LessonProgress {
    /// The lesson, counted from 1.
    pub lesson_number: u32,
    /// `queued`, `done`, `failed`.
    pub state: String,
    /// When it was finished, if the platform has told.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was stored.
    pub received_at: DateTime<Utc>,
}

/// Tells how far a student has come.
#[utoipa::path(
    get,
    path = "/api/lessons/progress",
    tag = "lessons",
    params(Who),
    responses(
        (status = 200, description = "The courses; none if the student is unknown", body = Progress),
        (status = 401, description = "The key is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The e-mail is none", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn progress(
    State(config): State<Arc<Config>>,
    State(store): State<Store>,
    headers: HeaderMap,
    who: Result<ApiQuery<Who>, Problem>,
) -> Result<Json<Progress>, ApiError> {
    admit(&config, &headers)?;
    let ApiQuery(who) = who?;
    let email = normalise(&who.email).ok_or_else(|| {
        ApiError::Fields(vec![FieldError::new("email", "expected an e-mail address")])
    })?;
    let lessons = store.lessons();
    let mut courses = Vec::new();
    for student in lessons.students_of(&email).await? {
        let finished = lessons.completions(student.id).await?;
        let manager = lessons.last_manager_move(student.id).await?;
        courses.push(CourseProgress {
            highest: finished.iter().map(|it| it.lesson).max().unwrap_or(0),
            of: config
                .courses
                .named(&student.course)
                .map_or(0, |course| course.lessons.len()),
            course: student.course,
            lead_id: student.lead_id,
            waiting: student.waiting,
            manager: manager.map(|moved| ManagerStage {
                stage_id: moved.stage_id,
                old_stage_id: moved.old_stage_id,
                moved_at: moved.moved_at,
                user_id: moved.by_user,
            }),
            lessons: finished
                .into_iter()
                .map(|completion| LessonProgress {
                    lesson_number: completion.lesson,
                    state: completion.state.as_str().to_owned(),
                    completed_at: completion.completed_at,
                    received_at: completion.received_at,
                })
                .collect(),
        });
    }
    Ok(Json(Progress { courses }))
}
