//! What the emulator's journal says of a service: how much it asked in a second, whether it kept quiet while it was blocked,
//! how its tokens were renewed.

use std::time::Duration;

use crate::calm::{Disturbance, is_calm};
use crate::emulator::Arrival;
use crate::findings::Findings;

/// What was on its way when the block page came may arrive this much later.
const ON_THE_WAY_MS: f64 = 400.0;
const SECOND_MS: f64 = 1_000.0;
/// A machine is quiet if it stood still for less than this part of the time.
const QUIET: f64 = 0.02;
/// How late arrivals may be on one that is not.
const LATENESS_MS: f64 = 150.0;

/// The pauses of blocks and the renewals, by the emulator's journal.
pub(crate) fn check(journal: &[Arrival], kills: &[f64], pause: Duration, findings: &mut Findings) {
    let pause_ms = pause.as_secs_f64() * 1_000.0;
    for block in journal.iter().filter(|it| it.status == Some(403)) {
        let answered = block.at_ms + block.duration_ms.unwrap_or_default();
        // Who is killed with the page in hand can tell nobody.
        let told = !kills
            .iter()
            .any(|kill| (block.at - 0.1..block.at + 1.5).contains(kill));
        let quiet = answered + ON_THE_WAY_MS..answered + pause_ms - ON_THE_WAY_MS;
        let within = journal
            .iter()
            .filter(|it| quiet.contains(&it.at_ms))
            .count();
        findings.expect(!told || within == 0, || {
            format!("{within} requests while amoCRM blocked us")
        });
    }
    let refused = journal
        .iter()
        .filter(|it| it.grant_type.is_some() && matches!(it.status, Some(400 | 401)));
    findings.expect(refused.count() == 0, || {
        "amoCRM refused a refresh token".to_owned()
    });
}

/// The most requests in any sliding second.
pub(crate) fn peak(journal: &[Arrival]) -> usize {
    peak_within(journal, SECOND_MS, |_, _| true)
}

fn peak_within(journal: &[Arrival], window_ms: f64, counts: impl Fn(f64, f64) -> bool) -> usize {
    let mut peak = 0;
    let mut first = 0;
    for (last, arrival) in journal.iter().enumerate() {
        while arrival.at_ms - journal[first].at_ms >= window_ms {
            first += 1;
        }
        let count = last - first + 1;
        if count > peak && counts(journal[first].at, arrival.at) {
            peak = count;
        }
    }
    peak
}

/// The same where neither the machine nor a process stood still: what was held up arrives at once, and a permit taken
/// before a freeze is used after it. On a machine that is busy with other things every arrival is late by a little, and
/// requests that were sent in one second may arrive in less.
pub(crate) fn calm_peak(
    journal: &[Arrival],
    machine: &[Disturbance],
    freezes: &[Disturbance],
) -> usize {
    let (Some(first), Some(last)) = (journal.first(), journal.last()) else {
        return 0;
    };
    let stood_still: f64 = machine.iter().map(|(began, ended)| ended - began).sum();
    let window_ms = if stood_still < (last.at - first.at) * QUIET {
        SECOND_MS
    } else {
        SECOND_MS - LATENESS_MS
    };
    peak_within(journal, window_ms, |from, to| {
        is_calm(machine, from, to) && is_calm(freezes, from, to)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(at: &[f64]) -> Vec<Arrival> {
        let arrival = |at_ms: &f64| Arrival {
            at_ms: *at_ms,
            duration_ms: Some(1.0),
            at: at_ms / 1_000.0,
            client_id: None,
            grant_type: None,
            status: Some(200),
            fault: None,
        };
        at.iter().map(arrival).collect()
    }

    #[test]
    fn the_peak_is_of_any_sliding_second() {
        assert_eq!(peak(&arrivals(&[0.0, 600.0, 999.0, 1_000.0, 1_100.0])), 4);
        assert_eq!(peak(&arrivals(&[])), 0);
    }

    #[test]
    fn what_was_held_up_is_not_held_against_the_budget() {
        let at: Vec<f64> = (0..9).map(|n| 5_000.0 + f64::from(n) * 10.0).collect();
        let journal = arrivals(&at);
        assert_eq!(calm_peak(&journal, &[], &[]), 9);
        assert_eq!(calm_peak(&journal, &[(3.0, 4.5)], &[]), 0);
        assert_eq!(calm_peak(&journal, &[], &[(3.0, 4.5)]), 0);
    }

    #[test]
    fn a_request_during_a_block_is_found_unless_nobody_could_know() {
        let mut journal = arrivals(&[0.0, 2_000.0]);
        journal[0].status = Some(403);
        let wrong = |kills: &[f64]| {
            let mut findings = Findings::default();
            check(&journal, kills, Duration::from_secs(3), &mut findings);
            !findings.is_well()
        };
        assert!(wrong(&[]));
        assert!(!wrong(&[0.2]));
    }
}
