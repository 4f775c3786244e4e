//! Answers of the edge: problem documents, the vendor's HTML pages, and the marker of a dropped connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

/// An `application/problem+json` answer in the general form of the API.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    problem_body(status, &problem_document(status, detail))
}

/// The general problem document, for callers that add members of their own.
pub(crate) fn problem_document(status: StatusCode, detail: &str) -> Value {
    json!({
        "title": status.canonical_reason().unwrap_or("Error"),
        "type": format!("https://httpstatus.es/{}", status.as_u16()),
        "status": status.as_u16(),
        "detail": detail,
    })
}

/// A problem document made by the caller.
pub(crate) fn problem_body(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        )],
        body.to_string(),
    )
        .into_response()
}

/// The 401 of a missing, expired or revoked token: amoCRM has one text for all of them.
pub(crate) fn unauthorized() -> Response {
    problem(StatusCode::UNAUTHORIZED, "Invalid user name or password")
}

/// An HTML page, as gateways in front of the API send them.
pub(crate) fn html(status: StatusCode, body: impl Into<String>) -> Response {
    (
        status,
        [(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=UTF-8"),
        )],
        body.into(),
    )
        .into_response()
}

/// Text as it may stand in HTML, attributes included.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The bare page of the web server in front of the API.
pub(crate) fn gateway_page(status: StatusCode) -> Response {
    let title = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error")
    );
    html(
        status,
        format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        ),
    )
}

/// The page an account sees that was blocked for hammering the API.
pub(crate) fn block_page() -> Response {
    html(
        StatusCode::FORBIDDEN,
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>403 Forbidden</title></head>\n<body>\n\
         <h1>Доступ заблокирован</h1>\n<p>Доступ к аккаунту временно ограничен из-за превышения лимита запросов к API. \
         Обратитесь в службу поддержки.</p>\n<p>Access is blocked because the API request limit was exceeded repeatedly. \
         Please contact support.</p>\n</body></html>\n",
    )
}

/// Marks a response that must never reach the wire: the server closes the connection instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropConnection;

/// A dropped answer. Over sockets the server sees the marker and closes the connection; in process the body fails at once.
pub(crate) fn dropped() -> Response {
    let mut response = Response::new(Body::new(FailingBody));
    response.extensions_mut().insert(DropConnection);
    response
}

struct FailingBody;

impl hyper::body::Body for FailingBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "the emulator dropped the connection",
        ))))
    }
}

/// Random bytes as lowercase hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0_u8; bytes];
    if getrandom::fill(&mut buffer).is_err() {
        // No randomness is no reason to stop an emulator: identifiers only have to differ.
        buffer = uuid::Uuid::now_v7()
            .into_bytes()
            .iter()
            .copied()
            .cycle()
            .take(bytes)
            .collect();
    }
    hex(&buffer)
}

/// Bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
