//! Load: connections that stay open, on a thread of their own, with as little work for each request as possible.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// So that no two requests of a run are the same: a second lead of one person would wait for the first, and a webhook that
/// comes again is no event.
static NUMBERS: AtomicU32 = AtomicU32::new(1);

/// How requests come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Each connection sends as soon as it is answered.
    Closed,
    /// So many per second over all connections, whether the answers come or not. Latency counts from the moment when a
    /// request was due, so that a stalled service is not spared the requests that it kept from being sent.
    PerSecond(u32),
}

/// What a storm is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    pub(crate) address: SocketAddr,
    /// Makes a request of a number that no other has.
    pub(crate) request: fn(u32) -> Posted,
    pub(crate) connections: u32,
    pub(crate) pace: Pace,
    pub(crate) lasts: Duration,
    /// Ends sooner when so many have been answered.
    pub(crate) most: u32,
}

/// A request that is sent.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) took: Duration,
    latencies: Vec<Duration>,
}

impl Answers {
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.latencies.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn per_second(&self) -> f64 {
        f64::from(self.count()) / self.took.as_secs_f64()
    }

    /// The latency below which this part of the answers was, in milliseconds.
    pub(crate) fn percentile(&self, percent: u32) -> f64 {
        percentile(&self.latencies, percent).as_secs_f64() * 1e3
    }
}

/// Of sorted durations.
pub(crate) fn percentile(sorted: &[Duration], percent: u32) -> Duration {
    let rank = (sorted.len() * percent as usize).div_ceil(100);
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(rank.saturating_sub(1).min(last))
        .copied()
        .unwrap_or_default()
}

impl Storm {
    /// Sends it from a thread of its own. An answer that is not 2xx is an error: it would be measured as a fast one.
    pub(crate) async fn send(self) -> anyhow::Result<Answers> {
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
        answers.await.context("the callers panicked")?
    }

    async fn rage(self) -> anyhow::Result<Answers> {
        let mut callers = Vec::new();
        for _ in 0..self.connections {
            callers.push(Caller::connect(self.address).await?);
        }
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for (index, caller) in (0_u32..).zip(callers) {
            tasks.spawn(self.call(caller, index, started));
        }
        let mut latencies = Vec::new();
        while let Some(called) = tasks.join_next().await {
            latencies.extend(called??);
        }
        let took = started.elapsed();
        latencies.sort_unstable();
        Ok(Answers { took, latencies })
    }

    async fn call(
        self,
        mut caller: Caller,
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
            caller.post(self.request).await?;
            latencies.push(due.elapsed());
        }
        Ok(latencies)
    }
}

/// A connection, and the buffers that its requests share.
struct Caller {
    stream: TcpStream,
    host: SocketAddr,
    answer: Vec<u8>,
}

impl Caller {
    async fn connect(host: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host,
            answer: Vec::with_capacity(4096),
        })
    }

    async fn post(&mut self, request: fn(u32) -> Posted) -> anyhow::Result<()> {
        let posted = request(NUMBERS.fetch_add(1, Ordering::Relaxed));
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
            posted.path,
            self.host,
            posted.content_type,
            posted.body.len(),
            posted.body
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

/// The value in the middle.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
