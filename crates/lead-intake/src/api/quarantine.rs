//! `/api/quarantine`: what was put aside, for a person to decide about.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::http::{ApiPath, ApiQuery, Problem};
use store::{Store, Suspect};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use super::leads::new_row;
use super::view::LeadView;
use crate::crm::Crm;
use crate::lead::LeadForm;
use crate::worker::Job;

/// Submissions on a page unless asked otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 250;
const GONE: ApiError = ApiError::NotFound("there is no such submission; it may have been released");

/// Which submissions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// The `next` of the page before.
    after: Option<i64>,
    /// How many, at most 250; 50 unless given.
    limit: Option<u32>,
}

/// A submission that was put aside.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct SuspectView {
    /// Its number.
    pub id: i64,
    /// Why it was put aside.
    pub reason: String,
    /// What was submitted.
    #[schema(value_type = Object)]
    pub submission: Value,
    /// When it came.
    pub created_at: DateTime<Utc>,
}

impl From<Suspect> for SuspectView {
    fn from(suspect: Suspect) -> Self {
        Self {
            id: suspect.id,
            reason: suspect.reason,
            submission: suspect.payload,
            created_at: suspect.created_at,
        }
    }
}

/// A page of submissions that were put aside.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct SuspectPage {
    /// The submissions, newest first.
    pub suspects: Vec<SuspectView>,
    /// Give it as `after` to get the next page; `null` at the end.
    pub next: Option<i64>,
}

/// Lists submissions that look like a machine's, newest first.
#[utoipa::path(
    get,
    path = "/api/quarantine",
    tag = "leads",
    params(Page),
    responses((status = 200, description = "A page", body = SuspectPage))
)]
pub(crate) async fn list(
    State(store): State<Store>,
    ApiQuery(page): ApiQuery<Page>,
) -> Result<Json<SuspectPage>, ApiError> {
    let limit = page.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let mut found = store.quarantine().list(page.after, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|last| last.id).filter(|_| has_more);
    let suspects = found.into_iter().map(SuspectView::from).collect();
    Ok(Json(SuspectPage { suspects, next }))
}

/// Makes a submission the lead that it is after all, and delivers it.
#[utoipa::path(
    post,
    path = "/api/quarantine/{id}/release",
    tag = "leads",
    params(("id" = i64, Path, description = "The submission's number")),
    responses(
        (status = 200, description = "The lead", body = LeadView),
        (status = 404, description = "There is no such submission", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn release(
    State(store): State<Store>,
    State(crm): State<Arc<Crm>>,
    ApiPath(id): ApiPath<i64>,
) -> Result<Json<LeadView>, ApiError> {
    let quarantine = store.quarantine();
    let suspect = quarantine.get(id).await?.ok_or(GONE)?;
    let form: LeadForm =
        serde_json::from_value(suspect.payload).map_err(|_| ApiError::from(Problem::internal()))?;
    let account = crm.account_name().await?.unwrap_or_default();
    let new = new_row(suspect.intake_id, form, account)?;
    let released = quarantine.release(id, new, Job::delivery()).await?;
    let row = released.ok_or(GONE)?;
    metrics::counter!("leads_accepted_total").increment(1);
    tracing::info!(
        lead.id = row.id,
        suspect.id = id,
        "lead released from quarantine"
    );
    let site = crm.site().await.unwrap_or_default();
    Ok(Json(LeadView::of(row, &site)))
}

/// Throws a submission away.
#[utoipa::path(
    delete,
    path = "/api/quarantine/{id}",
    tag = "leads",
    params(("id" = i64, Path, description = "The submission's number")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such submission", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn discard(
    State(store): State<Store>,
    ApiPath(id): ApiPath<i64>,
) -> Result<StatusCode, ApiError> {
    if store.quarantine().discard(id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(GONE)
    }
}
