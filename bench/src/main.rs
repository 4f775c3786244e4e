//! What `cargo xtask bench` measures, each kind by its name.
//!
//! Readable text comes first, then one `name=value` line for each figure.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "telling figures is what this program does"
)]

mod canned;
mod emulator;
mod gateway;
mod intake;
mod lessons;
mod load;
mod place;
mod report;
mod sdk;
mod service;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the workspace against its goals.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", about)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The SDK: reading, writing, the budget, memory, the layers' overhead.
    Sdk(sdk::Arguments),
    /// lead-intake: leads taken per second, answers while amoCRM is away, the way of a lead to amoCRM, memory.
    Intake(intake::Arguments),
    /// webhook-gateway: webhooks taken per second, deliveries, answers while a subscriber hangs and much waits, memory.
    Gateway(gateway::Arguments),
    /// lesson-sync: lessons taken per second, requests to amoCRM for a moved deal, how long ten thousand take, memory.
    Lessons(lessons::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Sdk(arguments) => sdk::run(&arguments),
        What::Intake(arguments) => intake::run(&arguments),
        What::Gateway(arguments) => gateway::run(&arguments),
        What::Lessons(arguments) => lessons::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A program of this workspace that was built with this one.
fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    Ok(std::env::current_exe()?.with_file_name(file))
}
