//! Webhooks taken per second, in turns with the bare handlers.

use std::time::Duration;

use super::Databases;
use super::receiver::{Gate, Receiver};
use super::service::{Wanted, gateway, status};
use crate::load::{Pace, Storm, median};
use crate::place::Place;
use crate::report::{Goal, Report};
use crate::service::Service;

const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// Durable webhooks per second on SQLite at 16 connections (`reliability.md`, section 2).
const GOAL_PER_SECOND: f64 = 5_000.0;
/// Of what the same inserts reach by themselves.
const GOAL_RATIO: f64 = 0.8;

pub(super) async fn run(
    report: &mut Report,
    place: &Place,
    databases: &Databases,
    quick: bool,
) -> anyhow::Result<()> {
    let name = databases.name;
    let (rounds, lasts) = if quick {
        (1, Duration::from_millis(200))
    } else {
        (7, Duration::from_secs(1))
    };
    let subscriber = Receiver::start(Gate::Shut)?;
    let wanted = [Wanted {
        name: "away",
        address: subscriber.address,
        events: "*",
        concurrency: 4,
    }];
    let ours = gateway(place, &databases.ours, &wanted)?;
    let single = Service::part(&["gateway", "--bare", &databases.bare])?;
    let group = Service::part(&["gateway", "--bare", &databases.group, "--group"])?;
    let nothing = Service::part(&["gateway", "--bare", "none"])?;
    let contenders = [&ours, &single, &group, &nothing];
    let turn = async |service: &Service, connections, lasts| {
        let storm = Storm {
            address: service.address,
            request: status,
            connections,
            pace: Pace::Closed,
            lasts,
            most: u32::MAX,
        };
        storm.send().await
    };
    for service in contenders {
        turn(service, 16, lasts / 2).await?;
    }
    for connections in CONNECTIONS {
        report.heading(&format!(
            "{name}: webhooks taken over {connections} connections"
        ));
        let mut rates = [vec![], vec![], vec![], vec![]];
        let mut ratios = [vec![], vec![], vec![]];
        let (mut p50, mut p99) = (vec![], vec![]);
        for _ in 0..rounds {
            let mut round = Vec::new();
            for (service, rates) in contenders.into_iter().zip(&mut rates) {
                let answers = turn(service, connections, lasts).await?;
                if service.address == ours.address {
                    p50.push(answers.percentile(50));
                    p99.push(answers.percentile(99));
                }
                rates.push(answers.per_second());
                round.push(answers.per_second());
            }
            for (ratios, other) in ratios.iter_mut().zip(&round[1..]) {
                ratios.push(round[0] / other);
            }
        }
        let mut figure = |what: &str, values: &mut Vec<f64>, words: &str, goal| {
            let name = format!("{name}_{what}_{connections}");
            report.figure(&name, median(values), words, goal);
        };
        let [mine, one, other, none] = &mut rates;
        let [to_single, to_group, to_nothing] = &mut ratios;
        let goal = if (name, connections) == ("sqlite", 16) {
            Goal::AtLeast(GOAL_PER_SECOND)
        } else {
            Goal::None
        };
        figure("accepts_per_s", mine, "durable webhooks per second", goal);
        figure(
            "bare_per_s",
            one,
            "the same inserts bare, one commit each",
            Goal::None,
        );
        figure(
            "ratio",
            to_single,
            "ours to that",
            Goal::AtLeast(GOAL_RATIO),
        );
        figure(
            "grouped_per_s",
            other,
            "the same inserts bare, one commit for many",
            Goal::None,
        );
        figure("ratio_to_grouped", to_group, "ours to that", Goal::None);
        figure(
            "unstored_per_s",
            none,
            "axum answering without storing",
            Goal::None,
        );
        figure("ratio_to_unstored", to_nothing, "ours to that", Goal::None);
        figure("p50_ms", &mut p50, "our answer, p50, ms", Goal::None);
        figure("p99_ms", &mut p99, "our answer, p99, ms", Goal::None);
    }
    Ok(())
}
