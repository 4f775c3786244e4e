//! Leads: accepted once, delivered once, found again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use store::{
    Accepted, Ack, Claimed, ContactClaim, DeadLetterFilter, Delivered, DeliveryState, Erased,
    IDEMPOTENCY_LIFE, IdempotencyKey, Identity, LeadFilter, LeadJob, LeadOrder, LeadRow,
    NewLeadRow, Retention, RetryAfter, Store, StoreErrorKind, Utm,
};
use uuid::Uuid;

use crate::db::on_both;

const ACCOUNT: &str = "acme.amocrm.ru";
const LEASE: Duration = Duration::from_mins(1);

pub(crate) fn new_lead() -> NewLeadRow {
    NewLeadRow {
        intake_id: Uuid::new_v4(),
        account: ACCOUNT.into(),
        name: Some("Ada".into()),
        phone: Some("+79001234567".into()),
        email: Some("ada@example.com".into()),
        utm: Utm {
            source: Some("google".into()),
            ..Utm::default()
        },
        payload: json!({"comment": "hi"}),
        local_status: "new".into(),
    }
}

fn deliver() -> LeadJob {
    LeadJob::new("lead.deliver")
}

fn key(fingerprint: &str) -> IdempotencyKey {
    IdempotencyKey {
        key: "K".into(),
        fingerprint: fingerprint.into(),
        life: IDEMPOTENCY_LIFE,
    }
}

pub(crate) async fn accept(store: &Store) -> LeadRow {
    match store
        .leads()
        .accept(new_lead(), None, deliver())
        .await
        .unwrap()
    {
        Accepted::Created(lead) => lead,
        other => panic!("{other:?}"),
    }
}

async fn claim(store: &Store) -> Claimed {
    let worker = store.jobs().worker("w");
    worker
        .claim(&["lead.deliver"], 1, LEASE)
        .await
        .unwrap()
        .remove(0)
}

pub(crate) fn made(lead_id: i64) -> Delivered {
    Delivered {
        contact_id: Some(7),
        lead_id,
        pipeline_id: Some(1),
        status_id: Some(100),
        ..Delivered::default()
    }
}

on_both! {
    async fn sixty_four_identical_posts_make_one_lead(db: TestDb) {
        let stores = [db.open().await, db.open().await];
        let outcomes = join_all((0..64).map(|number| {
            let leads = stores[number % 2].leads();
            async move { leads.accept(new_lead(), Some(key("body")), deliver()).await.unwrap() }
        }))
        .await;
        let created = outcomes.iter().filter(|it| matches!(it, Accepted::Created(_))).count();
        let ids: BTreeSet<i64> = outcomes
            .iter()
            .map(|it| match it {
                Accepted::Created(lead) | Accepted::Replayed(lead) => lead.id,
                Accepted::KeyReused => panic!("same body"),
            })
            .collect();
        assert_eq!((created, ids.len()), (1, 1));
        assert_eq!(stores[0].jobs().stats("lead.deliver").await.unwrap().depth, 1);
        assert_eq!(stores[0].leads().count(DeliveryState::Queued).await.unwrap(), 1);

        let leads = stores[1].leads();
        let other = leads.accept(new_lead(), Some(key("other body")), deliver()).await.unwrap();
        assert_eq!(other, Accepted::KeyReused);
        // A day later the key is new again.
        db.hands.advance(IDEMPOTENCY_LIFE);
        let next_day = leads.accept(new_lead(), Some(key("other body")), deliver()).await.unwrap();
        assert!(matches!(next_day, Accepted::Created(_)));
        assert_eq!(leads.list(LeadFilter::new()).await.unwrap().len(), 2);
        assert_eq!(stores[0].prune().await.unwrap(), 0);
        db.hands.advance(IDEMPOTENCY_LIFE);
        assert_eq!(stores[0].prune().await.unwrap(), 1);
    }

    /// On SQLite they share commits.
    async fn a_failing_lead_does_not_harm_its_neighbours(db: TestDb) {
        let store = db.open().await;
        let taken = accept(&store).await.intake_id;
        let outcomes = join_all((0..200).map(|number| {
            let leads = store.leads();
            let mut new = new_lead();
            if number % 3 == 0 {
                new.intake_id = taken;
            }
            let bad_job = number % 3 == 1;
            async move {
                let job = if bad_job { LeadJob::new("") } else { deliver() };
                (number % 3, leads.accept(new, None, job).await)
            }
        }))
        .await;
        for (case, outcome) in outcomes {
            match case {
                0 => assert_eq!(outcome.unwrap_err().kind(), StoreErrorKind::Conflict),
                1 => assert_eq!(outcome.unwrap_err().kind(), StoreErrorKind::Invalid),
                _ => assert!(matches!(outcome.unwrap(), Accepted::Created(_))),
            }
        }
        assert_eq!(store.leads().count(DeliveryState::Queued).await.unwrap(), 67);
        assert_eq!(store.jobs().stats("lead.deliver").await.unwrap().depth, 67);
        assert_eq!(store.leads().list(LeadFilter::new().limit(500)).await.unwrap().len(), 67);
    }

    async fn a_lead_is_delivered_with_its_job_in_one_step(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = accept(&store).await;
        assert_eq!(leads.get(lead.id).await.unwrap().as_ref(), Some(&lead));
        assert_eq!(leads.get_by_intake(lead.intake_id).await.unwrap().as_ref(), Some(&lead));
        assert_eq!((lead.delivery, lead.attempt_started_at), (DeliveryState::Queued, None));
        assert!(!format!("{lead:?} {:?}", new_lead()).contains("ada@"));

        let job = claim(&store).await;
        assert_eq!(job.payload::<i64>().unwrap(), lead.id);
        let first = leads.mark_attempt(lead.id, &job).await.unwrap().unwrap();
        assert_eq!((first.delivery, first.attempts), (DeliveryState::Delivering, 1));
        let retry = RetryAfter::new(Duration::from_secs(5), "the CRM answered 503");
        assert_eq!(leads.set_retry(lead.id, retry, &job).await.unwrap(), Ack::Recorded);

        // The second attempt remembers when the first began.
        db.hands.advance(Duration::from_secs(5));
        let job = claim(&store).await;
        let second = leads.mark_attempt(lead.id, &job).await.unwrap().unwrap();
        assert_eq!((second.attempts, second.attempt_started_at), (2, first.attempt_started_at));
        assert_eq!(second.last_error.as_deref(), Some("the CRM answered 503"));

        // It freezes; another worker delivers; what it says then changes nothing.
        db.hands.advance(LEASE);
        let other = claim(&store).await;
        assert_eq!(leads.set_delivered(lead.id, made(500), &other).await.unwrap(), Ack::Recorded);
        assert_eq!(leads.mark_attempt(lead.id, &job).await.unwrap(), None);
        assert_eq!(leads.set_delivered(lead.id, made(501), &job).await.unwrap(), Ack::Stale);
        assert_eq!(leads.set_failed(lead.id, "late", &job).await.unwrap(), Ack::Stale);

        let found = leads.find_by_amo_leads(ACCOUNT, &[500]).await.unwrap().remove(0);
        assert_eq!((found.id, found.delivery, found.amo_contact_id), (lead.id, DeliveryState::Delivered, Some(7)));
        assert_eq!((found.attempts, found.last_error), (2, None));
        assert!(found.delivered_at.is_some());
        assert_eq!(leads.find_by_amo_leads("other.amocrm.ru", &[500]).await.unwrap(), []);
        assert_eq!(store.jobs().stats("lead.deliver").await.unwrap().depth, 0);
        let counts = [DeliveryState::Queued, DeliveryState::Delivering, DeliveryState::Delivered];
        let counts = join_all(counts.map(|state| leads.count(state))).await;
        assert_eq!(counts.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 0, 1]);
    }

    async fn a_hopeless_lead_is_a_dead_letter_that_can_be_replayed(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = accept(&store).await;
        let job = claim(&store).await;
        leads.mark_attempt(lead.id, &job).await.unwrap();
        assert_eq!(leads.set_failed(lead.id, "price: expected a number", &job).await.unwrap(), Ack::Recorded);
        assert_eq!(leads.get(lead.id).await.unwrap().unwrap().delivery, DeliveryState::Failed);
        let letters = store.jobs().dead_letters(DeadLetterFilter::kind("lead.deliver")).await.unwrap();
        assert_eq!(letters[0].last_error.as_deref(), Some("price: expected a number"));

        assert!(leads.retry_failed(lead.id, letters[0].id).await.unwrap());
        assert!(!leads.retry_failed(lead.id, letters[0].id).await.unwrap());
        assert_eq!(leads.get(lead.id).await.unwrap().unwrap().delivery, DeliveryState::Delivering);
        assert_eq!(leads.count(DeliveryState::Failed).await.unwrap(), 0);
        let job = claim(&store).await;
        let again = leads.mark_attempt(lead.id, &job).await.unwrap().unwrap();
        assert_eq!((again.delivery, again.attempts), (DeliveryState::Delivering, 2));
        assert!(leads.set_delivered(lead.id, made(1), &job).await.unwrap().is_recorded());
        assert_eq!(leads.count(DeliveryState::Failed).await.unwrap(), 0);
        assert_eq!(leads.count(DeliveryState::Delivered).await.unwrap(), 1);
    }

    async fn a_lead_that_was_given_up_for_good_is_failed_no_longer_and_forgotten_in_time(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = accept(&store).await;
        let other = accept(&store).await;
        for lead in [&lead, &other] {
            let job = claim(&store).await;
            leads.mark_attempt(lead.id, &job).await.unwrap();
            assert!(leads.set_failed(lead.id, "spam", &job).await.unwrap().is_recorded());
        }
        assert_eq!(leads.count(DeliveryState::Failed).await.unwrap(), 2);
        let letters = store.jobs().dead_letters(DeadLetterFilter::kind("lead.deliver")).await.unwrap();
        assert!(leads.drop_failed(lead.id, letters[0].id).await.unwrap());
        assert!(!leads.drop_failed(lead.id, letters[0].id).await.unwrap());
        assert!(!leads.retry_failed(lead.id, letters[0].id).await.unwrap());
        assert_eq!(leads.count(DeliveryState::Failed).await.unwrap(), 1);
        assert_eq!(store.jobs().stats("lead.deliver").await.unwrap().dead, 1);

        // The one that a person still has to look at is kept; forgotten by hand, it is failed no longer either.
        let year = Retention { personal: Some(Duration::from_hours(24 * 365)), ..Retention::default() };
        assert_eq!(store.sweep(&year).await.unwrap().leads, 0);
        db.hands.advance(Duration::from_hours(24 * 366));
        assert_eq!(store.sweep(&year).await.unwrap().leads, 1);
        assert!(leads.get(lead.id).await.unwrap().unwrap().phone.is_none());
        assert!(leads.get(other.id).await.unwrap().unwrap().phone.is_some());
        assert_eq!(leads.erase(other.id, ACCOUNT, |id| format!("lead/{id}")).await.unwrap(), Erased::Done);
        assert_eq!(leads.count(DeliveryState::Failed).await.unwrap(), 0);
    }

    async fn a_lead_is_warned_about_a_field_once(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let (first, second) = (accept(&store).await.id, accept(&store).await.id);
        let fields = [("Объект".to_owned(), "missing"), ("Бюджет".to_owned(), "value")];
        leads.warn(first, &fields).await.unwrap();
        leads.warn(first, &fields).await.unwrap();
        leads.warn(second, &fields[..1]).await.unwrap();
        let told = leads.warnings(first).await.unwrap();
        assert_eq!(told.iter().map(|it| (it.field.as_str(), it.reason.as_str())).collect::<Vec<_>>(),
            [("Бюджет", "value"), ("Объект", "missing")]);
        let since = told[0].at;
        let common = leads.warned_fields(since).await.unwrap();
        assert_eq!((common.len(), common[0].field.as_str(), common[0].leads), (2, "Объект", 2));
        assert!(leads.warned_fields(since + LEASE).await.unwrap().is_empty());
    }

    async fn leads_of_one_person_make_one_contact(db: TestDb) {
        let stores = [db.open_in_real_time().await, db.open_in_real_time().await];
        let contacts = Arc::new(AtomicI64::new(0));
        let used = join_all((1..=16).map(|lead_id: i64| {
            let leads = stores[usize::try_from(lead_id).unwrap() % 2].leads();
            let contacts = Arc::clone(&contacts);
            async move {
                // All share the phone, half of them give the e-mail too, in either order.
                let mut who = vec![Identity::phone("+79001234567")];
                if lead_id % 2 == 0 {
                    who.insert(usize::from(lead_id % 4 == 0), Identity::email("ada@example.com"));
                }
                loop {
                    match leads.claim_identities(lead_id, ACCOUNT, &who, LEASE).await.unwrap() {
                        ContactClaim::Granted { known_contact_id: Some(contact) } => {
                            leads.resolve_identities(lead_id, contact).await.unwrap();
                            return contact;
                        }
                        ContactClaim::Granted { known_contact_id: None } => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            let contact = contacts.fetch_add(1, Ordering::SeqCst) + 1000;
                            leads.resolve_identities(lead_id, contact).await.unwrap();
                            return contact;
                        }
                        ContactClaim::Busy { retry_after } => tokio::time::sleep(retry_after.min(Duration::from_millis(60))).await,
                    }
                }
            }
        }))
        .await;
        assert_eq!(contacts.load(Ordering::SeqCst), 1);
        assert!(used.iter().all(|&contact| contact == 1000), "{used:?}");
    }

    async fn a_claim_on_a_person_is_all_or_nothing_and_ends(db: TestDb) {
        let leads = db.open().await.leads();
        let (email, phone) = (Identity::email("ada@example.com"), Identity::phone("+79001234567"));
        let ask = |lead, who: Vec<Identity>| {
            let leads = leads.clone();
            async move { leads.claim_identities(lead, ACCOUNT, &who, LEASE).await.unwrap() }
        };
        let granted = ContactClaim::Granted { known_contact_id: None };
        assert_eq!(ask(1, vec![phone.clone()]).await, granted);
        // 2 does not get the phone, so it does not keep the e-mail either.
        assert!(matches!(ask(2, vec![email.clone(), phone.clone()]).await, ContactClaim::Busy { .. }));
        assert_eq!(ask(3, vec![email.clone()]).await, granted);
        assert_eq!(ask(1, vec![phone.clone()]).await, granted);

        leads.release_identities(3).await.unwrap();
        db.hands.advance(LEASE);
        assert_eq!(ask(2, vec![email.clone(), phone.clone()]).await, granted);
        // 1 was too slow: its contact is not believed.
        leads.resolve_identities(1, 11).await.unwrap();
        leads.resolve_identities(2, 22).await.unwrap();
        let known = ContactClaim::Granted { known_contact_id: Some(22) };
        assert_eq!(ask(3, vec![phone.clone()]).await, known);
        assert_eq!(ask(4, vec![phone.clone()]).await, known);
        leads.forget_contact(ACCOUNT, 22).await.unwrap();
        assert_eq!(ask(3, vec![phone.clone(), email.clone()]).await, granted);
        assert!(matches!(ask(4, vec![phone]).await, ContactClaim::Busy { .. }));
    }

    async fn pages_show_every_lead_once(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let mut all = Vec::new();
        for _ in 0..25 {
            all.push(accept(&store).await.id);
        }
        for _ in 0..10 {
            let job = claim(&store).await;
            let lead = job.payload::<i64>().unwrap();
            assert!(leads.set_delivered(lead, made(lead), &job).await.unwrap().is_recorded());
        }
        let pages = |filter: LeadFilter| {
            let leads = leads.clone();
            async move {
                let mut ids = Vec::new();
                loop {
                    let mut page = filter.clone().limit(4);
                    if let Some(&last) = ids.last() {
                        page = page.after(last);
                    }
                    let page = leads.list(page).await.unwrap();
                    if page.is_empty() {
                        return ids;
                    }
                    ids.extend(page.iter().map(|lead| lead.id));
                }
            }
        };
        let oldest = LeadFilter::new().order(LeadOrder::Oldest);
        assert_eq!(pages(oldest.clone()).await, all);
        assert_eq!(pages(oldest.clone().delivery(DeliveryState::Delivered)).await, all[..10]);
        assert_eq!(pages(oldest.clone().status("new").delivery(DeliveryState::Queued)).await, all[10..]);
        all.reverse();
        assert_eq!(pages(LeadFilter::new()).await, all);
        assert_eq!(pages(LeadFilter::new().status("new")).await, all);
        assert_eq!(pages(LeadFilter::new().delivery(DeliveryState::Queued)).await, all[..15]);
        assert_eq!(pages(LeadFilter::new().status("new").delivery(DeliveryState::Delivered)).await, all[15..]);
        assert!(pages(LeadFilter::new().status("won")).await.is_empty());
    }
}
