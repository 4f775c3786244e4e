//! `PUT /api/leads/{id}/status`: a status set here moves the deal there. `GET /api/leads/{id}/history`: who set which.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use service_kit::http::{ApiPath, ApiQuery, FieldError, Problem};
use store::{StatusChange, StatusChanged, StatusOrigin, Store};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use super::view::{HistoryPage, HistoryView, LeadView};
use crate::crm::Crm;
use crate::lead::LeadStatus;
use crate::worker::Job;

const FORM: &str = "application/x-www-form-urlencoded";

/// Lines of a page unless asked otherwise.
pub(super) const HISTORY_PAGE: u32 = 50;

/// The new status; in the query, or as JSON or a form in the body.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct NewStatus {
    /// One of new, contacted, presentation, selection, reservation, deal, completed, lost.
    #[schema(example = "contacted")]
    status: Option<String>,
}

/// Changes a lead's status and moves its deal.
///
/// The change is durable here at once; the deal follows when amoCRM takes it.
#[utoipa::path(
    put,
    path = "/api/leads/{id}/status",
    tag = "leads",
    params(
        ("id" = i64, Path, description = "The lead's number"),
        ("status" = Option<LeadStatus>, Query, description = "The new status; it may stand in the body instead"),
    ),
    request_body(content(
        (Option<NewStatus> = "application/json"),
        (Option<NewStatus> = "application/x-www-form-urlencoded")
    )),
    responses(
        (status = 200, description = "The lead as it is now", body = LeadView),
        (status = 404, description = "There is no such lead", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The deal was deleted in amoCRM", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There is no such status", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn update(
    State(store): State<Store>,
    State(crm): State<Arc<Crm>>,
    ApiPath(id): ApiPath<i64>,
    ApiQuery(query): ApiQuery<NewStatus>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<LeadView>, ApiError> {
    let status = wanted(query, &headers, &body)?;
    let change = StatusChange {
        status: status.as_str().to_owned(),
        origin: StatusOrigin::Api,
    };
    let job = Job::Move { lead: id, status }.spec()?;
    let row = match store.leads().set_status(id, change, Some(job)).await? {
        StatusChanged::Applied(row) => {
            tracing::info!(lead.id = id, lead.status = %status, "status changed");
            row
        }
        StatusChanged::Unchanged(row) => row,
        StatusChanged::DealGone(_) => {
            return Err(Problem::new(StatusCode::CONFLICT)
                .detail("the lead's deal was deleted in amoCRM, or merged into another: there is nothing to move")
                .into());
        }
        StatusChanged::NotFound => return Err(ApiError::NotFound("there is no such lead")),
    };
    // The change is durable: not knowing the account's address is no reason to say otherwise.
    let site = crm.site().await.unwrap_or_default();
    Ok(Json(LeadView::of(row, &site)))
}

fn wanted(query: NewStatus, headers: &HeaderMap, body: &[u8]) -> Result<LeadStatus, ApiError> {
    let wrong = |message: String| ApiError::Fields(vec![FieldError::new("status", message)]);
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with(FORM));
    let text = match query.status {
        Some(status) => Some(status),
        None if is_form => form_urlencoded::parse(body)
            .find(|(name, _)| name == "status")
            .map(|(_, status)| status.into_owned()),
        None => serde_json::from_slice::<NewStatus>(body)
            .ok()
            .and_then(|body| body.status),
    };
    match text {
        Some(text) => text.parse().map_err(wrong),
        None => Err(wrong(format!(
            "expected ?status=contacted, the JSON body {{\"status\": \"contacted\"}}, or the form status=contacted; {}",
            LeadStatus::words()
        ))),
    }
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Lines {
    /// The `next` of the page before.
    before: Option<i64>,
    /// How many, at most 250; 50 unless given.
    limit: Option<u32>,
}

/// Shows the changes of a lead's status, newest first.
#[utoipa::path(
    get,
    path = "/api/leads/{id}/history",
    tag = "leads",
    params(("id" = i64, Path, description = "The lead's number"), Lines),
    responses(
        (status = 200, description = "A page", body = HistoryPage),
        (status = 404, description = "There is no such lead", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn history(
    State(store): State<Store>,
    ApiPath(id): ApiPath<i64>,
    ApiQuery(lines): ApiQuery<Lines>,
) -> Result<Json<HistoryPage>, ApiError> {
    if store.leads().get(id).await?.is_none() {
        return Err(ApiError::NotFound("there is no such lead"));
    }
    let limit = lines.limit.unwrap_or(HISTORY_PAGE).clamp(1, 250);
    let mut rows = store.leads().history(id, lines.before, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|row| row.id).filter(|_| has_more);
    let history = rows.into_iter().map(HistoryView::from).collect();
    Ok(Json(HistoryPage { history, next }))
}
