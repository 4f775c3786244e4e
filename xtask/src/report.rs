//! What a chore says at its end.

use std::time::Duration;

/// How a part of a chore ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything held.
    Passed,
    /// Something did not.
    Failed,
    /// It was not tried.
    Skipped,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    /// What there is to add: counts, or why it was skipped.
    pub(crate) note: String,
    pub(crate) took: Duration,
}

/// Announces a part, so that its output has a heading.
pub(crate) fn heading(name: &str) {
    println!("\n── {name}");
}

/// Prints the table.
pub(crate) fn table(title: &str, lines: &[Line]) {
    let width = lines
        .iter()
        .map(|line| line.name.chars().count())
        .max()
        .unwrap_or_default();
    println!("\n── {title}");
    for line in lines {
        let verdict = match line.verdict {
            Verdict::Passed => "✔",
            Verdict::Failed => "✘",
            Verdict::Skipped => "–",
        };
        let padding = " ".repeat(width - line.name.chars().count());
        println!(
            "{verdict} {}{padding} {:>8}  {}",
            line.name,
            seconds(line.took),
            line.note
        );
    }
}

/// `12.3 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
