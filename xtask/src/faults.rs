//! `cargo xtask faults`: processes killed, frozen and lied to, by the package `faults`.

use std::ffi::OsStr;
use std::process::Command;

use crate::bench::PROFILE;
use crate::cargo::cargo;
use crate::postgres::{Found, Postgres, Tools};
use crate::process;
use crate::test::Counts;

/// What is built and run: the program itself, and those that it kills.
const PROGRAMS: [&str; 10] = [
    "--bin",
    "faults",
    "--bin",
    "lead-intake",
    "--bin",
    "lesson-sync",
    "--bin",
    "webhook-gateway",
    "--bin",
    "amocrm-emulator",
];
/// A run for each database among the other tests: enough for every kind of blow, and always the same ones, so that
/// whatever fails, fails every time.
const SMALL: [[&str; 5]; 3] = [
    ["intake", "--leads", "40", "--seed", "4"],
    ["lessons", "--students", "40", "--seed", "4"],
    ["gateway", "--webhooks", "1000", "--seed", "4"],
];

/// What to break.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// Leads through two lead-intake processes on one database.
    Intake {
        /// How many leads are posted.
        #[arg(long, default_value_t = 500)]
        leads: u32,
        #[command(flatten)]
        options: Options,
    },
    /// Finished lessons through two lesson-sync processes on one database.
    Lessons {
        /// How many students finish three lessons each.
        #[arg(long, default_value_t = 1_000)]
        students: u32,
        #[command(flatten)]
        options: Options,
    },
    /// amoCRM's webhooks through two webhook-gateway processes on one database; one process on SQLite.
    Gateway {
        /// How many webhooks are posted.
        #[arg(long, default_value_t = 20_000)]
        webhooks: u32,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Repeats the schedule of a run; drawn, and printed, if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// One database only; without it both, one after the other.
    #[arg(long)]
    backend: Option<Backend>,
    /// Build as the benchmarks do: a long run of debug builds mostly waits for them.
    #[arg(long)]
    optimized: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    Sqlite,
    Postgres,
}

/// Runs it; an error if anything was lost or doubled.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::catch_signals()?;
    let (subject, options) = match &arguments.subject {
        Subject::Intake { leads, options } => {
            let count = leads.to_string();
            (
                ["intake", "--leads", count.as_str()].map(str::to_owned),
                options,
            )
        }
        Subject::Lessons { students, options } => {
            let count = students.to_string();
            (
                ["lessons", "--students", count.as_str()].map(str::to_owned),
                options,
            )
        }
        Subject::Gateway { webhooks, options } => {
            let count = webhooks.to_string();
            (
                ["gateway", "--webhooks", count.as_str()].map(str::to_owned),
                options,
            )
        }
    };
    let profile = if options.optimized { &PROFILE[..] } else { &[] };
    build(profile)?;
    let mut command = program(profile, &subject);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    match options.backend {
        Some(Backend::Sqlite) => command.args(["--backend", "sqlite"]),
        Some(Backend::Postgres) => command.args(["--backend", "postgres"]),
        None => &mut command,
    };
    let _postgres = match options.backend {
        Some(Backend::Sqlite) => None,
        _ => match Tools::find() {
            Found::Tools(tools) => Some(with_server(&mut command, Postgres::start(tools)?)),
            Found::Missing(reason) if options.backend.is_some() => anyhow::bail!("{reason}"),
            Found::Missing(reason) => {
                println!("skipped: PostgreSQL ({reason})");
                command.args(["--backend", "sqlite"]);
                None
            }
        },
    };
    finish(&mut command)
}

/// A small run on each database, with the programs the tests were built with. `server` is one of ours, or the URL of
/// somebody else's.
pub(crate) fn smoke(server: Option<&Postgres>) -> Counts {
    let mut counts = Counts::default();
    let mut run = |command: &mut Command| match finish(command) {
        Ok(()) => counts.passed += 1,
        Err(error) => {
            println!("✘ {error:#}");
            counts.failed += 1;
        }
    };
    if let Err(error) = build(&[]) {
        println!("✘ {error:#}");
        return Counts {
            failed: 1,
            ..Counts::default()
        };
    }
    for small in SMALL {
        run(program(&[], &small).args(["--backend", "sqlite"]));
        if let Some(server) = server {
            let control = server.control();
            run(program(&[], &small)
                .args(["--backend", "postgres", "--postgres", &server.url()])
                .args(["--postgres-control", &control]));
        }
    }
    counts
}

fn with_server(command: &mut Command, postgres: Postgres) -> Postgres {
    command.args(["--postgres", &postgres.url()]);
    command.args(["--postgres-control", &postgres.control()]);
    postgres
}

/// Without `-p`: features are those of the whole workspace, so the build is shared with other chores.
fn build(profile: &[&str]) -> anyhow::Result<()> {
    let mut build = cargo(["build", "--quiet"]);
    let built = process::run("build", build.args(profile).args(PROGRAMS))?;
    anyhow::ensure!(built.success, "the programs do not build");
    Ok(())
}

fn program(profile: &[&str], arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = cargo(["run", "--quiet"]);
    command
        .args(profile)
        .args(["--bin", "faults", "--"])
        .args(arguments);
    command
}

fn finish(command: &mut Command) -> anyhow::Result<()> {
    let ended = process::run("faults", command)?;
    anyhow::ensure!(ended.success, "something was lost or doubled");
    Ok(())
}
