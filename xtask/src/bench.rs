//! `cargo xtask bench`: speed, measured by the package `bench`.

use std::ffi::OsStr;

use crate::cargo::cargo;
use crate::process;
use crate::test::Counts;

/// Its profile: a release that is linked in seconds.
const PROFILE: [&str; 2] = ["--profile", "bench"];

/// Without `-p`: features are those of the whole workspace, so the build is shared with other chores.
const PROGRAMS: [&str; 4] = ["--bin", "bench", "--bin", "amocrm-emulator"];

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
}

/// Measures. Only what does not work is an error; what is slow is a figure.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::catch_signals()?;
    let What::Sdk { quick, peers } = arguments.what;
    let options = [(quick, "--quick"), (peers, "--peers")];
    let options = options
        .into_iter()
        .filter_map(|(is_on, option)| is_on.then_some(option));
    measure(&PROFILE, options)
}

/// Shows that the benchmark works, with the programs the tests were built with.
pub(crate) fn smoke() -> Counts {
    let mut counts = Counts::default();
    match measure(&[], ["--quick"]) {
        Ok(()) => counts.passed = 1,
        Err(error) => {
            println!("✘ {error:#}");
            counts.failed = 1;
        }
    }
    counts
}

fn measure(
    profile: &[&str],
    options: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> anyhow::Result<()> {
    let mut build = cargo(["build", "--quiet"]);
    build.args(profile).args(PROGRAMS);
    let built = process::run("build", &mut build)?;
    anyhow::ensure!(built.success, "the benchmark does not build");
    let mut measure = cargo(["run", "--quiet"]);
    measure
        .args(profile)
        .args(["--bin", "bench", "--"])
        .args(options);
    let measured = process::run("bench", &mut measure)?;
    anyhow::ensure!(measured.success, "the benchmark failed");
    Ok(())
}
