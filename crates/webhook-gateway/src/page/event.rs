//! The page of an event: what it carries, what became of it, and a button that delivers it again.

use askama::Template;
use service_kit::dashboard::{Frame, Markup, cut};
use service_kit::http::Language;

use super::request::{RawText, raw};
use super::words::{self, Words};
use super::{PATH, Reader, Shown, broken, footer, moment};
use crate::operate::{AttemptView, Desk, OperateError};

/// An answer is shown in so many letters; the API has what is kept of it.
const ANSWER_LENGTH: usize = 2_000;

#[derive(Debug, Template)]
#[template(path = "event.html")]
struct Body {
    words: Words,
    back: String,
    notice: Option<&'static str>,
    kind: String,
    facts: Vec<(&'static str, String)>,
    replay: String,
    subscribers: Vec<String>,
    deliveries: Vec<DeliveryBlock>,
    envelope: Option<String>,
    raw: Option<RawText>,
}

#[derive(Debug)]
struct DeliveryBlock {
    subscriber: String,
    link: String,
    state: (&'static str, String),
    note: String,
    attempts: Vec<AttemptRow>,
}

/// An attempt as a row.
#[derive(Debug)]
pub(super) struct AttemptRow {
    pub(super) begun: String,
    /// The event it was about, as a link and what it is called.
    pub(super) event: Option<(String, String)>,
    pub(super) result: (&'static str, String),
    pub(super) reason: String,
    pub(super) took: String,
    pub(super) answer: String,
}

impl AttemptRow {
    pub(super) fn new(desk: &Desk, attempt: &AttemptView, reader: Reader, length: usize) -> Self {
        let language = reader.language;
        let (class, word) = words::state(&attempt.outcome, language);
        let result = match attempt.status {
            Some(status) => format!("{word} {status}"),
            None => word,
        };
        Self {
            begun: moment(desk, language, attempt.started_at),
            event: attempt
                .event
                .as_ref()
                .map(|id| (reader.link(&format!("{PATH}/events/{id}")), cut(id, 16))),
            result: (class, result),
            reason: cut(attempt.reason.as_deref().unwrap_or_default(), 300),
            took: words::millis(language, Some(attempt.duration_ms)),
            answer: cut(attempt.response.as_deref().unwrap_or_default(), length),
        }
    }
}

pub(super) async fn frame(
    desk: &Desk,
    id: &str,
    shown: &Shown,
    reader: Reader,
) -> Result<Frame<'static>, OperateError> {
    let language = reader.language;
    let detail = desk.event(id).await?;
    let event = &detail.event;
    let dash = || "–".to_owned();
    let body = match desk.body(event.request).await {
        Ok(body) => Some(raw(&body, language)),
        Err(OperateError::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let now = desk.now();
    let body = Body {
        words: Words::of(language),
        back: reader.link(PATH),
        notice: match shown.done.as_deref() {
            Some("replay") => Some(language.pick(
                "Событие поставлено в очередь снова.",
                "The event is in the queue again.",
            )),
            Some("nothing") => Some(language.pick(
                "Доставлять некому: событие никому не предназначалось, или оно уже в очереди.",
                "There is nobody to deliver it to: it was for nobody, or it is in the queue already.",
            )),
            _ => None,
        },
        kind: event.kind.clone(),
        facts: vec![
            (language.pick("Идентификатор", "Id"), event.id.clone()),
            (language.pick("Объект", "Subject"), event.subject.clone().unwrap_or_else(dash)),
            (
                language.pick("Аккаунт", "Account"),
                match event.account_id {
                    Some(number) => format!("{} ({number})", event.account),
                    None => event.account.clone(),
                },
            ),
            (
                language.pick("Произошло", "Happened"),
                event.occurred_at.map_or_else(dash, |at| moment(desk, language, at)),
            ),
            (language.pick("Принято", "Received"), moment(desk, language, event.received_at)),
        ],
        replay: reader.link(&format!("{PATH}/events/{}/replay", event.id)),
        subscribers: desk.subscribers().await?.into_iter().map(|view| view.name).collect(),
        deliveries: detail
            .deliveries
            .iter()
            .map(|delivery| DeliveryBlock {
                subscriber: delivery.subscriber.clone(),
                link: reader.link(&format!("{PATH}/subscribers/{}", delivery.subscriber)),
                state: words::state(&delivery.state, language),
                note: delivery
                    .next_at
                    .filter(|at| *at > now)
                    .map(|at| next_try(&moment(desk, language, at), language))
                    .unwrap_or_default(),
                attempts: delivery
                    .attempts
                    .iter()
                    .map(|attempt| AttemptRow::new(desk, attempt, reader, ANSWER_LENGTH))
                    .collect(),
            })
            .collect(),
        envelope: detail
            .envelope
            .as_ref()
            .and_then(|envelope| serde_json::to_string_pretty(envelope).ok()),
        raw: body,
    };
    let body = body.render().map_err(broken)?;
    Ok(Frame {
        service: "webhook-gateway",
        title: language.pick("Событие", "Event"),
        path: "",
        language,
        choices: Vec::new(),
        query: vec![("days", reader.days.to_string())],
        footer: footer(desk, language),
        body: Markup::from(body),
    })
}

fn next_try(at: &str, language: Language) -> String {
    format!("{}: {at}", language.pick("Следующая попытка", "Next try"))
}
