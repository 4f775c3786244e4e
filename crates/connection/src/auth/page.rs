//! The page an administrator sees after consent, in both languages and without scripts.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use service_kit::http::{PAGE_STYLE, page};

#[derive(Debug, Template)]
#[template(path = "callback.html")]
pub(super) struct Page {
    style: &'static str,
    ok: bool,
    title_ru: &'static str,
    title_en: &'static str,
    text_ru: String,
    text_en: String,
}

impl Page {
    pub(super) fn connected(account: &str) -> Self {
        Self {
            style: PAGE_STYLE,
            ok: true,
            title_ru: "Подключено",
            title_en: "Connected",
            text_ru: format!("Аккаунт {account} подключён. Эту страницу можно закрыть."),
            text_en: format!("The account {account} is connected. This page can be closed."),
        }
    }

    pub(super) fn refused() -> Self {
        Self::not_connected(
            "Доступ не был предоставлен. Чтобы попробовать снова, откройте /api/auth/amo."
                .to_owned(),
            "Consent was not given. To try again, open /api/auth/amo.".to_owned(),
        )
    }

    pub(super) fn unknown_state() -> Self {
        Self::not_connected(
            "Ссылка устарела, уже использована или открыта не отсюда. Начните снова с /api/auth/amo.".to_owned(),
            "The link has expired, was used already, or did not start here. Begin again at /api/auth/amo.".to_owned(),
        )
    }

    pub(super) fn malformed(reason: &str) -> Self {
        Self::not_connected(
            format!("Запрос нельзя принять: {reason}"),
            format!("The request cannot be taken: {reason}"),
        )
    }

    pub(super) fn failed(reason: &str) -> Self {
        Self::not_connected(
            format!("amoCRM не выдал токены: {reason}. Начните снова с /api/auth/amo."),
            format!("amoCRM gave no tokens: {reason}. Begin again at /api/auth/amo."),
        )
    }

    fn not_connected(text_ru: String, text_en: String) -> Self {
        Self {
            style: PAGE_STYLE,
            ok: false,
            title_ru: "Не подключено",
            title_en: "Not connected",
            text_ru,
            text_en,
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let status = if self.ok {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        };
        page(status, self.render().ok())
    }
}
