//! Lessons taken per second, in turns with the bare handler.

use std::time::Duration;

use super::Databases;
use super::service::{alone, bare, lesson};
use crate::load::{Pace, Storm, median};
use crate::report::{Goal, Report};
use crate::service::Service;

const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// Of what a bare handler takes.
const GOAL: f64 = 0.8;

pub(super) async fn run(
    report: &mut Report,
    databases: &Databases,
    quick: bool,
) -> anyhow::Result<()> {
    let name = databases.name;
    let (rounds, lasts) = if quick {
        (1, Duration::from_millis(200))
    } else {
        (7, Duration::from_secs(1))
    };
    let ours = alone(&databases.ours)?;
    let single = bare(&databases.bare, false)?;
    let group = bare(&databases.group, true)?;
    let rest_kib = ours.memory("VmRSS");
    let turn = async |service: &Service, connections, lasts| {
        let storm = Storm {
            address: service.address,
            request: lesson::<{ u32::MAX }, 1>,
            connections,
            pace: Pace::Closed,
            lasts,
            most: u32::MAX,
        };
        storm.send().await
    };
    for service in [&ours, &single, &group] {
        turn(service, 16, lasts / 2).await?;
    }
    for connections in CONNECTIONS {
        report.heading(&format!(
            "{name}: lessons taken over {connections} connections, amoCRM is away"
        ));
        let (mut rates, mut ratios, mut group_ratios) = ([vec![], vec![], vec![]], vec![], vec![]);
        let (mut p50, mut p99) = (vec![], vec![]);
        for _ in 0..rounds {
            let one = turn(&single, connections, lasts).await?.per_second();
            let answers = turn(&ours, connections, lasts).await?;
            let other = turn(&group, connections, lasts).await?.per_second();
            let mine = answers.per_second();
            for (rates, rate) in rates.iter_mut().zip([mine, one, other]) {
                rates.push(rate);
            }
            ratios.push(mine / one);
            group_ratios.push(mine / other);
            p50.push(answers.percentile(50));
            p99.push(answers.percentile(99));
        }
        let mut figure = |what: &str, values: &mut Vec<f64>, words: &str, goal| {
            report.figure(
                &format!("{name}_{what}_{connections}"),
                median(values),
                words,
                goal,
            );
        };
        let [mine, one, other] = &mut rates;
        figure("lessons_per_s", mine, "lessons per second", Goal::None);
        figure(
            "bare_per_s",
            one,
            "by a bare handler, the same rows, one commit each",
            Goal::None,
        );
        figure("ratio", &mut ratios, "ours to it", Goal::AtLeast(GOAL));
        figure(
            "grouped_per_s",
            other,
            "by a bare handler that commits for many",
            Goal::None,
        );
        figure(
            "ratio_to_grouped",
            &mut group_ratios,
            "ours to that",
            Goal::None,
        );
        figure("p50_ms", &mut p50, "our answer, p50, ms", Goal::None);
        figure("p99_ms", &mut p99, "our answer, p99, ms", Goal::None);
    }
    report.heading(&format!("{name}: memory of lesson-sync"));
    for (figure, value, words) in [
        ("rest_kib", rest_kib, "at rest, KiB"),
        (
            "taking_kib",
            ours.memory("VmHWM"),
            "at most while it takes lessons, KiB",
        ),
    ] {
        match value {
            Some(value) => report.figure(&format!("{name}_{figure}"), value, words, Goal::None),
            None => report.skipped(&format!("{name}_{figure}"), "only Linux tells it"),
        }
    }
    Ok(())
}
