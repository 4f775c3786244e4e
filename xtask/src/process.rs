//! Running programs so that nothing outlives the chore.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// How often a program that may hang is looked at.
const POLL: Duration = Duration::from_millis(10);
/// A terminal sends Ctrl-C to every program it runs; one that has not ended by itself after this is told again.
const OWN_END: Duration = Duration::from_secs(2);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// The program that is running now.
static CURRENT: Mutex<Option<u32>> = Mutex::new(None);

/// How a program ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) took: Duration,
}

/// From now on Ctrl-C and SIGTERM end the running program, and the chore goes on to clean up.
pub(crate) fn catch_signals() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        let told = Instant::now();
        let running = *current();
        while running.is_some() && *current() == running {
            if told.elapsed() > OWN_END {
                terminate(running);
                return;
            }
            thread::sleep(POLL);
        }
    })
    .context("signals cannot be caught")
}

/// Whether somebody wants the chore to end.
pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Runs a program on this terminal.
pub(crate) fn run(name: &str, command: &mut Command) -> anyhow::Result<Ended> {
    let started = Instant::now();
    let mut child = spawn(name, command.stdin(Stdio::null()))?;
    finish(&mut child, started)
}

/// Runs a program, repeats its lines here as they come, and shows each of them to `watch`.
pub(crate) fn run_watched(
    name: &str,
    command: &mut Command,
    mut watch: impl FnMut(&str),
) -> anyhow::Result<Ended> {
    let started = Instant::now();
    // The program sees a pipe; it is told what stands behind it.
    if io::stderr().is_terminal() && crate::environment::get("NO_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(name, command)?;
    let (sender, lines) = mpsc::channel();
    let mut readers = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        readers.push(thread::spawn(move || repeat(stdout, io::stdout(), &sender)));
    }
    if let Some(stderr) = child.stderr.take() {
        readers.push(thread::spawn(move || repeat(stderr, io::stderr(), &sender)));
    }
    for line in lines {
        watch(&without_colours(&line));
    }
    for reader in readers {
        // A reader that panicked has told so itself.
        let _ = reader.join();
    }
    finish(&mut child, started)
}

/// Runs a program with its output in a file, for at most `longest`.
pub(crate) fn run_quietly(
    name: &str,
    command: &mut Command,
    output: &Path,
    longest: Duration,
) -> anyhow::Result<Ended> {
    let started = Instant::now();
    let file = File::create(output).with_context(|| output.display().to_string())?;
    command.stdin(Stdio::null());
    command.stdout(file.try_clone()?).stderr(file.try_clone()?);
    let mut child = spawn(name, command)?;
    while child.try_wait()?.is_none() {
        if started.elapsed() > longest {
            child.kill()?;
            writeln!(&file, "{name}: killed after {} s", longest.as_secs())?;
            break;
        }
        thread::sleep(POLL);
    }
    finish(&mut child, started)
}

/// Runs a short program and gives back what it printed, or says how it failed.
pub(crate) fn output(name: &str, command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} cannot be run"))?;
    anyhow::ensure!(
        output.status.success(),
        "{name}: {}",
        tail(&output.stderr, &output.stdout, output.status)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn spawn(name: &str, command: &mut Command) -> anyhow::Result<Child> {
    anyhow::ensure!(!is_interrupted(), "{name}: interrupted");
    let child = command
        .spawn()
        .with_context(|| format!("{name} cannot be run"))?;
    *current() = Some(child.id());
    if is_interrupted() {
        // The signal came between the question and the start.
        terminate(Some(child.id()));
    }
    Ok(child)
}

fn finish(child: &mut Child, started: Instant) -> anyhow::Result<Ended> {
    let status = child.wait();
    *current() = None;
    Ok(Ended {
        success: status?.success(),
        took: started.elapsed(),
    })
}

fn current() -> MutexGuard<'static, Option<u32>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SIGTERM, which the standard library does not send.
fn terminate(process: Option<u32>) {
    if let Some(id) = process {
        // If it has ended meanwhile there is nothing to do.
        let _ = Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .stderr(Stdio::null())
            .status();
    }
}

fn repeat(from: impl Read, mut to: impl io::Write, lines: &mpsc::Sender<String>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
        // A closed terminal is no reason to stop listening: the program would die of it.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        let text = String::from_utf8_lossy(&line);
        let _ = lines.send(text.trim_end().to_owned());
        line.clear();
    }
}

/// Drops the escape sequences that set colours.
fn without_colours(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        text.push_str(before);
        rest = after
            .split_once(|character: char| character.is_ascii_alphabetic())
            .map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}

/// The last words of a program.
fn tail(stderr: &[u8], stdout: &[u8], status: ExitStatus) -> String {
    let words = if stderr.trim_ascii().is_empty() {
        stdout
    } else {
        stderr
    };
    let words = String::from_utf8_lossy(words);
    let lines: Vec<&str> = words.trim().lines().collect();
    let last = lines[lines.len().saturating_sub(8)..].join("\n");
    if last.is_empty() {
        status.to_string()
    } else {
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_dropped_and_text_is_kept() {
        assert_eq!(
            without_colours("\u{1b}[32;1m   Summary\u{1b}[0m [ 1s] \u{1b}[1m2\u{1b}[0m tests"),
            "   Summary [ 1s] 2 tests"
        );
        assert_eq!(without_colours("plain [text]"), "plain [text]");
    }
}
