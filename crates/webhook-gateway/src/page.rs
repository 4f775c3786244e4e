//! `/dashboard`: the stream, rates, lag and failures, for people; rendered here, without scripts.
//!
//! Everything that came from outside, names in webhooks as well as answers of receivers, is text here: templates escape
//! it, and the page's policy forbids what would be more. Buttons are forms that come back to us; the guard of all routes
//! refuses those of other sites.

mod event;
mod overview;
mod request;
mod subscriber;
mod words;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use service_kit::dashboard::{Frame, PageError};
use service_kit::http::{ApiPath, ApiQuery, Language};

use crate::api::ApiError;
use crate::operate::{Desk, LetterOrder, OperateError, ReplayOrder};

/// Where the page is.
pub(crate) const PATH: &str = "/dashboard";
pub(crate) const EVENT: &str = "/dashboard/events/{id}";
pub(crate) const REPLAY: &str = "/dashboard/events/{id}/replay";
pub(crate) const REQUEST: &str = "/dashboard/requests/{id}";
pub(crate) const SUBSCRIBER: &str = "/dashboard/subscribers/{name}";
pub(crate) const SUBSCRIBER_ACTION: &str = "/dashboard/subscribers/{name}/{action}";
pub(crate) const RETRY: &str = "/dashboard/dead-letters/{id}/retry";

/// The ranges that the page links to, in days.
const RANGES: [u32; 3] = [1, 7, 30];
const MAX_DAYS: u32 = 366;

/// What is shown.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Shown {
    days: Option<String>,
    lang: Option<String>,
    /// What was done just now, by a word of ours.
    done: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    subject: Option<String>,
    account: Option<String>,
    subscriber: Option<String>,
    after: Option<String>,
}

/// The choices of a reader that all pages keep.
#[derive(Debug, Clone, Copy)]
struct Reader {
    language: Language,
    days: u32,
}

impl Reader {
    /// Where a link leads in the reader's language.
    fn link(self, path: &str) -> String {
        format!("{path}?lang={}&days={}", self.language.code(), self.days)
    }
}

impl Shown {
    fn reader(&self, headers: &HeaderMap) -> Result<Reader, ApiError> {
        let language = Language::of_request(self.lang.as_deref(), headers);
        let days = match self.days.as_deref().filter(|text| !text.is_empty()) {
            None => RANGES[0],
            Some(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|days| (1..=MAX_DAYS).contains(days))
                .ok_or_else(|| {
                    let expected = format!("expected a number of days from 1 to {MAX_DAYS}");
                    OperateError::field("days", expected)
                })?,
        };
        Ok(Reader { language, days })
    }
}

/// The stream and the figures.
pub(crate) async fn page(
    State(desk): State<Desk>,
    ApiQuery(shown): ApiQuery<Shown>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let reader = shown.reader(&headers)?;
    Ok(answer(overview::frame(&desk, &shown, reader).await?))
}

/// An event.
pub(crate) async fn event(
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(shown): ApiQuery<Shown>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let reader = shown.reader(&headers)?;
    Ok(answer(event::frame(&desk, &id, &shown, reader).await?))
}

/// A webhook as it came.
pub(crate) async fn request(
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<i64>,
    ApiQuery(shown): ApiQuery<Shown>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let reader = shown.reader(&headers)?;
    Ok(answer(request::frame(&desk, id, reader).await?))
}

/// A subscriber.
pub(crate) async fn subscriber(
    State(desk): State<Desk>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(shown): ApiQuery<Shown>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let reader = shown.reader(&headers)?;
    Ok(answer(
        subscriber::frame(&desk, &name, &shown, reader).await?,
    ))
}

/// A button: pauses or resumes a subscriber, or sends it a test.
pub(crate) async fn act(
    State(desk): State<Desk>,
    ApiPath((name, action)): ApiPath<(String, String)>,
    ApiQuery(shown): ApiQuery<Shown>,
    headers: HeaderMap,
) -> Result<Redirect, ApiError> {
    let reader = shown.reader(&headers)?;
    match action.as_str() {
        "pause" => drop(desk.pause(&name).await?),
        "resume" => drop(desk.resume(&name).await?),
        "test" => {
            let event = desk.test(&name).await?;
            let link = reader.link(&format!("{PATH}/events/{event}"));
            return Ok(Redirect::to(&link));
        }
        "retry" => {
            let order = LetterOrder {
                subscriber: Some(name.clone()),
                ..LetterOrder::default()
            };
            let letters = desk.chosen(&order).await?;
            desk.retry(&letters).await?;
        }
        _ => return Err(OperateError::NotFound("there is no such action".to_owned()).into()),
    }
    let link = reader.link(&format!("{PATH}/subscribers/{name}"));
    Ok(Redirect::to(&format!("{link}&done={action}")))
}

/// A button: delivers an event again.
pub(crate) async fn replay(
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(shown): ApiQuery<Shown>,
    headers: HeaderMap,
    axum::Form(form): axum::Form<Shown>,
) -> Result<Redirect, ApiError> {
    let reader = shown.reader(&headers)?;
    let order = ReplayOrder {
        events: vec![id.clone()],
        subscriber: form.subscriber.filter(|name| !name.is_empty()),
        ..ReplayOrder::default()
    };
    let answer = desk.replay(&order).await?;
    let link = reader.link(&format!("{PATH}/events/{id}"));
    let done = if answer.count > 0 {
        "replay"
    } else {
        "nothing"
    };
    Ok(Redirect::to(&format!("{link}&done={done}")))
}

/// A button: puts a dead letter back into the queue. One that is no longer there was retried by somebody else, which is
/// as well.
pub(crate) async fn retry(
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<i64>,
    ApiQuery(shown): ApiQuery<Shown>,
    headers: HeaderMap,
) -> Result<Redirect, ApiError> {
    let reader = shown.reader(&headers)?;
    let order = LetterOrder {
        ids: vec![id],
        ..LetterOrder::default()
    };
    match desk.chosen(&order).await {
        Ok(letters) => drop(desk.retry(&letters).await?),
        Err(OperateError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to(&format!("{}#dead", reader.link(PATH))))
}

fn answer(frame: Frame<'_>) -> Response {
    frame.into_response()
}

/// A template that fails is a bug of ours.
fn broken(error: impl Into<PageError>) -> OperateError {
    OperateError::Internal(anyhow::Error::new(error.into()))
}

/// A moment in the office's time, with seconds.
fn moment(desk: &Desk, language: Language, at: DateTime<Utc>) -> String {
    let local = at.with_timezone(&desk.config().dashboard.time_zone());
    format!("{}{}", language.moment(&local), local.format(":%S"))
}

/// The page's foot: when it was true.
fn footer(desk: &Desk, language: Language) -> String {
    let zone = desk.config().dashboard.time_zone();
    let at = language.moment(&desk.now().with_timezone(&zone));
    match language {
        Language::Russian => format!("Показано на {at} ({zone})."),
        Language::English => format!("As of {at} ({zone})."),
    }
}
