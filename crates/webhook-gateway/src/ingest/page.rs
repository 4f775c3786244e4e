//! What a person sees who opens the address of webhooks in a browser.

use axum::response::Html;
use http::HeaderMap;
use service_kit::http::Language;

/// Says that the address is reachable. The same for every secret, right or wrong.
pub(crate) async fn page(headers: HeaderMap) -> Html<String> {
    let language = Language::of(&headers);
    let (title, text) = language.pick(
        (
            "Адрес доступен",
            "Сюда amoCRM отправляет вебхуки (POST). Этот адрес отвечает, значит, amoCRM до него дойдёт. Верен ли секрет в \
             адресе, здесь не говорится: это покажет команда webhook-gateway status.",
        ),
        (
            "This address is reachable",
            "amoCRM posts webhooks here. The address answers, so amoCRM will reach it. Whether the secret in it is right is \
             not told here: webhook-gateway status does.",
        ),
    );
    Html(format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><title>webhook-gateway</title></head>\n\
         <body><h1>{title}</h1>\n<p>{text}</p></body>\n</html>\n",
        language.code()
    ))
}
