//! Failures in the words of this API.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use service_kit::http::{FieldError, Problem};
use store::{StoreError, StoreErrorKind};

use crate::crm::{CrmError, Verdict};

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

/// How long a caller is asked to wait for our database.
const DATABASE_RETRY_SECONDS: u64 = 2;

impl ApiError {
    /// The failure as the caller is told of it, counted and logged.
    pub(crate) fn into_problem(self) -> Problem {
        match self {
            Self::Fields(errors) => Problem::fields(errors),
            Self::NotFound(what) => Problem::new(StatusCode::NOT_FOUND).detail(what),
            Self::Crm(CrmError::Store(error)) | Self::Store(error) => store_problem(&error),
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

fn store_problem(error: &StoreError) -> Problem {
    let kind = format!("{:?}", error.kind()).to_lowercase();
    metrics::counter!("database_failures_total", "kind" => kind).increment(1);
    if error.is_temporary() {
        // A full disk does not mend itself: somebody has to look.
        if error.kind() == StoreErrorKind::Full {
            tracing::error!("leads cannot be stored: {error}");
        } else {
            tracing::warn!("the database cannot serve: {error}");
        }
        let detail = match error.kind() {
            StoreErrorKind::Full => {
                "the disk is full: nothing was stored; an operator has to make room, then send it again"
            }
            _ => "the database is away for a moment; send it again, best with an Idempotency-Key",
        };
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail(detail)
            .retry_after(DATABASE_RETRY_SECONDS);
    }
    tracing::error!("the database failed: {error}");
    Problem::internal()
}

fn crm_problem(error: &CrmError) -> Problem {
    let status = match error.verdict() {
        // The state of the connection is in the way, and a person can change it.
        Verdict::Hold => StatusCode::CONFLICT,
        Verdict::Retry(_) if error.is_outage() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    let problem = Problem::new(status).detail(error.to_string());
    match error.verdict() {
        Verdict::Retry(Some(after)) => problem.retry_after(after.as_secs().max(1)),
        _ => problem,
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
