//! Why something that a person asked for was not done.

use service_kit::http::FieldError;
use store::StoreError;

/// Why something that a person asked for was not done. The words are the same in the API and on the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperateError {
    /// Fields are wrong.
    #[error("{}", fields(.0))]
    Fields(Vec<FieldError>),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The state of things is in the way.
    #[error("{0}")]
    Conflict(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something of ours.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl OperateError {
    /// One field is wrong.
    pub(crate) fn field(name: &str, message: impl Into<String>) -> Self {
        Self::Fields(vec![FieldError::new(name, message)])
    }
}

fn fields(errors: &[FieldError]) -> String {
    let lines: Vec<_> = errors
        .iter()
        .map(|error| format!("{}: {}", error.field, error.message))
        .collect();
    lines.join("; ")
}
