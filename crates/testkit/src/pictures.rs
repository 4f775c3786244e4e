//! Pictures of pages for the guides, drawn by a browser.
//!
//! They need `chromium`, and pngquant to make them small.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::environment::variable;

/// 2026-11-20 19:00 in Moscow: when the pictures are taken.
pub const TAKEN_AT: i64 = 1_795_190_400;

/// What makes chromium prefer dark pages.
pub const DARK: [&str; 2] = [
    "--blink-settings=preferredColorScheme=0",
    "--force-dark-mode",
];

/// The same dice every time, so that a picture changes only when its page does.
#[derive(Debug)]
pub struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// The folder that `PICTURES` names: whoever sets it gets more pictures there than the guide has.
pub fn folder() -> Option<PathBuf> {
    variable("PICTURES").map(PathBuf::from)
}

/// Draws a page of `size`, such as `940,2350`, with these arguments for chromium.
pub async fn photograph(url: &str, file: &Path, size: &str, more: &[&str]) {
    let profile = tempfile::tempdir().unwrap();
    let status = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .args(more)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={size}"))
        .arg(format!("--screenshot={}", file.display()))
        .arg(url)
        .status()
        .await
        .unwrap();
    assert!(status.success() && file.exists(), "chromium drew nothing");
    // The pictures are kept in the repository: a palette makes them small. Without pngquant they stay large.
    let _ = Command::new("pngquant")
        .args(["--force", "--ext", ".png", "--strip", "128"])
        .arg(file)
        .status()
        .await;
}
