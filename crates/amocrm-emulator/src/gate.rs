//! What every request to the CRM goes through, in order: journal, faults, limits, host; then the handler; then webhooks.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::DateTime;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::{self, DropConnection};
use crate::api::short_links;
use crate::app::App;
use crate::auth;
use crate::faults::FaultKind;
use crate::hosts::{CHATS_PREFIX, DOWNLOAD_PREFIX, DRIVE_PREFIX, Site, Target};
use crate::journal::JournalEntry;
use crate::limits::{Verdict, throttled};
use crate::oauth::{TOKEN_PATH, TokenRequest, TokenSelector};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// More than any token request has.
const TOKEN_BODY_LIMIT: usize = 1 << 20;
/// Who is counted by the limiter when no integration can be told.
const UNKNOWN_CLIENT: &str = "unknown";

/// The middleware around all routes but the control API.
pub(crate) async fn pass(State(app): State<App>, mut request: Request, next: Next) -> Response {
    // First of all: what the limiter and the tests judge by is the moment of arrival.
    let (seq, arrival) = app.journal().open(first_entry(&app, &request));
    let site = app.with_world(|world| Site::of(&request, world));
    app.journal().amend(seq, |entry| {
        entry.host.clone_from(&site.authority);
        entry.source = site.source();
    });
    request.extensions_mut().insert(site.clone());
    // A task of its own: amoCRM finishes what it has begun when the client hangs up, and so does the emulator.
    let task = tokio::spawn({
        let app = app.clone();
        async move {
            let response = handle(app.clone(), seq, arrival, site, request, next).await;
            let is_dropped = response.extensions().get::<DropConnection>().is_some();
            app.journal().close(
                seq,
                arrival,
                (!is_dropped).then(|| response.status().as_u16()),
            );
            response
        }
    });
    let mut response = task.await.unwrap_or_else(|_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        app.journal().close(seq, arrival, Some(status.as_u16()));
        answer::problem(status, "Internal error")
    });
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    // The server below would tell the machine's time, which is not that of this account.
    let date = DateTime::from_timestamp(app.clock().now(), 0)
        .map(|now| now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Some(Ok(date)) = date.map(HeaderValue::try_from) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

async fn handle(
    app: App,
    seq: u64,
    arrival: Instant,
    site: Site,
    request: Request,
    next: Next,
) -> Response {
    let (request, caller) = match identify(&app, &site, request).await {
        Ok(identified) => identified,
        Err(response) => return response,
    };
    app.journal().amend(seq, |entry| caller.describe(entry));
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
    let faults = app
        .faults()
        .strike_request(request.method(), request.uri().path());
    if !faults.is_empty() {
        let names: Vec<&str> = faults.iter().map(FaultKind::name).collect();
        app.journal()
            .amend(seq, |entry| entry.fault = Some(names.join(",")));
    }
    for fault in &faults {
        if let Some(response) = apply_before(&app, &caller, fault).await {
            return response;
        }
    }
    // Nobody throttles the page a person reads; every call of a program pays, except those of the chat service, which has no token and
    // no documented limit.
    let path = request.uri().path();
    if !is_for_people(path) && !path.starts_with(CHATS_PREFIX) {
        match app.limiter().judge(
            caller.account_id,
            caller.client_id.as_deref().unwrap_or(UNKNOWN_CLIENT),
            arrival,
        ) {
            Verdict::Admitted => {}
            Verdict::Throttled => return app.limiter().settings().throttled(),
            Verdict::Blocked => return answer::block_page(),
        }
    }
    if let Some(response) = refuse_host(&app, &site, &request) {
        return response;
    }
    let response = next.run(request).await;
    app.deliver_events();
    if is_write {
        // A refused write has changed nothing; where it has, the handler said so.
        if !response.status().is_client_error() {
            app.mark_changed();
        }
        app.saved().await;
    }
    apply_after(&faults, response).await
}

/// The consent page and opened short links.
fn is_for_people(path: &str) -> bool {
    path.trim_end_matches('/').ends_with("/oauth") || path.starts_with(short_links::OPEN)
}

/// Whom a request belongs to, as far as it says so itself.
#[derive(Debug)]
struct Caller {
    account_id: u64,
    client_id: Option<String>,
    token_id: Option<String>,
    grant_type: Option<String>,
}

impl Caller {
    fn describe(&self, entry: &mut JournalEntry) {
        entry.account_id = Some(self.account_id);
        entry.client_id.clone_from(&self.client_id);
        entry.token_id.clone_from(&self.token_id);
        entry.grant_type.clone_from(&self.grant_type);
    }
}

/// Reads the bearer token or, at the token endpoint, the body.
async fn identify(app: &App, site: &Site, request: Request) -> Result<(Request, Caller), Response> {
    if request.uri().path() == TOKEN_PATH {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, TOKEN_BODY_LIMIT).await;
        let body = body.map_err(|_| {
            answer::problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The request body is too large",
            )
        })?;
        let TokenRequest {
            client_id,
            grant_type,
            ..
        } = TokenRequest::parse(&body);
        let account_id = app.with_world(|world| {
            let owns = |id: &str| {
                world
                    .accounts
                    .iter()
                    .find(|account| account.integrations.iter().any(|it| it.client_id == id))
            };
            let by_client = client_id
                .as_deref()
                .and_then(owns)
                .map(|account| account.id);
            site.account_id()
                .or(by_client)
                .or(world.accounts.first().map(|account| account.id))
                .unwrap_or_default()
        });
        // Only known words go into the journal: what a client sends by mistake could be a secret.
        let grant_type = grant_type
            .filter(|grant| matches!(grant.as_str(), "authorization_code" | "refresh_token"));
        let client_id = client_id.filter(|id| is_registered(app, id));
        let caller = Caller {
            account_id,
            client_id,
            token_id: None,
            grant_type,
        };
        return Ok((Request::from_parts(parts, Body::from(body)), caller));
    }
    let caller = app.with_world(|world| {
        let owner = auth::bearer(request.headers()).and_then(|token| world.oauth.identify(token));
        let owner = owner.map(|(token_id, grant)| Caller {
            account_id: grant.account_id,
            client_id: Some(grant.client_id.clone()),
            token_id: Some(token_id.to_owned()),
            grant_type: None,
        });
        owner.unwrap_or_else(|| {
            let first = world.accounts.first().map(|account| account.id);
            let account_id = site.account_id().or(first).unwrap_or_default();
            Caller {
                account_id,
                client_id: None,
                token_id: None,
                grant_type: None,
            }
        })
    });
    Ok((request, caller))
}

fn is_registered(app: &App, client_id: &str) -> bool {
    app.with_world(|world| {
        world
            .accounts
            .iter()
            .flat_map(|account| &account.integrations)
            .any(|it| it.client_id == client_id)
    })
}

/// What a fault does before the request is handled; an answer ends it.
async fn apply_before(app: &App, caller: &Caller, fault: &FaultKind) -> Option<Response> {
    match fault {
        FaultKind::Throttle { html, retry_after } => Some(throttled(*html, *retry_after)),
        FaultKind::Block => Some(answer::block_page()),
        FaultKind::ServerError { status } => {
            let status = server_status(*status, StatusCode::INTERNAL_SERVER_ERROR);
            let body = json!({
                "title": "ErrInternalServer",
                "status": status.as_u16(),
                "detail": "Internal server error",
                "trace_id": Uuid::new_v4().simple().to_string(),
            });
            Some(answer::problem_body(status, &body))
        }
        FaultKind::HtmlError { status } => Some(answer::gateway_page(server_status(
            *status,
            StatusCode::BAD_GATEWAY,
        ))),
        FaultKind::Refuse { place } => {
            let body = json!({
                "validation-errors": [{
                    "request_id": "0",
                    "errors": [{"code": "NotSupportedChoice", "path": place, "detail": "The value is not supported."}],
                }],
                "title": "Bad Request",
                "type": "https://httpstatus.es/400",
                "status": 400,
                "detail": "Request validation failed",
            });
            Some(answer::problem_body(StatusCode::BAD_REQUEST, &body))
        }
        FaultKind::Slow { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            None
        }
        FaultKind::DropBefore => Some(answer::dropped()),
        FaultKind::ExpireToken => {
            if let Some(token_id) = caller.token_id.clone() {
                let selector = TokenSelector {
                    token_id: Some(token_id),
                    ..TokenSelector::default()
                };
                let now = app.clock().now();
                app.with_world(|world| world.oauth.expire_access(&selector, now));
                app.mark_changed();
            }
            None
        }
        FaultKind::SlowAnswer { .. }
        | FaultKind::DropAfterCommit
        | FaultKind::Malformed
        | FaultKind::DuplicateWebhook
        | FaultKind::ReorderWebhooks => None,
    }
}

/// What a fault does to an answer.
async fn apply_after(faults: &[FaultKind], response: Response) -> Response {
    for fault in faults {
        if let FaultKind::SlowAnswer { ms } = fault {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
        }
    }
    if faults.contains(&FaultKind::DropAfterCommit) {
        return answer::dropped();
    }
    if !faults.contains(&FaultKind::Malformed) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body.slice(..body.len() / 2)))
}

fn server_status(status: u16, otherwise: StatusCode) -> StatusCode {
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| status.as_u16() >= 200)
        .unwrap_or(otherwise)
}

/// Hosts that are nobody's account, or a service that is not here.
fn refuse_host(app: &App, site: &Site, request: &Request) -> Option<Response> {
    match site.target {
        Target::AnyAccount | Target::Account(_) | Target::Www | Target::SharedApi => None,
        Target::Drive => not_among(request, &[DRIVE_PREFIX, DOWNLOAD_PREFIX]),
        Target::Chats => not_among(request, &[CHATS_PREFIX]),
        Target::Nobody => {
            let status = app.oauth_rules().unknown_account_status;
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
            let path = request.uri().path();
            if !["/api/", "/oauth2/", "/v3/"]
                .iter()
                .any(|prefix| path.starts_with(prefix))
            {
                return Some(answer::gateway_page(StatusCode::NOT_FOUND));
            }
            let mut body = answer::problem_document(status, "Account not found");
            body["errors"] = json!([{ "code": 101, "title": "Account not found" }]);
            Some(answer::problem_body(status, &body))
        }
    }
}

/// What a host of another service says to paths it does not have.
fn not_among(request: &Request, prefixes: &[&str]) -> Option<Response> {
    let path = request.uri().path();
    let is_known = prefixes.iter().any(|prefix| path.starts_with(prefix));
    (!is_known).then(|| answer::problem(StatusCode::NOT_FOUND, "Not Found"))
}

fn first_entry(app: &App, request: &Request) -> JournalEntry {
    let path = request.uri().path();
    let is_api = path.starts_with("/api/") || path.starts_with(DRIVE_PREFIX);
    JournalEntry {
        at: seconds(app.clock().now_ms()),
        method: request.method().to_string(),
        path: path.to_owned(),
        query: request
            .uri()
            .query()
            .filter(|_| is_api)
            .unwrap_or_default()
            .to_owned(),
        ..JournalEntry::default()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this era are exact in a double"
)]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
