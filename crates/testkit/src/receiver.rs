//! An endpoint that takes signed webhooks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use secrecy::SecretString;
use serde_json::Value;
use service_kit::clock::SharedClock;
use service_kit::signature::SigningKeys;
use tokio::net::TcpListener;

/// Somebody who is told by `POST` and believes signatures only. Clones are the same endpoint.
#[derive(Debug, Clone)]
pub struct TestReceiver {
    /// Its address.
    pub url: String,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    keys: SigningKeys,
    clock: SharedClock,
    taken: Mutex<Vec<(String, Value)>>,
    is_down: AtomicBool,
    refused: AtomicUsize,
}

impl TestReceiver {
    /// An endpoint on a port of its own, with this secret.
    pub async fn open(secret: &str, clock: SharedClock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Arc::new(Inner {
            keys: SigningKeys::parse(&SecretString::from(secret)).unwrap(),
            clock,
            taken: Mutex::default(),
            is_down: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
        });
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/hook", post(take))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    /// From now on it answers 503, or takes what comes.
    pub fn be_down(&self, is_down: bool) {
        self.inner.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How often it has not taken something.
    pub fn refused(&self) -> usize {
        self.inner.refused.load(Ordering::SeqCst)
    }

    /// What it has taken, in the order of arrival: ids and bodies.
    pub fn taken(&self) -> Vec<(String, Value)> {
        let taken = self.inner.taken.lock();
        taken.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let refuse = |status| {
        inner.refused.fetch_add(1, Ordering::SeqCst);
        status
    };
    if inner.is_down.load(Ordering::SeqCst) {
        return refuse(StatusCode::SERVICE_UNAVAILABLE);
    }
    let Ok(signed) = inner.keys.verify(&headers, &body, inner.clock.now()) else {
        return refuse(StatusCode::UNAUTHORIZED);
    };
    let Ok(body) = serde_json::from_slice(&body) else {
        return refuse(StatusCode::BAD_REQUEST);
    };
    let mut taken = inner.taken.lock().unwrap_or_else(PoisonError::into_inner);
    taken.push((signed.id, body));
    StatusCode::NO_CONTENT
}
