//! A PostgreSQL that lives as long as one test run.
//!
//! It listens on the loopback interface only, its data are in a directory of its own, and dropping it stops the server and
//! deletes the directory, also after a failure or Ctrl-C. PostgreSQL refuses to run as root, so root hands it to the
//! user `postgres`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

use crate::directory::Directory;
use crate::{environment, process};

/// Another program may take the free port before the server does.
const ATTEMPTS: usize = 3;
/// The superuser that `initdb` makes.
const SUPERUSER: &str = "postgres";

/// A running server.
#[derive(Debug)]
pub(crate) struct Postgres {
    tools: Tools,
    directory: Directory,
    port: u16,
    /// What `pg_ctl start` passes to the server.
    options: String,
}

/// What was found on this machine.
#[derive(Debug)]
pub(crate) enum Found {
    Tools(Tools),
    /// Why there is none.
    Missing(String),
}

/// The programs, and the user to run them.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    programs: PathBuf,
    version: String,
    user: Option<SystemUser>,
}

/// The user that root hands the server to.
#[derive(Debug, Clone, Copy)]
struct SystemUser {
    id: u32,
    group: u32,
}

impl Tools {
    /// Looks on `PATH`, then where Debian and its relatives hide the server's programs.
    pub(crate) fn find() -> Found {
        let mut places = environment::search_path();
        places.extend(debian_directories());
        let complete =
            |place: &PathBuf| place.join("initdb").is_file() && place.join("pg_ctl").is_file();
        let Some(programs) = places.into_iter().find(complete) else {
            return Found::Missing(
                "PostgreSQL is not installed (no initdb and pg_ctl; apt-get install postgresql)"
                    .to_owned(),
            );
        };
        let version = process::output(
            "pg_ctl --version",
            Command::new(programs.join("pg_ctl")).arg("--version"),
        );
        let version = match version {
            Ok(text) => text
                .split_whitespace()
                .nth(2)
                .unwrap_or("of unknown version")
                .to_owned(),
            Err(error) => return Found::Missing(format!("PostgreSQL cannot be run ({error:#})")),
        };
        match system_user() {
            Ok(user) => Found::Tools(Self {
                programs,
                version,
                user,
            }),
            Err(error) => Found::Missing(format!("PostgreSQL does not run as root ({error:#})")),
        }
    }

    /// A program of the server, as the user that may run it.
    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = if let Some(user) = self.user {
            let mut command = Command::new("setpriv");
            command.args([
                &format!("--reuid={}", user.id),
                &format!("--regid={}", user.group),
                "--init-groups",
            ]);
            command.arg("--").arg(path);
            command
        } else {
            Command::new(path)
        };
        // The directory we are in may be closed to that user.
        command.current_dir("/");
        command
    }
}

impl Postgres {
    /// Makes an empty cluster and starts it; `pg_ctl` waits until it accepts connections.
    pub(crate) fn start(tools: Tools) -> anyhow::Result<Self> {
        let directory = Directory::create("pg")?;
        if let Some(user) = tools.user {
            give(directory.path(), user).with_context(|| {
                format!(
                    "{} cannot be given to {SUPERUSER}",
                    directory.path().display()
                )
            })?;
        }
        let data = directory.path().join("data");
        process::output(
            "initdb",
            tools
                .command("initdb")
                .args([
                    "-U",
                    SUPERUSER,
                    "--auth=trust",
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "-D",
                ])
                .arg(&data),
        )?;
        for attempt in 1.. {
            let port = free_port()?;
            let options = format!(
                "-p {port} -k {} -c listen_addresses=127.0.0.1 -c max_connections=200",
                directory.path().display()
            );
            let log = directory.path().join("log");
            let mut command = tools.command("pg_ctl");
            command.arg("-D").arg(&data).arg("-l").arg(&log);
            command.args(["-o", &options, "-t", "60", "-w", "start"]);
            // The server inherits these; a pipe would be held open by it.
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let status = command.status().context("pg_ctl cannot be run")?;
            if status.success() {
                return Ok(Self {
                    tools,
                    directory,
                    port,
                    options,
                });
            }
            let log = fs::read_to_string(log).unwrap_or_default();
            if attempt >= ATTEMPTS || !log.contains("Address already in use") {
                anyhow::bail!("PostgreSQL does not start: {}", log.trim());
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Where tests reach it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", self.port)
    }

    /// How another program stops this server and starts it again: `pg_ctl` with what stands before it, and what it needs.
    pub(crate) fn control(&self) -> String {
        let pg_ctl = self.tools.command("pg_ctl");
        let words = std::iter::once(pg_ctl.get_program()).chain(pg_ctl.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        serde_json::json!({
            "pg_ctl": words,
            "data": self.directory.path().join("data"),
            "log": self.directory.path().join("log"),
            "options": self.options,
        })
        .to_string()
    }

    /// `15.18 on port 5433`.
    pub(crate) fn describe(&self) -> String {
        format!("{} on port {}", self.tools.version, self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stopped = process::output(
            "pg_ctl stop",
            self.tools
                .command("pg_ctl")
                .arg("-D")
                .arg(self.directory.path().join("data"))
                // Nobody needs these data again.
                .args(["-m", "immediate", "-w", "stop"]),
        );
        if let Err(error) = stopped {
            eprintln!("warning: {error:#}");
        }
    }
}

#[cfg(unix)]
fn give(path: &Path, user: SystemUser) -> std::io::Result<()> {
    std::os::unix::fs::chown(path, Some(user.id), Some(user.group))
}

#[cfg(not(unix))]
fn give(_: &Path, _: SystemUser) -> std::io::Result<()> {
    Ok(())
}

/// `None` unless this is root.
fn system_user() -> anyhow::Result<Option<SystemUser>> {
    if !cfg!(unix) || id(&["-u"])? != 0 {
        return Ok(None);
    }
    let user = SystemUser {
        id: id(&["-u", SUPERUSER])?,
        group: id(&["-g", SUPERUSER])?,
    };
    process::output("setpriv", Command::new("setpriv").arg("--version"))?;
    Ok(Some(user))
}

fn id(arguments: &[&str]) -> anyhow::Result<u32> {
    let text = process::output("id", Command::new("id").args(arguments))?;
    Ok(text.trim().parse()?)
}

/// `/usr/lib/postgresql/VERSION/bin`, newest first.
fn debian_directories() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, path)| path).collect()
}

/// A port that nobody listens on. It is none of those that the system gives to connections by itself: while a server is
/// restarted, the port of a client that looks for it could be the server's own.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    // The process's number keeps two runs beside each other apart; the system's own ports begin at 32768.
    let first = 10_000 + std::process::id() % 20_000;
    let taken = NEXT.fetch_add(1, Ordering::Relaxed);
    (0..20_000)
        .map(|step| 10_000 + (first - 10_000 + taken * 7 + step) % 20_000)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("there is no free port")
}

/// How many ports were asked for: each asks for another.
static NEXT: AtomicU32 = AtomicU32::new(0);
