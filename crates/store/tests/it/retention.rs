//! What has been kept long enough goes, and nothing else.

use std::time::Duration;

use serde_json::json;
use store::{
    Accepted, Delivered, Erased, Identity, JobSpec, LeadJob, LeadRow, NewLeadRow, Retention,
    StatusChange, StatusOrigin, Store, Swept, Utm,
};
use uuid::Uuid;

use crate::db::on_both;

const ACCOUNT: &str = "acme.amocrm.ru";
const LEASE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

async fn accept(store: &Store, number: i64) -> LeadRow {
    let phone = format!("+7900123{number:04}");
    let new = NewLeadRow {
        intake_id: Uuid::new_v4(),
        account: ACCOUNT.into(),
        name: Some("Anna".into()),
        phone: Some(phone.clone()),
        email: Some(format!("a{number}@example.com")),
        utm: Utm {
            source: Some("google".into()),
            ..Utm::default()
        },
        payload: json!({"phone": phone, "comment": "call me"}),
        local_status: "new".into(),
    };
    let job = LeadJob::new("lead.deliver").lane("lead/");
    match store.leads().accept(new, None, job).await.unwrap() {
        Accepted::Created(lead) => lead,
        other => panic!("{other:?}"),
    }
}

async fn deliver(store: &Store, lead: &LeadRow) {
    let worker = store.jobs().worker("w");
    let job = worker
        .claim(&["lead.deliver"], 1, LEASE)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(job.payload::<i64>().unwrap(), lead.id);
    let person = [
        Identity::phone(lead.phone.clone().unwrap()),
        Identity::email(lead.email.clone().unwrap()),
    ];
    let leads = store.leads();
    leads
        .claim_identities(lead.id, ACCOUNT, &person, LEASE)
        .await
        .unwrap();
    let made = Delivered {
        contact_id: Some(7),
        lead_id: 1000 + lead.id,
        ..Delivered::default()
    };
    assert!(
        leads
            .set_delivered(lead.id, made, &job)
            .await
            .unwrap()
            .is_recorded()
    );
}

async fn known_contact(store: &Store, number: i64) -> bool {
    let phone = [Identity::phone(format!("+7900123{number:04}"))];
    let claim = store
        .leads()
        .claim_identities(999, ACCOUNT, &phone, LEASE)
        .await
        .unwrap();
    store.leads().release_identities(999).await.unwrap();
    matches!(
        claim,
        store::ContactClaim::Granted {
            known_contact_id: Some(_)
        }
    )
}

async fn sweep(store: &Store, retention: &Retention) -> Swept {
    let mut total = Swept::default();
    loop {
        let step = store.sweep(retention).await.unwrap();
        if step.is_empty() {
            return total;
        }
        total.leads += step.leads;
        total.history += step.history;
        total.managers += step.managers;
        total.warnings += step.warnings;
        total.quarantine += step.quarantine;
        total.dead_letters += step.dead_letters;
    }
}

fn is_bare(lead: &LeadRow) -> bool {
    let texts = [&lead.name, &lead.phone, &lead.email, &lead.last_error];
    texts.iter().all(|text| text.is_none()) && lead.payload == json!({})
}

on_both! {
    async fn a_person_is_forgotten_a_year_after_delivery_and_never_before_it(db: TestDb) {
        let store = db.open().await;
        let old = accept(&store, 1).await;
        deliver(&store, &old).await;
        let change = StatusChange {
            status: "contacted".into(),
            origin: StatusOrigin::Api,
        };
        store.leads().set_status(old.id, change, None).await.unwrap();
        let waiting = accept(&store, 2).await;
        store.quarantine().put(Uuid::new_v4(), &json!({}), "honeypot").await.unwrap();
        let retention = Retention {
            personal: Some(365 * DAY),
            history: Some(400 * DAY),
            quarantine: Some(30 * DAY),
            ..Retention::default()
        };

        store.leads().warn(waiting.id, &[("budget".into(), "missing")]).await.unwrap();
        let at = waiting.created_at;
        store.managers().follow(waiting.id, 3, at, true).await.unwrap();

        db.hands.advance(364 * DAY);
        let swept = sweep(&store, &retention).await;
        assert_eq!((swept.leads, swept.history, swept.quarantine), (0, 0, 1));
        assert!(known_contact(&store, 1).await);

        db.hands.advance(2 * DAY);
        assert_eq!(sweep(&store, &retention).await.leads, 1);
        let old = store.leads().get(old.id).await.unwrap().unwrap();
        assert!(is_bare(&old), "{old:?}");
        assert_eq!((old.utm.source.as_deref(), old.local_status.as_str()), (Some("google"), "contacted"));
        assert!(!known_contact(&store, 1).await);
        let waiting = store.leads().get(waiting.id).await.unwrap().unwrap();
        assert!(waiting.phone.is_some());

        assert_eq!(store.leads().history(old.id, None, 5).await.unwrap().len(), 1);
        db.hands.advance(40 * DAY);
        let swept = sweep(&store, &retention).await;
        assert_eq!((swept.history, swept.managers, swept.warnings), (1, 1, 1));
        assert_eq!(sweep(&store, &Retention::default()).await, Swept::default());
    }

    async fn only_dead_letters_that_nobody_misses_go(db: TestDb) {
        let store = db.open().await;
        let jobs = store.jobs();
        let worker = jobs.worker("w");
        for kind in ["lead.deliver", "lead.finish"] {
            jobs.enqueue(JobSpec::new(kind, &1).unwrap()).await.unwrap();
            let job = worker.claim(&[kind], 1, LEASE).await.unwrap().remove(0);
            assert!(jobs.bury(&job, "r", None).await.unwrap().is_recorded());
        }
        db.hands.advance(100 * DAY);
        let retention = Retention {
            dead_letters: Some(90 * DAY),
            dead_letter_kinds: vec!["lead.finish"],
            ..Retention::default()
        };
        assert_eq!(sweep(&store, &retention).await.dead_letters, 1);
        assert_eq!(jobs.stats("lead.finish").await.unwrap().dead, 0);
        assert_eq!(jobs.stats("lead.deliver").await.unwrap().dead, 1);
    }

    async fn a_lead_on_its_way_cannot_be_erased_and_a_delivered_one_is_at_once(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = accept(&store, 1).await;
        assert_eq!(leads.erase(lead.id, ACCOUNT, |id| format!("lead/{id}")).await.unwrap(), Erased::Busy);
        deliver(&store, &lead).await;
        let job = JobSpec::new("lead.finish", &lead.id).unwrap().lane(format!("lead/{}", lead.id));
        store.jobs().enqueue(job).await.unwrap();
        assert_eq!(leads.erase(lead.id, ACCOUNT, |id| format!("lead/{id}")).await.unwrap(), Erased::Busy);
        let worker = store.jobs().worker("w");
        let job = worker.claim(&["lead.finish"], 1, LEASE).await.unwrap().remove(0);
        assert!(store.jobs().complete(&job).await.unwrap().is_recorded());
        assert_eq!(leads.erase(lead.id, ACCOUNT, |id| format!("lead/{id}")).await.unwrap(), Erased::Done);
        let row = leads.get(lead.id).await.unwrap().unwrap();
        assert!(is_bare(&row), "{row:?}");
        assert_eq!(row.amo_lead_id, Some(1000 + lead.id));
        assert!(!known_contact(&store, 1).await);
        assert_eq!(leads.erase(404, ACCOUNT, |id| format!("lead/{id}")).await.unwrap(), Erased::NotFound);
    }
}
