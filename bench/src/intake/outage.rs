//! The visitor's answer while amoCRM is away, and while much has queued up already.

use std::time::Duration;

use super::rate::Ours;
use super::service::lead;
use crate::load::{Answers, Pace, Storm};
use crate::report::{Goal, Report};

/// Visitors per second: more than any agency has, and as many as the goal speaks of (`reliability.md`, row 2).
const PACE: u32 = 500;
const CONNECTIONS: u32 = 64;
/// In milliseconds at that pace.
const GOAL_P99_MS: f64 = 50.0;
/// What has queued up in a day of bad luck.
const BACKLOG: u32 = 100_000;

pub(super) async fn run(
    report: &mut Report,
    name: &str,
    ours: Ours,
    quick: bool,
) -> anyhow::Result<()> {
    let (pace, lasts, backlog) = if quick {
        (50, Duration::from_millis(500), 500)
    } else {
        (PACE, Duration::from_secs(15), BACKLOG)
    };
    let storm = Storm {
        address: ours.service.address,
        request: lead,
        connections: CONNECTIONS,
        pace: Pace::PerSecond(pace),
        lasts,
        most: u32::MAX / 2,
    };
    report.heading(&format!(
        "{name}: {pace} visitors per second, amoCRM is away"
    ));
    tell(report, &format!("{name}_away"), &storm.send().await?);
    let queued = ours.queued + pace * u32::try_from(lasts.as_secs()).unwrap_or(0);
    let fill = Storm {
        pace: Pace::Closed,
        lasts: Duration::from_mins(5),
        most: backlog.saturating_sub(queued),
        ..storm
    };
    if fill.most > 0 {
        fill.send().await?;
    }
    let queued = queued.max(backlog);
    report.heading(&format!(
        "{name}: the same with {queued} leads in the queue"
    ));
    tell(report, &format!("{name}_backlog"), &storm.send().await?);
    report.heading(&format!("{name}: memory of lead-intake"));
    for (figure, value, words) in [
        ("rest_kib", ours.rest_kib, "at rest, KiB"),
        (
            "loaded_kib",
            ours.service.memory("VmHWM"),
            "at most under all this, KiB",
        ),
    ] {
        match value {
            Some(value) => report.figure(&format!("{name}_{figure}"), value, words, Goal::None),
            None => report.skipped(&format!("{name}_{figure}"), "only Linux tells it"),
        }
    }
    Ok(())
}

fn tell(report: &mut Report, name: &str, answers: &Answers) {
    let per_second = answers.per_second();
    report.figure(
        &format!("{name}_per_s"),
        per_second,
        "answers per second",
        Goal::None,
    );
    let (p50, p99) = (answers.percentile(50), answers.percentile(99));
    report.figure(&format!("{name}_p50_ms"), p50, "p50, ms", Goal::None);
    let goal = Goal::AtMost(GOAL_P99_MS);
    report.figure(&format!("{name}_p99_ms"), p99, "p99, ms", goal);
    let most = answers.percentile(100);
    report.figure(
        &format!("{name}_max_ms"),
        most,
        "the slowest, ms",
        Goal::None,
    );
}
