//! Errors of the chats service, which has a form of its own.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::json;

use crate::problem::Violations;

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct ChatProblem {
    status: StatusCode,
    kind: &'static str,
    description: String,
}

impl ChatProblem {
    /// The signature is not the one of this request and channel, or too old.
    pub(super) fn signature() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "ORIGIN_INVALID_SIGNATURE",
            "invalid signature",
        )
    }

    /// Something the request names is not there. Only the word for signatures is documented; these two follow its form.
    pub(super) fn not_found(description: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", description)
    }

    pub(super) fn invalid(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", description)
    }

    /// What a reader complained about.
    pub(super) fn check(violations: &Violations) -> Result<(), Self> {
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Self::invalid(violations.describe()))
        }
    }

    fn new(status: StatusCode, kind: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            description: description.into(),
        }
    }
}

impl IntoResponse for ChatProblem {
    fn into_response(self) -> Response {
        let document = json!({
            "status": 0,
            "error_code": self.status.as_u16(),
            "error_type": self.kind,
            "error_description": self.description,
        });
        let mut response = (self.status, document.to_string()).into_response();
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
