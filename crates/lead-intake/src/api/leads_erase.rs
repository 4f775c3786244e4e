//! `DELETE /api/leads/{id}`: forgetting a person.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use service_kit::http::{ApiPath, Problem};
use store::{Erased, Store};

use super::error::ApiError;
use crate::crm::Crm;
use crate::worker::lane;

/// Deletes what is known here of a lead's person.
///
/// Name, phone, e-mail and everything that the person has written are deleted at once; number, status, marks and
/// history stay, so that figures go on adding up. What amoCRM has is deleted there.
#[utoipa::path(
    delete,
    path = "/api/leads/{id}",
    tag = "leads",
    params(("id" = i64, Path, description = "The lead's number")),
    responses(
        (status = 204, description = "The person is forgotten"),
        (status = 404, description = "There is no such lead", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The lead is on its way to amoCRM", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn erase(
    State(store): State<Store>,
    State(crm): State<Arc<Crm>>,
    ApiPath(id): ApiPath<i64>,
) -> Result<StatusCode, ApiError> {
    let account = crm.account_name().await?.unwrap_or_default();
    match store.leads().erase(id, &account, lane).await? {
        Erased::Done => {
            tracing::info!(lead.id = id, "the person was forgotten");
            Ok(StatusCode::NO_CONTENT)
        }
        Erased::NotFound => Err(ApiError::NotFound("there is no such lead")),
        Erased::Busy => Err(Problem::new(StatusCode::CONFLICT)
            .detail("the lead is on its way to amoCRM; try again once it has been delivered")
            .retry_after(60)
            .into()),
    }
}
