//! What is logged, how and where.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Problems, Section};

/// `[log]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    format: String,
    /// Directory for daily files, beside stderr.
    #[serde(default)]
    pub dir: Option<PathBuf>,
    /// What is logged, in the syntax of tracing's `EnvFilter`.
    pub filter: String,
}

/// The look of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl LogConfig {
    /// The look of a line.
    pub fn format(&self) -> LogFormat {
        if self.format.eq_ignore_ascii_case("json") {
            LogFormat::Json
        } else {
            LogFormat::Text
        }
    }
}

impl Section for LogConfig {
    const NAME: &'static str = "log";

    fn validate(&self, problems: &mut Problems) {
        if !["text", "json"].contains(&self.format.to_ascii_lowercase().as_str()) {
            problems.report_value("log.format", &self.format, "is no format");
        }
        if self
            .filter
            .parse::<tracing_subscriber::filter::EnvFilter>()
            .is_err()
        {
            problems.report_value("log.filter", &self.filter, "cannot be parsed");
        }
    }
}
