//! A system behind the gateway that is as fast as can be, or not there, or hangs.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How it answers.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Gate {
    /// With 429 and a second of patience.
    Shut,
    /// With 204, at once.
    Open,
    /// Never.
    Hangs,
}

/// Listens on a thread of its own.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    gate: AtomicU8,
    taken: AtomicU32,
    /// When the first and the last were taken.
    span: Mutex<Option<(Instant, Instant)>>,
}

impl Receiver {
    pub(super) fn start(gate: Gate) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            gate: AtomicU8::new(gate as u8),
            taken: AtomicU32::new(0),
            span: Mutex::new(None),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else {
                    return;
                };
                while let Ok((stream, _)) = listener.accept().await {
                    let state = Arc::clone(&shared);
                    tokio::spawn(async move {
                        // Whoever hangs up has had its answers.
                        let _ = state.converse(stream).await;
                    });
                }
            });
        });
        Ok(Self { address, state })
    }

    pub(super) fn set(&self, gate: Gate) {
        self.state.gate.store(gate as u8, Ordering::Relaxed);
    }

    /// How many were answered with 204.
    pub(super) fn taken(&self) -> u32 {
        self.state.taken.load(Ordering::Relaxed)
    }

    /// Per second, from the first to the last.
    pub(super) fn per_second(&self) -> f64 {
        let span = self.state.span.lock();
        let span = *span.unwrap_or_else(PoisonError::into_inner);
        span.map_or(0.0, |(first, last)| {
            f64::from(self.taken()) / (last - first).as_secs_f64()
        })
    }
}

impl State {
    async fn converse(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = Vec::with_capacity(4096);
        loop {
            let Some(length) = whole(&buffer)? else {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
                continue;
            };
            buffer.drain(..length);
            let gate = self.gate.load(Ordering::Relaxed);
            if gate == Gate::Hangs as u8 {
                // Until the gateway has waited long enough.
                let _ = stream.read_buf(&mut buffer).await?;
                return Ok(());
            }
            let answer: &[u8] = if gate == Gate::Open as u8 {
                self.note();
                b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"
            } else {
                b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
            };
            stream.write_all(answer).await?;
        }
    }

    fn note(&self) {
        let now = Instant::now();
        self.taken.fetch_add(1, Ordering::Relaxed);
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, last) = span.get_or_insert((now, now));
        *last = now;
    }
}

/// The length of the first request, once all of it has come.
fn whole(buffer: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..end]).context("a delivery is not HTTP")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let length = end + 4 + length.context("a delivery does not tell its length")?;
    Ok((buffer.len() >= length).then_some(length))
}
