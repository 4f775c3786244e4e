//! `cargo xtask bench sdk`: the SDK's speed, measured in one run against plain serde, the emulator and other clients.
//!
//! Times of computing are CPU time of the one thread that computes, the best of many rounds in which the contenders take
//! turns, so that a busy machine changes little. What takes wall-clock time, the budget above all, goes over real loopback
//! to an emulator in a process of its own.

pub(crate) mod bodies;
pub(crate) mod compute;
pub(crate) mod cpu;
pub(crate) mod lean;
mod memory;
mod overhead;
pub(crate) mod peers;
pub(crate) mod throughput;

use std::path::PathBuf;

use self::overhead::Called;
use crate::beside;
use crate::emulator::Emulator;
use crate::report::Report;

/// What to measure of the SDK.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Seconds instead of minutes: shows that the benchmark works, not how fast anything is.
    #[arg(long)]
    quick: bool,
    /// Other clients do the same work in the same run; they are installed from PyPI and npm.
    #[arg(long)]
    peers: bool,
    /// The emulator's program [default: the one beside this program].
    #[arg(long, value_name = "FILE")]
    emulator: Option<PathBuf>,
    /// Streams the leads of this emulator with this token, and tells the memory it took.
    #[arg(long, num_args = 2, value_names = ["URL", "TOKEN"], hide = true)]
    stream: Option<Vec<String>>,
    /// Sends requests that callgrind counts.
    #[arg(long, value_enum, hide = true)]
    call: Option<Called>,
    /// How many of them.
    #[arg(long, default_value_t = 1, hide = true)]
    times: u32,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let one_thread = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    if let Some([base_url, token]) = arguments.stream.as_deref() {
        return one_thread()?.block_on(memory::stream(base_url, token));
    }
    if let Some(called) = arguments.call {
        return one_thread()?.block_on(overhead::call(called, arguments.times));
    }
    let mut report = Report::default();
    compute::run(&mut report, arguments.quick)?;
    overhead::run(&mut report)?;
    tokio::runtime::Runtime::new()?.block_on(over_loopback(&mut report, arguments))?;
    report.print();
    Ok(())
}

async fn over_loopback(report: &mut Report, arguments: &Arguments) -> anyhow::Result<()> {
    let given = arguments.emulator.clone();
    let program = given.map_or_else(|| beside("amocrm-emulator"), Ok)?;
    let emulator = Emulator::start(&program)?;
    let (leads, ours) = throughput::run(report, &emulator, arguments.quick).await?;
    if arguments.peers {
        peers::run(report, &emulator, &leads, ours).await?;
    }
    memory::run(report, &emulator, arguments.quick).await
}
