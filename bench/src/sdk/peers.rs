//! The same work by other clients, in the same run, against the same emulator.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use amocrm_sdk::LeadId;
use amocrm_sdk::quota::DEFAULT_INTEGRATION_RPS;
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::emulator::{Emulator, Seen};
use crate::report::{Goal, Report};
use crate::sdk::cpu;

/// What the SDK took for the same work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ours {
    pub(crate) create_s: f64,
    pub(crate) update_s: f64,
}

/// A client that somebody else wrote.
struct Peer {
    name: &'static str,
    /// For the names of figures.
    key: &'static str,
    program: PathBuf,
    script: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Figures {
    done: usize,
    s: f64,
    cpu_s: f64,
}

pub(crate) async fn run(
    report: &mut Report,
    emulator: &Emulator,
    leads: &[LeadId],
    ours: Ours,
) -> anyhow::Result<()> {
    report.heading("other clients");
    let peers = install()?;
    let order = json!({
        "count": leads.len(),
        "ids": leads.iter().map(|id| id.get()).collect::<Vec<_>>(),
    });

    emulator.allow(None).await?;
    let read = read(emulator, leads.len()).await?;
    report.figure(
        "read_s",
        read.s,
        "the SDK: seconds for reading all leads",
        Goal::None,
    );
    report.figure(
        "read_cpu_s",
        read.cpu_s,
        "the SDK: CPU seconds of that",
        Goal::None,
    );
    for peer in &peers {
        emulator.allow(None).await?;
        let (figures, _) = peer.work(emulator, "read", &order).await?;
        ensure!(
            figures.done >= leads.len(),
            "{}: leads are missing",
            peer.name
        );
        peer.tell(report, "read_s", figures.s, "seconds for reading all leads");
        peer.tell(report, "read_cpu_s", figures.cpu_s, "CPU seconds of that");
        peer.tell(
            report,
            "read_cpu_to_sdk",
            figures.cpu_s / read.cpu_s,
            "CPU of that, to the SDK's",
        );

        emulator.allow(Some(DEFAULT_INTEGRATION_RPS)).await?;
        for (job, what, ours) in [
            ("create", "creating as many contacts", ours.create_s),
            ("update", "updating all leads", ours.update_s),
        ] {
            let (figures, seen) = peer.work(emulator, job, &order).await?;
            ensure!(
                figures.done == leads.len(),
                "{}: {job}: items are missing",
                peer.name
            );
            let requests = u32::try_from(seen.requests())?;
            let throttled = u32::try_from(seen.throttled())?;
            peer.tell(
                report,
                &format!("{job}_requests"),
                requests,
                &format!("requests for {what}"),
            );
            peer.tell(
                report,
                &format!("{job}_429"),
                throttled,
                "of them refused with 429",
            );
            peer.tell(
                report,
                &format!("{job}_s"),
                figures.s,
                &format!("seconds for {what}"),
            );
            peer.tell(
                report,
                &format!("{job}_to_sdk"),
                figures.s / ours,
                "time of that, to the SDK's",
            );
        }
    }
    Ok(())
}

/// The SDK reads them over the same loopback.
async fn read(emulator: &Emulator, count: usize) -> anyhow::Result<Figures> {
    let client = emulator.unlimited();
    let (started, computed) = (Instant::now(), cpu::of_process());
    let leads = client.leads().list().all().await?;
    let cpu_s = cpu::of_process().saturating_sub(computed).as_secs_f64();
    ensure!(leads.len() >= count, "leads are missing");
    Ok(Figures {
        done: leads.len(),
        s: started.elapsed().as_secs_f64(),
        cpu_s,
    })
}

impl Peer {
    fn tell(&self, report: &mut Report, figure: &str, value: impl Into<f64>, words: &str) {
        report.figure(
            &format!("{}_{figure}", self.key),
            value,
            &format!("{}: {words}", self.name),
            Goal::None,
        );
    }

    /// A process of its own for each job; a second of silence before it, so that nobody pays for another's requests.
    async fn work(
        &self,
        emulator: &Emulator,
        job: &str,
        order: &Value,
    ) -> anyhow::Result<(Figures, Seen)> {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        emulator.forget().await?;
        let mut process = Command::new(&self.program)
            .arg(&self.script)
            .arg(job)
            .env("EMULATOR", &emulator.announcement)
            .env("NODE_EXTRA_CA_CERTS", emulator.ca_file()?)
            .env("NO_PROXY", "127.0.0.1,localhost")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be run", self.program.display()))?;
        let mut stdin = process.stdin.take().context("a process without input")?;
        stdin.write_all(order.to_string().as_bytes())?;
        drop(stdin);
        let output = process.wait_with_output()?;
        ensure!(output.status.success(), "{}: {job} failed", self.name);
        let figures = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{}: {job}", self.name))?;
        Ok((figures, emulator.seen().await?))
    }
}

/// Installs the clients beside this program, where the next run finds them.
fn install() -> anyhow::Result<[Peer; 2]> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/amocrm-emulator/foreign-clients/requirements.txt");
    let place = std::env::current_exe()?.with_file_name("bench-peers");
    fs::create_dir_all(&place)?;
    for name in [
        "requirements.txt",
        "package.json",
        "package-lock.json",
        "work.py",
        "work.mjs",
    ] {
        fs::copy(sources.join(name), place.join(name)).with_context(|| name.to_owned())?;
    }
    println!(
        "installing aioamocrm from PyPI and amocrm-js from npm into {}",
        place.display()
    );
    let environment = place.join("venv");
    let python = environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    if !python.exists() {
        finish(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment),
        )?;
    }
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ];
    finish(
        Command::new(&python)
            .args(pip)
            .arg(place.join("requirements.txt"))
            .arg("-c")
            .arg(foreign),
    )?;
    finish(
        Command::new("npm")
            .args(["ci", "--silent", "--no-audit", "--no-fund"])
            .current_dir(&place),
    )?;
    Ok([
        Peer {
            name: "aioamocrm",
            key: "aioamocrm",
            program: python,
            script: place.join("work.py"),
        },
        Peer {
            name: "amocrm-js",
            key: "amocrm_js",
            program: "node".into(),
            script: place.join("work.mjs"),
        },
    ])
}

fn finish(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    ensure!(status.success(), "{} failed", program.display());
    Ok(())
}
