//! The address that amoCRM posts to.

use std::error::Error as _;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Extensions, HeaderMap, StatusCode, header};
use http_body_util::LengthLimitError;
use service_kit::http::{Problem, WEBHOOK_BODY_LIMIT};
use store::{StoreError, StoreErrorKind};
use tokio::time::Instant;

use super::reading::{JSON, Reading, media_type};
use super::{Arrived, Intake, Receipt};
use crate::account::Account;

/// amoCRM waits two seconds (`01-auth-limits-webhooks.md` §6.9); after this we ask it to come again.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);
/// How long a body may take to come. Whoever takes longer than amoCRM waits is not amoCRM.
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// When amoCRM is asked to come again; it has a schedule of its own.
const RETRY_AFTER_SECONDS: u64 = 5;
/// The name of a request; whether repeats have the same is not documented.
const REQUEST_ID: &str = "x-amocrm-requestid";
/// Longest headers that are kept.
const MAX_HEADER: usize = 128;
/// What amoCRM sends.
const FORM: &str = "application/x-www-form-urlencoded";

/// Takes a webhook of amoCRM.
///
/// Its form body, or the same as JSON. The last segment of the address is the account's secret: amoCRM signs nothing. The
/// body is kept byte for byte, and its events and their deliveries are stored with it before the answer, which comes
/// within two seconds whatever the subscribers do. A body that cannot be read is kept, answered with 200 and shown as such;
/// an item that cannot be read costs none of those beside it.
///
/// The same is done at `/api/webhooks/amo/{secret}` and `/webhook/amocrm/{secret}`, and at `/api/webhooks/amo`,
/// `/webhook/amocrm` and `/webhooks/amocrm` with `?secret=`.
#[utoipa::path(
    post,
    path = "/webhooks/amocrm/{secret}",
    tag = "webhooks",
    params(("secret" = String, Path, description = "The account's secret")),
    request_body(content(
        (String = "application/x-www-form-urlencoded"),
        (Object = "application/json")
    )),
    responses(
        (status = 200, description = "Stored", body = Receipt),
        (status = 404, description = "The secret is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body took too long", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is longer than 1 MiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Neither a form nor JSON, or compressed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not stored; send it again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn receive(
    State(intake): State<Intake>,
    Path(secret): Path<String>,
    request: Request,
) -> Response {
    answer(&intake, Some(&secret), request).await
}

/// The same with the secret in the query.
pub(crate) async fn receive_query(
    State(intake): State<Intake>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let secret = query.as_deref().and_then(secret_of);
    answer(&intake, secret.as_deref(), request).await
}

fn secret_of(query: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "secret")
        .map(|(_, value)| value.into_owned())
}

async fn answer(intake: &Intake, secret: Option<&str>, request: Request) -> Response {
    let started = Instant::now();
    let Some(account) = find(intake, secret, request.headers(), request.extensions()) else {
        return nothing_here().into_response();
    };
    let taken = take(intake, account, request).await;
    metrics::histogram!("gateway_answer_seconds", "account" => account.name.clone())
        .record(started.elapsed().as_secs_f64());
    match taken {
        Ok(receipt) => Json(receipt).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// The account of the address. A wrong one is told by the same answer as an address that does not exist.
pub(super) fn find<'a>(
    intake: &'a Intake,
    secret: Option<&str>,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Option<&'a Account> {
    // Without a secret the same work is done as with a wrong one.
    let found = intake.accounts.find(secret.unwrap_or_default());
    if found.is_none() {
        refuse("secret");
        let client = intake.proxies.client(extensions, headers);
        tracing::warn!(
            client.address = client.map(|client| client.address.to_string()),
            "somebody posted to an address of webhooks with a wrong secret"
        );
    }
    found
}

pub(super) fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND)
        .detail("there is nothing here; GET /docs shows what there is")
}

pub(super) fn refuse(reason: &'static str) {
    metrics::counter!("gateway_refusals_total", "reason" => reason).increment(1);
}

async fn take(intake: &Intake, account: &Account, request: Request) -> Result<Receipt, Problem> {
    let (parts, body) = request.into_parts();
    let kind = read_type(&parts.headers)?;
    let body = read_body(body).await?;
    let content_type =
        kept(&parts.headers, header::CONTENT_TYPE.as_str()).or_else(|| kind.map(ToOwned::to_owned));
    let reading = Reading::of(account, content_type.as_deref(), &body);
    if reading.is_strange {
        refuse("account");
    }
    if let Some(problem) = &reading.problem {
        tracing::warn!(
            account.name = account.name,
            body.bytes = body.len(),
            webhook.events = reading.events.len(),
            "a webhook is kept and not delivered, or not all of it: {problem}"
        );
    }
    let arrived = Arrived {
        at: intake.clock.now(),
        request_id: kept(&parts.headers, REQUEST_ID),
        content_type,
        body,
        account: reading.from,
        events: reading.events,
        problem: reading.problem,
    };
    store(intake, account, arrived).await
}

/// Stores it in time, or says that it is to be sent again. Nothing is half stored: it is one transaction.
pub(super) async fn store(
    intake: &Intake,
    account: &Account,
    arrived: Arrived,
) -> Result<Receipt, Problem> {
    let again = |detail: &str| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail(detail)
            .retry_after(RETRY_AFTER_SECONDS)
    };
    match tokio::time::timeout(ANSWER_WITHIN, intake.take(account, arrived)).await {
        Ok(Ok(receipt)) => Ok(receipt),
        Ok(Err(error)) => {
            note_failure(&error);
            Err(again("it cannot be stored now; send it again"))
        }
        Err(_) => {
            refuse("deadline");
            tracing::warn!(
                account.name = account.name,
                "a webhook could not be stored in time; amoCRM is asked to send it again"
            );
            Err(again("storing took too long; send it again"))
        }
    }
}

fn note_failure(error: &StoreError) {
    let kind = format!("{:?}", error.kind()).to_lowercase();
    metrics::counter!("database_failures_total", "kind" => kind).increment(1);
    // A full disk does not mend itself, and what is no outage is a bug: somebody has to look.
    if error.is_temporary() && error.kind() != StoreErrorKind::Full {
        tracing::warn!("webhooks cannot be stored: {error}");
    } else {
        tracing::error!("webhooks cannot be stored: {error}");
    }
}

/// The media type, if one is told.
fn read_type(headers: &HeaderMap) -> Result<Option<&'static str>, Problem> {
    let refused = |detail| {
        refuse("type");
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(detail)
    };
    let is_plain = headers
        .get(header::CONTENT_ENCODING)
        .is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !is_plain {
        return Err(refused(
            "compressed bodies are not taken; leave out Content-Encoding",
        ));
    }
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Ok(None);
    };
    match media_type(given.to_str().unwrap_or("?")).as_str() {
        FORM => Ok(Some(FORM)),
        JSON => Ok(Some(JSON)),
        _ => Err(refused(
            "expected application/x-www-form-urlencoded, which amoCRM sends, or application/json",
        )),
    }
}

async fn read_body(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_WITHIN, to_bytes(body, WEBHOOK_BODY_LIMIT)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => {
            let is_too_long = error
                .source()
                .is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
            refuse(if is_too_long { "length" } else { "broken" });
            Err(if is_too_long {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail("the body is longer than 1 MiB")
            } else {
                Problem::new(StatusCode::BAD_REQUEST).detail("the body did not come to its end")
            })
        }
        Err(_) => {
            refuse("slow");
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT).detail("the body took too long to come"))
        }
    }
}

/// A header that is short and plain enough to be kept.
fn kept(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (1..=MAX_HEADER)
        .contains(&value.len())
        .then(|| value.to_owned())
}
