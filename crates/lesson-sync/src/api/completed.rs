//! `POST /api/lessons/completed`: taking finished lessons.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::http::{ApiJson, FieldError, Problem, idempotency_key};
use sha2::{Digest as _, Sha256};
use store::{IDEMPOTENCY_LIFE, IdempotencyKey, LessonsAccepted, NewCompletion, Store};
use utoipa::ToSchema;

use super::ApiError;
use super::key::admit;
use crate::config::{Config, Courses};
use crate::sync::normalise;

/// Lessons of one batch.
const MAX_BATCH: usize = 500;
/// The longest text that is taken.
const MAX_TEXT: usize = 200;

/// A finished lesson as the platform tells it. `lesson_id` or `lesson_number` is needed.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "only describes the body; it is read field by field"
)]
pub(crate) struct CompletedLesson {
    /// The student's e-mail, in any case.
    #[schema(example = "student@example.com")]
    email: String,
    /// What the platform calls the lesson: a number or a text of LESSON_IDS.
    #[schema(value_type = Option<String>, example = "67")]
    lesson_id: Option<Value>,
    /// Which lesson of the course it is, counted from 1.
    #[schema(example = 1)]
    lesson_number: Option<u32>,
    /// The course; needed beside `lesson_number` if there are several.
    course: Option<String>,
    /// The lesson's module, to be compared with LESSON_MODULE_IDS.
    #[schema(value_type = Option<String>, example = "16")]
    module_id: Option<Value>,
    /// When it was finished (RFC 3339).
    completed_at: Option<DateTime<Utc>>,
    /// The student's number on the platform.
    #[schema(value_type = Option<String>)]
    user_id: Option<Value>,
}

/// Many finished lessons.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "only describes the body; it is read field by field"
)]
pub(crate) struct CompletedLessons {
    /// At most 500.
    completions: Vec<CompletedLesson>,
}

/// A finished lesson that is stored.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LessonReceipt {
    /// Its number.
    pub id: i64,
    /// The course.
    pub course: String,
    /// The lesson, counted from 1.
    pub lesson_number: u32,
    /// It was told before; nothing new happens.
    pub known: bool,
}

/// Finished lessons that are stored.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LessonReceipts {
    /// One for each, in the order of the request.
    pub accepted: Vec<LessonReceipt>,
}

/// Takes a finished lesson.
///
/// It is durable before the answer is sent; the deal is moved as soon as amoCRM takes it. The same lesson of the same
/// student is one lesson, however often it is told.
#[utoipa::path(
    post,
    path = "/api/lessons/completed",
    tag = "lessons",
    request_body = CompletedLesson,
    params(
        ("X-Api-Key" = Option<String>, Header, description = "LESSON_API_KEY; Authorization: Bearer does the same"),
        ("Idempotency-Key" = Option<String>, Header, description = "Any text that is new for a new request"),
    ),
    responses(
        (status = 202, description = "Stored", body = LessonReceipt),
        (status = 401, description = "The key is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong, or the Idempotency-Key was used for another body", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away; send it again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn one(
    State(config): State<Arc<Config>>,
    State(store): State<Store>,
    headers: HeaderMap,
    body: Result<ApiJson<Map<String, Value>>, Problem>,
) -> Result<(StatusCode, Json<LessonReceipt>), ApiError> {
    admit(&config, &headers)?;
    let ApiJson(body) = body?;
    let new = read(&config.courses, &body, "").map_err(ApiError::Fields)?;
    let mut accepted = accept(&store, &headers, vec![new]).await?;
    let receipt = accepted.pop().ok_or_else(Problem::internal)?;
    Ok((StatusCode::ACCEPTED, Json(receipt)))
}

/// Takes many finished lessons, all or none.
#[utoipa::path(
    post,
    path = "/api/lessons/completed/batch",
    tag = "lessons",
    request_body = CompletedLessons,
    params(
        ("X-Api-Key" = Option<String>, Header, description = "LESSON_API_KEY; Authorization: Bearer does the same"),
        ("Idempotency-Key" = Option<String>, Header, description = "Any text that is new for a new request"),
    ),
    responses(
        (status = 202, description = "Stored", body = LessonReceipts),
        (status = 401, description = "The key is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong, or the Idempotency-Key was used for another body", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away; send it again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn batch(
    State(config): State<Arc<Config>>,
    State(store): State<Store>,
    headers: HeaderMap,
    body: Result<ApiJson<Map<String, Value>>, Problem>,
) -> Result<(StatusCode, Json<LessonReceipts>), ApiError> {
    admit(&config, &headers)?;
    let ApiJson(body) = body?;
    let wrong = |message: String| ApiError::Fields(vec![FieldError::new("completions", message)]);
    let items = match body.get("completions") {
        Some(Value::Array(items)) if (1..=MAX_BATCH).contains(&items.len()) => items,
        _ => {
            return Err(wrong(format!(
                "expected a list of 1 to {MAX_BATCH} lessons"
            )));
        }
    };
    let (mut new, mut errors) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let place = format!("completions.{index}");
        match item {
            Value::Object(item) => match read(&config.courses, item, &format!("{place}.")) {
                Ok(completion) => new.push(completion),
                Err(wrong) => errors.extend(wrong),
            },
            _ => errors.push(FieldError::new(place, "expected an object")),
        }
    }
    if !errors.is_empty() {
        return Err(ApiError::Fields(errors));
    }
    let accepted = accept(&store, &headers, new).await?;
    Ok((StatusCode::ACCEPTED, Json(LessonReceipts { accepted })))
}

async fn accept(
    store: &Store,
    headers: &HeaderMap,
    new: Vec<NewCompletion>,
) -> Result<Vec<LessonReceipt>, ApiError> {
    let key = idempotency_key(headers)
        .map_err(|error| ApiError::Fields(vec![error]))?
        .map(|key| IdempotencyKey {
            key: format!("lessons/{key}"),
            fingerprint: fingerprint(&new),
            life: IDEMPOTENCY_LIFE,
        });
    let stored = match store.lessons().accept(new.clone(), key).await? {
        LessonsAccepted::Stored(stored) => stored,
        LessonsAccepted::KeyReused => {
            return Err(ApiError::Fields(vec![FieldError::new(
                "Idempotency-Key",
                "was used for another body within 24 hours",
            )]));
        }
    };
    Ok(new
        .into_iter()
        .zip(stored)
        .map(|(new, (id, known))| {
            let name = if known {
                "lessons_repeated_total"
            } else {
                "lessons_accepted_total"
            };
            metrics::counter!(name).increment(1);
            LessonReceipt {
                id,
                course: new.course,
                lesson_number: new.lesson,
                known,
            }
        })
        .collect())
}

/// Reads one lesson; all its mistakes are told at once.
fn read(
    courses: &Courses,
    body: &Map<String, Value>,
    place: &str,
) -> Result<NewCompletion, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: &str| {
        errors.push(FieldError::new(format!("{place}{field}"), message));
    };
    let email = match body
        .get("email")
        .map(|email| email.as_str().and_then(normalise))
    {
        Some(Some(email)) => Some(email),
        Some(None) => {
            wrong("email", "expected an e-mail address");
            None
        }
        None => {
            wrong("email", "is missing");
            None
        }
    };
    let mut name = |field: &str| {
        name_of(body.get(field)).unwrap_or_else(|()| {
            wrong(field, "expected a number or a short text");
            None
        })
    };
    let (id, module, user_id, course) = (
        name("lesson_id"),
        name("module_id"),
        name("user_id"),
        name("course"),
    );
    let number = match body.get("lesson_number") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            if number.is_none() {
                wrong("lesson_number", "expected a whole number from 1 on");
            }
            number
        }
    };
    let completed_at = match body.get("completed_at") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let at = value
                .as_str()
                .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            if at.is_none() {
                wrong(
                    "completed_at",
                    "expected a time such as 2026-11-21T10:00:00Z",
                );
            }
            at.map(|at| at.to_utc())
        }
    };
    let found = if errors.is_empty() {
        match courses.find(course.as_deref(), id.as_deref(), number, module.as_deref()) {
            Ok((course, lesson)) => Some((course.name.clone(), lesson)),
            Err((field, message)) => {
                errors.push(FieldError::new(format!("{place}{field}"), message));
                None
            }
        }
    } else {
        None
    };
    match (email, found) {
        (Some(email), Some((course, lesson))) if errors.is_empty() => Ok(NewCompletion {
            course,
            email,
            lesson,
            user_id,
            completed_at,
        }),
        _ => Err(errors),
    }
}

/// Platforms send numbers as numbers and as texts.
fn name_of(value: Option<&Value>) -> Result<Option<String>, ()> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
        Some(Value::String(text)) if (1..=MAX_TEXT).contains(&text.trim().len()) => {
            Ok(Some(text.trim().to_owned()))
        }
        Some(_) => Err(()),
    }
}

fn fingerprint(new: &[NewCompletion]) -> String {
    let mut hash = Sha256::new();
    for new in new {
        // Lengths first, so that no two lists read alike.
        for part in [&new.course, &new.email, &new.lesson.to_string()] {
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
