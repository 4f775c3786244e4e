//! `cargo xtask bench`: speed, measured by the package `bench`.

use std::ffi::OsStr;

use crate::cargo::cargo;
use crate::postgres::{Found, Postgres, Tools};
use crate::test::Counts;
use crate::{environment, process};

/// Its profile: a release that is linked in seconds.
pub(crate) const PROFILE: [&str; 2] = ["--profile", "bench"];

/// Without `-p`: features are those of the whole workspace, so the build is shared with other chores.
const PROGRAMS: [&str; 10] = [
    "--bin",
    "bench",
    "--bin",
    "amocrm-emulator",
    "--bin",
    "lead-intake",
    "--bin",
    "webhook-gateway",
    "--bin",
    "lesson-sync",
];

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The SDK: reading, writing, the budget, memory, the layers' overhead.
    Sdk {
        /// Seconds instead of minutes: shows that the benchmark works, not how fast anything is.
        #[arg(long)]
        quick: bool,
        /// Other clients do the same work in the same run. They are installed from PyPI and npm.
        #[arg(long)]
        peers: bool,
    },
    /// webhook-gateway: webhooks taken per second on SQLite and PostgreSQL, deliveries, answers while a subscriber hangs and
    /// a million events wait, memory.
    Gateway {
        /// Seconds instead of minutes: shows that the benchmark works, not how fast anything is.
        #[arg(long)]
        quick: bool,
    },
    /// lesson-sync: lessons taken per second on SQLite and PostgreSQL, requests to amoCRM for a moved deal when ten thousand
    /// students finish a lesson at once, how long that takes, memory.
    Lessons {
        /// Seconds instead of minutes: shows that the benchmark works, not how fast anything is.
        #[arg(long)]
        quick: bool,
    },
    /// lead-intake: leads taken per second on SQLite and PostgreSQL, answers while amoCRM is away, the way of a lead to
    /// amoCRM, memory.
    Intake {
        /// Seconds instead of minutes: shows that the benchmark works, not how fast anything is.
        #[arg(long)]
        quick: bool,
    },
}

/// Measures. Only what does not work is an error; what is slow is a figure.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::catch_signals()?;
    build(&PROFILE)?;
    match arguments.what {
        What::Sdk { quick, peers } => {
            let options = [(quick, "--quick"), (peers, "--peers")];
            let options = options
                .into_iter()
                .filter_map(|(is_on, option)| is_on.then_some(option));
            measure(&PROFILE, ["sdk"].into_iter().chain(options))
        }
        What::Intake { quick } => on_databases("intake", quick),
        What::Gateway { quick } => on_databases("gateway", quick),
        What::Lessons { quick } => on_databases("lessons", quick),
    }
}

/// Measures a service on SQLite, and on PostgreSQL if there is one.
fn on_databases(service: &str, quick: bool) -> anyhow::Result<()> {
    let mut options = vec![service.to_owned()];
    options.extend(quick.then(|| "--quick".to_owned()));
    // Stopped and deleted at the end, whatever happens.
    let (url, _postgres) = postgres()?;
    options.extend(url.map(|url| format!("--postgres={url}")));
    measure(&PROFILE, options)
}

/// Shows that the benchmarks work, with the programs the tests were built with.
pub(crate) fn smoke(postgres_url: Option<&str>) -> Counts {
    let quick = |service: &str| {
        let mut options = vec![service.to_owned(), "--quick".to_owned()];
        options.extend(postgres_url.map(|url| format!("--postgres={url}")));
        measure(&[], options)
    };
    let mut counts = Counts::default();
    let sdk = build(&[]).and_then(|()| measure(&[], ["sdk", "--quick"]));
    for done in [sdk, quick("intake"), quick("gateway"), quick("lessons")] {
        match done {
            Ok(()) => counts.passed += 1,
            Err(error) => {
                println!("✘ {error:#}");
                counts.failed += 1;
            }
        }
    }
    counts
}

/// A server for this run, or the one of `TEST_POSTGRES_URL`.
fn postgres() -> anyhow::Result<(Option<String>, Option<Postgres>)> {
    if let Some(url) = environment::get(environment::TEST_POSTGRES_URL) {
        return Ok((Some(url), None));
    }
    match Tools::find() {
        Found::Tools(tools) => {
            let postgres = Postgres::start(tools)?;
            Ok((Some(postgres.url()), Some(postgres)))
        }
        Found::Missing(reason) => {
            println!("skipped: {reason}");
            Ok((None, None))
        }
    }
}

fn build(profile: &[&str]) -> anyhow::Result<()> {
    let mut build = cargo(["build", "--quiet"]);
    build.args(profile).args(PROGRAMS);
    let built = process::run("build", &mut build)?;
    anyhow::ensure!(built.success, "the benchmark does not build");
    Ok(())
}

fn measure(
    profile: &[&str],
    options: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> anyhow::Result<()> {
    let mut measure = cargo(["run", "--quiet"]);
    measure
        .args(profile)
        .args(["--bin", "bench", "--"])
        .args(options);
    let measured = process::run("bench", &mut measure)?;
    anyhow::ensure!(measured.success, "the benchmark failed");
    Ok(())
}
