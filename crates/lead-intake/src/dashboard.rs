//! `/dashboard`: how the leads are doing, for the people who live on them; `/api/stats` says the same to programs.
//!
//! The page is rendered here, without scripts. Its figures are sums that the store keeps ([`store::Tallies`]), so a view
//! counts no table, however many leads there are.

mod figures;
mod periods;
mod view;
mod words;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use service_kit::http::Language;
use service_kit::http::{ApiPath, ApiQuery, FieldError, Problem};

use self::figures::Figures;
use crate::api::{ApiError, AppState};
use crate::dead_letters::{Letter, replay};

/// Where the page is.
pub(crate) const PATH: &str = "/dashboard";

/// Where the page's buttons lead.
pub(crate) const RETRY_PATH: &str = "/dashboard/dead-letters/{id}/retry";

/// The ranges that the page links to.
const RANGES: [u32; 4] = [7, 30, 90, 365];
const DEFAULT_DAYS: u32 = 30;
const MAX_DAYS: u32 = 365;

/// What is shown.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Range {
    /// How many days.
    days: Option<String>,
    /// In which language.
    lang: Option<String>,
}

impl Range {
    fn days(&self) -> Result<u32, ApiError> {
        let Some(text) = self.days.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(DEFAULT_DAYS);
        };
        text.trim()
            .parse()
            .ok()
            .filter(|days| (1..=MAX_DAYS).contains(days))
            .ok_or_else(|| {
                let expected = format!("expected a number of days from 1 to {MAX_DAYS}");
                ApiError::Fields(vec![FieldError::new("days", expected)])
            })
    }
}

/// The page for people.
pub(crate) async fn page(
    State(state): State<AppState>,
    ApiQuery(range): ApiQuery<Range>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let language = Language::of_request(range.lang.as_deref(), &headers);
    let days = range.days()?;
    let figures = Figures::read(&state, days).await?;
    let frame = view::frame(&state.config, &figures, days, language).map_err(|error| {
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
    let days = range.days()?;
    if let Some(letter) = state.store.jobs().dead_letter(id).await? {
        replay(&state.store, &Letter::from(letter)).await?;
    }
    let headers = HeaderMap::new();
    let language = Language::of_request(range.lang.as_deref(), &headers).code();
    Ok(Redirect::to(&format!(
        "{PATH}?lang={language}&days={days}#failed"
    )))
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
    let days = range.days()?;
    Ok(Json(Figures::read(&state, days).await?))
}
