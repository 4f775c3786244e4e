//! Processes that do the same work, and what happens to them.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep, sleep_until};

use crate::calm::{Disturbance, wall_clock};
use crate::plan::Blow;
use crate::process::{Process, Program};

/// A process that is always started again.
#[derive(Debug)]
pub(crate) struct Slot {
    program: Program,
    process: Process,
    pub(crate) record: Record,
}

/// What was done to a process.
#[derive(Debug, Default, Clone)]
pub(crate) struct Record {
    /// When it was killed, by the clock on the wall, in seconds.
    pub(crate) kills: Vec<f64>,
    /// When it was frozen: a permit that it held is used when it thaws.
    pub(crate) freezes: Vec<Disturbance>,
    pub(crate) stops: usize,
    /// What it did that nobody asked for.
    pub(crate) wrong: Vec<String>,
}

impl Slot {
    pub(crate) fn start(program: Program) -> anyhow::Result<Self> {
        Ok(Self {
            process: program.start()?,
            program,
            record: Record::default(),
        })
    }

    /// Deals the blows when their time has come.
    pub(crate) async fn suffer(
        mut self,
        began: Instant,
        blows: Vec<(Duration, Blow)>,
    ) -> anyhow::Result<Self> {
        for (at, blow) in blows {
            sleep_until(began + at).await;
            if self.process.has_ended() {
                let name = &self.program.name;
                let what = format!("{name} ended by itself; see {name}.log");
                self.record.wrong.push(what);
                self.process = self.program.start()?;
                continue;
            }
            let down = match blow {
                Blow::Freeze(pause) => {
                    let from = wall_clock();
                    self.process.freeze(pause).await?;
                    self.record.freezes.push((from, wall_clock()));
                    continue;
                }
                Blow::Kill(down) => {
                    self.process.kill().await?;
                    self.record.kills.push(wall_clock());
                    down
                }
                Blow::Stop(down) => {
                    let stopped = self.process.stop().await;
                    if let Err(error) = stopped {
                        let what = format!("{}: {error:#}", self.program.name);
                        self.record.wrong.push(what);
                    }
                    self.record.stops += 1;
                    down
                }
            };
            sleep(down).await;
            self.process = self.program.start()?;
        }
        Ok(self)
    }

    /// Ends it in good order.
    pub(crate) async fn stop(mut self) -> Record {
        if let Err(error) = self.process.stop().await {
            let what = format!("{}: {error:#}", self.program.name);
            self.record.wrong.push(what);
        }
        self.record
    }
}

/// Ports that nobody listens on, one for each process: a process that is started again keeps its address. They are none of
/// those that the system gives to connections by itself, which begin at 32768: while a process is away, the port of a client
/// that looks for it could be its own.
pub(crate) fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    // All are held until the last is found, so that they differ.
    let mut held = Vec::new();
    let first = u16::try_from(std::process::id() % 10_000).unwrap_or_default() * 2;
    let mut ports = (first..20_000).chain(0..first).map(|port| 10_000 + port);
    while held.len() < count {
        let port = ports.next().context("there is no free port")?;
        held.extend(TcpListener::bind(("127.0.0.1", port)).ok());
    }
    let ports = held
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()));
    ports.collect()
}
