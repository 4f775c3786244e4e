//! The page of a webhook as it came, for those above all that could not be read.

use askama::Template;
use service_kit::dashboard::{Frame, Markup};
use service_kit::http::Language;

use super::words::{self, Words};
use super::{PATH, Reader, broken, footer, moment};
use crate::operate::{Desk, OperateError, RawBody};

/// So much of a body is shown; the rest is downloaded.
const SHOWN_BYTES: usize = 32 * 1024;

#[derive(Debug, Template)]
#[template(path = "request.html")]
struct Body {
    words: Words,
    back: String,
    title: String,
    facts: Vec<(&'static str, String)>,
    raw: Option<RawText>,
}

/// A body as text.
#[derive(Debug)]
pub(super) struct RawText {
    pub(super) note: String,
    pub(super) link: String,
    pub(super) text: String,
}

/// The body as it can be shown: what is no text is told by its length only.
pub(super) fn raw(body: &RawBody, language: Language) -> RawText {
    let size = words::bytes(language, body.bytes.len() as u64);
    let kind = body.content_type.as_deref().unwrap_or("–");
    let mut end = body.bytes.len().min(SHOWN_BYTES);
    let mut text = String::new();
    // A letter that is cut in two is left out.
    while end > 0 && end + 4 > body.bytes.len().min(SHOWN_BYTES) {
        if let Ok(shown) = std::str::from_utf8(&body.bytes[..end]) {
            shown.clone_into(&mut text);
            break;
        }
        end -= 1;
    }
    let is_text = !text.is_empty() || body.bytes.is_empty();
    let more = if !is_text {
        language.pick("; не текст", "; not a text")
    } else if end < body.bytes.len() {
        language.pick("; показано начало", "; the beginning is shown")
    } else {
        ""
    };
    RawText {
        note: format!("{kind}, {size}{more}."),
        link: format!("/api/requests/{}/body", body.request),
        text,
    }
}

pub(super) async fn frame(
    desk: &Desk,
    id: i64,
    reader: Reader,
) -> Result<Frame<'static>, OperateError> {
    let language = reader.language;
    let request = desk.request(id).await?;
    let body = match desk.body(id).await {
        Ok(body) => Some(raw(&body, language)),
        Err(OperateError::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let dash = || "–".to_owned();
    let body = Body {
        words: Words::of(language),
        back: reader.link(PATH),
        title: format!("№ {}", request.id),
        facts: vec![
            (language.pick("Аккаунт", "Account"), request.account.clone()),
            (
                language.pick("Принято", "Received"),
                moment(desk, language, request.received_at),
            ),
            (
                "X-Amocrm-Requestid",
                request.request_id.clone().unwrap_or_else(dash),
            ),
            (
                language.pick("Событий", "Events"),
                language.count(u64::from(request.events)),
            ),
            (
                language.pick("Повторов", "Duplicates"),
                language.count(u64::from(request.duplicates)),
            ),
            (
                language.pick("Что не так", "What is wrong"),
                request.problem.clone().unwrap_or_else(dash),
            ),
        ],
        raw: body,
    };
    let body = body.render().map_err(broken)?;
    Ok(Frame {
        service: "webhook-gateway",
        title: language.pick("Вебхук", "Webhook"),
        path: "",
        language,
        choices: Vec::new(),
        query: vec![("days", reader.days.to_string())],
        footer: footer(desk, language),
        body: Markup::from(body),
    })
}
