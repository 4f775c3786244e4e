//! `/dashboard`: how the leads are doing, for the people who live on them; `/api/stats` says the same to programs.
//!
//! The page is rendered here, without scripts. Its figures are sums that the store keeps ([`store::Tallies`]), so a view
//! counts no table, however many leads there are.

mod delays;
mod figures;
mod view;
mod words;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use service_kit::dashboard::Range;
use service_kit::http::{ApiPath, ApiQuery, Problem, Role};

use self::figures::Figures;
use crate::api::{ApiError, AppState};
use crate::dead_letters::{Letter, replay};

/// Where the page is.
pub(crate) const PATH: &str = "/dashboard";

/// Where the page's buttons lead.
pub(crate) const RETRY_PATH: &str = "/dashboard/dead-letters/{id}/retry";

/// The page for people.
pub(crate) async fn page(
    State(state): State<AppState>,
    ApiQuery(range): ApiQuery<Range>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let language = range.language(&headers);
    let days = days(&range)?;
    let figures = Figures::read(&state, days).await?;
    let role = state.config.security.access().role(&headers);
    let may_retry = role >= Some(Role::Operator);
    let frame = view::frame(&state.config, &figures, days, language, may_retry);
    let frame = frame.map_err(|error| {
        tracing::error!("{error}");
        ApiError::from(Problem::internal())
    })?;
    Ok(frame.into_response())
}

/// A button of the page: puts a dead letter back into the queue and shows the page again. One that is no longer there
/// was retried by somebody else, which is as well.
pub(crate) async fn retry(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<i64>,
    ApiQuery(range): ApiQuery<Range>,
) -> Result<Redirect, ApiError> {
    let days = days(&range)?;
    if let Some(letter) = state.store.jobs().dead_letter(id).await? {
        replay(&state.store, &Letter::from(letter)).await?;
    }
    let query = Range::query(days, range.language(&HeaderMap::new()));
    Ok(Redirect::to(&format!("{PATH}?{query}#failed")))
}

/// How the leads of the last days are doing: the figures of the dashboard.
#[utoipa::path(
    get,
    path = "/api/stats",
    tag = "leads",
    params(("days" = Option<u32>, Query, description = "How many days, today included: 1 to 365; 30 by default", example = 30)),
    responses(
        (status = 200, description = "The figures", body = Figures),
        (status = 422, description = "The range is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stats(
    State(state): State<AppState>,
    ApiQuery(range): ApiQuery<Range>,
) -> Result<Json<Figures>, ApiError> {
    let days = days(&range)?;
    Ok(Json(Figures::read(&state, days).await?))
}

fn days(range: &Range) -> Result<u32, ApiError> {
    range.days().map_err(|wrong| ApiError::Fields(vec![wrong]))
}
