//! The state file: the world, waiting webhooks and the clock's offset, written as a whole and replaced atomically.
//!
//! A request that changed something is answered when the change is in the file, so that whoever kills the emulator finds again
//! what had been answered. Requests that wait at the same time share one write.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::delivery::Delivery;
use crate::world::{Drive, World};

/// Changes nobody waits for (a token's first use, an attempt to deliver) are written together after this time.
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
    let mut saved: Saved = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a state file of this emulator", path.display()))?;
    anyhow::ensure!(
        saved.format == FORMAT,
        "{} has format {}, this emulator reads format {FORMAT}",
        path.display(),
        saved.format
    );
    load_contents(&mut saved.world, path);
    Ok(Some(saved))
}

/// How many changes there were, and up to which of them the file has come.
#[derive(Debug)]
pub(crate) struct Progress {
    changed: watch::Sender<u64>,
    saved: watch::Sender<u64>,
    /// Somebody waits for the file.
    is_awaited: Notify,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            changed: watch::Sender::new(0),
            saved: watch::Sender::new(0),
            is_awaited: Notify::new(),
        }
    }
}

impl Progress {
    /// Says that the file is out of date.
    pub(crate) fn mark_changed(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Waits until everything marked so far is in the file.
    pub(crate) async fn saved(&self) {
        let changes = *self.changed.borrow();
        if *self.saved.borrow() < changes {
            self.is_awaited.notify_one();
            // It fails only without a sender, and that is part of `self`.
            let _ = self
                .saved
                .subscribe()
                .wait_for(|saved| *saved >= changes)
                .await;
        }
    }

    async fn unsaved(&self) {
        let _ = self
            .changed
            .subscribe()
            .wait_for(|changes| *changes > *self.saved.borrow())
            .await;
    }
}

/// Writes the file after changes until `stop`, and once more then.
pub(crate) async fn run(app: App, path: PathBuf, stop: CancellationToken) {
    let progress = app.progress();
    let mut is_stopping = false;
    while !is_stopping {
        tokio::select! {
            () = progress.unsaved() => {
                tokio::select! {
                    () = tokio::time::sleep(DEBOUNCE) => {}
                    () = progress.is_awaited.notified() => {}
                    () = stop.cancelled() => is_stopping = true,
                }
            }
            () = stop.cancelled() => is_stopping = true,
        }
        let changes = *progress.changed.borrow();
        let (snapshot, target) = (app.clone(), path.clone());
        let saved = tokio::task::spawn_blocking(move || save(&snapshot, &target)).await;
        if let Ok(Err(error)) = saved {
            tracing::error!(error = format!("{error:#}"), "the state could not be saved");
        }
        // Also when it failed: an emulator that hangs would tell its user less than the log does.
        progress.saved.send_replace(changes);
    }
    // Nobody is going to write any more, so nobody may wait.
    progress.saved.send_replace(u64::MAX);
}

/// Contents of files lie beside the state file, each written once: the state itself is written as a whole at every change.
fn contents_directory(path: &Path) -> PathBuf {
    path.with_extension("files")
}

fn save_contents(app: &App, path: &Path) -> std::io::Result<()> {
    let directory = contents_directory(path);
    let contents: Vec<(String, Bytes)> = app.with_world(|world| {
        let drives = world.accounts.iter().map(|account| &account.drive);
        let contents = drives.flat_map(Drive::contents);
        contents
            .map(|(uuid, content)| (uuid.to_owned(), content.clone()))
            .collect()
    });
    if contents.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(&directory)?;
    for (uuid, content) in contents {
        let place = directory.join(&uuid);
        if !place.exists() {
            let temporary = place.with_extension("tmp");
            let mut file = private_file(&temporary)?;
            file.write_all(&content)?;
            file.sync_all()?;
            fs::rename(&temporary, &place)?;
        }
    }
    Ok(())
}

fn load_contents(world: &mut World, path: &Path) {
    let directory = contents_directory(path);
    for account in &mut world.accounts {
        // A uuid of the state file is not trusted to be one: it must not lead out of the directory.
        account.drive.restore_contents(|uuid| {
            let uuid = uuid::Uuid::parse_str(uuid).ok()?;
            fs::read(directory.join(uuid.to_string()))
                .ok()
                .map(Bytes::from)
        });
    }
}

/// Writes the file now.
pub(crate) fn save(app: &App, path: &Path) -> anyhow::Result<()> {
    let (clock_offset_ms, deliveries) = (app.clock().offset_ms(), app.deliveries().pending());
    // First the contents: a state without them would promise files that are not there.
    save_contents(app, path)
        .with_context(|| format!("the files beside {} cannot be written", path.display()))?;
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
