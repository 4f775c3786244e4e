//! A NATS server with JetStream that lives as long as one test run.
//!
//! It listens on the loopback interface only, its data are in a directory of its own, and dropping it ends the server and
//! deletes the directory.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::directory::Directory;
use crate::postgres::free_port;
use crate::{environment, process};

/// Another program may take the free port before the server does.
const ATTEMPTS: usize = 3;
/// It starts within milliseconds, on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A running server.
#[derive(Debug)]
pub(crate) struct Nats {
    server: Child,
    program: Program,
    port: u16,
    /// Deleted after the server has ended.
    _directory: Directory,
}

/// What was found on this machine.
#[derive(Debug)]
pub(crate) enum Found {
    Program(Program),
    /// Why there is none.
    Missing(String),
}

/// `nats-server`, wherever it is.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    version: String,
}

impl Program {
    /// Looks on `PATH`, then where Debian puts servers, which users other than root do not have on theirs.
    pub(crate) fn find() -> Found {
        let mut places = environment::search_path();
        places.push("/usr/sbin".into());
        let candidate = places.into_iter().map(|place| place.join("nats-server"));
        let Some(path) = candidate.into_iter().find(|path| path.is_file()) else {
            return Found::Missing(
                "NATS is not installed (no nats-server; apt-get install nats-server)".to_owned(),
            );
        };
        let asked = process::output(
            "nats-server --version",
            Command::new(&path).arg("--version"),
        );
        match asked {
            // `nats-server: v2.9.10`.
            Ok(text) => {
                let version = text
                    .split_whitespace()
                    .last()
                    .unwrap_or("of unknown version");
                let version = version.trim_start_matches('v').to_owned();
                Found::Program(Self { path, version })
            }
            Err(error) => Found::Missing(format!("NATS cannot be run ({error:#})")),
        }
    }
}

impl Nats {
    /// Starts a server with empty storage and waits until it takes connections.
    pub(crate) fn start(program: &Program) -> anyhow::Result<Self> {
        for attempt in 1.. {
            let directory = Directory::create("nats")?;
            let log = directory.path().join("log");
            let port = free_port()?;
            let mut command = Command::new(&program.path);
            command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]);
            command.arg(directory.path().join("data"));
            command.arg("-l").arg(&log);
            command.stdin(Stdio::null());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let server = command.spawn().context("nats-server cannot be run")?;
            let mut nats = Self {
                server,
                program: program.clone(),
                port,
                _directory: directory,
            };
            if nats.is_up()? {
                return Ok(nats);
            }
            let log = fs::read_to_string(log).unwrap_or_default();
            if attempt >= ATTEMPTS || !log.contains("address already in use") {
                anyhow::bail!("nats-server does not start: {}", log.trim());
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Where tests reach it.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The program, for tests that start and end servers of their own.
    pub(crate) fn program(&self) -> &std::path::Path {
        &self.program.path
    }

    /// `2.9.10 on port 4223`.
    pub(crate) fn describe(&self) -> String {
        format!("{} on port {}", self.program.version, self.port)
    }

    fn is_up(&mut self) -> anyhow::Result<bool> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.server.try_wait()?.is_some() {
                return Ok(false);
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(true);
            }
            thread::sleep(POLL);
        }
        Ok(false)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // Nobody needs these data again.
        let ended = self.server.kill().and_then(|()| self.server.wait());
        if let Err(error) = ended {
            eprintln!("warning: nats-server was not ended: {error}");
        }
    }
}
