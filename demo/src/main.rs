//! `cargo xtask demo`: the main job from a form to the CRM and back, on this machine, told line by line.
//!
//! The emulator, lead-intake, lesson-sync and webhook-gateway run inside this process, as libraries, but everything between them, and everything this
//! program does to them, goes over HTTP: the visitor's form, the administrator's browser, the manager's CRM. A line is
//! printed after the fact it tells was read back from the side that has to know it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "telling a story is what this program does"
)]

mod crm;
mod house;
mod http;
mod logs;
mod play;
mod story;
mod teller;
mod traffic;
mod wait;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::house::{House, Place};
use crate::teller::Teller;
use crate::words::Language;

/// Shows the main job from form to CRM and back, on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo", bin_name = "cargo xtask demo", about)]
struct Arguments {
    /// Stop after the story; exit status 0 only if every step held.
    #[arg(long)]
    exit: bool,
    /// Keep the data for the next run with --keep, and go on with those of the last one.
    #[arg(long)]
    keep: bool,
    /// Language of the story [default: that of LANG].
    #[arg(long, value_enum)]
    lang: Option<Language>,
    /// No story: run the emulator and the services on their usual ports, connected, with data that stay (`cargo xtask dev`).
    #[arg(long, conflicts_with_all = ["exit", "keep"])]
    dev: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match Box::pin(run(arguments)).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let language = arguments.lang.unwrap_or_else(Language::of_environment);
    let stop = service_kit::shutdown::on_signal()?;
    let place = if arguments.dev {
        Place::dev()
    } else {
        Place::demo(arguments.keep)
    };
    let workshop = place.open()?;
    let mut teller = Teller::new(language, workshop.logs_shown());
    let mut house = House::new(workshop);
    // Ctrl-C in the middle ends the story where it is.
    let told = tokio::select! {
        told = async {
            if arguments.dev {
                story::prepare(&mut teller, &mut house).await
            } else {
                story::tell(&mut teller, &mut house).await
            }
        } => told,
        () = stop.cancelled() => {
            house.shutdown().await;
            return Ok(ExitCode::from(130));
        }
    };
    let held = told.is_ok();
    teller.end();
    if held && !arguments.exit {
        play::show(&house, language).await;
        stop.cancelled().await;
        println!();
    }
    house.shutdown().await;
    Ok(if held {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
