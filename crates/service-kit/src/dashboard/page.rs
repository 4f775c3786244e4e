//! The page around the figures.

use askama::Template;
use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};

use super::Markup;
use crate::http::{Language, OpenRoute};

/// Nothing but the stylesheet below, and forms that come back to us.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../../assets/dashboard.css");

/// The address tells the contents, so it never changes.
const STYLE_LIFE: &str = "public, max-age=31536000, immutable";

/// Why a page could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the page cannot be written: {0}")]
pub struct PageError(#[from] askama::Error);

/// A link to the same page with something else chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What the reader sees.
    pub label: String,
    /// The value of the parameter.
    pub value: String,
    /// Whether it is what is shown now.
    pub current: bool,
}

/// A page of figures: the parts that all have, around a body.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// The service's name.
    pub service: &'a str,
    /// What the page is, in its language.
    pub title: &'a str,
    /// Where it is: `/dashboard`.
    pub path: &'a str,
    /// Its language; the other is a link.
    pub language: Language,
    /// How many days are shown, as links with the parameter `days`.
    pub choices: Vec<Choice>,
    /// What the links keep besides language and days: names and values, plain letters and digits.
    pub query: Vec<(&'a str, String)>,
    /// When this was true, for instance.
    pub footer: String,
    /// The figures.
    pub body: Markup,
}

#[derive(Debug, Template)]
#[template(path = "dashboard.html")]
struct Page<'a> {
    frame: &'a Frame<'a>,
    style: String,
    kept: String,
}

impl Frame<'_> {
    /// The whole page.
    ///
    /// # Errors
    ///
    /// When the template fails, which it does for no values that we know.
    pub fn to_html(&self) -> Result<String, PageError> {
        let page = Page {
            frame: self,
            style: style_path(),
            kept: form_query(
                self.query
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            ),
        };
        Ok(page.render()?)
    }

    /// The parameter that keeps the days in the link to the other language.
    fn days(&self) -> String {
        let current = self.choices.iter().find(|choice| choice.current);
        form_query(current.map(|choice| ("days", choice.value.as_str())))
    }
}

impl IntoResponse for Frame<'_> {
    fn into_response(self) -> Response {
        let html = match self.to_html() {
            Ok(html) => html,
            Err(error) => {
                tracing::error!("{error}");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let mut response = Html(html).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(PAGE_POLICY),
        );
        headers.insert(
            header::VARY,
            HeaderValue::from_static("accept-language, authorization"),
        );
        headers.insert(
            header::CONTENT_LANGUAGE,
            HeaderValue::from_static(self.language.code()),
        );
        response
    }
}

/// `&name=value` for each, escaped for an address.
fn form_query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    match query.finish() {
        query if query.is_empty() => query,
        query => format!("&{query}"),
    }
}

/// The routes of [`stylesheet`], which anybody may call.
pub const STYLESHEET_OPEN: &[OpenRoute] = &[OpenRoute::new(
    "GET",
    "/dashboard/style-*",
    "how pages look; the same for everybody",
)];

/// Routes the stylesheet of all pages. It holds no secret, and browsers keep it for ever, for the next has another
/// address.
pub fn stylesheet<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route(
        &style_path(),
        get(|| async {
            let headers = [
                (header::CONTENT_TYPE, "text/css; charset=utf-8"),
                (header::CACHE_CONTROL, STYLE_LIFE),
            ];
            (headers, STYLE)
        }),
    )
}

fn style_path() -> String {
    const HASH: u64 = fnv(STYLE.as_bytes());
    format!("/dashboard/style-{HASH:016x}.css")
}

/// FNV-1a: enough to tell two releases' stylesheets apart.
const fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut place = 0;
    while place < bytes.len() {
        hash ^= bytes[place] as u64;
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        place += 1;
    }
    hash
}
