//! `DELETE /api/lessons/students`: forgetting a person.

use axum::extract::State;
use http::StatusCode;
use service_kit::http::{ApiQuery, FieldError, Problem};
use store::Store;

use super::ApiError;
use super::progress::Who;
use crate::sync::normalise;

/// Deletes what is known here of whoever has this e-mail.
///
/// Finished lessons, log and dead letters are deleted at once; figures go on adding up. What amoCRM has is deleted there.
#[utoipa::path(
    delete,
    path = "/api/lessons/students",
    tag = "lessons",
    params(Who),
    responses(
        (status = 204, description = "The person is forgotten"),
        (status = 404, description = "Nobody has this e-mail", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The e-mail is none", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn erase(
    State(store): State<Store>,
    ApiQuery(who): ApiQuery<Who>,
) -> Result<StatusCode, ApiError> {
    let email = normalise(&who.email).ok_or_else(|| {
        ApiError::Fields(vec![FieldError::new("email", "expected an e-mail address")])
    })?;
    if store.lessons().erase(&email).await? {
        tracing::info!("a student was forgotten");
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(StatusCode::NOT_FOUND)
        .detail("nobody is known by this e-mail")
        .into())
}
