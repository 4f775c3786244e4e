//! `/u/{token}`: no more messages.
//!
//! Opening the address only asks, because programs that look into letters open every link; the button, and the mail
//! program's own (RFC 8058), post.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use service_kit::http::{ApiPath, PAGE_STYLE, page_with_form};
use store::Store;

use super::error::ApiError;
use crate::funnel::read_link;

#[derive(Debug, Template)]
#[template(path = "unsubscribe.html")]
struct Page {
    style: &'static str,
    ok: bool,
    asks: bool,
    title_ru: &'static str,
    title_en: &'static str,
    text_ru: &'static str,
    text_en: &'static str,
}

const ASK: Page = Page {
    style: PAGE_STYLE,
    ok: true,
    asks: true,
    title_ru: "Отписаться?",
    title_en: "Unsubscribe?",
    text_ru: "Нажмите кнопку, и мы больше не будем писать на этот адрес.",
    text_en: "Press the button, and we will not write to this address any more.",
};

const DONE: Page = Page {
    style: PAGE_STYLE,
    ok: true,
    asks: false,
    title_ru: "Вы отписаны",
    title_en: "You are unsubscribed",
    text_ru: "Мы больше не будем писать на этот адрес. Страницу можно закрыть.",
    text_en: "We will not write to this address any more. This page can be closed.",
};

const STRANGE: Page = Page {
    style: PAGE_STYLE,
    ok: false,
    asks: false,
    title_ru: "Ссылка не подходит",
    title_en: "The link does not fit",
    text_ru: "Откройте ссылку из письма целиком.",
    text_en: "Open the whole link of the letter.",
};

impl Page {
    fn answer(&self, status: StatusCode) -> Response {
        page_with_form(status, self.render().ok())
    }
}

/// Asks whether to unsubscribe.
#[utoipa::path(
    get,
    path = "/u/{token}",
    tag = "funnels",
    params(("token" = String, Path, description = "From a letter")),
    responses(
        (status = 200, description = "A page with a button", content_type = "text/html"),
        (status = 404, description = "No link of ours: a page that says so", content_type = "text/html"),
    )
)]
pub(crate) async fn ask(
    State(store): State<Store>,
    ApiPath(token): ApiPath<String>,
) -> Result<Response, ApiError> {
    let Some(recipient) = read_link(&store, &token) else {
        return Ok(STRANGE.answer(StatusCode::NOT_FOUND));
    };
    Ok(match store.funnels().is_unsubscribed(recipient).await? {
        Some(false) => ASK.answer(StatusCode::OK),
        Some(true) => DONE.answer(StatusCode::OK),
        None => STRANGE.answer(StatusCode::NOT_FOUND),
    })
}

/// Unsubscribes; also a mail program's one click (RFC 8058).
#[utoipa::path(
    post,
    path = "/u/{token}",
    tag = "funnels",
    params(("token" = String, Path, description = "From a letter")),
    responses(
        (status = 200, description = "Done: a page that says so", content_type = "text/html"),
        (status = 404, description = "No link of ours: a page that says so", content_type = "text/html"),
    )
)]
pub(crate) async fn unsubscribe(
    State(store): State<Store>,
    ApiPath(token): ApiPath<String>,
) -> Result<Response, ApiError> {
    let Some(recipient) = read_link(&store, &token) else {
        return Ok(STRANGE.answer(StatusCode::NOT_FOUND));
    };
    let Some(stopped) = store.funnels().unsubscribe(recipient).await? else {
        return Ok(STRANGE.answer(StatusCode::NOT_FOUND));
    };
    metrics::counter!("funnel_unsubscriptions_total", "channel" => "link").increment(1);
    tracing::info!(stopped, "somebody has unsubscribed");
    Ok(DONE.answer(StatusCode::OK))
}
