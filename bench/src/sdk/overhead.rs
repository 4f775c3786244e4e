//! What the layers of the client cost per request, in instructions: those do not depend on the neighbours.

use std::process::{Command, Stdio};

use amocrm_sdk::{Operation, Request};
use anyhow::Context as _;
use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;

use crate::canned::Canned;
use crate::report::{Goal, Report};

const ACCOUNT: &str = r#"{"id": 31000001, "name": "Acme", "subdomain": "acme"}"#;

/// Calls of the shorter of two runs; their difference is free of what a process does once.
const CALLS: u32 = 200;

/// What is called.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Called {
    /// The client with all its layers.
    Stack,
    /// The transport alone.
    Bare,
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    report.heading("the layers around a request");
    let is_there = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !is_there.is_ok_and(|status| status.success()) {
        report.skipped(
            "overhead_instructions",
            "valgrind is not installed, so no instructions are counted",
        );
        return Ok(());
    }
    let stack = per_call("stack")?;
    let bare = per_call("bare")?;
    report.figure(
        "stack_instructions",
        stack,
        "instructions of a request through the client",
        Goal::None,
    );
    report.figure(
        "bare_instructions",
        bare,
        "instructions of one to the bare transport",
        Goal::None,
    );
    report.figure(
        "overhead_instructions",
        stack - bare,
        "instructions of the layers",
        Goal::None,
    );
    Ok(())
}

fn per_call(called: &str) -> anyhow::Result<f64> {
    let (few, many) = (
        instructions(called, CALLS)?,
        instructions(called, 2 * CALLS)?,
    );
    Ok((many - few) / f64::from(CALLS))
}

/// What callgrind counts for a whole process.
fn instructions(called: &str, calls: u32) -> anyhow::Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["sdk", "--call", called, "--times", &calls.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let counted = said.lines().find_map(|line| line.split_once("Collected :"));
    let counted = counted
        .with_context(|| format!("callgrind counted nothing: {said}"))?
        .1;
    Ok(counted.trim().parse()?)
}

/// What callgrind watches.
pub(crate) async fn call(called: Called, times: u32) -> anyhow::Result<()> {
    const GET: Operation = Operation::idempotent("account.get");

    let canned = Canned::new(ACCOUNT);
    let client = canned.clone().client()?;
    for _ in 0..times {
        match called {
            Called::Stack => {
                std::hint::black_box(client.send(Request::get(GET, "/api/v4/account")).await?);
            }
            Called::Bare => {
                let request = http::Request::get("https://acme.amocrm.ru/api/v4/account");
                let answer = canned
                    .clone()
                    .oneshot(request.body(Full::new(Bytes::new()))?)
                    .await?;
                std::hint::black_box(answer.into_body().collect().await?.to_bytes());
            }
        }
    }
    Ok(())
}
