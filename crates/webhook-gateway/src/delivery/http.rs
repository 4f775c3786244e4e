//! Posting events to HTTP endpoints, signed by the scheme of Standard Webhooks.
//!
//! A receiver is believed to be hostile: it may answer a byte per second, never end, send headers that are no text, or
//! lead elsewhere. The status is the answer; what comes after it is only read for people, and only for a moment.

use std::sync::Arc;
use std::time::Duration;

use amocrm_sdk::webhook::CLOUD_EVENTS_JSON;
use chrono::{DateTime, Utc};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response};
use service_kit::egress::{Guard, Lookup, Refused, client};
use service_kit::signature::SigningKeys;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::reply::{Answer, Excerpt, Limits, Message, Reply};
use super::schedule::read_retry_after;

/// How long the text of an answer is read once its status is known.
const TEXT_PATIENCE: Duration = Duration::from_secs(2);
/// Longest reason that is kept.
const LONGEST_REASON: usize = 200;
const USER_AGENT: &str = concat!("webhook-gateway/", env!("CARGO_PKG_VERSION"));

/// Sends to any endpoint.
#[derive(Debug, Clone)]
pub(crate) struct HttpSink {
    guard: Guard,
    /// Connects to what everybody may reach.
    public: Client,
    /// Connects to private addresses as well. A client of its own: connections are kept per client, and one that was
    /// made by permission must not serve a subscriber who has none.
    private: Client,
}

/// An endpoint, and what it wants.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    pub(crate) allow_private: bool,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Every key that is live at the time of the attempt; `None` for a subscriber without secrets.
    pub(crate) keys: Option<SigningKeys>,
}

impl HttpSink {
    pub(crate) fn new(guard: Guard, lookup: Arc<dyn Lookup>) -> reqwest::Result<Self> {
        Ok(Self {
            public: client(&guard, false, Arc::clone(&lookup), USER_AGENT)?,
            private: client(&guard, true, lookup, USER_AGENT)?,
            guard,
        })
    }

    /// Posts `message`, signed for `now`.
    pub(crate) async fn send(
        &self,
        endpoint: &Endpoint,
        message: &Message,
        now: DateTime<Utc>,
        limits: Limits,
    ) -> Reply {
        // Every time: the permission may have been taken away since.
        if let Err(refused) = self.guard.check_url(&endpoint.url, endpoint.allow_private) {
            return Reply::failed(refused.to_string());
        }
        let Some(headers) = headers(endpoint, message, now) else {
            return Reply::failed("the event's id cannot stand in a header");
        };
        let client = if endpoint.allow_private {
            &self.private
        } else {
            &self.public
        };
        let request = client
            .post(endpoint.url.clone())
            .headers(headers)
            .body(message.body.clone());
        let deadline = limits.deadline();
        let answered = tokio::select! {
            // First: after a standstill the end of the claim counts before anything else is sent under it.
            biased;
            () = tokio::time::sleep_until(deadline) => None,
            answered = request.send() => Some(answered),
        };
        match answered {
            None => Reply::failed(format!(
                "no answer within {} ms",
                limits.timeout.as_millis()
            )),
            Some(Err(error)) => Reply::failed(cause(&error)),
            Some(Ok(response)) => {
                let answer = judge(&response, now);
                let patience = deadline.min(Instant::now() + TEXT_PATIENCE);
                Reply {
                    answer,
                    excerpt: excerpt(response, patience).await,
                }
            }
        }
    }
}

fn headers(endpoint: &Endpoint, message: &Message, now: DateTime<Utc>) -> Option<HeaderMap> {
    let mut headers: HeaderMap = endpoint.headers.iter().cloned().collect();
    // Ours are last: no setting replaces them.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(CLOUD_EVENTS_JSON));
    if let Some(keys) = &endpoint.keys {
        headers.extend(keys.headers(&message.id, now, &message.body)?);
    }
    Some(headers)
}

fn judge(response: &Response, now: DateTime<Utc>) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Taken {
            status: Some(status.as_u16()),
        };
    }
    let retry_after = response.headers().get(RETRY_AFTER);
    Answer::Refused {
        status: status.as_u16(),
        retry_after: retry_after
            .and_then(|value| value.to_str().ok())
            .and_then(|text| read_retry_after(text, now)),
    }
}

/// What can be read of the body until then. Whatever happens to it, the status was the answer.
async fn excerpt(mut response: Response, until: Instant) -> Option<String> {
    let mut excerpt = Excerpt::default();
    while let Ok(Ok(Some(bytes))) = timeout_at(until, response.chunk()).await {
        if !excerpt.push(&bytes) {
            break;
        }
    }
    excerpt.into_text()
}

/// The innermost reason: it says most, and holds no address.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
        if innermost.is::<Refused>() {
            break;
        }
    }
    let before = if error.is_timeout() {
        "connecting took too long"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection failed"
    };
    if error.is_timeout() || std::ptr::eq(innermost, std::ptr::from_ref(error)) {
        return before.to_owned();
    }
    let said: String = innermost.to_string().chars().take(LONGEST_REASON).collect();
    format!("{before}: {said}")
}

#[cfg(test)]
mod tests;
