//! Who holds leases in the name of this process, and how another process can prove that it is dead.
//!
//! On SQLite all processes share a machine, so the kernel can testify: every opened store keeps an exclusive lock on a
//! file beside the database, which the kernel drops when the process ends, however it ends. A lease whose owner's file
//! can be locked is nobody's any more.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{Result, StoreError, StoreErrorKind};
use crate::store::unique_name;

pub(crate) struct Owner {
    name: String,
    lock: Option<(PathBuf, File)>,
    database: Option<PathBuf>,
}

impl Owner {
    pub(crate) fn new() -> Self {
        Self {
            name: unique_name(),
            lock: None,
            database: None,
        }
    }

    pub(crate) fn with_lock_beside(database: &Path) -> Result<Self> {
        let name = unique_name();
        let path = lock_path(database, &name);
        let failed = |error: std::io::Error| {
            StoreError::new(
                StoreErrorKind::Unavailable,
                format!("cannot lock {}: {}", path.display(), error.kind()),
            )
        };
        let file = File::create_new(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Self {
            name,
            lock: Some((path, file)),
            database: Some(database.to_owned()),
        })
    }

    /// Stands before the `/` in every worker's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the process behind `owner` certainly has ended. `false` when in doubt.
    pub(crate) fn is_dead(&self, owner: &str) -> bool {
        let Some(database) = &self.database else {
            return false;
        };
        // Names come from the table: only what we make ourselves may become part of a path.
        if owner == self.name || owner.len() != 32 || !owner.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return false;
        }
        match File::open(lock_path(database, owner)) {
            Ok(file) => matches!(file.try_lock(), Ok(())),
            // An owner has its file as long as it lives: one without was buried, or has ended in good order.
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// Forgets the lock file of a dead owner whose leases have been taken over.
    pub(crate) fn bury(&self, owner: &str) {
        if let Some(database) = &self.database
            && self.is_dead(owner)
        {
            // If it cannot be deleted now, the next start tries again.
            let _ = std::fs::remove_file(lock_path(database, owner));
        }
    }

    /// The owners that have left a lock file behind.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let Some(database) = &self.database else {
            return Vec::new();
        };
        let prefix = lock_path(database, "");
        let (Some(folder), Some(prefix)) = (prefix.parent(), prefix.file_name()) else {
            return Vec::new();
        };
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let owner = name.to_str()?.strip_prefix(prefix.to_str()?)?;
                self.is_dead(owner).then(|| owner.to_owned())
            })
            .collect()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some((path, _file)) = self.lock.take() {
            // A file that stays is only litter: its lock is free.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Owner").field(&self.name).finish()
    }
}

fn lock_path(database: &Path, owner: &str) -> PathBuf {
    let mut name = OsString::from(database.as_os_str());
    name.push("-owner-");
    name.push(owner);
    PathBuf::from(name)
}
