//! The directory of a run: logs and data, kept until the next one so that a failure can be looked into.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A directory that is ours for this run.
#[derive(Debug)]
pub(crate) struct Workshop {
    directory: PathBuf,
}

impl Workshop {
    /// `var/faults/NAME`, empty.
    pub(crate) fn open(name: &str) -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().unwrap_or(here);
        let directory = root.join("var/faults").join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
        }
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        Ok(Self { directory })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// A program that was built together with this one.
pub(crate) fn program(name: &str) -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe().context("where is this program?")?;
    let path = me.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    anyhow::ensure!(
        path.is_file(),
        "{} is missing; `cargo xtask faults` builds it",
        path.display()
    );
    Ok(path)
}
