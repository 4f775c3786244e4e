//! Programs that are killed, frozen and started again.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long a program may take to end in good order.
const GOOD_ORDER: Duration = Duration::from_secs(40);
/// How long a program may take to begin to listen for signals, on a machine that is busy.
const YOUTH: Duration = Duration::from_secs(5);
const SIGTERM: i32 = 15;

/// How to start a program: always the same way, so that it can be started again.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) directory: PathBuf,
}

impl Program {
    /// The command, with its output appended to `NAME.log`.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let log = self.directory.join(format!("{}.log", self.name));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| log.display().to_string())?;
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        Ok(command)
    }

    pub(crate) fn start(&self) -> anyhow::Result<Process> {
        let child = self
            .command()?
            .spawn()
            .with_context(|| format!("{} cannot be run", self.path.display()))?;
        Ok(Process {
            child,
            started: Instant::now(),
        })
    }

    /// Runs it to its end with other arguments.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let program = Self {
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            ..self.clone()
        };
        let status = program.command()?.status().await?;
        anyhow::ensure!(
            status.success(),
            "{} {}: {status}; see {}.log",
            self.path.display(),
            arguments.join(" "),
            self.name
        );
        Ok(())
    }
}

/// A running program; it ends with the value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    started: Instant,
}

impl Process {
    /// SIGKILL: no destructor runs, nothing is flushed.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }

    /// SIGSTOP, and SIGCONT after `pause`: a machine that swaps, a hypervisor that moves it.
    pub(crate) async fn freeze(&self, pause: Duration) -> anyhow::Result<()> {
        self.signal("STOP").await?;
        sleep(pause).await;
        self.signal("CONT").await
    }

    /// SIGTERM: what is in flight ends first.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.signal("TERM").await?;
        let status = timeout(GOOD_ORDER, self.child.wait())
            .await
            .context("a process did not end after SIGTERM")??;
        // Before a program listens for signals it ends by them, and has begun nothing.
        let is_unborn = status.signal() == Some(SIGTERM) && self.started.elapsed() < YOUTH;
        anyhow::ensure!(
            status.success() || is_unborn,
            "a process ended badly: {status}"
        );
        Ok(())
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let id = self.child.id().context("the process has ended")?;
        let status = Command::new("kill")
            .args([format!("-{name}"), id.to_string()])
            .status()
            .await?;
        anyhow::ensure!(status.success(), "kill -{name}: {status}");
        Ok(())
    }
}
