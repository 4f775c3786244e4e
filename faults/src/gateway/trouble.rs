//! Everything that the systems behind the gateway do wrong, in turn.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep_until};

use super::subscriber::{Mood, Subscriber};
use crate::plan::{between, chances, moments};

/// One system behaves like this for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble {
    subscriber: usize,
    mood: Mood,
    lasts: Duration,
}

/// The moods there are. All of them come, in an order of the seed's.
fn moods(chances: &mut Rng) -> Vec<(Mood, Duration)> {
    let mut lasting = |mood, from_ms, to_ms| (mood, between(chances, from_ms, to_ms));
    vec![
        lasting(Mood::Fails(500), 300, 900),
        lasting(Mood::Fails(503), 1_500, 4_000),
        lasting(Mood::Fails(404), 200, 800),
        lasting(Mood::Fails(301), 200, 800),
        lasting(Mood::Busy, 500, 2_500),
        lasting(Mood::Slow(Duration::from_millis(400)), 1_000, 3_000),
        lasting(Mood::Hangs, 1_000, 4_000),
        lasting(Mood::HangsUp, 200, 900),
        lasting(Mood::Down, 500, 3_500),
    ]
}

/// The troubles of a run.
pub(super) fn plan(
    seed: u64,
    subscribers: usize,
    length: Duration,
    every: Duration,
) -> Vec<(Duration, Trouble)> {
    let mut chances = chances(seed, "subscribers");
    let mut waiting = Vec::new();
    let mut plan = Vec::new();
    for at in moments(&mut chances, length, every) {
        if waiting.is_empty() {
            waiting = moods(&mut chances);
            chances.shuffle(&mut waiting);
        }
        let subscriber = chances.usize(0..subscribers);
        plan.extend(waiting.pop().map(|(mood, lasts)| {
            let trouble = Trouble {
                subscriber,
                mood,
                lasts,
            };
            (at, trouble)
        }));
    }
    plan
}

/// Lets them happen; everybody is well in the end.
pub(super) async fn happen(
    subscribers: &[Subscriber],
    began: Instant,
    plan: Vec<(Duration, Trouble)>,
) -> anyhow::Result<usize> {
    let count = plan.len();
    let mut until: Vec<Option<Instant>> = vec![None; subscribers.len()];
    for (at, trouble) in plan {
        recover(subscribers, &mut until, began + at).await;
        sleep_until(began + at).await;
        subscribers[trouble.subscriber].is(trouble.mood);
        until[trouble.subscriber] = Some(began + at + trouble.lasts);
    }
    if let Some(last) = until.iter().flatten().max().copied() {
        recover(subscribers, &mut until, last).await;
    }
    Ok(count)
}

/// Ends what ends by `next`, each in its time.
async fn recover(subscribers: &[Subscriber], until: &mut [Option<Instant>], next: Instant) {
    loop {
        let due = until.iter().enumerate();
        let due = due.filter_map(|(index, end)| end.map(|end| (end, index)));
        let Some((end, index)) = due.min().filter(|(end, _)| *end <= next) else {
            return;
        };
        sleep_until(end).await;
        subscribers[index].is(Mood::Well);
        until[index] = None;
    }
}
