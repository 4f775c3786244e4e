//! `/api/dead-letters`: what nobody could do, for the administrator.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use service_kit::clock::{SharedClock, read_since};
use service_kit::http::{ApiPath, ApiQuery, FieldError, Problem};
use store::{DeadLetterFilter, Store};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use crate::dead_letters::{Letter, discard, known_kind, replay};

/// Letters on a page unless asked otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 250;
const NOT_FOUND: &str = "there is no such dead letter";

/// Which letters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// The `next` of the page before.
    after: Option<i64>,
    /// How many, at most 250; 50 unless given.
    limit: Option<u32>,
    /// Only jobs of this kind, such as lead.deliver.
    kind: Option<String>,
    /// Only those that died since: 90m, 12h, 3d, a day, or an instant.
    since: Option<String>,
}

/// A page of dead letters.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LetterPage {
    /// The letters, in the order in which their jobs were added.
    pub dead_letters: Vec<Letter>,
    /// Give it as `after` to get the next page; `null` at the end.
    pub next: Option<i64>,
}

/// Lists dead letters.
#[utoipa::path(
    get,
    path = "/api/dead-letters",
    tag = "dead letters",
    params(Filter),
    responses(
        (status = 200, description = "A page", body = LetterPage),
        (status = 401, description = "ADMIN_TOKEN is needed", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(store): State<Store>,
    State(clock): State<SharedClock>,
    ApiQuery(filter): ApiQuery<Filter>,
) -> Result<Json<LetterPage>, ApiError> {
    let wrong =
        |field: &str, message: String| ApiError::Fields(vec![FieldError::new(field, message)]);
    let limit = filter.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let mut wanted = match &filter.kind {
        Some(kind) => {
            DeadLetterFilter::kind(known_kind(kind).map_err(|message| wrong("kind", message))?)
        }
        None => DeadLetterFilter::new(),
    };
    if let Some(since) = &filter.since {
        let at = read_since(since, clock.now()).map_err(|message| wrong("since", message))?;
        wanted = wanted.since(at);
    }
    let wanted = wanted
        .after(filter.after.unwrap_or_default())
        .limit(limit + 1);
    let mut letters = store.jobs().dead_letters(wanted).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().map(|letter| letter.id).filter(|_| has_more);
    Ok(Json(LetterPage {
        dead_letters: letters.into_iter().map(Letter::from).collect(),
        next,
    }))
}

/// Puts a dead letter back into the queue.
///
/// A lead that amoCRM has after all is recognised: none arrives twice.
#[utoipa::path(
    post,
    path = "/api/dead-letters/{id}/retry",
    tag = "dead letters",
    params(("id" = i64, Path, description = "The letter's number")),
    responses(
        (status = 202, description = "It is in the queue; this is what it was", body = Letter),
        (status = 404, description = "There is no such letter", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn retry(
    State(store): State<Store>,
    ApiPath(id): ApiPath<i64>,
) -> Result<(StatusCode, Json<Letter>), ApiError> {
    let letter = store.jobs().dead_letter(id).await?;
    let letter: Letter = letter.ok_or(ApiError::NotFound(NOT_FOUND))?.into();
    if !replay(&store, &letter).await? {
        return Err(ApiError::NotFound(NOT_FOUND));
    }
    Ok((StatusCode::ACCEPTED, Json(letter)))
}

/// Throws a dead letter away for good.
#[utoipa::path(
    delete,
    path = "/api/dead-letters/{id}",
    tag = "dead letters",
    params(("id" = i64, Path, description = "The letter's number")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such letter", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn remove(
    State(store): State<Store>,
    ApiPath(id): ApiPath<i64>,
) -> Result<StatusCode, ApiError> {
    let letter = store.jobs().dead_letter(id).await?;
    let letter: Letter = letter.ok_or(ApiError::NotFound(NOT_FOUND))?.into();
    if discard(&store, &letter).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound(NOT_FOUND))
    }
}
