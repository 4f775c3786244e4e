//! The programs that are measured, as processes of their own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::load::{Pace, Storm};
use crate::beside;

/// A key for tokens that are worth nothing.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Nobody listens there: the "discard" service of 1983.
const NOBODY: &str = "http://127.0.0.1:9";
/// How long it may take to notice that amoCRM is away.
const PATIENCE: Duration = Duration::from_mins(2);
/// An answer that waits for a delivery takes longer than this.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A running program; it ends with the value.
pub(super) struct Service {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Service {
    /// The bare handler.
    pub(super) fn bare(database: &str, group: bool) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["intake", "--bare", database]);
        if group {
            command.arg("--group");
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .trim()
            .parse()
            .context("the bare handler did not start");
        let address = address.inspect_err(|_| end(&mut process))?;
        Ok(Self { process, address })
    }

    /// lead-intake while amoCRM is away.
    pub(super) fn alone(database: &str) -> anyhow::Result<Self> {
        Self::lead_intake(database, NOBODY, "nobody-asks-for-it", &[])
    }

    /// lead-intake, with a long-lived token for amoCRM. What it logs is written, as an operator would have it.
    pub(super) fn lead_intake(
        database: &str,
        amocrm: &str,
        token: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let program = beside("lead-intake")?;
        let mut process = Command::new(&program)
            .env_clear()
            // So that no `.env` of the developer's is read.
            .current_dir(std::env::temp_dir())
            .envs([
                ("SERVER_PORT", "0"),
                ("DATABASE_URL", database),
                ("ENCRYPTION_KEY", KEY),
                ("AMOCRM_DOMAIN", "acme-demo.amocrm.ru"),
                ("AMOCRM_BASE_URL", amocrm),
                ("AMOCRM_ACCESS_TOKEN", token),
            ])
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be run", program.display()))?;
        let stderr = process.stderr.take().context("no log")?;
        match announced(stderr) {
            Ok(address) => Ok(Self { process, address }),
            Err(error) => {
                end(&mut process);
                Err(error)
            }
        }
    }

    /// Waits until a lead is answered at once: lead-intake has found out that amoCRM is away.
    pub(super) async fn knows_that_amocrm_is_away(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let one = Storm {
                address: self.address,
                connections: 1,
                pace: Pace::Closed,
                lasts: PATIENCE,
                most: 1,
            };
            if one.send().await?.took < AT_ONCE {
                return Ok(());
            }
        }
        bail!("lead-intake does not notice that amoCRM is away")
    }

    /// What the kernel says of its memory, in KiB: `VmRSS` now, `VmHWM` at most. `None` but on Linux.
    pub(super) fn memory(&self, name: &str) -> Option<u32> {
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
fn announced(log: std::process::ChildStderr) -> anyhow::Result<SocketAddr> {
    let mut log = BufReader::new(log);
    let mut said = String::new();
    loop {
        let mut line = String::new();
        if log.read_line(&mut line)? == 0 {
            bail!("lead-intake did not start: {}", said.trim());
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
