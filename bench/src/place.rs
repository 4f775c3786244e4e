//! Where the files of a run lie.

use std::path::PathBuf;

/// A directory on a real disk, for waiting for it is what is measured.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn make() -> anyhow::Result<Self> {
        let place =
            std::env::current_exe()?.with_file_name(format!("bench-{}", std::process::id()));
        std::fs::create_dir(&place)?;
        Ok(Self(place))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn sqlite(&self, name: &str) -> String {
        format!("sqlite://{}/{name}.db", self.0.display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be deleted lies beside the program and is found there.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
