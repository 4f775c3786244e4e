//! `cargo xtask ci`: what CI runs, step by step. All steps run even if one failed, so that one look tells everything.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::cargo::{cargo, has_subcommand};
use crate::report::{self, Line, Verdict};
use crate::{environment, process, sdk, test};

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
    lines.extend(sdk_steps()?);
    lines.extend(tests(!arguments.allow_skips)?);
    lines.push(dependencies()?);
    conclude("ci", started, &lines)
}

/// Runs the steps about the SDK alone.
pub(crate) fn run_sdk() -> anyhow::Result<()> {
    process::catch_signals()?;
    let started = Instant::now();
    let lines = sdk_steps()?;
    conclude("sdk", started, &lines)
}

fn sdk_steps() -> anyhow::Result<Vec<Line>> {
    let mut steps = sdk::features();
    steps.push(sdk::newcomer()?);
    steps
        .into_iter()
        .map(|(name, mut command)| step(&name, &mut command))
        .collect()
}

fn conclude(chore: &str, started: Instant, lines: &[Line]) -> anyhow::Result<()> {
    let took = report::seconds(started.elapsed());
    report::table(&format!("{chore}, {took}"), lines);
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
    let mut clippy = cargo(["clippy", "--quiet", "--locked"]);
    clippy.args(["--workspace", "--all-targets", "--", "-D", "warnings"]);
    let mut docs = cargo(["doc", "--quiet", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        ("fmt", cargo(["fmt", "--all", "--check"])),
        ("clippy", clippy),
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
