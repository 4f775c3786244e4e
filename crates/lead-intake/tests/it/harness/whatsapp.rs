//! A fake of WhatsApp's Cloud API: it takes template messages, keeps them, and misbehaves on request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const NUMBER: &str = "106540352242922";
pub(crate) const TOKEN: &str = "EAAcanarywhatsapptoken";

/// What happens to the next message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mishap {
    /// Refuses it with an error's number.
    Error(u16, i64),
    /// Takes it and loses the answer.
    Lost,
    /// A page of something in between.
    Page(u16),
}

#[derive(Debug, Default)]
struct Inner {
    messages: Mutex<Vec<Value>>,
    mishaps: Mutex<VecDeque<Mishap>>,
}

#[derive(Debug)]
pub(crate) struct TestWhatsapp {
    pub(crate) url: String,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Drop for TestWhatsapp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl TestWhatsapp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v23.0", listener.local_addr().unwrap());
        let inner = Arc::new(Inner::default());
        let routes = Router::new()
            .route("/v23.0/{number}/messages", post(send))
            .route("/v23.0/{number}", get(look))
            .with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, inner, server }
    }

    pub(crate) fn mishaps(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        self.inner.mishaps.lock().unwrap().extend(mishaps);
    }

    /// The bodies of the messages that were taken.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.inner.messages.lock().unwrap().clone()
    }
}

fn refuse(status: u16, code: i64) -> Response {
    let body = json!({"error": {"message": "canaryphone +79001234567", "type": "OAuthException", "code": code}});
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

fn is_ours(headers: &HeaderMap, number: &str) -> bool {
    headers["authorization"] == format!("Bearer {TOKEN}") && number == NUMBER
}

async fn look(Path(number): Path<String>, headers: HeaderMap) -> Response {
    if !is_ours(&headers, &number) {
        return refuse(401, 190);
    }
    axum::Json(json!({"id": number})).into_response()
}

async fn send(
    State(inner): State<Arc<Inner>>,
    Path(number): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_ours(&headers, &number) {
        return refuse(401, 190);
    }
    let message: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(message["messaging_product"], "whatsapp");
    let mishap = inner.mishaps.lock().unwrap().pop_front();
    match mishap {
        Some(Mishap::Error(status, code)) => return refuse(status, code),
        Some(Mishap::Page(status)) => {
            return (StatusCode::from_u16(status).unwrap(), "<html>").into_response();
        }
        _ => {}
    }
    let taken = {
        let mut messages = inner.messages.lock().unwrap();
        messages.push(message.clone());
        messages.len()
    };
    if matches!(mishap, Some(Mishap::Lost)) {
        // The beginning of an answer, and no end.
        return (StatusCode::OK, "{\"messages\": [").into_response();
    }
    axum::Json(json!({
        "messaging_product": "whatsapp",
        "contacts": [{"input": message["to"], "wa_id": message["to"]}],
        "messages": [{"id": format!("wamid.{taken}")}],
    }))
    .into_response()
}
