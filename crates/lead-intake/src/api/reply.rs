//! The answer to a lead: JSON for programs; for browsers that posted a form a redirect or a page.

use std::fmt::Write as _;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};
use service_kit::http::{self as kit, Language, PAGE_STYLE, Problem};
use url::Url;

use super::error::ApiError;
use super::visitor::take_text;
use crate::config::{Config, is_page, page_url};

/// Fields of a form that say where the browser is to go.
const REDIRECT: &str = "_redirect";
const ERROR_REDIRECT: &str = "_error_redirect";

/// Who is to be answered, and how.
#[derive(Debug)]
pub(super) struct Reply {
    is_form: bool,
    wants_page: bool,
    language: Language,
    /// Origins that browsers may be sent to.
    origins: Vec<String>,
    /// The page that the form is on, if its site is one of those.
    form_page: Option<Url>,
    after: Option<Url>,
    after_error: Option<Url>,
}

impl Reply {
    /// What the request's head tells.
    pub(super) fn of(config: &Config, headers: &HeaderMap) -> Self {
        let is_form = is_form(headers);
        let mut reply = Self {
            is_form,
            // `*/*` is a script's `fetch`, which wants JSON; only a browser that goes to the answer asks for HTML.
            wants_page: is_form && accepts_html(headers),
            language: Language::of(headers),
            origins: config.access.redirect_origins(&config.server),
            form_page: None,
            after: config.access.form_redirect(),
            after_error: config.access.form_error_redirect(),
        };
        reply.form_page = headers
            .get(header::REFERER)
            .and_then(|referer| referer.to_str().ok())
            .and_then(page_url)
            .filter(|page| reply.allows(page));
        reply
    }

    /// Takes out of a form where the browser is to go. An address elsewhere is not followed, which costs no lead: the
    /// visitor sees our page instead.
    pub(super) fn read_redirects(&mut self, body: &mut Map<String, Value>) {
        if !self.is_form {
            return;
        }
        let redirects = [
            (take_text(body, REDIRECT), &mut self.after),
            (take_text(body, ERROR_REDIRECT), &mut self.after_error),
        ];
        let mut asked = false;
        for (text, place) in redirects {
            let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
                continue;
            };
            asked = true;
            // A path belongs to the site that the form is on.
            let base = Url::options().base_url(self.form_page.as_ref());
            let url = base.parse(text.trim()).ok().filter(is_page);
            *place = url.filter(|url| is_among(&self.origins, url));
            if place.is_none() {
                metrics::counter!("redirect_refusals_total").increment(1);
                tracing::warn!(
                    "a form asked for a redirect to a site that is none of FRONTEND_URL; our own page was shown"
                );
            }
        }
        self.wants_page |= asked;
    }

    /// Whether the body is a form's.
    pub(super) fn is_form(&self) -> bool {
        self.is_form
    }

    /// The answer.
    pub(super) fn answer(self, outcome: Result<Response, ApiError>) -> Response {
        let outcome = outcome.map_err(Problem::from);
        if !self.wants_page {
            return outcome.unwrap_or_else(IntoResponse::into_response);
        }
        match outcome {
            Ok(answer) => match self.after {
                Some(url) => see_other(&url),
                None => self.thanks(answer.status()),
            },
            Err(problem) => match self.after_error.clone() {
                Some(mut url) => {
                    // Names of fields, or the status: nothing that the visitor has written.
                    url.query_pairs_mut().append_pair("error", &word(&problem));
                    see_other(&url)
                }
                None => self.failure(&problem),
            },
        }
    }

    fn allows(&self, url: &Url) -> bool {
        is_among(&self.origins, url)
    }

    fn thanks(self, status: StatusCode) -> Response {
        let (title, text) = match self.language {
            Language::Russian => (
                "Спасибо!",
                "Заявка принята. Мы скоро свяжемся с вами.".to_owned(),
            ),
            Language::English => (
                "Thank you!",
                "We have received your request and will contact you soon.".to_owned(),
            ),
        };
        self.page(true, title, text, Vec::new(), status)
    }

    fn failure(self, problem: &Problem) -> Response {
        let status = problem.status_code();
        let items = problem
            .errors
            .iter()
            .map(|error| wrong_field(self.language, &error.field))
            .collect();
        let (title, text) = explain(self.language, problem);
        let retry_after = problem.retry_after;
        let mut response = self.page(false, title, text, items, status);
        if let Some(seconds) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn page(
        self,
        ok: bool,
        title: &'static str,
        text: String,
        items: Vec<String>,
        status: StatusCode,
    ) -> Response {
        let page = FormPage {
            language: self.language.code(),
            style: PAGE_STYLE,
            ok,
            title,
            text,
            items,
            back: self.form_page.map(String::from),
            back_text: match self.language {
                Language::Russian => "Вернуться на сайт",
                Language::English => "Back to the site",
            },
        };
        kit::page(status, page.render().ok())
    }
}

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage {
    language: &'static str,
    style: &'static str,
    ok: bool,
    title: &'static str,
    text: String,
    items: Vec<String>,
    back: Option<String>,
    back_text: &'static str,
}

fn is_among(origins: &[String], url: &Url) -> bool {
    origins.contains(&url.origin().ascii_serialization())
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    ["application/x-www-form-urlencoded", "multipart/form-data"]
        .iter()
        .any(|form| media_type.starts_with(form))
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            range
                .split(';')
                .next()
                .is_some_and(|it| it.trim() == "text/html")
        })
}

/// 303: the browser asks for the page with GET, and reloading it sends nothing again.
fn see_other(url: &Url) -> Response {
    match HeaderValue::from_str(url.as_str()) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

fn word(problem: &Problem) -> String {
    let mut word = String::new();
    for error in &problem.errors {
        // Names of further fields are the visitor's.
        let name = known_field(&error.field).unwrap_or("other");
        if !word.is_empty() {
            word.push(',');
        }
        word.push_str(name);
    }
    if word.is_empty() {
        let _ = write!(word, "{}", problem.status);
    }
    word
}

fn known_field(name: &str) -> Option<&'static str> {
    ["name", "phone", "email", "comment", "price", "tags"]
        .into_iter()
        .find(|known| name == *known || name.starts_with(&format!("{known}.")))
}

fn wrong_field(language: Language, name: &str) -> String {
    let text = match (language, known_field(name)) {
        (Language::Russian, Some("phone")) => "Телефон, например +7 900 123-45-67",
        (Language::Russian, Some("email")) => "E-mail, например name@example.com",
        (Language::Russian, Some("name")) => "Имя: слишком длинное",
        (Language::Russian, Some("comment")) => "Комментарий: слишком длинный",
        (Language::Russian, Some("price")) => "Цена: целое число",
        (Language::English, Some("phone")) => "Phone, for example +7 900 123-45-67",
        (Language::English, Some("email")) => "E-mail, for example name@example.com",
        (Language::English, Some("name")) => "Name: too long",
        (Language::English, Some("comment")) => "Comment: too long",
        (Language::English, Some("price")) => "Price: a whole number",
        _ => return name.to_owned(),
    };
    text.to_owned()
}

fn explain(language: Language, problem: &Problem) -> (&'static str, String) {
    let russian = language == Language::Russian;
    let title = if russian {
        "Заявка не отправлена"
    } else {
        "The request was not sent"
    };
    let text = match (problem.status, russian) {
        (422, true) => "Пожалуйста, вернитесь и проверьте эти поля:",
        (422, false) => "Please go back and check these fields:",
        (413, true) => "Сообщение слишком длинное. Пожалуйста, сократите его.",
        (413, false) => "The message is too long. Please shorten it.",
        (429, true) => {
            "Слишком много заявок с вашего адреса. Пожалуйста, попробуйте немного позже."
        }
        (429, false) => "Too many requests from your address. Please try again a little later.",
        (503, true) => {
            "Сейчас заявку не удаётся сохранить. Пожалуйста, попробуйте ещё раз через минуту."
        }
        (503, false) => "The request cannot be stored at the moment. Please try again in a minute.",
        (500.., true) => "У нас что-то сломалось. Пожалуйста, позвоните нам.",
        (500.., false) => "Something is broken on our side. Please call us.",
        (_, true) => "Форма настроена неверно. Пожалуйста, позвоните нам.",
        (_, false) => "The form is not set up correctly. Please call us.",
    };
    (title, text.to_owned())
}
