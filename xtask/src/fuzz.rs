//! `cargo xtask fuzz webhooks`: bodies that grow from the fixtures, through the parser and back.
//!
//! The same laws as the target of cargo-fuzz, which learns what to try but needs a nightly compiler:
//! `cd crates/amocrm-sdk && cargo +nightly fuzz run webhook`.

use crate::cargo::cargo;
use crate::process;

/// The package, which is a workspace of its own.
const MANIFEST: &str = "crates/amocrm-sdk/fuzz/Cargo.toml";

/// What to feed.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// The parser of webhook bodies, and the envelope between systems.
    Webhooks {
        /// How many bodies.
        #[arg(long, default_value_t = 1_000_000)]
        runs: u64,
        /// Other bodies.
        #[arg(long, default_value_t = 5)]
        seed: u64,
    },
}

/// Builds the program and runs it.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::catch_signals()?;
    let Subject::Webhooks { runs, seed } = arguments.subject;
    let mut generate = cargo(["run", "--quiet", "--release", "--manifest-path", MANIFEST]);
    generate.args(["--no-default-features", "--bin", "generate", "--"]);
    generate.args([runs.to_string(), seed.to_string()]);
    let ran = process::run("fuzz", &mut generate)?;
    anyhow::ensure!(ran.success, "a body broke a law: see above");
    Ok(())
}
