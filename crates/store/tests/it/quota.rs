//! The request budget over several processes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use amocrm_sdk::oauth::TokenKey;
use amocrm_sdk::quota::{Limits, PauseReason, Permit, Quota, TIMER_SLACK};
use futures_util::future::join_all;

use crate::db::on_both;

const LIMIT: u32 = 10;
const SECONDS: u32 = 3;

fn key(client: &str) -> TokenKey {
    TokenKey::new(client, "acme.amocrm.ru")
}

/// When a permit was asked for, and when the answer was there: it was given in between.
type Given = (Instant, Instant);

/// An answer that took longer than this says little about when the permit was given; the question says more.
const LATE: Duration = Duration::from_millis(10);

/// What the client does: ask, sleep, ask again.
async fn take_permits(quota: impl Quota, until: Instant, permits: Arc<Mutex<Vec<Given>>>) {
    while Instant::now() < until {
        let asked = Instant::now();
        match quota.try_acquire().await.unwrap() {
            Permit::Granted => permits.lock().unwrap().push((asked, Instant::now())),
            Permit::Wait(wait)
            | Permit::Paused {
                remaining: wait, ..
            } => {
                tokio::time::sleep(wait).await;
            }
        }
    }
}

on_both! {
    async fn every_sliding_second_is_within_the_limit_and_nearly_full(db: TestDb) {
        let stores = [db.open_in_real_time().await, db.open_in_real_time().await];
        let limits = Limits::per_integration(LIMIT);
        let permits = Arc::default();
        let until = Instant::now() + Duration::from_secs(SECONDS.into());
        join_all((0..6).map(|number| {
            let quota = stores[number % 2].quota(&key("client-1"), &limits);
            take_permits(quota, until, Arc::clone(&permits))
        }))
        .await;

        let mut permits = permits.lock().unwrap().clone();
        permits.sort_by_key(|&(_, answered)| answered);
        let limit = usize::try_from(LIMIT).unwrap();
        for window in permits.windows(limit + 1) {
            let ((asked, answered), (_, last)) = (window[0], window[limit]);
            let first = if answered - asked > LATE { asked } else { answered };
            assert!(last - first > Duration::from_secs(1), "more than {LIMIT} in a second");
        }
        let used = permits.len();
        println!("{used} permits in {SECONDS} s at {LIMIT}/s");
        // All but the first ones, unless the machine is busy with other things.
        assert!(used * 10 >= limit * SECONDS as usize * 6, "only {used} permits");
    }

    async fn integrations_of_an_account_share_its_budget(db: TestDb) {
        let store = db.open().await;
        let limits = Limits::per_integration(1).account(1);
        let (one, other) = (store.quota(&key("one"), &limits), store.quota(&key("other"), &limits));
        assert_eq!(one.try_acquire().await.unwrap(), Permit::Granted);
        let Permit::Wait(wait) = other.try_acquire().await.unwrap() else { panic!() };
        assert_eq!(wait + TIMER_SLACK, limits.account_spacing());
        // The refusal took nothing from the other integration's own budget.
        db.hands.advance(wait);
        assert_eq!(other.try_acquire().await.unwrap(), Permit::Granted);
        // Another account is not concerned.
        let elsewhere = store.quota(&TokenKey::new("one", "other.amocrm.ru"), &limits);
        assert_eq!(elsewhere.try_acquire().await.unwrap(), Permit::Granted);
    }

    async fn a_pause_stops_every_process(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let limits = Limits::default();
        let [here, there] = [0, 1].map(|index: usize| stores[index].quota(&key("client-1"), &limits));
        let seconds = Duration::from_secs;
        here.pause(seconds(10), PauseReason::Throttled).await.unwrap();
        there.pause(seconds(1), PauseReason::Throttled).await.unwrap();
        let paused = |reason, remaining| Permit::Paused { reason, remaining };
        assert_eq!(there.try_acquire().await.unwrap(), paused(PauseReason::Throttled, seconds(10)));

        there.pause(seconds(60), PauseReason::Blocked).await.unwrap();
        here.pause(seconds(600), PauseReason::Throttled).await.unwrap();
        assert_eq!(here.try_acquire().await.unwrap(), paused(PauseReason::Blocked, seconds(60)));
        db.hands.advance(seconds(60));
        assert_eq!(here.try_acquire().await.unwrap(), Permit::Granted);

        here.pause(seconds(60), PauseReason::Blocked).await.unwrap();
        there.resume().await.unwrap();
        db.hands.advance(seconds(1));
        assert_eq!(here.try_acquire().await.unwrap(), Permit::Granted);
    }
}
