//! The services' logs: files, so that the story stays readable.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The emulator's crate; everything else in this process belongs to lead-intake.
const EMULATOR: &str = "amocrm_emulator";

/// Begins `amocrm-emulator.log` and `lead-intake.log` in this directory.
pub(crate) fn start(directory: &Path) -> anyhow::Result<()> {
    let emulator = Targets::new().with_target(EMULATOR, LevelFilter::INFO);
    let intake = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("sqlx", LevelFilter::WARN)
        .with_target("hyper", LevelFilter::WARN)
        .with_target(EMULATOR, LevelFilter::OFF);
    tracing_subscriber::registry()
        .with(layer(directory, "amocrm-emulator.log", emulator)?)
        .with(layer(directory, "lead-intake.log", intake)?)
        .try_init()?;
    Ok(())
}

fn layer<S>(
    directory: &Path,
    name: &str,
    filter: Targets,
) -> anyhow::Result<impl Layer<S> + Send + Sync + use<S>>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let path = directory.join(name);
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    Ok(tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Arc::new(file))
        .with_filter(filter))
}
