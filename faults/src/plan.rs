//! What happens when, drawn from a seed: the same seed is the same plan.

use std::time::Duration;

use fastrand::Rng;

use crate::database::Stop;

/// A stream of chances of its own for each purpose: more of one changes nothing of another.
pub(crate) fn chances(seed: u64, purpose: &str) -> Rng {
    // FNV-1a; only has to tell purposes apart.
    let salt = purpose
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    Rng::with_seed(seed ^ salt)
}

/// A duration between two others.
pub(crate) fn between(chances: &mut Rng, from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(chances.u64(from_ms..=to_ms))
}

/// Moments about `every` apart, never closer than two thirds of it.
pub(crate) fn moments(chances: &mut Rng, length: Duration, every: Duration) -> Vec<Duration> {
    let mut moments = Vec::new();
    let mut turn = every / 2;
    while turn < length {
        moments.push(turn + every.mul_f64(chances.f64() / 3.0));
        turn += every;
    }
    moments
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// SIGKILL, and a start this much later.
    Kill(Duration),
    /// SIGTERM, and a start this much later: a rolling restart.
    Stop(Duration),
    /// SIGSTOP for this long.
    Freeze(Duration),
}

/// The blows of each of `slots` processes, mostly kills. In a run that is long enough one process is frozen past the end
/// of its `lease`.
pub(crate) fn blows(
    seed: u64,
    slots: usize,
    length: Duration,
    every: Duration,
    lease: Duration,
) -> Vec<Vec<(Duration, Blow)>> {
    let mut chances = chances(seed, "blows");
    let mut blows = vec![Vec::new(); slots];
    let moments = moments(&mut chances, length, every);
    let long_freeze = (length > lease * 5).then_some(moments.len() / 3);
    for (index, at) in moments.into_iter().enumerate() {
        let slot = chances.usize(0..slots);
        let blow = if Some(index) == long_freeze {
            Blow::Freeze(lease + between(&mut chances, 1_000, 3_000))
        } else {
            match chances.u32(0..10) {
                0 => Blow::Stop(between(&mut chances, 100, 1_000)),
                1 | 2 => Blow::Freeze(between(&mut chances, 500, 3_000)),
                _ => Blow::Kill(between(&mut chances, 100, 2_000)),
            }
        };
        blows[slot].push((at, blow));
    }
    blows
}

/// What is done to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    /// The server stops and comes back after this long.
    Restart(Stop, Duration),
    /// So many connections are cut.
    Cut(u32),
}

/// What happens to a database server, the ways in turn.
pub(crate) fn outages(seed: u64, length: Duration, every: Duration) -> Vec<(Duration, Outage)> {
    let mut chances = chances(seed, "database");
    let moments = moments(&mut chances, length, every);
    let mut outages = Vec::new();
    for (index, at) in moments.into_iter().enumerate() {
        let outage = match index % 4 {
            0 | 2 => Outage::Cut(chances.u32(1..=6)),
            1 => Outage::Restart(Stop::Immediate, between(&mut chances, 300, 2_000)),
            _ => Outage::Restart(Stop::Fast, between(&mut chances, 300, 4_000)),
        };
        outages.push((at, outage));
    }
    outages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_plan() {
        let minute = Duration::from_mins(1);
        let every = Duration::from_secs(5);
        let plan = |seed| blows(seed, 2, minute, every, every);
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
        let count: usize = plan(7).iter().map(Vec::len).sum();
        assert_eq!(count, 12);
    }

    #[test]
    fn moments_keep_their_distance() {
        let every = Duration::from_secs(3);
        let moments = moments(&mut chances(1, "x"), Duration::from_mins(5), every);
        for pair in moments.windows(2) {
            assert!(pair[1].saturating_sub(pair[0]) >= every.mul_f64(0.66));
        }
    }
}
