//! What all small pages for people share: one style, and the rule that nothing else is loaded or run.

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

/// The style of the pages, to be put into each.
pub const PAGE_STYLE: &str = include_str!("../../assets/page.css");

/// No scripts, no pictures, no frames; exactly this style. A text that slipped through unescaped could do nothing.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy("'none'"));
static FORM_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy("'self'"));

fn policy(form_action: &str) -> HeaderValue {
    let hash = STANDARD.encode(Sha256::digest(PAGE_STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action {form_action}; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

/// An answer with a page of [`PAGE_STYLE`]; `None` if it could not be written.
pub fn page(status: StatusCode, html: Option<String>) -> Response {
    answer(status, html, &POLICY)
}

/// The same for a page with a form, which is sent to its own origin.
pub fn page_with_form(status: StatusCode, html: Option<String>) -> Response {
    answer(status, html, &FORM_POLICY)
}

fn answer(status: StatusCode, html: Option<String>, policy: &HeaderValue) -> Response {
    let Some(html) = html else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(html)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    response
}
