//! A system behind the gateway: it keeps a ledger of what arrived, and does what the test wants.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;
use service_kit::signature::SigningKeys;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::TestClock;

/// A delivery as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) id: String,
    pub(crate) subject: String,
    /// Counts the events of an entity, from 0.
    pub(crate) number: u64,
    /// Which of the receiver's secrets it was signed with, by number.
    pub(crate) signed_by: Vec<usize>,
    pub(crate) headers: HeaderMap,
    /// How it was answered; `None`: not at all.
    pub(crate) answered: Option<u16>,
}

/// What the receiver does with an arrival.
#[derive(Debug, Clone)]
pub(crate) enum Reaction {
    Status(u16),
    With(u16, &'static str, String),
    /// The status, after so long.
    Later(Duration, u16),
    /// No answer, ever.
    Hang,
}

type Behaviour = dyn Fn(&Arrival, usize) -> Reaction + Send + Sync;

#[derive(Clone)]
struct Shared {
    ledger: Arc<Mutex<Vec<Arrival>>>,
    behaviour: Arc<Mutex<Arc<Behaviour>>>,
    secrets: Arc<Mutex<Vec<SigningKeys>>>,
    clock: TestClock,
}

/// A listener on a port of its own.
pub(crate) struct Receiver {
    pub(crate) url: String,
    shared: Shared,
    server: JoinHandle<()>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Receiver {
    /// Takes everything, until it is told otherwise.
    pub(crate) async fn start(clock: &TestClock) -> Self {
        let taking: Arc<Behaviour> = Arc::new(|_: &Arrival, _| Reaction::Status(204));
        let shared = Shared {
            ledger: Arc::default(),
            behaviour: Arc::new(Mutex::new(taking)),
            secrets: Arc::default(),
            clock: clock.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/hook", post(receive))
            .with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            url,
            shared,
            server,
        }
    }

    /// From now on it does this with the n-th arrival of an event, counted from 0.
    pub(crate) fn behave(
        &self,
        with: impl Fn(&Arrival, usize) -> Reaction + Send + Sync + 'static,
    ) {
        *self.shared.behaviour.lock().unwrap() = Arc::new(with);
    }

    /// Checks signatures with these, and notes which are right.
    pub(crate) fn trust(&self, secrets: &[&str]) {
        let keys = secrets
            .iter()
            .map(|secret| SigningKeys::parse(&SecretString::from(*secret)).unwrap());
        *self.shared.secrets.lock().unwrap() = keys.collect();
    }

    /// Everything that arrived.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.shared.ledger.lock().unwrap().clone()
    }

    /// The ids that were taken, each once, in the order in which they were.
    pub(crate) fn taken(&self) -> Vec<String> {
        let mut taken = Vec::new();
        for arrival in self.arrivals() {
            if arrival.answered == Some(204) && !taken.contains(&arrival.id) {
                taken.push(arrival.id);
            }
        }
        taken
    }

    /// Fails if an event arrived before the one of the same entity before it had been taken.
    pub(crate) fn assert_order(&self) {
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        for arrival in self.arrivals() {
            let next = next.entry(arrival.subject.clone()).or_default();
            assert!(
                arrival.number <= *next,
                "{} of {} came before {next}",
                arrival.number,
                arrival.subject
            );
            if arrival.answered == Some(204) && arrival.number == *next {
                *next += 1;
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let (place, reaction) = note(&shared, headers, &body);
    let (status, mut response) = match reaction {
        Reaction::Hang => std::future::pending().await,
        Reaction::Status(status) => (status, Response::builder()),
        Reaction::Later(pause, status) => {
            tokio::time::sleep(pause).await;
            (status, Response::builder())
        }
        Reaction::With(status, name, value) => (status, Response::builder().header(name, value)),
    };
    shared.ledger.lock().unwrap()[place].answered = Some(status);
    response = response.status(status);
    response.body(Body::from("as you wish")).unwrap()
}

/// Writes the arrival down before anything is answered.
fn note(shared: &Shared, headers: HeaderMap, body: &[u8]) -> (usize, Reaction) {
    assert_eq!(headers["content-type"], "application/cloudevents+json");
    let event: Value = serde_json::from_slice(body).unwrap();
    let now: DateTime<Utc> = service_kit::clock::Clock::now(&shared.clock);
    let keys = shared.secrets.lock().unwrap();
    let signed_by = (0..keys.len())
        .filter(|number| {
            let signed = keys[*number].verify(&headers, body, now);
            signed.is_ok_and(|signed| signed.id == event["id"].as_str().unwrap())
        })
        .collect();
    let arrival = Arrival {
        id: event["id"].as_str().unwrap().to_owned(),
        subject: event["subject"].as_str().unwrap().to_owned(),
        number: event["number"].as_u64().unwrap(),
        signed_by,
        headers,
        answered: None,
    };
    let mut ledger = shared.ledger.lock().unwrap();
    let before = ledger.iter().filter(|known| known.id == arrival.id).count();
    let behaviour = Arc::clone(&shared.behaviour.lock().unwrap());
    let reaction = behaviour(&arrival, before);
    ledger.push(arrival);
    (ledger.len() - 1, reaction)
}
