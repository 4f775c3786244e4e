//! Calling cargo.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::{environment, process};

/// The workspace's directory: the parent of this crate's.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs this chore, in the workspace's directory.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(environment::get("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    command.args(arguments).current_dir(root());
    command
}

/// Whether `cargo NAME` exists. Subcommands that are not part of cargo are programs `cargo-NAME`.
pub(crate) fn has_subcommand(name: &str) -> bool {
    cargo([name, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Builds the demo and becomes it, so that signals and the terminal are its own.
///
/// `--bin` without `-p` resolves features for the whole workspace, so the build is shared with a plain `cargo build`.
pub(crate) fn run_demo(first: &[&str], arguments: &[String]) -> anyhow::Result<()> {
    let mut command = cargo(["run", "--quiet", "--bin", "demo", "--"]);
    command.args(first).args(arguments);
    let built = process::run("build", &mut cargo(["build", "--bin", "demo"]))?;
    anyhow::ensure!(built.success, "the demo does not build");
    become_command(command).context("cargo cannot be run")
}

#[cfg(unix)]
fn become_command(mut command: Command) -> std::io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

#[cfg(not(unix))]
fn become_command(mut command: Command) -> std::io::Result<()> {
    let status = command.status()?;
    std::process::exit(status.code().unwrap_or(1));
}
