//! Failures in the words of this API.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use service_kit::http::Problem;
use store::{StoreError, StoreErrorKind};

use crate::operate::OperateError;

/// How long a caller is asked to wait for our database.
const DATABASE_RETRY_SECONDS: u64 = 2;

/// What a request can fail with.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Problem>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<OperateError> for ApiError {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::Fields(errors) => Problem::fields(errors).into(),
            OperateError::NotFound(what) => Problem::new(StatusCode::NOT_FOUND).detail(what).into(),
            OperateError::Conflict(why) => Problem::new(StatusCode::CONFLICT).detail(why).into(),
            OperateError::Store(error) => error.into(),
            OperateError::Internal(error) => {
                tracing::error!("something failed: {error:#}");
                Problem::internal().into()
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let kind = format!("{:?}", error.kind()).to_lowercase();
        metrics::counter!("database_failures_total", "kind" => kind).increment(1);
        if !error.is_temporary() {
            tracing::error!("the database failed: {error}");
            return Problem::internal().into();
        }
        let is_full = error.kind() == StoreErrorKind::Full;
        // A full disk does not mend itself: somebody has to look.
        if is_full {
            tracing::error!("nothing can be stored: {error}");
        } else {
            tracing::warn!("the database cannot serve: {error}");
        }
        let detail = if is_full {
            "the disk is full: nothing was stored; an operator has to make room"
        } else {
            "the database is away for a moment; send it again"
        };
        Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail(detail)
            .retry_after(DATABASE_RETRY_SECONDS)
            .into()
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}
