//! Logs: text or JSON on stderr, and daily files beside it.
//!
//! What is logged is decided where it is written: no tokens, bodies, phones, e-mails or query strings. This module
//! only chooses the form, and keeps panics from printing what they were formatted with.

mod repeats;

use std::any::Any;
use std::panic::PanicHookInfo;
use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use self::repeats::OncePerSecond;
use crate::config::{LogConfig, LogFormat};

/// How many daily files are kept.
const KEPT_FILES: usize = 30;

/// Libraries whose `info` is of no use to an operator, and `debug` of which may show bodies or statements.
const QUIET: &[&str] = &[
    "hyper=warn",
    "hyper_util=warn",
    "reqwest=warn",
    "rustls=warn",
    "sqlx=warn",
    "h2=warn",
];

/// Keeps the writer of files alive; dropping it writes what is left.
#[derive(Debug)]
#[must_use = "dropping the guard ends the log files"]
pub struct TelemetryGuard {
    _files: Option<WorkerGuard>,
}

/// Starts logging for the service called `service`, which also names its files.
///
/// # Errors
///
/// When the directory for files cannot be used, or logging was started before.
pub fn init(config: &LogConfig, service: &str) -> anyhow::Result<TelemetryGuard> {
    let mut layers = vec![layer(config.format(), std::io::stderr)];
    let mut files = None;
    if let Some(directory) = &config.dir {
        let (writer, guard) = tracing_appender::non_blocking(appender(directory, service)?);
        layers.push(layer(config.format(), writer));
        files = Some(guard);
    }
    tracing_subscriber::registry()
        .with(layers)
        .with(filter(&config.filter))
        .with(OncePerSecond::default())
        .try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(TelemetryGuard { _files: files })
}

/// The filter of `RUST_LOG`, with noisy libraries quietened unless it names them.
fn filter(directives: &str) -> EnvFilter {
    let mut all: Vec<&str> = QUIET
        .iter()
        .filter(|quiet| {
            let library = quiet.split('=').next().unwrap_or_default();
            !directives.contains(library)
        })
        .copied()
        .collect();
    all.push(directives);
    EnvFilter::builder().parse_lossy(all.join(","))
}

fn layer<W>(format: LogFormat, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
    }
}

/// Files `service.2026-01-31.log`; the newest is also reached as `app.log`, the name that the user's guide tails.
fn appender(directory: &Path, service: &str) -> anyhow::Result<RollingFileAppender> {
    use anyhow::Context as _;
    // The link holds the path as it is given here, and is read from the directory it lies in.
    let directory = std::path::absolute(directory).context("LOG_DIR")?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(service)
        .filename_suffix("log")
        .latest_symlink("app.log")
        .max_log_files(KEPT_FILES)
        .build(&directory)
        .with_context(|| {
            format!(
                "LOG_DIR: {} cannot be written to; expected a directory of this user, for example LOG_DIR=logs",
                directory.display()
            )
        })
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let (file, line) = panic.location().map_or(("unknown", 0), |location| {
        (location.file(), location.line())
    });
    tracing::error!(
        panic.file = file,
        panic.line = line,
        "a task panicked: {}",
        panic_text(panic.payload())
    );
}

/// A literal message is ours; one that was formatted may hold somebody's data, so only the place is told.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(formatted message withheld)")
}
