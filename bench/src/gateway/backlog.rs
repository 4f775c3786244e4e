//! The answer to amoCRM with an empty queue, and while one subscriber hangs and a million events wait.

use std::time::Duration;

use super::Databases;
use super::receiver::{Gate, Receiver};
use super::service::{MANY, Wanted, gateway, status, updates};
use crate::load::{Answers, Pace, Storm};
use crate::place::Place;
use crate::report::{Goal, Report};

/// Webhooks per second: more than any account sends, and as many as the goal speaks of (`reliability.md`, row 2).
const PACE: u32 = 500;
const CONNECTIONS: u32 = 64;
/// In milliseconds at that pace.
const GOAL_P99_MS: f64 = 50.0;
/// What is left of two equal runs on a machine with other things to do.
const NOISE: f64 = 1.5;
/// What waits after a subscriber was away for a long week.
const BACKLOG: u32 = 1_000_000;

pub(super) async fn run(
    report: &mut Report,
    place: &Place,
    databases: &Databases,
    quick: bool,
) -> anyhow::Result<()> {
    let name = databases.name;
    let (pace, lasts, backlog) = if quick {
        (50, Duration::from_millis(500), 1_000)
    } else {
        (PACE, Duration::from_secs(20), BACKLOG)
    };
    let receivers = [Receiver::start(Gate::Open)?, Receiver::start(Gate::Open)?];
    let [hanging, neighbour] = &receivers;
    let wanted = [
        Wanted {
            name: "hanging",
            address: hanging.address,
            events: "leads.*",
            concurrency: 4,
        },
        Wanted {
            name: "neighbour",
            address: neighbour.address,
            events: "leads.status",
            concurrency: 4,
        },
    ];
    let service = gateway(place, &databases.backlog, &wanted)?;
    let rest_kib = service.memory("VmRSS");
    let storm = Storm {
        address: service.address,
        request: status,
        connections: CONNECTIONS,
        pace: Pace::PerSecond(pace),
        lasts,
        most: u32::MAX / 2,
    };
    // The first requests open files and connections.
    let warm = Storm {
        lasts: lasts / 4,
        ..storm
    };
    warm.send().await?;
    report.heading(&format!(
        "{name}: {pace} webhooks per second, everybody answers"
    ));
    let before = storm.send().await?;
    tell(report, &format!("{name}_empty"), &before);

    hanging.set(Gate::Hangs);
    let fill = Storm {
        request: updates,
        connections: 8,
        pace: Pace::Closed,
        lasts: Duration::from_mins(20),
        most: backlog / MANY,
        ..storm
    };
    let filled = fill.send().await?;
    report.heading(&format!(
        "{name}: the same while one subscriber hangs and {backlog} events wait"
    ));
    let events = f64::from(filled.count()) * f64::from(MANY);
    report.figure(
        &format!("{name}_fill_events_per_s"),
        events / filled.took.as_secs_f64(),
        &format!("events per second taken in bodies of {MANY}"),
        Goal::None,
    );
    let taken = neighbour.taken();
    let after = storm.send().await?;
    tell(report, &format!("{name}_backlog"), &after);
    report.figure(
        &format!("{name}_backlog_p99_ratio"),
        after.percentile(99) / before.percentile(99),
        "p99 to that of the empty queue",
        Goal::AtMost(NOISE),
    );
    let delivered = f64::from(neighbour.taken() - taken) / f64::from(after.count());
    report.figure(
        &format!("{name}_neighbour_delivered"),
        delivered,
        "part of these that the neighbour has by the end",
        Goal::AtLeast(0.9),
    );
    report.heading(&format!("{name}: memory of webhook-gateway"));
    for (figure, value, words) in [
        ("rest_kib", rest_kib, "at rest, KiB"),
        (
            "loaded_kib",
            service.memory("VmHWM"),
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
    let mut figure = |what: &str, value: f64, words: &str, goal| {
        report.figure(&format!("{name}_{what}"), value, words, goal);
    };
    figure(
        "per_s",
        answers.per_second(),
        "answers per second",
        Goal::None,
    );
    figure("p50_ms", answers.percentile(50), "p50, ms", Goal::None);
    figure(
        "p99_ms",
        answers.percentile(99),
        "p99, ms",
        Goal::AtMost(GOAL_P99_MS),
    );
    figure(
        "max_ms",
        answers.percentile(100),
        "the slowest, ms",
        Goal::None,
    );
}
