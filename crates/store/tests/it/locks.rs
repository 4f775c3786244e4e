//! Locks: one holder at a time, and no late one.

use std::time::Duration;

use futures_util::future::join_all;

use crate::db::on_both;

const LIFE: Duration = Duration::from_secs(30);

on_both! {
    async fn one_of_many_gets_a_lock(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let taken = join_all((0..16).map(|number| {
            let locks = stores[number % 2].locks();
            async move { locks.take("provision", LIFE).await.unwrap() }
        }))
        .await;
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        assert_eq!(taken.len(), 1);
        let locks = stores[0].locks();
        assert!(locks.take("other", LIFE).await.unwrap().is_some());
        locks.release(&taken[0]).await.unwrap();
        assert!(stores[1].locks().take("provision", LIFE).await.unwrap().is_some());
    }

    async fn a_lock_that_has_ended_is_anybodys_and_its_late_holder_is_refused(db: TestDb) {
        let store = db.open().await;
        let locks = store.locks();
        let first = locks.take("provision", LIFE).await.unwrap().unwrap();
        db.hands.advance(LIFE / 2);
        assert!(locks.extend(&first, LIFE).await.unwrap());
        db.hands.advance(LIFE / 2);
        assert_eq!(locks.take("provision", LIFE).await.unwrap(), None);
        db.hands.advance(LIFE / 2);
        let second = locks.take("provision", LIFE).await.unwrap().unwrap();
        assert!(!locks.extend(&first, LIFE).await.unwrap());
        locks.release(&first).await.unwrap();
        assert_eq!(locks.take("provision", LIFE).await.unwrap(), None);
        assert!(locks.extend(&second, LIFE).await.unwrap());
    }

    async fn a_lock_that_is_given_back_leaves_nothing_and_one_that_is_not_goes_a_day_later(db: TestDb) {
        let store = db.open().await;
        let locks = store.locks();
        let first = locks.take("deal", LIFE).await.unwrap().unwrap();
        locks.release(&first).await.unwrap();
        db.hands.advance(Duration::from_hours(48));
        assert_eq!(store.prune().await.unwrap(), 0);
        let second = locks.take("deal", LIFE).await.unwrap().unwrap();
        assert!(!locks.extend(&first, LIFE).await.unwrap());
        locks.release(&first).await.unwrap();
        assert_eq!(locks.take("deal", LIFE).await.unwrap(), None);
        db.hands.advance(LIFE);
        assert_eq!(store.prune().await.unwrap(), 0);
        assert!(locks.extend(&second, LIFE).await.unwrap());
        db.hands.advance(LIFE + Duration::from_hours(24));
        assert_eq!(store.prune().await.unwrap(), 1);
        assert!(!locks.extend(&second, LIFE).await.unwrap());
    }
}

/// On one machine a death can be proved: nobody waits for a lock of a process that was killed.
#[tokio::test]
async fn the_lock_of_a_killed_process_is_free_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = secrecy::SecretString::from(format!("sqlite://{}/s.db", folder.path().display()));
    let open = || store::Store::open(&url, store::Options::new());
    let first = open().await.unwrap();
    first.migrate().await.unwrap();
    let lock = first.locks().take("provision", LIFE).await.unwrap();
    assert!(lock.is_some());
    let second = open().await.unwrap();
    assert_eq!(second.locks().take("provision", LIFE).await.unwrap(), None);
    // What SIGKILL leaves behind: the row and the lock file, without the kernel's lock.
    let left = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains("-owner-"))
        .collect::<Vec<_>>();
    first.close().await;
    drop(first);
    for path in left {
        if !path.exists() {
            std::fs::write(&path, "").unwrap();
        }
    }
    assert!(
        second
            .locks()
            .take("provision", LIFE)
            .await
            .unwrap()
            .is_some()
    );
}
