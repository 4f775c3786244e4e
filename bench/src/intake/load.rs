//! Visitors: connections that stay open, on a thread of their own, with as little work for each request as possible.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// So that no two visitors of a run have one phone: a person's second lead would wait for the first.
static VISITORS: AtomicU32 = AtomicU32::new(1);

/// How visitors come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// Each connection sends as soon as it is answered.
    Closed,
    /// So many per second over all connections, whether the answers come or not. Latency counts from the moment when a
    /// request was due, so that a stalled service is not spared the requests that it kept from being sent.
    PerSecond(u32),
}

/// What a storm is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storm {
    pub(super) address: SocketAddr,
    pub(super) connections: u32,
    pub(super) pace: Pace,
    pub(super) lasts: Duration,
    /// Ends sooner when so many have been answered.
    pub(super) most: u32,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) took: Duration,
    latencies: Vec<Duration>,
}

impl Answers {
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.latencies.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn per_second(&self) -> f64 {
        f64::from(self.count()) / self.took.as_secs_f64()
    }

    /// The latency below which this part of the answers was, in milliseconds.
    pub(super) fn percentile(&self, percent: u32) -> f64 {
        percentile(&self.latencies, percent).as_secs_f64() * 1e3
    }
}

/// Of sorted durations.
pub(super) fn percentile(sorted: &[Duration], percent: u32) -> Duration {
    let rank = (sorted.len() * percent as usize).div_ceil(100);
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(rank.saturating_sub(1).min(last))
        .copied()
        .unwrap_or_default()
}

impl Storm {
    /// Sends it from a thread of its own. An answer that is not 2xx is an error: it would be measured as a fast one.
    pub(super) async fn send(self) -> anyhow::Result<Answers> {
        let (reply, answers) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let answers = match runtime {
                Ok(runtime) => runtime.block_on(self.rage()),
                Err(error) => Err(error.into()),
            };
            // Whoever asked may have given up.
            let _ = reply.send(answers);
        });
        answers.await.context("the visitors panicked")?
    }

    async fn rage(self) -> anyhow::Result<Answers> {
        let mut visitors = Vec::new();
        for _ in 0..self.connections {
            visitors.push(Visitor::connect(self.address).await?);
        }
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for (index, visitor) in (0_u32..).zip(visitors) {
            tasks.spawn(self.visit(visitor, index, started));
        }
        let mut latencies = Vec::new();
        while let Some(visited) = tasks.join_next().await {
            latencies.extend(visited??);
        }
        let took = started.elapsed();
        latencies.sort_unstable();
        Ok(Answers { took, latencies })
    }

    async fn visit(
        self,
        mut visitor: Visitor,
        index: u32,
        started: Instant,
    ) -> anyhow::Result<Vec<Duration>> {
        let share = self.most.div_ceil(self.connections.max(1));
        let mut latencies = Vec::new();
        for turn in 0..share {
            let due = match self.pace {
                Pace::Closed => Instant::now(),
                Pace::PerSecond(rate) => {
                    let number = turn * self.connections + index;
                    started + Duration::from_secs(1) * number / rate
                }
            };
            if due.duration_since(started) >= self.lasts {
                break;
            }
            tokio::time::sleep_until(due.into()).await;
            visitor.post().await?;
            latencies.push(due.elapsed());
        }
        Ok(latencies)
    }
}

/// A connection, and the buffers that its requests share.
struct Visitor {
    stream: TcpStream,
    host: SocketAddr,
    answer: Vec<u8>,
}

impl Visitor {
    async fn connect(host: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host,
            answer: Vec::with_capacity(4096),
        })
    }

    async fn post(&mut self) -> anyhow::Result<()> {
        let number = VISITORS.fetch_add(1, Ordering::Relaxed) % 10_000_000;
        let body = format!(
            r#"{{"name":"Тест Тестов","phone":"+7900{number:07}","email":"visitor{number:07}@example.com","utm_source":"google","utm_medium":"cpc","utm_campaign":"asia_deals_test"}}"#
        );
        let request = format!(
            "POST /api/leads HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await?;
            ensure!(read > 0, "the service closed a connection");
            if is_whole(&self.answer)? {
                return Ok(());
            }
        }
    }
}

/// Whether the answer has all come. Both services give its length.
fn is_whole(answer: &[u8]) -> anyhow::Result<bool> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let (head, rest) = answer.split_at(end);
    let head = std::str::from_utf8(head).context("the answer is not HTTP")?;
    ensure!(
        head.starts_with("HTTP/1.1 2"),
        "refused: {}",
        String::from_utf8_lossy(answer)
    );
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.context("the answer does not tell its length")?;
    Ok(rest.len() - 4 >= length)
}
