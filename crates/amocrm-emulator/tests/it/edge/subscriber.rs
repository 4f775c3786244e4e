//! A server on the other side: it receives what the emulator sends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::any;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::json;

use super::client::Bench;

/// A subscriber that answers what it is told and remembers what it got.
#[derive(Clone)]
pub(crate) struct Subscriber {
    pub(crate) url: String,
    state: Arc<Mutex<SubscriberState>>,
}

struct SubscriberState {
    status: StatusCode,
    pause: Duration,
    received: Vec<Delivery>,
}

#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) headers: HeaderMap,
    pub(crate) query: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) form: Vec<(String, String)>,
}

impl Delivery {
    pub(crate) fn value(&self, key: &str) -> &str {
        self.form
            .iter()
            .find(|(name, _)| name == key)
            .map_or("", |(_, value)| value)
    }
}

impl Subscriber {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let state = SubscriberState {
            status: StatusCode::OK,
            pause: Duration::ZERO,
            received: Vec::new(),
        };
        let subscriber = Self {
            url,
            state: Arc::new(Mutex::new(state)),
        };
        let router = Router::new()
            .route("/hook", any(receive))
            .with_state(subscriber.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        subscriber
    }

    pub(crate) fn answer(&self, status: u16) {
        self.state.lock().expect("a lock").status = StatusCode::from_u16(status).expect("a status");
    }

    pub(crate) fn pause(&self, pause: Duration) {
        self.state.lock().expect("a lock").pause = pause;
    }

    pub(crate) fn received(&self) -> Vec<Delivery> {
        self.state.lock().expect("a lock").received.clone()
    }

    pub(crate) async fn subscribe(&self, bench: &Bench, codes: &[&str]) {
        let body = json!({ "destination": self.url, "settings": codes });
        let answer = bench
            .post_json("/api/v4/webhooks", &body)
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

async fn receive(
    State(subscriber): State<Subscriber>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let form = form_urlencoded::parse(&body).into_owned().collect();
    let (status, pause) = {
        let mut state = subscriber.state.lock().expect("a lock");
        state.received.push(Delivery {
            headers,
            query: uri.query().map(str::to_owned),
            body: body.clone(),
            form,
        });
        (state.status, state.pause)
    };
    tokio::time::sleep(pause).await;
    status
}
