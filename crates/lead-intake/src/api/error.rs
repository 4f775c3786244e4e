//! Failures in the words of this API.

use axum::response::{IntoResponse, Response};
use connection::{CrmError, crm_problem, store_problem};
use http::StatusCode;
use service_kit::http::{FieldError, Problem};
use store::StoreError;

/// What a request can fail with.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// Fields are wrong.
    Fields(Vec<FieldError>),
    /// There is nothing with this number.
    NotFound(&'static str),
    /// amoCRM, the connection to it, or the way there.
    Crm(CrmError),
    /// The database.
    Store(StoreError),
    /// Already a problem body.
    Problem(Box<Problem>),
}

impl From<ApiError> for Problem {
    /// The failure as the caller is told of it, counted and logged.
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Fields(errors) => Self::fields(errors),
            ApiError::NotFound(what) => Self::new(StatusCode::NOT_FOUND).detail(what),
            ApiError::Store(error) => store_problem(&error),
            ApiError::Crm(error) => crm_problem(&error),
            ApiError::Problem(problem) => *problem,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl From<CrmError> for ApiError {
    fn from(error: CrmError) -> Self {
        Self::Crm(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}
