//! The logs of a run, searched for what must not be in them.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::findings::Findings;

/// Looks for `secrets` in every `*.log` of a directory. What was found is named, not repeated.
pub(crate) fn search(
    directory: &Path,
    secrets: &[(String, String)],
    findings: &mut Findings,
) -> anyhow::Result<usize> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        bytes += text.len();
        let text = String::from_utf8_lossy(&text);
        for (name, secret) in secrets {
            findings.expect(!text.contains(secret.as_str()), || {
                format!("{} is in {}", name, path.display())
            });
        }
        findings.expect(!text.contains("panicked at"), || {
            format!("something panicked: {}", path.display())
        });
    }
    Ok(bytes)
}
