//! Memory: how much a stream over a large account holds, in a process that does nothing else.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, ensure};

use crate::canned::Unlimited;
use crate::emulator::{self, Emulator};
use crate::report::{Goal, Report};
use crate::sdk::throughput;

/// Where the first look is: the connection is made, the heap has found its size.
const SETTLED: u32 = 10_000;

pub(crate) async fn run(
    report: &mut Report,
    emulator: &Emulator,
    quick: bool,
) -> anyhow::Result<()> {
    let count: u32 = if quick { 11_000 } else { 100_000 };
    report.heading(&format!("streaming {count} leads"));
    if high_water().is_err() {
        report.skipped(
            "stream_kib",
            "only Linux tells the most memory a process has had",
        );
        return Ok(());
    }
    emulator.allow(None).await?;
    throughput::leads(&emulator.unlimited(), count).await?;
    let arguments = ["sdk", "--stream", &emulator.base_url, &emulator.token];
    let output = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the stream broke");
    let looks = String::from_utf8(output.stdout)?;
    let looks: Vec<u32> = looks
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [streamed, early, late] = looks[..] else {
        anyhow::bail!("the stream told nothing");
    };
    ensure!(streamed >= count, "only {streamed} of {count} leads came");
    report.figure("stream_leads", streamed, "leads", Goal::None);
    report.figure(
        "stream_kib_at_10000",
        early,
        "most memory until 10,000, KiB",
        Goal::None,
    );
    report.figure(
        "stream_kib",
        late,
        "most memory until the end, KiB",
        Goal::None,
    );
    report.figure(
        "stream_growth",
        f64::from(late) / f64::from(early),
        "the end to 10,000",
        Goal::AtMost(1.1),
    );
    Ok(())
}

/// What the process of its own does: streams all leads and tells how many came and its high-water marks.
pub(crate) async fn stream(base_url: &str, token: &str) -> anyhow::Result<()> {
    let client = emulator::builder(base_url, token)
        .quota(Arc::new(Unlimited))
        .build()?;
    let mut leads = client.leads().list().stream();
    let (mut count, mut early) = (0_u32, None);
    while let Some(lead) = leads.try_next().await? {
        std::hint::black_box(lead);
        count += 1;
        if count == SETTLED {
            early = Some(high_water()?);
        }
    }
    let early = early.context("too few leads")?;
    println!("{count} {early} {}", high_water()?);
    Ok(())
}

/// The most memory this process has had, in KiB.
fn high_water() -> anyhow::Result<u32> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number
        .context("the kernel does not tell the high-water mark")?
        .parse()?)
}
