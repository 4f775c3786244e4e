//! Failures in the words of this API.

use axum::response::{IntoResponse, Response};
use connection::{CrmError, crm_problem, store_problem};
use service_kit::http::{FieldError, Problem};
use store::StoreError;

/// What a request can fail with.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// Fields are wrong.
    Fields(Vec<FieldError>),
    /// The database.
    Store(StoreError),
    /// Already a problem body.
    Problem(Box<Problem>),
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Fields(errors) => {
                metrics::counter!("lessons_refused_total").increment(1);
                Self::fields(errors)
            }
            ApiError::Store(error) => store_problem(&error),
            ApiError::Problem(problem) => *problem,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CrmError> for ApiError {
    fn from(error: CrmError) -> Self {
        Self::from(crm_problem(&error))
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}
