//! `/api/stats`: the figures of the page, for programs.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use service_kit::http::{ApiQuery, Problem};
use utoipa::IntoParams;

use super::error::ApiError;
use crate::operate::{Desk, Figures, OperateError};

const MAX_DAYS: u32 = 366;

/// Which range.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// How many days, 1 to 366; 1 unless given.
    days: Option<u32>,
}

/// How the gateway is doing: what came, what went, lags, queues.
#[utoipa::path(
    get,
    path = "/api/stats",
    tag = "events",
    params(Range),
    responses(
        (status = 200, description = "The figures", body = Figures),
        (status = 422, description = "The range is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stats(
    State(desk): State<Desk>,
    ApiQuery(range): ApiQuery<Range>,
) -> Result<Json<Figures>, ApiError> {
    let days = range.days.unwrap_or(1);
    if !(1..=MAX_DAYS).contains(&days) {
        let expected = format!("expected a number of days from 1 to {MAX_DAYS}");
        return Err(OperateError::field("days", expected).into());
    }
    Ok(Json(desk.figures(days).await?))
}
