//! Webhooks of amoCRM that a service takes: its own bodies at a secret address, and the signed events of webhook-gateway.

use std::fmt::Display;
use std::time::Duration;

use amocrm_sdk::AccountId;
use amocrm_sdk::webhook::{self, AccountRef, CLOUD_EVENTS_JSON, CloudEvent, Event};
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};
use service_kit::http::Problem;
use service_kit::signature::{SigningKeys, WEBHOOK_SIGNATURE};

use crate::{Crm, crm_problem};

/// amoCRM waits two seconds (`01-auth-limits-webhooks.md` §6.9); after this it is asked to come again.
pub const WEBHOOK_PATIENCE: Duration = Duration::from_millis(1_500);

/// What a webhook tells, and of which account.
#[derive(Debug)]
pub struct WebhookHeard {
    /// The account.
    pub account: AccountRef,
    /// What has happened.
    pub events: Vec<Event>,
}

/// Whether a body is said to come from webhook-gateway, and so has to be right by its signature.
pub fn is_signed_webhook(headers: &HeaderMap) -> bool {
    headers.contains_key(WEBHOOK_SIGNATURE) || media_type(headers).starts_with(CLOUD_EVENTS_JSON)
}

/// Reads an event that webhook-gateway delivers. `variable` is where its keys belong.
///
/// # Errors
///
/// 401 when the signature is not right, 400 when the body cannot be read.
pub fn read_signed_webhook(
    headers: &HeaderMap,
    body: &[u8],
    keys: Option<&SigningKeys>,
    variable: &str,
    now: DateTime<Utc>,
) -> Result<WebhookHeard, Problem> {
    let unauthorized = |detail: String| Problem::new(StatusCode::UNAUTHORIZED).detail(detail);
    let Some(keys) = keys else {
        refuse_webhook("no_gateway");
        return Err(unauthorized(format!(
            "signed deliveries are not expected here: set {variable}"
        )));
    };
    if let Err(error) = keys.verify(headers, body, now) {
        refuse_webhook("signature");
        return Err(unauthorized(error.to_string()));
    }
    let envelope = CloudEvent::from_json(body).map_err(|error| unreadable(&error))?;
    Ok(WebhookHeard {
        account: envelope.account,
        events: vec![envelope.event],
    })
}

/// Reads a body of amoCRM's own: a form, or the same as JSON. An item that cannot be read is left out.
///
/// # Errors
///
/// 400 when the body cannot be read.
pub fn read_webhook(headers: &HeaderMap, body: &[u8]) -> Result<WebhookHeard, Problem> {
    let parsed = if media_type(headers).starts_with("application/json") {
        webhook::parse_json(body)
    } else {
        webhook::parse(body)
    };
    let payload = parsed.map_err(|error| unreadable(&error))?;
    // The others are not to be sent again and again for its sake.
    for problem in &payload.problems {
        refuse_webhook("item");
        tracing::warn!("an item of a webhook is left out: {problem}");
    }
    Ok(WebhookHeard {
        account: payload.account,
        events: payload.events,
    })
}

/// A webhook of another account is none of our business.
///
/// # Errors
///
/// 403 when it is another's, 503 when that cannot be told now.
pub async fn check_webhook_account(crm: &Crm, account: &AccountRef) -> Result<(), Problem> {
    let theirs = account.id.map(AccountId::get);
    let ours = crm
        .account_id()
        .await
        .map_err(|error| crm_problem(&error))?;
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            refuse_webhook("account");
            Err(Problem::new(StatusCode::FORBIDDEN)
                .detail("the webhook is about another account than the one we are connected to"))
        }
        _ => Ok(()),
    }
}

/// Storing took too long for whoever sent it.
pub fn webhook_too_slow() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail("storing took too long; send it again")
        .retry_after(5)
}

/// Counts and tells a refusal; nothing of what came is repeated.
pub fn refuse_webhook(reason: &'static str) {
    metrics::counter!("webhook_refusals_total", "reason" => reason).increment(1);
    tracing::warn!(webhook.refusal = reason, "a webhook was refused");
}

fn unreadable(error: &dyn Display) -> Problem {
    refuse_webhook("body");
    Problem::new(StatusCode::BAD_REQUEST).detail(error.to_string())
}

fn media_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase()
}
