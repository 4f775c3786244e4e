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

impl ApiError {
    /// The failure as the caller is told of it, counted and logged.
    pub(crate) fn into_problem(self) -> Problem {
        match self {
            Self::Fields(errors) => Problem::fields(errors),
            Self::NotFound(what) => Problem::new(StatusCode::NOT_FOUND).detail(what),
            Self::Store(error) => store_problem(&error),
            Self::Crm(error) => crm_problem(&error),
            Self::Problem(problem) => *problem,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.into_problem().into_response()
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
