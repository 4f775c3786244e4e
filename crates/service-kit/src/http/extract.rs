//! axum's extractors, refusing with a [`Problem`].

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query};
use http::StatusCode;

use super::{FieldError, Problem};

/// A JSON body.
#[derive(Debug, Clone, Copy, Default, FromRequest)]
#[from_request(via(Json), rejection(Problem))]
pub struct ApiJson<T>(pub T);

/// Query parameters.
#[derive(Debug, Clone, Copy, Default, FromRequestParts)]
#[from_request(via(Query), rejection(Problem))]
pub struct ApiQuery<T>(pub T);

/// Parts of the path.
#[derive(Debug, Clone, Copy, Default, FromRequestParts)]
#[from_request(via(Path), rejection(Problem))]
pub struct ApiPath<T>(pub T);

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match &rejection {
            JsonRejection::JsonDataError(_) => {
                let text = source_text(&rejection);
                // axum's text is "path: message at line 1 column 2", or the message alone for the root.
                let (field, message) = match text.split_once(": ") {
                    Some((field, message)) if !field.contains(' ') => (field, message),
                    _ => ("body", text.as_str()),
                };
                Self::fields(vec![FieldError::new(field, message)])
            }
            JsonRejection::JsonSyntaxError(_) => Self::new(StatusCode::BAD_REQUEST)
                .detail(format!("the body is not JSON: {}", source_text(&rejection))),
            _ => Self::new(rejection.status()).detail(rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status()).detail(source_text(&rejection))
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        // A path such as /leads/abc names nothing we could have.
        Self::new(StatusCode::NOT_FOUND).detail(source_text(&rejection))
    }
}

/// The innermost message: the outer ones are axum's own "Failed to …".
fn source_text(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
