//! The guides as tests: a newcomer who pastes the commands of `docs/lead-intake.md` gets a lead into the emulator, and its
//! stage change back; with those of `docs/webhook-gateway.md`, a signed delivery that is verified.
//!
//! Commands are the blocks that begin with "```bash newcomer", in their order, in one shell. They run as they stand, but
//! for what must not meet others on this machine: ports, and the programs, which are built already.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::cargo::{cargo, root};
use crate::image::target_directory;
use crate::postgres::free_port;
use crate::process;
use crate::report::seconds;
use crate::test::Counts;

/// A service's guide, in each language.
struct Guide {
    pages: [&'static str; 2],
    program: &'static str,
    /// Where the service listens.
    port: &'static str,
    /// What the commands find in the repository's directory.
    finds: &'static [&'static str],
}

const GUIDES: [Guide; 2] = [
    Guide {
        pages: ["docs/lead-intake.md", "docs/lead-intake.ru.md"],
        program: "lead-intake",
        port: "8000",
        finds: &[".env.example"],
    },
    Guide {
        pages: ["docs/webhook-gateway.md", "docs/webhook-gateway.ru.md"],
        program: "webhook-gateway",
        port: "8002",
        finds: &["docs/webhook-gateway/verify.py"],
    },
];
/// Where the newcomer's own program listens.
const RECEIVER: &str = "3000";
/// What a block of commands begins with.
const FENCE: &str = "```bash newcomer";
/// Some commands wait until something has happened.
const LONGEST: Duration = Duration::from_mins(2);

/// Follows the guides; an error if one leads astray.
pub(crate) fn run() -> anyhow::Result<()> {
    process::catch_signals()?;
    let counts = follow()?;
    println!("{counts}");
    anyhow::ensure!(counts.failed == 0, "a guide leads astray");
    Ok(())
}

/// Follows each guide in each language.
pub(crate) fn follow() -> anyhow::Result<Counts> {
    let mut build = cargo(["build", "--quiet"]);
    build.args(["--bin", "amocrm-emulator"]);
    for guide in &GUIDES {
        build.args(["--bin", guide.program]);
    }
    let built = process::run("build", &mut build)?;
    anyhow::ensure!(built.success, "the programs do not build");
    let programs = target_directory()?.join("debug");
    let outputs = root().join("target").join("xtask");
    fs::create_dir_all(&outputs)?;
    let mut counts = Counts::default();
    let pages = GUIDES
        .iter()
        .flat_map(|guide| guide.pages.map(|page| (guide, page)));
    for (guide, page) in pages {
        let output = outputs.join(format!("{}.log", page.replace('/', "-")));
        let place = Place::make(guide.finds)?;
        let mut command = Command::new("bash");
        command
            .args(["-c", &script(guide, &commands(page)?, &programs)?])
            .current_dir(&place.0)
            // Settings of the developer's must not make it work.
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        let ended = process::run_quietly(page, &mut command, &output, LONGEST)?;
        let took = seconds(ended.took);
        if ended.success {
            counts.passed += 1;
            println!("✔ {page} ({took})");
        } else {
            counts.failed += 1;
            println!("✘ {page} ({took}) printed:");
            println!("{}", fs::read_to_string(&output).unwrap_or_default());
            for log in fs::read_dir(place.0.join("var")).into_iter().flatten() {
                let log = log?.path();
                if log.extension().is_some_and(|kind| kind == "txt") {
                    let text = fs::read_to_string(&log).unwrap_or_default();
                    println!("-- {}\n{text}", log.display());
                }
            }
        }
    }
    Ok(counts)
}

/// The blocks of commands of a page.
fn commands(page: &str) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(root().join(page)).with_context(|| page.to_owned())?;
    let blocks: Vec<String> = text
        .split(FENCE)
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block.to_owned())
        .collect();
    anyhow::ensure!(!blocks.is_empty(), "{page} has no commands for a newcomer");
    Ok(blocks)
}

fn script(guide: &Guide, blocks: &[String], programs: &Path) -> anyhow::Result<String> {
    let (service, emulator, receiver) = (free_port()?, free_port()?, free_port()?);
    let mut script = format!(
        "set -euxo pipefail\ntrap 'kill $(jobs -p)' EXIT\nexport SERVER_PORT={service}\ncargo() {{ :; }}\n"
    );
    for block in blocks {
        let mut block = block
            .replace("$PWD/target/release", &programs.display().to_string())
            .replace(
                "amocrm-emulator >",
                &format!("amocrm-emulator --listen 127.0.0.1:{emulator} >"),
            )
            .replace(
                &format!("verify.py {RECEIVER}"),
                &format!("verify.py {receiver}"),
            );
        for (usual, ours) in [
            (guide.port, service),
            ("8900", emulator),
            (RECEIVER, receiver),
        ] {
            block = block.replace(&format!("localhost:{usual}"), &format!("localhost:{ours}"));
        }
        writeln!(script, "{block}")?;
    }
    Ok(script)
}

/// A directory with what the commands find in the repository's; deleted when dropped.
struct Place(PathBuf);

impl Place {
    fn make(finds: &[&str]) -> anyhow::Result<Self> {
        let port = free_port()?;
        let place =
            Self(std::env::temp_dir().join(format!("xtask-guide-{}-{port}", std::process::id())));
        fs::create_dir(&place.0)?;
        for file in finds {
            let copy = place.0.join(file);
            fs::create_dir_all(copy.parent().unwrap_or(&place.0))?;
            fs::copy(root().join(file), copy)?;
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} is left behind: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_the_same_commands() {
        for guide in &GUIDES {
            let [english, russian] = guide.pages.map(|page| commands(page).expect("commands"));
            assert_eq!(english, russian);
        }
    }

    #[test]
    fn the_guides_link_only_to_what_is_there() {
        for page in GUIDES.iter().flat_map(|guide| guide.pages) {
            let text = fs::read_to_string(root().join(page)).expect("a page");
            for link in text
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split_once(')'))
            {
                let target = link.0.split('#').next().unwrap_or_default();
                let is_file = !target.is_empty() && !target.contains("://");
                assert!(
                    !is_file || root().join("docs").join(target).exists(),
                    "{page}: {target}"
                );
            }
        }
    }
}
