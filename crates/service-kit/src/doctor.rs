//! The frame of a service's `doctor`: named checks, each with what was found and what to do about it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! use service_kit::doctor::{Doctor, Finding, Format};
//!
//! let doctor = Doctor::new()
//!     .check("disk", || async { vec![Finding::good("20 GB are free")] })
//!     .check("database", || async { vec![Finding::bad("it does not answer").remedy("start it")] })
//!     .check_after("tables", &["database"], || async { vec![Finding::good("up to date")] });
//! let report = doctor.examine().await;
//! assert!(!report.is_well());
//! let mut out = Vec::new();
//! report.write(Format::Text, &mut out)?;
//! assert!(String::from_utf8_lossy(&out).contains("→ start it"));
//! # Ok(()) }
//! ```
//!
//! The thing a newcomer gets wrong: a check reports, it does not fail. What it cannot find out is a finding too.

use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

/// A check that has not ended by then has found that its neighbour hangs.
const CHECK_TIMEOUT: Duration = Duration::from_secs(90);
/// Columns of a check's name in the text.
const NAME_WIDTH: usize = 14;

type Run = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send>> + Send>;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// All is well.
    Good,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work.
    Bad,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in a sentence.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn good(text: impl Into<String>) -> Self {
        Self::new(Severity::Good, text.into())
    }

    /// It works, and somebody should look at it.
    pub fn warn(text: impl Into<String>) -> Self {
        Self::new(Severity::Warn, text.into())
    }

    /// It does not work.
    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(Severity::Bad, text.into())
    }

    /// Says what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn new(severity: Severity, text: String) -> Self {
        Self {
            severity,
            text,
            remedy: None,
        }
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people: a line per finding, and one per remedy.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
}

/// A list of checks, carried out one after another.
#[derive(Default)]
pub struct Doctor {
    checks: Vec<Check>,
}

struct Check {
    name: &'static str,
    after: &'static [&'static str],
    run: Run,
}

impl Doctor {
    /// No checks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check.
    #[must_use]
    pub fn check<F, R>(self, name: &'static str, run: F) -> Self
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Vec<Finding>> + Send + 'static,
    {
        self.check_after(name, &[], run)
    }

    /// Adds a check that tells nothing while one of `after` is bad: it is left out then, and the report says so.
    #[must_use]
    pub fn check_after<F, R>(
        mut self,
        name: &'static str,
        after: &'static [&'static str],
        run: F,
    ) -> Self
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Vec<Finding>> + Send + 'static,
    {
        self.checks.push(Check {
            name,
            after,
            run: Box::new(move || Box::pin(run())),
        });
        self
    }

    /// Carries out the checks.
    pub async fn examine(self) -> Report {
        let mut report = Report::default();
        for check in self.checks {
            let stopped_by = check.after.iter().find(|name| report.is_bad(name));
            let findings = match stopped_by {
                Some(name) => {
                    report.skipped.push(check.name);
                    vec![Finding::warn(format!("not looked at, because of «{name}»"))]
                }
                None => tokio::time::timeout(CHECK_TIMEOUT, (check.run)())
                    .await
                    .unwrap_or_else(|_| {
                        vec![Finding::bad(format!(
                            "no answer within {} s",
                            CHECK_TIMEOUT.as_secs()
                        ))]
                    }),
            };
            report.checks.push(CheckReport {
                name: check.name,
                findings,
            });
        }
        report
    }
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.checks.iter().map(|check| check.name))
            .finish()
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    checks: Vec<CheckReport>,
    skipped: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct CheckReport {
    name: &'static str,
    findings: Vec<Finding>,
}

impl Report {
    /// A report of one check that was not carried out by a [`Doctor`]: the configuration could not even be read.
    pub fn of(name: &'static str, findings: Vec<Finding>) -> Self {
        Self {
            checks: vec![CheckReport { name, findings }],
            skipped: Vec::new(),
        }
    }

    /// Whether nothing is bad. Warnings do not count: the service works.
    pub fn is_well(&self) -> bool {
        self.worst() < Severity::Bad
    }

    /// 0 only if nothing is bad.
    pub fn exit_code(&self) -> ExitCode {
        if self.is_well() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// The worst of all findings.
    pub fn worst(&self) -> Severity {
        self.findings()
            .map(|(_, finding)| finding.severity)
            .max()
            .unwrap_or(Severity::Good)
    }

    /// The findings with the names of their checks.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        self.checks
            .iter()
            .flat_map(|check| check.findings.iter().map(|finding| (check.name, finding)))
    }

    /// Writes the report.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub fn write(&self, format: Format, out: &mut (dyn Write + Send)) -> io::Result<()> {
        match format {
            Format::Json => self.write_json(out),
            Format::Text => self.write_text(out),
        }
    }

    fn write_json(&self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        #[derive(Serialize)]
        struct Whole<'a> {
            well: bool,
            worst: Severity,
            checks: &'a [CheckReport],
        }
        let whole = Whole {
            well: self.is_well(),
            worst: self.worst(),
            checks: &self.checks,
        };
        serde_json::to_writer_pretty(&mut *out, &whole)?;
        writeln!(out)
    }

    fn write_text(&self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        for (name, finding) in self.findings() {
            let mark = match finding.severity {
                Severity::Good => '✔',
                Severity::Warn => '!',
                Severity::Bad => '✘',
            };
            writeln!(out, "{mark} {name:<NAME_WIDTH$} {}", finding.text)?;
            if let Some(remedy) = &finding.remedy {
                writeln!(out, "  {:<NAME_WIDTH$} → {remedy}", "")?;
            }
        }
        let count = |severity| {
            self.findings()
                .filter(|(_, finding)| finding.severity == severity)
                .count()
        };
        match (count(Severity::Bad), count(Severity::Warn)) {
            (0, 0) => writeln!(out, "all is well"),
            (0, warnings) => writeln!(out, "it works; to look at: {warnings}"),
            (bad, _) => writeln!(out, "to be mended: {bad}"),
        }
    }

    /// A check that was left out is as bad as what stopped it, for those that come after it.
    fn is_bad(&self, name: &str) -> bool {
        self.skipped.contains(&name)
            || self
                .findings()
                .any(|(check, finding)| check == name && finding.severity == Severity::Bad)
    }
}
