//! The command `doctor` itself.

use std::io::Write;

use clap::Args;
use service_kit::config::ConfigErrors;
use service_kit::doctor::{Finding, Format, Report};

/// Arguments of `doctor`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Arguments {
    /// Writes one JSON object instead of lines.
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// How the report is to be written.
    pub fn format(self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Text
        }
    }
}

/// Reports a configuration that cannot even be read.
///
/// # Errors
///
/// Only when `out` cannot be written to.
pub fn misconfigured(
    errors: &ConfigErrors,
    arguments: Arguments,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<Report> {
    let findings = errors
        .to_string()
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| Finding::bad(line.trim()))
        .collect();
    let report = Report::of("configuration", findings);
    report.write(arguments.format(), out)?;
    Ok(report)
}
