//! What was put aside becomes a lead once, or nothing.

use futures_util::future::join_all;
use serde_json::json;
use store::{LeadJob, NewLeadRow, Utm};
use uuid::Uuid;

use crate::db::on_both;

fn new_lead(intake_id: Uuid) -> NewLeadRow {
    NewLeadRow {
        intake_id,
        account: "acme.amocrm.ru".into(),
        name: None,
        phone: Some("+79001234567".into()),
        email: None,
        utm: Utm::default(),
        payload: json!({"phone": "+79001234567"}),
        local_status: "new".into(),
    }
}

on_both! {
    async fn what_was_put_aside_is_released_once_however_many_ask(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let id = Uuid::new_v4();
        let payload = json!({"phone": "+79001234567"});
        let put = stores[0].quarantine().put(id, &payload, "honeypot").await.unwrap();
        assert_eq!(stores[1].quarantine().get(put.id).await.unwrap().as_ref(), Some(&put));
        assert_eq!(stores[0].quarantine().count().await.unwrap(), 1);

        let released = join_all((0..8).map(|number| {
            let quarantine = stores[number % 2].quarantine();
            async move {
                let job = LeadJob::new("lead.deliver");
                quarantine.release(put.id, new_lead(id), job).await.unwrap()
            }
        }))
        .await;
        let released: Vec<_> = released.into_iter().flatten().collect();
        assert_eq!(released.len(), 1);
        assert_eq!(released[0].intake_id, id);
        let store = &stores[0];
        assert_eq!(store.jobs().stats("lead.deliver").await.unwrap().depth, 1);
        assert_eq!(store.quarantine().count().await.unwrap(), 0);
        assert!(!store.quarantine().discard(put.id).await.unwrap());
    }

    async fn suspects_are_listed_by_key(db: TestDb) {
        let store = db.open().await;
        for _ in 0..5 {
            store.quarantine().put(Uuid::new_v4(), &json!({}), "honeypot").await.unwrap();
        }
        let ids = |page: Vec<store::Suspect>| page.into_iter().map(|it| it.id).collect::<Vec<_>>();
        let first = ids(store.quarantine().list(None, 3).await.unwrap());
        assert_eq!(first, [5, 4, 3]);
        assert_eq!(ids(store.quarantine().list(Some(3), 3).await.unwrap()), [2, 1]);
    }
}
