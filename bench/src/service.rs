//! The programs that are measured, as processes of their own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::beside;

/// A key for secrets that are worth nothing.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A running program; it ends with the value.
pub(crate) struct Service {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Service {
    /// This program in another part, which prints its address.
    pub(crate) fn part(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().with_context(|| arguments.join(" "));
        let address = address.inspect_err(|_| end(&mut process))?;
        Ok(Self { process, address })
    }

    /// A service as people run it, on a free port. What it logs is written, as an operator would have it.
    pub(crate) fn start(
        name: &str,
        database: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let program = beside(name)?;
        let mut process = Command::new(&program)
            .env_clear()
            // So that no `.env` of the developer's is read.
            .current_dir(std::env::temp_dir())
            .envs([
                ("SERVER_PORT", "0"),
                ("DATABASE_URL", database),
                ("ENCRYPTION_KEY", KEY),
            ])
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be run", program.display()))?;
        let stderr = process.stderr.take().context("no log")?;
        match announced(name, stderr) {
            Ok(address) => Ok(Self { process, address }),
            Err(error) => {
                end(&mut process);
                Err(error)
            }
        }
    }

    /// What the kernel says of its memory, in KiB: `VmRSS` now, `VmHWM` at most. `None` but on Linux.
    pub(crate) fn memory(&self, name: &str) -> Option<u32> {
        let file = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(file).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':')
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn end(process: &mut Child) {
    // It may have ended by itself, and then there is nothing to do.
    let _ = process.kill();
    let _ = process.wait();
}

/// Reads the log until it says where the service listens, and goes on reading so that its writer never waits.
fn announced(name: &str, log: ChildStderr) -> anyhow::Result<SocketAddr> {
    let mut log = BufReader::new(log);
    let mut said = String::new();
    loop {
        let mut line = String::new();
        if log.read_line(&mut line)? == 0 {
            bail!("{name} did not start: {}", said.trim());
        }
        if let Some((_, address)) = line.split_once("server.address=") {
            let address = address.trim().parse().context("where does it listen?")?;
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while matches!(log.read(&mut buffer), Ok(1..)) {}
            });
            return Ok(address);
        }
        said.push_str(&line);
    }
}
