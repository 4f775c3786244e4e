//! `PUT /api/leads/{id}/status`: a status set here moves the deal there.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use service_kit::clock::SharedClock;
use service_kit::http::{ApiPath, ApiQuery, FieldError, Problem};
use store::{StatusChange, StatusChanged, StatusOrigin, Store};
use utoipa::ToSchema;

use super::error::ApiError;
use super::view::LeadView;
use crate::crm::{Crm, Mapping};
use crate::lead::LeadStatus;
use crate::worker::Job;

/// The new status; in the query or in a JSON body.
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
    request_body(content = Option<NewStatus>, content_type = "application/json"),
    responses(
        (status = 200, description = "The lead as it is now", body = LeadView),
        (status = 404, description = "There is no such lead", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There is no such status", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn update(
    State(store): State<Store>,
    State(crm): State<Arc<Crm>>,
    State(clock): State<SharedClock>,
    ApiPath(id): ApiPath<i64>,
    ApiQuery(query): ApiQuery<NewStatus>,
    body: Bytes,
) -> Result<Json<LeadView>, ApiError> {
    let status = wanted(query, &body)?;
    // The stage lets the webhook that echoes this change be recognised.
    let stage = Mapping::last_known(&crm)
        .await?
        .and_then(|mapping| mapping.stages.stage(status));
    let change = StatusChange {
        status: status.as_str().to_owned(),
        amo_status_id: stage.and_then(|(_, id)| i64::try_from(id.get()).ok()),
        // A closing stage is that of the deal's own pipeline, whichever it is.
        amo_pipeline_id: None,
        changed_at: clock.now(),
        origin: StatusOrigin::Api,
    };
    let job = Job::Move { lead: id, status }.spec()?;
    let row = match store.leads().set_status(id, change, Some(job)).await? {
        StatusChanged::Applied(row) => {
            tracing::info!(lead.id = id, lead.status = %status, "status changed");
            row
        }
        StatusChanged::Unchanged(row) | StatusChanged::Stale(row) | StatusChanged::Echo(row) => row,
        StatusChanged::NotFound => return Err(ApiError::NotFound("there is no such lead")),
    };
    // The change is durable: not knowing the account's address is no reason to say otherwise.
    let site = crm.site().await.unwrap_or_default();
    Ok(Json(LeadView::of(row, &site)))
}

fn wanted(query: NewStatus, body: &[u8]) -> Result<LeadStatus, ApiError> {
    let wrong = |message: String| ApiError::Fields(vec![FieldError::new("status", message)]);
    let text = match query.status {
        Some(status) => status,
        None if body.is_empty() => {
            return Err(wrong(
                "expected ?status=contacted, or a JSON body".to_owned(),
            ));
        }
        None => serde_json::from_slice::<NewStatus>(body)
            .ok()
            .and_then(|body| body.status)
            .ok_or_else(|| {
                wrong("expected a JSON body such as {\"status\": \"contacted\"}".to_owned())
            })?,
    };
    text.parse().map_err(wrong)
}
