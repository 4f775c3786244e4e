//! `cargo xtask ci`: what CI runs, step by step. All steps run even if one failed, so that one look tells everything.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::cargo::{cargo, has_subcommand};
use crate::report::{self, Line, Verdict};
use crate::{environment, process, test};

/// Profile of `.config/nextest.toml`.
const NEXTEST_PROFILE: &str = "ci";

/// How strict to be.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Let the tests say "skipped" where PostgreSQL is missing.
    #[arg(long)]
    allow_skips: bool,
}

/// Runs all steps; an error if one failed.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::catch_signals()?;
    let started = Instant::now();
    let mut lines = Vec::new();
    for (name, mut command) in lints() {
        lines.push(step(name, &mut command)?);
    }
    lines.extend(tests(!arguments.allow_skips)?);
    lines.push(dependencies()?);
    report::table(
        &format!("ci, {}", report::seconds(started.elapsed())),
        &lines,
    );
    let failed: Vec<&str> = lines
        .iter()
        .filter(|line| line.verdict == Verdict::Failed)
        .map(|line| line.name.as_str())
        .collect();
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn lints() -> Vec<(&'static str, Command)> {
    // The first command that resolves dependencies also checks that the committed lock file is the whole truth.
    let clippy = |features: &[&'static str]| {
        let mut command = cargo(["clippy", "--quiet", "--locked"]);
        command.args(features).args(["--", "-D", "warnings"]);
        command
    };
    let sdk = ["-p", "amocrm-sdk", "--no-default-features"];
    let mut docs = cargo(["doc", "--quiet", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        ("fmt", cargo(["fmt", "--all", "--check"])),
        ("clippy", clippy(&["--workspace", "--all-targets"])),
        ("clippy: SDK without features", clippy(&sdk)),
        (
            "clippy: SDK, any transport",
            clippy(&[&sdk[..], &["--features", "client"]].concat()),
        ),
        ("docs", docs),
    ]
}

fn tests(require_all: bool) -> anyhow::Result<Vec<Line>> {
    // Under CI the profile waits longer and repeats failures at the end.
    let outcome = test::run_all(require_all, &[], Some(NEXTEST_PROFILE))?;
    println!("\n{}", outcome.counts);
    Ok(outcome.lines)
}

/// Licences, banned crates and sources. Advisories need a database from the network: a job of the public workflow.
fn dependencies() -> anyhow::Result<Line> {
    const NAME: &str = "deny";
    if !has_subcommand(NAME) {
        return Ok(Line {
            name: NAME.to_owned(),
            verdict: Verdict::Skipped,
            note: "skipped: cargo-deny is not installed (cargo install cargo-deny --locked)"
                .to_owned(),
            took: Duration::ZERO,
        });
    }
    let quiet = ["--log-level", "error"];
    let mut command = cargo([NAME]);
    command
        .args(quiet)
        .args(["check", "licenses", "bans", "sources"]);
    step(NAME, &mut command)
}

fn step(name: &str, command: &mut Command) -> anyhow::Result<Line> {
    report::heading(name);
    if environment::get(environment::CI).is_some() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let ended = process::run(name, command)?;
    Ok(Line {
        name: name.to_owned(),
        verdict: if ended.success {
            Verdict::Passed
        } else {
            Verdict::Failed
        },
        note: String::new(),
        took: ended.took,
    })
}
