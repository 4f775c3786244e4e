//! Settings and single-use states.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use store::StoreErrorKind;

use crate::db::on_both;

const LIFE: Duration = Duration::from_mins(10);

on_both! {
    async fn a_state_is_used_once(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let meta = stores[0].meta();
        meta.put_state("s-1", &json!({"next": "/"}), LIFE).await.unwrap();
        let again = meta.put_state("s-1", &json!({}), LIFE).await.unwrap_err();
        assert_eq!(again.kind(), StoreErrorKind::Conflict);

        let taken = join_all((0..8).map(|number| {
            let meta = stores[number % 2].meta();
            async move { meta.take_state("s-1").await.unwrap() }
        }))
        .await;
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        assert_eq!(taken, [json!({"next": "/"})]);
    }

    async fn an_old_state_is_worth_nothing_and_is_pruned(db: TestDb) {
        let store = db.open().await;
        store.meta().put_state("old", &(), LIFE).await.unwrap();
        store.meta().put_state("older", &(), LIFE).await.unwrap();
        db.hands.advance(LIFE);
        assert_eq!(store.meta().take_state("old").await.unwrap(), None);
        assert_eq!(store.prune().await.unwrap(), 1);
    }

    async fn a_setting_is_what_was_put_last(db: TestDb) {
        let store = db.open().await;
        let meta = store.meta();
        assert_eq!(meta.get::<u8>("none").await.unwrap(), None);
        let ids = BTreeMap::from([("utm_source".to_owned(), 42_i64)]);
        meta.put("fields", &"first").await.unwrap();
        meta.put("fields", &ids).await.unwrap();
        assert_eq!(db.open().await.meta().get("fields").await.unwrap(), Some(ids));
        let error = meta.get::<u8>("fields").await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
        assert!(meta.remove("fields").await.unwrap());
        assert!(!meta.remove("fields").await.unwrap());
    }

    async fn a_healthy_database_says_so(db: TestDb) {
        let store = db.open().await;
        store.ping().await.unwrap();
        assert!(store.check_integrity().await.unwrap().is_empty());
        assert!(store.size_bytes().await.unwrap() > 10_000);
        let disk = store.disk_space().unwrap();
        assert_eq!(disk.is_some(), store.backend() == "sqlite");
        assert!(disk.is_none_or(|disk| disk.free <= disk.total));
        store.close().await;
        assert_eq!(store.ping().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        let error = store.meta().put("key", &1).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
}
