//! `GET /api/sync/log`: what became of every finished lesson.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiQuery, Problem};
use store::{LessonLog, LessonLogFilter, Store};
use utoipa::{IntoParams, ToSchema};

use super::ApiError;

/// Rows on a page unless asked otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 250;

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only of this student, by e-mail.
    email: Option<String>,
    /// Only of this lesson, counted from 1.
    lesson: Option<u32>,
    /// Only successes, or only failures.
    success: Option<bool>,
    /// Only from this time on (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Only before this time (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// The `next` of the page before.
    after: Option<i64>,
    /// How many, at most 250; 50 unless given.
    limit: Option<u32>,
}

/// What became of a finished lesson.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LogRow {
    /// Its number.
    pub id: i64,
    /// The course.
    pub course: String,
    /// The student.
    pub user_email: String,
    /// The lesson, counted from 1.
    pub lesson_number: u32,
    /// `moved`, `ahead` (the deal was there or further already), `closed` (left alone), `failed`, or what it waits for:
    /// `no_contact`, `no_deal`, `not_in_pipeline`.
    pub outcome: String,
    /// The deal is at the lesson's stage or further.
    pub success: bool,
    /// The deal.
    pub lead_id: Option<i64>,
    /// The stage it is at.
    pub stage_id: Option<i64>,
    /// Why not.
    pub error_message: Option<String>,
    /// How many attempts it took.
    pub attempts: u32,
    /// When the lesson was told.
    pub received_at: DateTime<Utc>,
    /// When this was written.
    pub created_at: DateTime<Utc>,
}

impl From<LessonLog> for LogRow {
    fn from(row: LessonLog) -> Self {
        Self {
            id: row.id,
            course: row.course,
            user_email: row.email,
            lesson_number: row.lesson,
            outcome: row.outcome,
            success: row.success,
            lead_id: row.lead_id,
            stage_id: row.stage_id,
            error_message: row.error,
            attempts: row.attempts,
            received_at: row.received_at,
            created_at: row.created_at,
        }
    }
}

/// A page of the log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LogPage {
    /// The rows, newest first.
    pub rows: Vec<LogRow>,
    /// Give it as `after` to get the next page; `null` at the end.
    pub next: Option<i64>,
}

/// Lists what became of finished lessons, newest first.
#[utoipa::path(
    get,
    path = "/api/sync/log",
    tag = "lessons",
    params(Which),
    responses(
        (status = 200, description = "A page", body = LogPage),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(store): State<Store>,
    ApiQuery(which): ApiQuery<Which>,
) -> Result<Json<LogPage>, ApiError> {
    let limit = which.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let filter = LessonLogFilter {
        email: which.email.map(|email| email.trim().to_lowercase()),
        lesson: which.lesson,
        success: which.success,
        since: which.since,
        until: which.until,
        after: which.after,
        limit: limit + 1,
    };
    let mut found = store.lessons().log(&filter).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|last| last.id).filter(|_| has_more);
    let rows = found.into_iter().map(LogRow::from).collect();
    Ok(Json(LogPage { rows, next }))
}
