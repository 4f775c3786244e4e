//! Who gets which lead: each turn is one lead's, however many deliver and however often.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;
use store::{
    AssignManager, Assigned, Claimed, LeadRow, ManagerFollowed, ManagerOrigin, ManagerPool,
    ManagerReason, ManagerStrategy, RetryAfter, Store,
};

use crate::db::on_both;
use crate::leads::{accept, made};

const LEASE: Duration = Duration::from_mins(1);
const TEAM: [i64; 3] = [11, 12, 13];

async fn claim(store: &Store) -> Claimed {
    let worker = store.jobs().worker("w");
    worker
        .claim(&["lead.deliver"], 1, LEASE)
        .await
        .unwrap()
        .remove(0)
}

fn by_turns(lead: &LeadRow, candidates: &[i64]) -> AssignManager {
    AssignManager {
        lead_id: lead.id,
        account: "acme.amocrm.ru".into(),
        active: TEAM.to_vec(),
        keepers: TEAM.to_vec(),
        contact_id: None,
        contact_user_id: None,
        pool: Some(ManagerPool {
            name: "all".into(),
            candidates: candidates.to_vec(),
            strategy: ManagerStrategy::RoundRobin,
        }),
        nobody: ManagerReason::NoRule,
        details: json!({"rule": "all"}),
    }
}

async fn assign(store: &Store, choice: AssignManager, job: &Claimed) -> Assigned {
    store.managers().assign(choice, job).await.unwrap().unwrap()
}

/// A lead that is assigned by turns among these and delivered.
async fn next(store: &Store, candidates: &[i64]) -> i64 {
    let lead = accept(store).await;
    let job = claim(store).await;
    let assigned = assign(store, by_turns(&lead, candidates), &job).await;
    let ack = store
        .leads()
        .set_delivered(lead.id, made(lead.id), &job)
        .await
        .unwrap();
    assert!(ack.is_recorded());
    assigned.user_id.unwrap()
}

on_both! {
    /// Four processes deliver 60 leads, each of which fails once, in the middle of everything.
    async fn every_lead_takes_one_turn_and_the_turns_are_even(db: TestDb) {
        let mut stores = Vec::new();
        for _ in 0..4 {
            stores.push(db.open_in_real_time().await);
        }
        for _ in 0..60 {
            accept(&stores[0]).await;
        }
        let delivered = join_all(stores.iter().map(|store| async move {
            let worker = store.jobs().worker("w");
            let mut chosen = Vec::new();
            loop {
                let jobs = worker.claim(&["lead.deliver"], 3, LEASE).await.unwrap();
                if jobs.is_empty() {
                    if store.jobs().stats("lead.deliver").await.unwrap().depth == 0 {
                        return chosen;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                for job in jobs {
                    let lead = store.leads().get(job.payload().unwrap()).await.unwrap().unwrap();
                    let first_time = lead.responsible_user_id.is_none();
                    let assigned = assign(store, by_turns(&lead, &TEAM), &job).await;
                    assert_eq!(assigned.is_new, first_time);
                    if first_time {
                        let again = RetryAfter::new(Duration::ZERO, "503");
                        assert!(store.leads().set_retry(lead.id, again, &job).await.unwrap().is_recorded());
                    } else {
                        assert_eq!(assigned.user_id, lead.responsible_user_id);
                        chosen.push(assigned.user_id.unwrap());
                        let ack = store.leads().set_delivered(lead.id, made(lead.id), &job).await.unwrap();
                        assert!(ack.is_recorded());
                    }
                }
            }
        }))
        .await;
        let mut turns = BTreeMap::new();
        for user in delivered.into_iter().flatten() {
            *turns.entry(user).or_insert(0) += 1;
        }
        assert_eq!(turns, TEAM.map(|user| (user, 20)).into());
        let history = stores[0].managers().history(60, 10).await.unwrap();
        assert_eq!(history.len(), 1);
        assert_eq!(history[0].details["among"], json!(TEAM));
        assert_eq!(history[0].details["rule"], "all");
    }

    async fn who_joins_or_comes_back_has_one_turn_and_then_the_order_goes_on(db: TestDb) {
        let store = db.open().await;
        let mut order = Vec::new();
        for candidates in [&TEAM[..], &TEAM, &TEAM[..2], &TEAM[..2], &TEAM[..2], &TEAM, &TEAM, &TEAM, &TEAM] {
            order.push(next(&store, candidates).await);
        }
        assert_eq!(order, [11, 12, 11, 12, 11, 13, 12, 11, 13]);
    }

    async fn a_manager_who_left_is_replaced_and_the_history_says_so(db: TestDb) {
        let store = db.open().await;
        let lead = accept(&store).await;
        let job = claim(&store).await;
        let first = assign(&store, by_turns(&lead, &TEAM), &job).await;
        assert_eq!((first.user_id, first.reason, first.is_new), (Some(11), ManagerReason::RoundRobin, true));
        let mut choice = by_turns(&lead, &[12, 13]);
        choice.active = vec![12, 13];
        let second = assign(&store, choice.clone(), &job).await;
        assert_eq!((second.user_id, second.is_new), (Some(12), true));
        // Nobody is left: amoCRM decides, and that is said once.
        choice.active = Vec::new();
        choice.pool = None;
        choice.nobody = ManagerReason::NoActiveUser;
        for is_new in [true, false, false] {
            let nobody = assign(&store, choice.clone(), &job).await;
            assert_eq!(nobody, Assigned { user_id: None, reason: ManagerReason::NoActiveUser, is_new });
        }
        let history = store.managers().history(lead.id, 10).await.unwrap();
        let lines: Vec<_> = history.iter().map(|it| (it.from, it.to, it.reason, it.origin)).collect();
        assert_eq!(lines, [
            (None, Some(11), ManagerReason::RoundRobin, ManagerOrigin::Intake),
            (Some(11), Some(12), ManagerReason::RoundRobin, ManagerOrigin::Intake),
            (Some(12), None, ManagerReason::NoActiveUser, ManagerOrigin::Intake),
        ]);
        // A worker that lost the job decides nothing.
        db.hands.advance(LEASE);
        let other = claim(&store).await;
        assert_eq!(store.managers().assign(by_turns(&lead, &TEAM), &job).await.unwrap(), None);
        assert!(assign(&store, by_turns(&lead, &TEAM), &other).await.user_id.is_some());
    }

    async fn a_repeated_client_keeps_the_manager_and_uses_no_turn(db: TestDb) {
        let store = db.open().await;
        // The contact of all delivered leads here is 7.
        assert_eq!(next(&store, &TEAM).await, 11);
        let lead = accept(&store).await;
        let job = claim(&store).await;
        let choice = |contact_user, keepers: &[i64]| AssignManager {
            contact_id: Some(7),
            contact_user_id: contact_user,
            keepers: keepers.to_vec(),
            ..by_turns(&lead, &TEAM)
        };
        let kept = assign(&store, choice(Some(13), &TEAM), &job).await;
        assert_eq!((kept.user_id, kept.reason), (Some(13), ManagerReason::RepeatedClient));
        assert!(store.leads().set_delivered(lead.id, made(lead.id), &job).await.unwrap().is_recorded());

        // The contact's own user has left: whoever had its last lead keeps it.
        let lead = accept(&store).await;
        let job = claim(&store).await;
        let choice = AssignManager { lead_id: lead.id, ..choice(Some(99), &TEAM) };
        assert_eq!(assign(&store, choice, &job).await.user_id, Some(13));
        assert!(store.leads().set_delivered(lead.id, made(lead.id), &job).await.unwrap().is_recorded());

        // Where clients are not kept the turns go on.
        let lead = accept(&store).await;
        let job = claim(&store).await;
        let choice = AssignManager { contact_id: Some(7), keepers: Vec::new(), ..by_turns(&lead, &TEAM) };
        let turn = assign(&store, choice, &job).await;
        assert_eq!((turn.user_id, turn.reason), (Some(12), ManagerReason::RoundRobin));
    }

    async fn the_least_loaded_counts_what_the_count_could_not_see(db: TestDb) {
        let store = db.open().await;
        let counted_at = store.managers().now().await.unwrap();
        db.hands.advance(Duration::from_secs(1));
        let open: BTreeMap<i64, u64> = [(11, 3), (12, 1)].into();
        let mut order = Vec::new();
        for number in 0..7 {
            let lead = accept(&store).await;
            let job = claim(&store).await;
            let mut choice = by_turns(&lead, &TEAM);
            choice.pool.as_mut().unwrap().strategy = ManagerStrategy::LeastLoaded {
                open: open.clone(),
                counted_at,
            };
            order.push(assign(&store, choice, &job).await.user_id.unwrap());
            // Whether it has been delivered by then or not.
            if number % 2 == 0 {
                assert!(store.leads().set_delivered(lead.id, made(lead.id), &job).await.unwrap().is_recorded());
            }
        }
        // 3, 1, 0 open deals: 13 gets one, and among equals whoever waited longest is next.
        assert_eq!(order, [13, 12, 13, 12, 13, 11, 12]);
        let history = store.managers().history(7, 10).await.unwrap();
        assert_eq!(history[0].details["open"], json!({"11": 4, "12": 3, "13": 3}));

        // A later count has seen what was delivered before it; what was not is counted still.
        db.hands.advance(Duration::from_secs(1));
        let counted_at = store.managers().now().await.unwrap();
        let lead = accept(&store).await;
        let job = claim(&store).await;
        let mut choice = by_turns(&lead, &TEAM);
        choice.pool.as_mut().unwrap().strategy = ManagerStrategy::LeastLoaded { open: BTreeMap::new(), counted_at };
        assign(&store, choice, &job).await;
        let history = store.managers().history(lead.id, 10).await.unwrap();
        assert_eq!(history[0].details["open"], json!({"11": 1, "12": 2, "13": 0}));
    }

    async fn amocrm_has_the_last_word_and_older_words_do_not_count(db: TestDb) {
        use ManagerFollowed::{Applied, NotFound, Stale, Unchanged};
        let store = db.open().await;
        let managers = store.managers();
        let lead = accept(&store).await;
        // By a clock of its own, which is hours behind ours.
        let start = lead.created_at - TimeDelta::hours(3);
        let story = [
            // A mention tells nothing about a lead whose manager nobody recorded.
            (0, 11, false, Unchanged),
            (1, 11, true, Applied),
            (1, 11, true, Unchanged),
            (2, 12, false, Applied),
            (1, 11, false, Stale),
            (2, 11, false, Stale),
            (2, 13, true, Applied),
        ];
        for (second, user, is_change, expected) in story {
            let at = start + TimeDelta::seconds(second);
            let outcome = managers.follow(lead.id, user, at, is_change).await.unwrap();
            assert_eq!(outcome, expected, "{second} s: {user}");
        }
        assert_eq!(managers.follow(lead.id + 1, 1, start, true).await.unwrap(), NotFound);
        let lead = store.leads().get(lead.id).await.unwrap().unwrap();
        assert_eq!((lead.responsible_user_id, lead.manager_reason), (Some(13), Some(ManagerReason::Crm)));
        let history = managers.history(lead.id, 10).await.unwrap();
        let lines: Vec<_> = history.iter().map(|it| (it.from, it.to, it.origin)).collect();
        assert_eq!(lines, [
            (None, Some(11), ManagerOrigin::Crm),
            (Some(11), Some(12), ManagerOrigin::Crm),
            (Some(12), Some(13), ManagerOrigin::Crm),
        ]);
    }
}
