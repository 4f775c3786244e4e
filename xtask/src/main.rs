//! Every repeatable chore, as `cargo xtask …`: the demo, the tests, and what CI runs.
//!
//! Rust rather than shell, so that a fresh machine needs nothing but a toolchain. This crate stays light, because it is
//! compiled before any chore begins; the demo, which needs the services, is the package `demo`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "telling a person what happens is what a chore does"
)]

mod bench;
mod cargo;
mod ci;
mod directory;
mod environment;
mod examples;
mod faults;
mod fuzz;
mod guide;
mod image;
mod nats;
mod postgres;
mod process;
mod report;
mod sdk;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Shows the main job from form to CRM and back, on this machine, and leaves everything running to play with.
    Demo(Passed),
    /// Runs the emulator and the services on their usual ports until Ctrl-C.
    Dev(Passed),
    /// Runs all tests, doc tests and examples; starts PostgreSQL and NATS for them if they are installed.
    Test(test::Arguments),
    /// Measures speed; ends with one `name=value` line for each figure.
    Bench(bench::Arguments),
    /// Kills processes and counts what was lost or doubled; ends with one line of figures.
    Faults(faults::Arguments),
    /// Feeds generated webhook bodies to the parser; ends with one line of figures.
    Fuzz(fuzz::Arguments),
    /// Checks the SDK as its users meet it: every set of features, and the first program of its READMEs. Part of `ci`.
    Sdk,
    /// Does what the guides of the services tell a newcomer, command by command, in both languages. Part of `test`.
    Guide,
    /// Builds the static program of the Dockerfile, and tries it in an empty root.
    Image(image::Arguments),
    /// Runs what CI runs: format, lints, docs, tests, dependencies.
    Ci(ci::Arguments),
}

/// Arguments for the demo's own program.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
struct Passed {
    /// See `cargo xtask demo --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Demo(passed) => cargo::run_demo(&[], &passed.arguments),
        Chore::Dev(passed) => cargo::run_demo(&["--dev"], &passed.arguments),
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Faults(arguments) => faults::run(&arguments),
        Chore::Fuzz(arguments) => fuzz::run(&arguments),
        Chore::Sdk => ci::run_sdk(),
        Chore::Guide => guide::run(),
        Chore::Image(arguments) => image::run(&arguments),
        Chore::Ci(arguments) => ci::run(&arguments),
    };
    match done {
        Ok(()) if process::is_interrupted() => ExitCode::from(130),
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if process::is_interrupted() => {
            eprintln!("interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
