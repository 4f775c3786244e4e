//! The request budget over several processes.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use amocrm_sdk::oauth::TokenKey;
use amocrm_sdk::quota::{Limits, PauseReason, Permit, Quota, TIMER_SLACK};
use futures_util::future::join_all;

use crate::db::{TestDb, on_both};

const LIMIT: u32 = 5;
const SECONDS: u32 = 4;

fn key(client: &str) -> TokenKey {
    TokenKey::new(client, "acme.amocrm.ru")
}

/// The budget of these tests, on a machine that is busy with other things: a request may be this late.
fn limits() -> Limits {
    let mut limits = Limits::per_integration(LIMIT);
    limits.jitter_allowance = Duration::from_millis(100);
    limits
}

/// What six tasks of two processes get in [`SECONDS`] by asking, sleeping, and asking again: the moment of each permit.
async fn permits_of_two_processes(db: &TestDb) -> Vec<Instant> {
    let stores = [db.open_in_real_time().await, db.open_in_real_time().await];
    let until = Instant::now() + Duration::from_secs(SECONDS.into());
    let permits = Mutex::new(Vec::new());
    join_all((0..6).map(|number| {
        let quota = stores[number % 2].quota(&key("client-1"), &limits());
        let permits = &permits;
        async move {
            while Instant::now() < until {
                match quota.try_acquire().await.unwrap() {
                    Permit::Granted => permits.lock().unwrap().push(Instant::now()),
                    Permit::Wait(wait)
                    | Permit::Paused {
                        remaining: wait, ..
                    } => {
                        tokio::time::sleep(wait).await;
                    }
                }
            }
        }
    }))
    .await;
    let mut permits = permits.into_inner().unwrap();
    permits.sort_unstable();
    permits
}

/// No sliding second has more than the limit, and at least `percent` of the budget is used.
fn assert_within_the_limit(permits: &[Instant], percent: u32) {
    let limit = usize::try_from(LIMIT).unwrap();
    for window in permits.windows(limit + 1) {
        let span = window[limit] - window[0];
        assert!(
            span > Duration::from_secs(1),
            "{} within {span:?}",
            limit + 1
        );
    }
    let (used, budget) = (permits.len(), LIMIT * SECONDS);
    println!("{used} permits in {SECONDS} s at {LIMIT}/s");
    assert!(
        used * 100 >= (budget * percent) as usize,
        "only {used} of {budget}"
    );
}

/// Lets every seventh commit of the request budget take longer than the schedule allows a request to be late.
const SLOW_COMMITS: &str = "
    CREATE SEQUENCE commits;
    CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('commits') % 7 = 0 THEN PERFORM pg_sleep(0.25); END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER be_slow AFTER UPDATE ON quota
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.scope LIKE 'integration%') EXECUTE FUNCTION be_slow()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_take_long_let_no_sliding_second_exceed_the_limit() {
    let Some(db) = TestDb::postgres().await else {
        return;
    };
    db.execute(SLOW_COMMITS).await;
    let permits = permits_of_two_processes(&db).await;
    assert_within_the_limit(&permits, 30);
    db.drop_schema().await;
}

on_both! {
    async fn every_sliding_second_is_within_the_limit_and_nearly_full(db: TestDb) {
        let permits = permits_of_two_processes(&db).await;
        // Nearly all of it, unless the machine is busy with other things.
        assert_within_the_limit(&permits, 60);
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
