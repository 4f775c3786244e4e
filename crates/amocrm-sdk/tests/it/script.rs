//! A transport that answers from a script and remembers what reached the wire.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use amocrm_sdk::{Client, ClientBuilder};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;
use tower::Service;

pub type Answer = http::Response<ScriptedBody>;

/// A body that arrives, or a connection that breaks.
pub type ScriptedBody = http_body_util::Either<Full<Bytes>, Broken>;

#[derive(Debug)]
pub struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}

pub fn json(status: u16, body: &str) -> Answer {
    let body = ScriptedBody::Left(Full::from(body.to_owned()));
    http::Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

pub fn html(status: u16) -> Answer {
    let page = "<html><head><title>Forbidden</title></head><body>nginx</body></html>";
    let body = ScriptedBody::Left(Full::from(page));
    http::Response::builder()
        .status(status)
        .header("content-type", "text/html")
        .body(body)
        .unwrap()
}

pub fn dropped() -> Answer {
    http::Response::new(ScriptedBody::Right(Broken))
}

/// What reached the wire, and what it is answered with. Once the script is over, everything is answered with `rest`.
#[derive(Clone)]
pub struct Script {
    shared: Arc<Shared>,
}

type Reply = Box<dyn Fn(&http::Request<Full<Bytes>>) -> Answer + Send + Sync>;

struct Shared {
    queue: Mutex<VecDeque<Answer>>,
    rest: Reply,
    seen: Mutex<Vec<Seen>>,
}

#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Instant,
}

impl Script {
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::then(answers, |_| json(200, ACCOUNT))
    }

    pub fn then(
        answers: impl IntoIterator<Item = Answer>,
        rest: impl Fn(&http::Request<Full<Bytes>>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let queue = Mutex::new(answers.into_iter().collect());
        Self {
            shared: Arc::new(Shared {
                queue,
                rest: Box::new(rest),
                seen: Mutex::default(),
            }),
        }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.seen().len()
    }

    pub fn builder(&self) -> ClientBuilder {
        Client::builder("acme.amocrm.ru").transport(self.clone())
    }

    pub fn client(&self) -> Client {
        self.builder().long_lived_token("token").build().unwrap()
    }
}

/// The JSON body of a request.
pub fn body(request: &http::Request<Full<Bytes>>) -> serde_json::Value {
    let collected = request.body().clone().collect().now_or_never();
    serde_json::from_slice(&collected.unwrap().unwrap().to_bytes()).unwrap()
}

pub const ACCOUNT: &str = r#"{"id": 31000001, "name": "Acme", "subdomain": "acme"}"#;

impl Service<http::Request<Full<Bytes>>> for Script {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Full<Bytes>>) -> Self::Future {
        let seen = Seen { at: Instant::now() };
        self.shared.seen.lock().unwrap().push(seen);
        let next = self.shared.queue.lock().unwrap().pop_front();
        ready(Ok(next.unwrap_or_else(|| (self.shared.rest)(&request))))
    }
}
