//! Who has changed what: the store's audit log behind the guard of the routes, on the command line, and at `/api/audit`.

use std::error::Error;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiQuery, AuditLog, AuditedRequest, Problem, Route};
use store::{AuditEntry, NewAuditEntry, Store, StoreError};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::store_problem;

/// Requests that change something though they only ask: whoever begins a consent decides which account is connected.
pub const AUDITED_READS: &[Route] = &[("GET", "/api/auth/amo")];

/// Lines on a page unless asked otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 250;

/// The store's log, for [`RouteGuard::audit`](service_kit::http::RouteGuard::audit).
pub fn audit_log(store: &Store) -> Arc<dyn AuditLog> {
    Arc::new(StoreLog(store.clone()))
}

/// Writes down that a command is about to change something, `about` something or nothing in particular. What
/// cannot be written down is not done.
///
/// # Errors
///
/// When the database cannot store it.
pub async fn audit_command(store: &Store, name: &str, about: &str) -> Result<(), StoreError> {
    let entry = NewAuditEntry::command(name, about);
    store.audit().append(entry).await.map(drop)
}

/// `GET /api/audit`. Whatever state the service's own routes have, this brings its own.
pub fn audit_routes<S: Clone + Send + Sync + 'static>(store: &Store) -> OpenApiRouter<S> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .with_state(store.clone())
}

struct StoreLog(Store);

impl AuditLog for StoreLog {
    fn append(
        &self,
        request: AuditedRequest,
    ) -> BoxFuture<'_, Result<(), Box<dyn Error + Send + Sync>>> {
        let entry = NewAuditEntry {
            role: request.role.as_str().to_owned(),
            method: request.method.as_str().to_owned(),
            route: request.route,
            path: request.path,
            request_id: request.request_id,
        };
        Box::pin(async move {
            self.0.audit().append(entry).await?;
            Ok(())
        })
    }
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Lines {
    /// The `next` of the page before.
    before: Option<i64>,
    /// How many, at most 250; 50 unless given.
    limit: Option<u32>,
}

/// Somebody was about to change something.
#[derive(Debug, Serialize, ToSchema)]
struct AuditView {
    /// Its number.
    id: i64,
    /// When.
    at: DateTime<Utc>,
    /// What he proved to be: viewer, operator, admin, or command line.
    #[schema(example = "operator")]
    role: String,
    /// The method; RUN for a command.
    #[schema(example = "POST")]
    method: String,
    /// The route's pattern, or the command.
    #[schema(example = "/api/dead-letters/{id}/retry")]
    route: String,
    /// The path without its query, or the command with what it is about.
    #[schema(example = "/api/dead-letters/7/retry")]
    path: String,
    /// The request's id, which is in its answer (X-Request-Id) and in the log.
    request_id: Option<String>,
}

impl From<AuditEntry> for AuditView {
    fn from(line: AuditEntry) -> Self {
        let entry = line.entry;
        Self {
            id: line.id,
            at: line.at,
            role: entry.role,
            method: entry.method,
            route: entry.route,
            path: entry.path,
            request_id: entry.request_id,
        }
    }
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
struct AuditPage {
    /// The lines, newest first.
    entries: Vec<AuditView>,
    /// Give it as `before` to get the next page; `null` at the end.
    next: Option<i64>,
}

/// Shows who was about to change what, newest first.
///
/// A line is written before the change is made; whether it was made is told by the answer, which the log has under the
/// same request id. Lines are never rewritten, and kept for 365 days.
#[utoipa::path(
    get,
    path = "/api/audit",
    tag = "audit",
    params(Lines),
    responses(
        (status = 200, description = "A page", body = AuditPage),
        (status = 403, description = "Only administrators see it", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list(State(store): State<Store>, ApiQuery(lines): ApiQuery<Lines>) -> Response {
    let limit = lines.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let mut found = match store.audit().list(lines.before, limit + 1).await {
        Ok(found) => found,
        Err(error) => return store_problem(&error).into_response(),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|last| last.id).filter(|_| has_more);
    let entries = found.into_iter().map(AuditView::from).collect();
    Json(AuditPage { entries, next }).into_response()
}
