//! The state file: the world, waiting webhooks and the clock's offset, written as a whole and replaced atomically.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::delivery::Delivery;
use crate::world::World;

/// Changes that follow each other within this time are written together.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// Raised when an old file cannot be read any more.
const FORMAT: u32 = 1;

/// What a state file holds.
#[derive(Deserialize)]
pub(crate) struct Saved {
    format: u32,
    pub(crate) clock_offset_ms: i64,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) world: World,
}

/// The same, borrowed for writing.
#[derive(Serialize)]
struct Saving<'a> {
    format: u32,
    clock_offset_ms: i64,
    deliveries: Vec<Delivery>,
    world: &'a World,
}

/// Reads a state file; `None` if there is none yet.
pub(crate) fn load(path: &Path) -> anyhow::Result<Option<Saved>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("the state file {} cannot be read", path.display()));
        }
    };
    let saved: Saved = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a state file of this emulator", path.display()))?;
    anyhow::ensure!(
        saved.format == FORMAT,
        "{} has format {}, this emulator reads format {FORMAT}",
        path.display(),
        saved.format
    );
    Ok(Some(saved))
}

/// Writes the file after changes until `stop`, and once more then.
pub(crate) async fn run(app: App, path: PathBuf, stop: CancellationToken) {
    let mut is_stopping = false;
    while !is_stopping {
        tokio::select! {
            () = app.changed() => {
                tokio::select! {
                    () = tokio::time::sleep(DEBOUNCE) => {}
                    () = stop.cancelled() => is_stopping = true,
                }
            }
            () = stop.cancelled() => is_stopping = true,
        }
        let (snapshot, target) = (app.clone(), path.clone());
        let saved = tokio::task::spawn_blocking(move || save(&snapshot, &target)).await;
        if let Ok(Err(error)) = saved {
            tracing::error!(error = format!("{error:#}"), "the state could not be saved");
        }
    }
}

/// Writes the file now.
pub(crate) fn save(app: &App, path: &Path) -> anyhow::Result<()> {
    let (clock_offset_ms, deliveries) = (app.clock().offset_ms(), app.deliveries().pending());
    let text = app.with_world(|world| {
        serde_json::to_vec(&Saving {
            format: FORMAT,
            clock_offset_ms,
            deliveries,
            world,
        })
    })?;
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            fs::create_dir_all(parent)?;
        }
        let mut file = private_file(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// A file only its owner can read: it holds integration secrets and people's data.
pub(crate) fn private_file(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
