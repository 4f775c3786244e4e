//! Leads taken per second, in turns with the bare handler.

use std::time::Duration;

use super::Databases;
use super::service::{alone, bare, knows_that_amocrm_is_away, lead};
use crate::load::{Pace, Storm, median};
use crate::report::{Goal, Report};
use crate::service::Service;

const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// Of what a bare handler takes.
const GOAL: f64 = 0.8;

/// Leads lead-intake running, with what it has taken in its queue.
pub(super) struct Ours {
    pub(super) service: Service,
    pub(super) queued: u32,
    pub(super) rest_kib: Option<u32>,
}

pub(super) async fn run(
    report: &mut Report,
    databases: &Databases,
    quick: bool,
) -> anyhow::Result<Ours> {
    let name = databases.name;
    let (rounds, lasts) = if quick {
        (1, Duration::from_millis(200))
    } else {
        (7, Duration::from_secs(1))
    };
    let ours = alone(&databases.ours)?;
    let single = bare(&databases.bare, false)?;
    let group = bare(&databases.group, true)?;
    knows_that_amocrm_is_away(&ours).await?;
    let rest_kib = ours.memory("VmRSS");
    let mut queued = 0;
    let mut turn = async |service: &Service, connections, lasts| {
        let storm = Storm {
            address: service.address,
            request: lead,
            connections,
            pace: Pace::Closed,
            lasts,
            most: u32::MAX,
        };
        let answers = storm.send().await?;
        if service.address == ours.address {
            queued += answers.count();
        }
        anyhow::Ok(answers)
    };
    for service in [&ours, &single, &group] {
        turn(service, 16, lasts / 2).await?;
    }
    for connections in CONNECTIONS {
        report.heading(&format!(
            "{name}: leads taken over {connections} connections"
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
        figure("leads_per_s", mine, "leads per second", Goal::None);
        figure(
            "bare_per_s",
            one,
            "by a bare handler, one commit each",
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
    Ok(Ours {
        service: ours,
        queued,
        rest_kib,
    })
}
