//! `/api/stream`: events as they come, as server-sent events.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use service_kit::clock::read_since;
use service_kit::http::{ApiQuery, Problem};
use store::{EventFilter, EventRow};
use utoipa::IntoParams;

use super::error::ApiError;
use crate::operate::{Desk, Feed, Listener, OperateError, Wanted};

/// How often a stream without news says that it lives; proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After a read that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Which events, and from where on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Begins after the event in this position. `Last-Event-ID`, which readers that come back send, wins over it.
    after: Option<i64>,
    /// Begins with what came since: 90m, 12h, 3d, a day, or an instant.
    since: Option<String>,
    /// Begins with the newest event.
    latest: Option<bool>,
    /// Only these, such as `leads.*` or `contacts.update`; several with commas between.
    events: Option<String>,
    /// Only this account's, by its name in the gateway.
    account: Option<String>,
    /// Only about this, such as leads/40000001.
    subject: Option<String>,
}

/// Tells events as they come.
///
/// Every message is an event: `id` is its position, `event` its type, `data` its envelope as subscribers get it. Nothing
/// is lost between connections: a reader that comes back with `Last-Event-ID` goes on there, and may be told the last
/// events again.
#[utoipa::path(
    get,
    path = "/api/stream",
    tag = "events",
    params(Query),
    responses(
        (status = 200, description = "The stream", body = String, content_type = "text/event-stream"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stream(
    State(desk): State<Desk>,
    State(feed): State<Feed>,
    ApiQuery(query): ApiQuery<Query>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = Wanted::read(
        query.events.as_deref(),
        query.account.clone(),
        query.subject.clone(),
    )?;
    let position = beginning(&desk, &query, &headers).await?;
    let teller = Teller {
        listener: feed.after(position),
        wanted,
        greeting: Some(greeting(position)),
    };
    let messages = stream::unfold(teller, |mut teller| async move {
        let message = teller.next().await?;
        Some((Ok::<_, std::convert::Infallible>(message), teller))
    });
    let mut response = Body::from_stream(messages).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    // nginx would keep messages back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// After which position the stream begins.
async fn beginning(desk: &Desk, query: &Query, headers: &HeaderMap) -> Result<i64, OperateError> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    if let Some(last) = last.filter(|last| !last.is_empty()) {
        return last.parse().map_err(|_| {
            OperateError::field(
                "Last-Event-ID",
                "expected the id of a message of this stream",
            )
        });
    }
    if let Some(after) = query.after {
        return Ok(after.max(0));
    }
    let newest = async |until| -> Result<i64, OperateError> {
        let mut filter = EventFilter::default();
        filter.until = until;
        filter.limit = 1;
        let rows = desk.store().gateway().events(filter).await?;
        Ok(rows.first().map_or(0, |row| row.row_id))
    };
    if let Some(since) = &query.since {
        let at = read_since(since, desk.now())
            .map_err(|message| OperateError::field("since", message))?;
        return newest(Some(at)).await;
    }
    let newest = newest(None).await?;
    if query.latest == Some(true) {
        return Ok((newest - 1).max(0));
    }
    Ok(newest)
}

struct Teller {
    listener: Listener,
    wanted: Wanted,
    greeting: Option<Bytes>,
}

impl Teller {
    /// The next piece of the stream; `None`: the process stops.
    async fn next(&mut self) -> Option<Bytes> {
        // Said at once: the reader learns that it is connected, and proxies that the stream begins.
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        let alive = tokio::time::sleep(KEEP_ALIVE);
        tokio::pin!(alive);
        loop {
            let heard = tokio::select! {
                heard = self.listener.next() => heard,
                // A reader that comes back does not read again what it did not want.
                () = &mut alive => return Some(position(self.listener.resume_at())),
            };
            match heard {
                Ok(None) => return None,
                Ok(Some(row)) if self.wanted.has(&row) => {
                    return Some(message(&row, self.listener.resume_at()));
                }
                Ok(Some(_)) => {}
                Err(error) => {
                    tracing::warn!("a stream waits for the database: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

fn greeting(position: i64) -> Bytes {
    Bytes::from(format!(
        ": webhook-gateway\nretry: 1000\nid: {position}\n\n"
    ))
}

/// Only an id: readers remember it and tell nobody.
fn position(position: i64) -> Bytes {
    Bytes::from(format!(": alive\nid: {position}\n\n"))
}

fn message(row: &EventRow, resume_at: i64) -> Bytes {
    // JSON has line breaks only where they mean nothing; in a field of a stream they would mean its end.
    let data = row.envelope.replace(['\r', '\n'], " ");
    Bytes::from(format!(
        "id: {resume_at}\nevent: {}\ndata: {data}\n\n",
        row.kind
    ))
}
