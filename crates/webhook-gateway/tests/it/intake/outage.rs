//! F5 to F7: the database goes away while webhooks come and events are delivered, and comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use futures_util::future::join_all;
use serde_json::{Value, json};
use store::throwaway::Locked;
use store::{NewSubscriber, SubscriberSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::world::{Place, World, eventually, moved};

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Connections are cut, and new ones end at once: the server was stopped.
    Shut,
    /// Nothing comes through and nothing ends: the server was frozen.
    Frozen,
}

/// Stands between a gateway and its PostgreSQL, so that other tests keep theirs.
#[derive(Debug)]
struct Gate {
    url: String,
    way: watch::Sender<Way>,
}

impl Gate {
    async fn before(server: &str) -> Self {
        let mut url = Url::parse(server).unwrap();
        let target = format!("{}:{}", url.host().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(own.port())).unwrap();
        let way = watch::Sender::new(Way::Open);
        let receiver = way.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *receiver.borrow() == Way::Shut {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&target).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server, receiver.clone()));
                tokio::spawn(pass(from_server, to_client, receiver.clone()));
            }
        });
        Self {
            url: url.to_string(),
            way,
        }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let present = *way.borrow_and_update();
        let read = async {
            if present == Way::Frozen {
                return std::future::pending().await;
            }
            from.read(&mut bytes).await
        };
        if present == Way::Shut {
            return;
        }
        tokio::select! {
            changed = way.changed() => if changed.is_err() { return },
            read = read => {
                let count = read.unwrap_or_default();
                if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What goes away.
#[derive(Debug)]
enum Database {
    /// A server, and how.
    Server(Gate, Way),
    /// A file that somebody else has locked.
    File(PathBuf, Option<Locked>),
}

impl Database {
    async fn go(&mut self) {
        match self {
            Self::Server(gate, way) => {
                gate.way.send_replace(*way);
            }
            Self::File(path, held) => *held = Some(Locked::take(path).await.unwrap()),
        }
    }

    async fn come_back(&mut self) {
        match self {
            Self::Server(gate, _) => {
                gate.way.send_replace(Way::Open);
            }
            Self::File(_, held) => held.take().unwrap().release().await.unwrap(),
        }
    }
}

type Ledger = Arc<Mutex<Vec<String>>>;

/// A subscriber that takes everything and writes down the ids.
async fn subscriber() -> (String, Ledger) {
    async fn take(State(ledger): State<Ledger>, body: Bytes) {
        let event: Value = serde_json::from_slice(&body).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        // Slowly, so that the database goes away while something is on its way.
        tokio::time::sleep(Duration::from_millis(20)).await;
        ledger.lock().unwrap().push(id);
    }
    let ledger = Ledger::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/hook", post(take))
        .with_state(Arc::clone(&ledger));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (url, ledger)
}

async fn story(mut place: Place, mut database: Database) {
    if let Database::Server(gate, _) = &database {
        place.url.clone_from(&gate.url);
    }
    let world = World::start(&place).await;
    let (url, ledger) = subscriber().await;
    let settings = json!({"url": url, "allow_private": true, "timeout_ms": 2_000});
    let new = NewSubscriber::new("crm", SubscriberSource::Api, settings);
    world.store().gateway().put_subscriber(new).await.unwrap();
    let mut second = 0;
    for _ in 0..2 {
        // Three deals, whose events are on their way.
        let bodies: Vec<_> = (0..12)
            .zip(second..)
            .map(|(n, at)| moved(1 + n % 3, at))
            .collect();
        second += 12;
        for body in &bodies {
            assert_eq!(world.webhook(body.clone()).await.counts(), (1, 0));
        }
        database.go().await;
        let bodies: Vec<_> = (0..8)
            .zip(second..)
            .map(|(n, at)| moved(1 + n % 3, at))
            .collect();
        second += 8;
        for body in &bodies {
            let asked = Instant::now();
            let answer = world.webhook(body.clone()).await;
            let waited = asked.elapsed();
            assert!(waited < Duration::from_secs(2), "{waited:?}");
            assert_eq!(answer.status, 503, "{}", answer.text);
            assert!(answer.headers.contains_key("retry-after"));
        }
        database.come_back().await;
        let back = Instant::now();
        // amoCRM comes again; what was stored after all is there once.
        for body in &bodies {
            eventually("webhooks are taken again", || async {
                (world.webhook(body.clone()).await.status == 200).then_some(())
            })
            .await;
        }
        let waited = back.elapsed();
        assert!(
            waited < Duration::from_secs(15),
            "alone, and soon: {waited:?}"
        );
    }
    let events = world.events().await;
    assert_eq!(events.len(), 40, "each is there, and once");
    let stored: BTreeSet<_> = events.iter().map(|event| event.event_id.clone()).collect();
    eventually("everything is delivered", || async {
        let delivered: BTreeSet<_> = ledger.lock().unwrap().iter().cloned().collect();
        (delivered == stored).then_some(())
    })
    .await;
    // Of each deal in the order in which it was stored, whatever came twice.
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let ledger = ledger.lock().unwrap().clone();
    for (place, id) in ledger.iter().enumerate() {
        first.entry(id).or_insert(place);
    }
    for deal in 1..=3 {
        let subject = format!("leads/{deal}");
        let of_deal = events
            .iter()
            .filter(|event| event.subject.as_deref() == Some(&subject));
        let places: Vec<_> = of_deal
            .map(|event| first[event.event_id.as_str()])
            .collect();
        assert!(places.is_sorted(), "{places:?}");
    }
    world.stop().await;
    place.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_is_locked_costs_time_and_no_event() {
    let place = Place::sqlite();
    let file = place.file();
    story(place, Database::File(file, None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_server_that_stops_or_freezes_costs_time_and_no_event() {
    let stories = [Way::Shut, Way::Frozen].map(async |way| {
        let Some(place) = Place::postgres().await else {
            return;
        };
        let gate = Gate::before(&place.url).await;
        story(place, Database::Server(gate, way)).await;
    });
    join_all(stories).await;
}
