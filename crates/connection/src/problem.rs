//! Failures of amoCRM and of the database in the words of an HTTP answer.

use http::StatusCode;
use service_kit::http::Problem;
use store::{StoreError, StoreErrorKind};

use crate::{CrmError, Verdict};

/// How long a caller is asked to wait for our database.
const DATABASE_RETRY_SECONDS: u64 = 2;

/// A failure of the database as the caller is told of it, counted and logged: 503 while sending it again may help.
pub fn store_problem(error: &StoreError) -> Problem {
    let kind = format!("{:?}", error.kind()).to_lowercase();
    metrics::counter!("database_failures_total", "kind" => kind).increment(1);
    if error.is_temporary() {
        // A full disk does not mend itself: somebody has to look.
        if error.kind() == StoreErrorKind::Full {
            tracing::error!("nothing can be stored: {error}");
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

/// A failure of amoCRM as the caller is told of it.
pub fn crm_problem(error: &CrmError) -> Problem {
    if let CrmError::Store(error) = error {
        return store_problem(error);
    }
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
