//! Deliveries per second to a fast receiver: a full queue, then the receiver opens.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::Databases;
use super::receiver::{Gate, Receiver};
use super::service::{MANY, Wanted, gateway, updates};
use crate::load::{Pace, Storm};
use crate::place::Place;
use crate::report::{Goal, Report};

/// `reliability.md`, section 2.
const GOAL_PER_SECOND: f64 = 2_000.0;
/// How long the queue may take to run empty.
const PATIENCE: Duration = Duration::from_mins(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Entities at once; one HTTP connection is busy with each.
const CONCURRENCY: u32 = 32;

pub(super) async fn run(
    report: &mut Report,
    place: &Place,
    databases: &Databases,
    quick: bool,
) -> anyhow::Result<()> {
    let name = databases.name;
    let bodies = if quick { 4 } else { 600 };
    let events = bodies * MANY;
    let receiver = Receiver::start(Gate::Shut)?;
    let wanted = [Wanted {
        name: "fast",
        address: receiver.address,
        events: "*",
        concurrency: CONCURRENCY,
    }];
    let service = gateway(place, &databases.delivery, &wanted)?;
    report.heading(&format!("{name}: {events} events to a fast receiver"));
    let fill = Storm {
        address: service.address,
        request: updates,
        connections: 4,
        pace: Pace::Closed,
        lasts: PATIENCE,
        most: bodies,
    };
    fill.send().await?;
    receiver.set(Gate::Open);
    let started = Instant::now();
    while receiver.taken() < events {
        ensure!(
            started.elapsed() < PATIENCE,
            "{} of {events} events were delivered",
            receiver.taken()
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
    report.figure(
        &format!("{name}_deliveries_per_s"),
        receiver.per_second(),
        "deliveries per second, each signed and recorded",
        Goal::AtLeast(GOAL_PER_SECOND),
    );
    Ok(())
}
