//! A system behind the gateway: checks signatures, notes what came, and now and then does everything that systems do
//! wrong.
//!
//! It speaks HTTP over bare sockets, because it has to do what no server of good manners does: hang, or hang up after it
//! has understood.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::ledger::{Arrival, Ledger};

/// A bigger one is no delivery.
const MAX_REQUEST: usize = 1 << 20;

/// How a subscriber behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Stores what comes, and answers 204.
    Well,
    /// Answers 204, but late.
    Slow(Duration),
    /// Answers with this status.
    Fails(u16),
    /// Answers 429, with a second of `Retry-After`.
    Busy,
    /// Takes requests and never answers.
    Hangs,
    /// Stores what comes and hangs up without an answer.
    HangsUp,
    /// Is not there: its process is being restarted.
    Down,
}

/// A receiver at an address that stays.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) address: SocketAddr,
    mood: watch::Sender<Mood>,
    _server: JoinSet<()>,
}

/// What a connection needs to know.
#[derive(Clone)]
struct Desk {
    index: usize,
    secret: String,
    ledger: Arc<Mutex<Ledger>>,
    mood: watch::Receiver<Mood>,
}

impl Subscriber {
    /// Listens. `index` is its number in the ledger.
    pub(super) async fn start(
        index: usize,
        secret: String,
        ledger: Arc<Mutex<Ledger>>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (sender, mood) = watch::channel(Mood::Well);
        let desk = Desk {
            index,
            secret,
            ledger,
            mood,
        };
        let mut server = JoinSet::new();
        server.spawn(serve(listener, address, desk));
        Ok(Self {
            address,
            mood: sender,
            _server: server,
        })
    }

    /// Behaves like this from now on.
    pub(super) fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

/// Accepts while the subscriber is there. When it goes down its connections go too.
async fn serve(listener: TcpListener, address: SocketAddr, mut desk: Desk) {
    let mut listener = Some(listener);
    loop {
        let Some(open) = listener.take() else {
            if desk
                .mood
                .wait_for(|mood| *mood != Mood::Down)
                .await
                .is_err()
            {
                return;
            }
            listener = TcpListener::bind(address).await.ok();
            if listener.is_none() {
                // Somebody else was faster; the port is ours again in a moment.
                sleep(Duration::from_millis(50)).await;
            }
            continue;
        };
        let mut connections = JoinSet::new();
        let mut mood = desk.mood.clone();
        loop {
            tokio::select! {
                gone = mood.wait_for(|mood| *mood == Mood::Down) => {
                    if gone.is_err() {
                        return;
                    }
                    break;
                }
                accepted = open.accept() => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(converse(stream, desk.clone()));
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// Answers one request after another. What is not understood ends the connection.
async fn converse(mut stream: TcpStream, desk: Desk) {
    let mut buffer = Vec::new();
    while let Ok(Some((headers, body))) = read(&mut stream, &mut buffer).await {
        if !desk.answer(&mut stream, &headers, &body).await {
            return;
        }
    }
}

impl Desk {
    /// Whether the connection goes on.
    async fn answer(&self, stream: &mut TcpStream, headers: &HeaderMap, body: &[u8]) -> bool {
        let webhook = Webhook::new(&self.secret);
        let verified = webhook.is_ok_and(|webhook| webhook.verify(body, headers).is_ok());
        let id = headers.get("webhook-id").and_then(|id| id.to_str().ok());
        let arrival = self.note(|ledger| {
            let Some(id) = id.filter(|_| verified) else {
                let what = format!("subscriber {}: a delivery with a bad signature", self.index);
                ledger.wrong(what);
                return None;
            };
            ledger.arrived(self.index, id, body)
        });
        let Some(arrival) = arrival else {
            return write(stream, "401 Unauthorized", "").await;
        };
        let mood = *self.mood.borrow();
        match mood {
            Mood::Well => self.accept(stream, arrival).await,
            Mood::Slow(pause) => {
                sleep(pause).await;
                self.accept(stream, arrival).await
            }
            Mood::Fails(status) => write(stream, &format!("{status} Trouble"), "").await,
            Mood::Busy => write(stream, "429 Too Many Requests", "retry-after: 1\r\n").await,
            Mood::Hangs => {
                let mut mood = self.mood.clone();
                // Until it recovers, or the gateway has waited long enough and is gone.
                let mut nothing = [0];
                tokio::select! {
                    _ = mood.wait_for(|mood| *mood != Mood::Hangs) => {}
                    _ = stream.read(&mut nothing) => {}
                }
                false
            }
            Mood::HangsUp | Mood::Down => false,
        }
    }

    /// The event is stored before it is answered, as a good receiver does.
    async fn accept(&self, stream: &mut TcpStream, arrival: Arrival) -> bool {
        self.note(|ledger| ledger.accepted(arrival));
        write(stream, "204 No Content", "").await
    }

    fn note<T>(&self, note: impl FnOnce(&mut Ledger) -> T) -> T {
        note(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn write(stream: &mut TcpStream, status: &str, headers: &str) -> bool {
    let answer = format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.is_ok()
}

/// One request, or `None` at the end of the connection.
async fn read(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> anyhow::Result<Option<(HeaderMap, Vec<u8>)>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        anyhow::ensure!(buffer.len() < MAX_REQUEST, "a head without an end");
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = std::str::from_utf8(&buffer[..end])?;
    let mut headers = HeaderMap::new();
    for line in head.lines().skip(1) {
        if let Some((name, value)) = line.split_once(':') {
            let name = HeaderName::from_bytes(name.trim().as_bytes())?;
            headers.append(name, HeaderValue::from_str(value.trim())?);
        }
    }
    let length: usize = headers
        .get("content-length")
        .context("a delivery without a length")?
        .to_str()?
        .parse()?;
    anyhow::ensure!(length < MAX_REQUEST, "a delivery of {length} bytes");
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let rest = buffer.split_off(end + length);
    let body = buffer.split_off(end);
    *buffer = rest;
    Ok(Some((headers, body)))
}
