//! The budget: full use, and never one too many.

use std::time::Duration;

use amocrm_sdk::quota::{Limits, MemoryQuota, Permit, Quota};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use crate::script::Script;

/// Most arrivals in any closed second.
fn busiest_second(at: &[Duration]) -> usize {
    let within = |from: &Duration| {
        at.iter()
            .filter(|to| **to >= *from && **to <= *from + Duration::from_secs(1))
            .count()
    };
    at.iter().map(within).max().unwrap_or(0)
}

async fn permits(quota: &MemoryQuota, count: usize, late_ms: u64) -> Vec<Duration> {
    let started = Instant::now();
    let mut granted = Vec::new();
    while granted.len() < count {
        match quota.try_acquire().await.unwrap() {
            Permit::Granted => granted.push(started.elapsed()),
            Permit::Wait(wait) => sleep(wait + Duration::from_millis(late_ms)).await,
            Permit::Paused { .. } => panic!("nobody paused it"),
        }
    }
    granted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Each request may be delayed on its way by up to the allowance, and tasks may wake up late.
    #[test]
    fn no_sliding_second_ever_holds_more_than_the_limit(
        rps in 1_u32..=50,
        delays in proptest::collection::vec(0_u64..=20, 120),
        late in 0_u64..=5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let granted = runtime.block_on(permits(&MemoryQuota::new(&Limits::per_integration(rps)), delays.len(), late));
        let mut arrived: Vec<_> =
            granted.iter().zip(&delays).map(|(at, delay)| *at + Duration::from_millis(*delay)).collect();
        arrived.sort_unstable();
        prop_assert!(busiest_second(&arrived) <= rps as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_used_to_the_full_by_tasks_that_wake_up_late() {
    // What the spacing promises, and how near that is to what amoCRM allows.
    let limits = Limits::default();
    let promised = limits.integration_spacing().as_secs_f64().recip();
    assert!(
        promised > 7.0 * 0.978 && promised < 7.0,
        "{promised} requests per second"
    );
    for late_ms in [0, 1] {
        let granted = permits(&MemoryQuota::new(&limits), 701, late_ms).await;
        let rate = 700.0 / granted.last().unwrap().as_secs_f64();
        assert!(
            rate > promised * 0.999,
            "{rate} of {promised} requests per second"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_account_budget_bounds_a_generous_integration_budget() {
    let limits = Limits::per_integration(40).account(10);
    let granted = permits(&MemoryQuota::new(&limits), 51, 0).await;
    assert!(busiest_second(&granted) <= 10);
    let rate = 50.0 / granted.last().unwrap().as_secs_f64();
    assert!(rate > 9.0, "{rate} requests per second");
}

#[tokio::test(start_paused = true)]
async fn clones_share_one_budget_and_every_request_reaches_the_wire_once() {
    let wire = Script::new([]);
    let client = wire.client();
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.account().get().await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let seen = wire.seen();
    let at: Vec<_> = seen.iter().map(|request| request.at - seen[0].at).collect();
    assert_eq!(at.len(), 30);
    assert!(busiest_second(&at) <= 7);
}
