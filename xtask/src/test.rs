//! `cargo xtask test`: everything that has to hold, with an honest count at the end.

mod counts;

use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) use self::counts::Counts;
use self::counts::Runner;
use crate::cargo::{cargo, has_subcommand};
use crate::environment::{REQUIRE_ALL, TEST_NATS_SERVER, TEST_NATS_URL, TEST_POSTGRES_URL};
use crate::nats::{self, Nats};
use crate::postgres::{Found, Postgres, Tools};
use crate::report::{self, Line, Verdict};
use crate::{bench, environment, examples, faults, guide, process};

/// Tests that measure seconds or kill processes, by parts of their names: they run alone, as in `.config/nextest.toml`.
const HEAVY: [&str; 3] = ["sliding_second", "two_processes", "kill"];

/// What to test, and how strictly.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Fail where a neighbour such as PostgreSQL is missing, instead of saying "skipped".
    #[arg(long)]
    require_all: bool,
    /// Arguments for `cargo nextest run` (or `cargo test`, if nextest is not installed): a choice of tests. Doc tests,
    /// examples, guides and the benchmark are then left out.
    #[arg(last = true, value_name = "ARGUMENTS")]
    selection: Vec<String>,
}

/// What a whole run found.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) lines: Vec<Line>,
}

/// Runs the tests and prints the summary; an error if anything failed.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::catch_signals()?;
    let outcome = run_all(arguments.require_all, &arguments.selection, None)?;
    report::table("summary", &outcome.lines);
    // The last line is read by programs.
    println!("{}", outcome.counts);
    anyhow::ensure!(outcome.counts.failed == 0, "not everything passed");
    Ok(())
}

/// Builds, starts PostgreSQL and NATS, and runs tests, doc tests and examples. `profile` is one of `.config/nextest.toml`.
pub(crate) fn run_all(
    require_all: bool,
    selection: &[String],
    profile: Option<&str>,
) -> anyhow::Result<Outcome> {
    let mut run = Run {
        require_all,
        selection,
        profile,
        postgres_url: None,
        nats: Vec::new(),
        outcome: Outcome {
            counts: Counts::default(),
            lines: Vec::new(),
        },
    };
    // First of all, so that no server waits for a compiler and no deadline runs meanwhile.
    if !run.build()? {
        return Ok(run.outcome);
    }
    // Stopped and deleted at the end of this function, whatever happens in it.
    let postgres = run.start_postgres()?;
    let _nats = run.start_nats()?;
    run.tests()?;
    if selection.is_empty() {
        run.doc_tests()?;
        run.examples()?;
        run.guides()?;
        run.benchmark();
        run.faults(postgres.as_ref());
    } else {
        run.skipped(
            "doc tests, examples, guides, benchmark, faults",
            "a choice of tests was given",
        );
    }
    Ok(run.outcome)
}

struct Run<'a> {
    require_all: bool,
    selection: &'a [String],
    profile: Option<&'a str>,
    postgres_url: Option<String>,
    /// Variables that tell tests of NATS.
    nats: Vec<(&'static str, String)>,
    outcome: Outcome,
}

impl Run<'_> {
    /// Compiles what the parts will run. Plain cargo, whose build nextest and `cargo run --example` share.
    fn build(&mut self) -> anyhow::Result<bool> {
        report::heading("build");
        let mut command = cargo(["test", "--no-run", "--quiet"]);
        command.args(self.packages());
        let ended = process::run("cargo test --no-run", &mut command)?;
        let failed = usize::from(!ended.success);
        let note = if ended.success {
            ""
        } else {
            "does not compile; nothing was tested"
        };
        self.add(
            "build",
            Counts {
                failed,
                ..Counts::default()
            },
            note,
            ended.took,
        );
        Ok(ended.success)
    }

    fn start_postgres(&mut self) -> anyhow::Result<Option<Postgres>> {
        const NAME: &str = "PostgreSQL";
        let started = Instant::now();
        if let Some(url) = environment::get(TEST_POSTGRES_URL) {
            self.postgres_url = Some(url);
            self.add(
                NAME,
                Counts::default(),
                "the one of TEST_POSTGRES_URL",
                Duration::ZERO,
            );
            return Ok(None);
        }
        match Tools::find() {
            Found::Tools(tools) => {
                let postgres = Postgres::start(tools)?;
                self.postgres_url = Some(postgres.url());
                self.add(
                    NAME,
                    Counts::default(),
                    &postgres.describe(),
                    started.elapsed(),
                );
                Ok(Some(postgres))
            }
            Found::Missing(reason) => {
                let without = "tests of both databases saw SQLite only";
                self.missing(NAME, &reason, without, started.elapsed());
                Ok(None)
            }
        }
    }

    fn start_nats(&mut self) -> anyhow::Result<Option<Nats>> {
        const NAME: &str = "NATS";
        let started = Instant::now();
        if let Some(url) = environment::get(TEST_NATS_URL) {
            self.nats.push((TEST_NATS_URL, url));
            let note = "the one of TEST_NATS_URL";
            self.add(NAME, Counts::default(), note, Duration::ZERO);
            return Ok(None);
        }
        match nats::Program::find() {
            nats::Found::Program(program) => {
                let nats = Nats::start(&program)?;
                let program = nats.program().display().to_string();
                self.nats.push((TEST_NATS_URL, nats.url()));
                self.nats.push((TEST_NATS_SERVER, program));
                let took = started.elapsed();
                self.add(NAME, Counts::default(), &nats.describe(), took);
                Ok(Some(nats))
            }
            nats::Found::Missing(reason) => {
                let without = "nothing was published";
                self.missing(NAME, &reason, without, started.elapsed());
                Ok(None)
            }
        }
    }

    /// A neighbour is not there: a failure for who requires all, and said aloud for everybody else.
    fn missing(&mut self, name: &str, reason: &str, without: &str, took: Duration) {
        if self.require_all {
            let failed = Counts {
                failed: 1,
                ..Counts::default()
            };
            self.add(name, failed, reason, took);
        } else {
            println!("skipped: {reason}");
            self.skipped(name, &format!("{reason}; {without}"));
        }
    }

    fn tests(&mut self) -> anyhow::Result<()> {
        report::heading("tests");
        // Everything runs even if something failed: the count at the end shall be the whole count.
        let (runner, commands) = if has_subcommand("nextest") {
            let mut command = cargo(["nextest", "run", "--no-fail-fast"]);
            if let Some(profile) = self.profile {
                command.args(["--profile", profile]);
            }
            command.args(self.workspace()).args(self.selection);
            (Runner::Nextest, vec![command])
        } else {
            println!("cargo-nextest is not installed; cargo test does the same, only slower");
            (Runner::CargoTest, self.plain_tests())
        };
        self.run_counted("tests", runner, commands)
    }

    /// The tests by plain cargo: first those that do not mind company.
    fn plain_tests(&self) -> Vec<Command> {
        let mut command = cargo(["test", "--no-fail-fast", "--quiet"]);
        command.args(self.workspace());
        if !self.selection.is_empty() {
            command.args(self.selection);
            return vec![command];
        }
        let targets = ["--lib", "--bins", "--tests"];
        command.args(targets).arg("--");
        command.args(HEAVY.iter().flat_map(|name| ["--skip", name]));
        let mut heavy = cargo(["test", "--no-fail-fast", "--quiet", "--workspace"]);
        heavy
            .args(targets)
            .args(["--", "--test-threads=1"])
            .args(HEAVY);
        vec![command, heavy]
    }

    fn doc_tests(&mut self) -> anyhow::Result<()> {
        report::heading("doc tests");
        let command = cargo(["test", "--doc", "--workspace", "--no-fail-fast", "--quiet"]);
        self.run_counted("doc tests", Runner::CargoTest, vec![command])
    }

    fn examples(&mut self) -> anyhow::Result<()> {
        report::heading("examples");
        let started = Instant::now();
        let counts = examples::run(&examples::names()?)?;
        self.add("examples", counts, "", started.elapsed());
        Ok(())
    }

    fn guides(&mut self) -> anyhow::Result<()> {
        report::heading("guides");
        let started = Instant::now();
        let counts = guide::follow()?;
        self.add("guides", counts, "", started.elapsed());
        Ok(())
    }

    /// Not for its figures: so that it still works on the day somebody needs them.
    fn benchmark(&mut self) {
        report::heading("benchmark");
        let started = Instant::now();
        let counts = bench::smoke(self.postgres_url.as_deref());
        self.add("benchmark", counts, "", started.elapsed());
    }

    /// Not the whole of it: that takes minutes.
    fn faults(&mut self, postgres: Option<&Postgres>) {
        report::heading("faults");
        let started = Instant::now();
        let counts = faults::smoke(postgres);
        self.add("faults", counts, "", started.elapsed());
    }

    /// Runs test commands, and counts by what they say.
    fn run_counted(
        &mut self,
        name: &str,
        runner: Runner,
        commands: Vec<Command>,
    ) -> anyhow::Result<()> {
        let mut all = Counts::default();
        let mut took = Duration::ZERO;
        let mut note = "";
        for mut command in commands {
            if let Some(url) = &self.postgres_url {
                command.env(TEST_POSTGRES_URL, url);
            }
            command.envs(self.nats.iter().map(|(name, value)| (name, value)));
            if self.require_all {
                command.env(REQUIRE_ALL, "1");
            }
            let mut counts = Counts::default();
            let ended =
                process::run_watched(name, &mut command, |line| runner.read(line, &mut counts))?;
            if !ended.success && counts.failed == 0 {
                counts.failed = 1;
                note = "ended before it could count";
            }
            all += counts;
            took += ended.took;
        }
        self.add(name, all, note, took);
        Ok(())
    }

    fn add(&mut self, name: &str, counts: Counts, note: &str, took: Duration) {
        let verdict = if counts.failed > 0 {
            Verdict::Failed
        } else {
            Verdict::Passed
        };
        let note = match (counts == Counts::default(), note.is_empty()) {
            (true, _) => note.to_owned(),
            (false, true) => counts.to_string(),
            (false, false) => format!("{counts}: {note}"),
        };
        self.outcome.counts += counts;
        self.outcome.lines.push(Line {
            name: name.to_owned(),
            verdict,
            note,
            took,
        });
    }

    fn skipped(&mut self, name: &str, reason: &str) {
        self.outcome.counts.skipped += 1;
        self.outcome.lines.push(Line {
            name: name.to_owned(),
            verdict: Verdict::Skipped,
            note: format!("skipped: {reason}"),
            took: Duration::ZERO,
        });
    }

    /// `--workspace`, unless the selection names packages.
    fn workspace(&self) -> Vec<&str> {
        if self.packages() == ["--workspace"] {
            vec!["--workspace"]
        } else {
            Vec::new()
        }
    }

    /// The part of the selection that says which packages to build.
    fn packages(&self) -> Vec<&str> {
        let mut packages = Vec::new();
        let mut arguments = self.selection.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            match argument {
                "-p" | "--package" => packages.extend(["-p"].into_iter().chain(arguments.next())),
                other if other.starts_with("--package=") || other.starts_with("-p") => {
                    packages.push(other);
                }
                // What follows is for the tests themselves.
                "--" => break,
                _ => {}
            }
        }
        if packages.is_empty() {
            packages.push("--workspace");
        }
        packages
    }
}
