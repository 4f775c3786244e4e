//! Writing down who is about to change what, before it is done.

use std::error::Error;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use http::{HeaderName, Method, StatusCode};

use super::{Problem, Role};

/// How long a caller is asked to wait for the log.
const RETRY_SECONDS: u64 = 2;
/// Parameters of routes that are numbers or names of ours. The others may be anything: a secret, a person's address.
const PLAIN_PARAMETERS: [&str; 3] = ["{id}", "{name}", "{action}"];
/// The longest number or name.
const MAX_PARAMETER: usize = 64;

/// A request that is about to change something, without what it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedRequest {
    /// Whose token it has.
    pub role: Role,
    /// Its method.
    pub method: Method,
    /// The route's pattern.
    pub route: String,
    /// The path without its query, and without what might be a secret or personal data.
    pub path: String,
    /// The id that joins it with its answer and with our log.
    pub request_id: Option<String>,
}

/// Where requests are written down. What keeps them is the service's: here is no database.
pub trait AuditLog: Send + Sync + 'static {
    /// Returns once the line is durable.
    fn append(
        &self,
        request: AuditedRequest,
    ) -> BoxFuture<'_, Result<(), Box<dyn Error + Send + Sync>>>;
}

/// Whether a request of this method changes something.
pub(super) fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Writes the request down, or says that it cannot be done now.
pub(super) async fn write_down(
    log: &Arc<dyn AuditLog>,
    request: AuditedRequest,
) -> Result<(), Response> {
    let role = request.role;
    let Err(error) = log.append(request).await else {
        return Ok(());
    };
    metrics::counter!("audit_failures_total").increment(1);
    tracing::error!(
        role = role.as_str(),
        "nothing is changed while the audit log cannot be written: {error}"
    );
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail("what is changed here is written down first, which cannot be done now: nothing was changed; send it again")
        .retry_after(RETRY_SECONDS)
        .into_response())
}

/// What is written about a request.
pub(super) fn audited(
    role: Role,
    route: &MatchedPath,
    request: &Request,
    id_header: &HeaderName,
) -> AuditedRequest {
    let request_id = request.headers().get(id_header);
    AuditedRequest {
        role,
        method: request.method().clone(),
        route: route.as_str().to_owned(),
        path: shown_path(route.as_str(), request.uri().path()),
        request_id: request_id
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned),
    }
}

/// The path with the pattern in the place of what is not plainly a number or a name of ours.
fn shown_path(pattern: &str, path: &str) -> String {
    let mut given = path.split('/');
    let shown: Vec<_> = pattern
        .split('/')
        .map(|part| {
            let value = given.next().unwrap_or_default();
            if PLAIN_PARAMETERS.contains(&part) && is_plain(value) {
                value
            } else {
                part
            }
        })
        .collect();
    shown.join("/")
}

fn is_plain(value: &str) -> bool {
    (1..=MAX_PARAMETER).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_numbers_and_names_are_written_down() {
        for (pattern, path, shown) in [
            (
                "/api/leads/{id}/status",
                "/api/leads/7/status",
                "/api/leads/7/status",
            ),
            (
                "/api/leads/{id}",
                "/api/leads/ivan@example.ru",
                "/api/leads/{id}",
            ),
            (
                "/api/leads/{id}",
                "/api/leads/%2B79001234567",
                "/api/leads/{id}",
            ),
            ("/hooks/{secret}", "/hooks/abcdef", "/hooks/{secret}"),
            ("/s/{name}/{action}", "/s/crm-1/pause", "/s/crm-1/pause"),
            ("/docs/{*rest}", "/docs/a/b", "/docs/{*rest}"),
        ] {
            assert_eq!(shown_path(pattern, path), shown, "{path}");
        }
    }
}
