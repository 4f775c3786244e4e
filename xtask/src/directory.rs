//! Directories of throwaway servers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Deleted when dropped.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// A directory that only its user can read. A server's socket lies in it too, and a socket's path may have only
    /// 107 bytes.
    pub(crate) fn create(server: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("xtask-{server}-{}", std::process::id()));
        make_private(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} is left behind: {error}", self.0.display());
        }
    }
}

#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // Fails if the name is taken, so nobody can have put something in its place.
    fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)
}
