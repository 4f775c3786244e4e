//! `/api/replay` and `/api/dead-letters`: deliveries that are to be tried again.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use service_kit::clock::read_since;
use service_kit::http::{ApiJson, ApiQuery, Problem};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use crate::operate::{
    Desk, LetterOrder, LetterPage, OperateError, PAGE, ReplayAnswer, ReplayOrder, UnreadAnswer,
    UnreadOrder, letter_filter,
};

/// Which letters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those of this subscriber.
    subscriber: Option<String>,
    /// Only those that were given up since: 90m, 12h, 3d, a day, or an instant.
    since: Option<String>,
    /// The `next` of the page before.
    after: Option<i64>,
    /// How many, at most 250; 50 unless given.
    limit: Option<u32>,
}

/// How many letters it was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterCount {
    /// How many.
    count: u64,
}

/// Delivers events again, under the same ids.
#[utoipa::path(
    post,
    path = "/api/replay",
    tag = "deliveries",
    request_body = ReplayOrder,
    responses(
        (status = 200, description = "What a dry run would do", body = ReplayAnswer),
        (status = 202, description = "They are in the queue", body = ReplayAnswer),
        (status = 404, description = "There is no such event or subscriber", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn replay(
    State(desk): State<Desk>,
    ApiJson(order): ApiJson<ReplayOrder>,
) -> Result<(StatusCode, Json<ReplayAnswer>), ApiError> {
    let answer = desk.replay(&order).await?;
    let status = if answer.dry_run {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Json(answer)))
}

/// Reads webhooks again that were kept because they could not be read, or not all of them; what is read is delivered.
#[utoipa::path(
    post,
    path = "/api/replay/unread",
    tag = "deliveries",
    request_body = UnreadOrder,
    responses(
        (status = 200, description = "What a dry run would do", body = UnreadAnswer),
        (status = 202, description = "What was read is in the queue", body = UnreadAnswer),
        (status = 422, description = "Fields are wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn unread(
    State(desk): State<Desk>,
    ApiJson(order): ApiJson<UnreadOrder>,
) -> Result<(StatusCode, Json<UnreadAnswer>), ApiError> {
    let answer = desk.read_again(&order).await?;
    let status = if answer.dry_run {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Json(answer)))
}

/// Lists deliveries that were given up.
#[utoipa::path(
    get,
    path = "/api/dead-letters",
    tag = "deliveries",
    params(Filter),
    responses(
        (status = 200, description = "A page", body = LetterPage),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn letters(
    State(desk): State<Desk>,
    ApiQuery(query): ApiQuery<Filter>,
) -> Result<Json<LetterPage>, ApiError> {
    let since = query
        .since
        .map(|text| read_since(&text, desk.now()))
        .transpose()
        .map_err(|message| OperateError::field("since", message))?;
    let filter =
        letter_filter(query.subscriber.as_deref(), since).after(query.after.unwrap_or_default());
    let page = desk.letters(filter, query.limit.unwrap_or(PAGE)).await?;
    Ok(Json(page))
}

/// Puts letters back into the queue.
#[utoipa::path(
    post,
    path = "/api/dead-letters/retry",
    tag = "deliveries",
    request_body = LetterOrder,
    responses(
        (status = 202, description = "They are in the queue", body = LetterCount),
        (status = 404, description = "There is no such letter", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No letters are named", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn retry(
    State(desk): State<Desk>,
    ApiJson(order): ApiJson<LetterOrder>,
) -> Result<(StatusCode, Json<LetterCount>), ApiError> {
    let letters = desk.chosen(&order).await?;
    let count = desk.retry(&letters).await?;
    Ok((StatusCode::ACCEPTED, Json(LetterCount { count })))
}

/// Throws letters away for good.
#[utoipa::path(
    post,
    path = "/api/dead-letters/drop",
    tag = "deliveries",
    request_body = LetterOrder,
    responses(
        (status = 200, description = "They are gone", body = LetterCount),
        (status = 404, description = "There is no such letter", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No letters are named", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn discard(
    State(desk): State<Desk>,
    ApiJson(order): ApiJson<LetterOrder>,
) -> Result<Json<LetterCount>, ApiError> {
    let letters = desk.chosen(&order).await?;
    let count = desk.discard(&letters).await?;
    Ok(Json(LetterCount { count }))
}
