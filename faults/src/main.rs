//! `cargo xtask faults`: real processes, killed, frozen and lied to, and a ledger of what became of all they took.
//!
//! The frame is the same for every service: a [`plan`] drawn from a seed, [`process`]es that are killed and started
//! again, an [`emulator`] that is told what to do wrong, a [`database`] that goes away, [`findings`] that end in one
//! line of figures. A subject such as [`intake`], [`lessons`] or [`gateway`] adds what is posted and what must hold.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "telling figures is what this program does"
)]

mod calm;
mod consent;
mod database;
mod emulator;
mod findings;
mod fleet;
mod gateway;
mod http;
mod intake;
mod journal;
mod lessons;
mod logs;
mod plan;
mod process;
mod workshop;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::database::Server;
use crate::findings::{Figures, Findings};

/// Kills processes and counts what was lost or doubled.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask faults", bin_name = "cargo xtask faults", about)]
struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Leads through two lead-intake processes on one database.
    Intake {
        /// How many leads are posted.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=20_000))]
        leads: u32,
        #[command(flatten)]
        options: Options,
    },
    /// Finished lessons through two lesson-sync processes on one database.
    Lessons {
        /// How many students finish three lessons each.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(20..=20_000))]
        students: u32,
        #[command(flatten)]
        options: Options,
    },
    /// amoCRM's webhooks through two webhook-gateway processes on one database; one process on SQLite.
    Gateway {
        /// How many webhooks are posted.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=200_000))]
        webhooks: u32,
        #[command(flatten)]
        options: Options,
    },
}

/// What all subjects understand.
#[derive(Debug, clap::Args)]
struct Options {
    /// Repeats the schedule of a run; drawn if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// One database only; without it both, one after the other.
    #[arg(long)]
    backend: Option<Backend>,
    /// A PostgreSQL server, as `postgres://user@host:port/database`.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// How to stop and start that server, as JSON; without it its connections are cut, but it is not stopped.
    #[arg(long, value_name = "JSON", requires = "postgres")]
    postgres_control: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Arguments::parse().subject {
        Subject::Intake { leads, options } => {
            let what = format!("intake: {leads} leads");
            options
                .run(&what, |seed, server| intake::run(seed, leads, server))
                .await
        }
        Subject::Lessons { students, options } => {
            let what = format!("lessons: {students} students");
            options
                .run(&what, |seed, server| lessons::run(seed, students, server))
                .await
        }
        Subject::Gateway { webhooks, options } => {
            let what = format!("gateway: {webhooks} webhooks");
            options
                .run(&what, |seed, server| gateway::run(seed, webhooks, server))
                .await
        }
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// Runs a subject on each backend, and adds up the figures in the last line.
    async fn run<F>(
        &self,
        what: &str,
        subject: impl Fn(u64, Option<Server>) -> F,
    ) -> anyhow::Result<bool>
    where
        F: Future<Output = anyhow::Result<Findings>>,
    {
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000_000));
        let backends = match self.backend {
            Some(backend) => vec![backend],
            None => vec![Backend::Sqlite, Backend::Postgres],
        };
        let mut all = Vec::new();
        let mut is_well = true;
        for backend in backends {
            let name = backend.as_str();
            println!("\n── faults {what} on {name}, seed {seed}");
            match subject(seed, self.server(backend)?).await {
                Ok(findings) => {
                    findings.tell();
                    is_well &= findings.is_well();
                    all.push(findings.figures);
                }
                Err(error) => {
                    eprintln!("✘ the run on {name} with seed {seed} did not end: {error:#}");
                    return Ok(false);
                }
            }
            if !is_well {
                println!("✘ seed {seed} repeats this schedule: --seed {seed}");
            }
        }
        // The last line is read by programs.
        println!("{}", Figures::sum(&all));
        Ok(is_well)
    }

    /// The server of a backend, if it needs one.
    fn server(&self, backend: Backend) -> anyhow::Result<Option<Server>> {
        match (backend, &self.postgres) {
            (Backend::Sqlite, _) => Ok(None),
            (Backend::Postgres, Some(url)) => {
                Server::new(url, self.postgres_control.as_deref()).map(Some)
            }
            (Backend::Postgres, None) => anyhow::bail!(
                "--backend postgres needs --postgres URL; `cargo xtask faults` starts one"
            ),
        }
    }
}
