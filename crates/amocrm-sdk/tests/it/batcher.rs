//! Coalescing: how few requests reach the wire, and what each caller is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amocrm_emulator::{Emulator, Seed};
use amocrm_sdk::batcher::BatchPolicy;
use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::leads::{LeadWith, NewLead};
use amocrm_sdk::notes::NewNote;
use amocrm_sdk::quota::Limits;
use amocrm_sdk::{Client, Delivery, Error, ErrorKind, LeadId, StatusId};
use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::script::{Answer, Script, body, dropped, json as answer};

/// An account without a rate limit, and a client that counts its calls.
async fn office() -> (Emulator, Client, Arc<AtomicUsize>) {
    let emulator = Emulator::builder()
        .seed(Seed::Empty)
        .rate_limit(None)
        .start()
        .await
        .unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let client = Client::builder(&emulator.credentials().subdomain)
        .transport(emulator.router())
        .long_lived_token(emulator.long_lived_token())
        .limits(Limits::per_integration(2_000))
        .layer(tower::util::MapRequestLayer::new(move |request| {
            counted.fetch_add(1, Ordering::Relaxed);
            request
        }))
        .build()
        .unwrap();
    (emulator, client, calls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_updates_take_four_requests() {
    let (emulator, client, calls) = office().await;
    let made = client
        .leads()
        .create((0..1_000).map(|number| NewLead::new().name(number.to_string())))
        .await
        .unwrap();
    emulator.clear_requests();
    calls.store(0, Ordering::Relaxed);

    // A window that even a busy machine starts a thousand tasks in.
    let batcher = client.batcher_with(BatchPolicy::default().window(Duration::from_millis(500)));
    let mut tasks = JoinSet::new();
    for (price, lead) in (0..).zip(&made) {
        let (leads, id) = (batcher.leads(), lead.id);
        tasks.spawn(async move { (id, leads.update(id).price(price).await) });
    }
    for (id, outcome) in tasks.join_all().await {
        assert_eq!(outcome.unwrap().id, id);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    let requests = emulator.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|it| it.method == "PATCH"));

    let stored = client.leads().list().all().await.unwrap();
    let prices: BTreeMap<LeadId, i64> = stored
        .iter()
        .map(|lead| (lead.id, lead.price.unwrap()))
        .collect();
    assert!(
        (0..)
            .zip(&made)
            .all(|(price, lead)| prices[&lead.id] == price)
    );
}

#[tokio::test]
async fn every_kind_of_entity_is_gathered_by_collection() {
    let (emulator, client, _) = office().await;
    let batcher = client.batcher();
    let leads =
        join_all((0..3).map(|_| async { batcher.leads().create([NewLead::new()]).await })).await;
    let lead = leads[0].as_ref().unwrap()[0].id;
    emulator.clear_requests();
    let (contacts, companies, tags, notes) = futures_util::join!(
        join_all((0..3).map(|n| {
            batcher
                .contacts()
                .create([NewContact::new().name(n.to_string())])
                .into_future()
        })),
        join_all((0..3).map(|n| {
            batcher
                .companies()
                .create([amocrm_sdk::companies::NewCompany::new().name(n.to_string())])
                .into_future()
        })),
        join_all((0..3).map(|n| {
            let owner = amocrm_sdk::links::EntityType::Leads;
            batcher
                .tags(owner)
                .create([amocrm_sdk::tags::NewTag::new(n.to_string())])
                .into_future()
        })),
        join_all((0..3).map(|n| {
            batcher
                .notes(lead)
                .create([NewNote::common(n.to_string())])
                .into_future()
        })),
    );
    assert!(contacts.iter().all(Result::is_ok) && companies.iter().all(Result::is_ok));
    assert!(tags.iter().all(Result::is_ok) && notes.iter().all(Result::is_ok));
    assert_eq!(emulator.requests().len(), 4);

    emulator.clear_requests();
    let owner = || batcher.notes_of(amocrm_sdk::links::EntityType::Leads);
    let changes = notes
        .iter()
        .map(|made| owner().update(made.as_ref().unwrap()[0].id).common("new"));
    let changed = join_all(changes.map(IntoFuture::into_future)).await;
    assert!(changed.iter().all(Result::is_ok));
    assert_eq!(emulator.requests().len(), 1);

    // What amoCRM takes one by one only goes one by one.
    let pipeline = batcher.pipelines().list().all().await.unwrap()[0].id;
    let renamed = batcher
        .pipelines()
        .update(pipeline)
        .name("Продажи")
        .await
        .unwrap();
    assert_eq!(renamed.name, "Продажи");
}

#[tokio::test]
async fn a_bad_item_gets_its_own_error_and_fails_nobody_else() {
    let (emulator, client, _) = office().await;
    let made = client
        .leads()
        .create((0..8).map(|_| NewLead::new()))
        .await
        .unwrap();
    let id = |n: usize| made[n].id;
    emulator.clear_requests();
    let batcher = client.batcher();
    let outcomes = join_all([
        batcher.leads().update(id(0)).price(1).into_future(),
        batcher
            .leads()
            .update(id(1))
            .status(StatusId::new(7))
            .into_future(),
        batcher.leads().update(id(2)).price(2).into_future(),
        batcher
            .leads()
            .update(LeadId::new(999_999_999))
            .price(3)
            .into_future(),
        batcher.leads().update(id(4)).price(4).into_future(),
    ])
    .await;
    assert_eq!(emulator.requests().len(), 2, "the good ones go together");
    for good in [0, 2, 4] {
        outcomes[good].as_ref().unwrap();
    }
    for (bad, path) in [(1, "status_id"), (3, "id")] {
        let error = outcomes[bad].as_ref().unwrap_err();
        assert_eq!(
            (error.kind(), error.validation_errors().len()),
            (ErrorKind::Validation, 1)
        );
        assert_eq!(
            (
                error.validation_errors()[0].item,
                &*error.validation_errors()[0].path
            ),
            (None, path)
        );
    }
    let lead = client.leads().get(id(4)).await.unwrap().unwrap();
    assert_eq!(lead.price, Some(4));
}

/// A collection that stores items and refuses batches with bad ones, as `how` says.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    NamesAll,
    NamesFirst,
    NamesNone,
    ByRule,
}

#[derive(Default)]
struct Collection {
    /// What was stored, in order: id and name.
    stored: Vec<(u64, String)>,
    requests: usize,
}

impl Collection {
    fn take(&mut self, request: &http::Request<Full<Bytes>>, how: Refusal) -> Answer {
        self.requests += 1;
        let items = body(request);
        let items = items.as_array().unwrap();
        let is_new = request.method() == "POST";
        let name = |item: &Value| item["name"].as_str().unwrap().to_owned();
        let bad: Vec<&Value> = items
            .iter()
            .filter(|item| name(item).starts_with("bad"))
            .collect();
        if !bad.is_empty() {
            let named = |items: &[&Value]| {
                let errors: Vec<Value> = items
                    .iter()
                    .map(|item| json!({"request_id": item["request_id"], "errors": [{"path": name(item), "code": "InvalidType"}]}))
                    .collect();
                json!({"title": "Bad Request", "status": 400, "validation-errors": errors})
            };
            let refusal = match how {
                Refusal::NamesAll => named(&bad),
                Refusal::NamesFirst => named(&bad[..1]),
                Refusal::NamesNone => {
                    json!({"title": "Bad Request", "status": 400, "detail": "something is wrong"})
                }
                Refusal::ByRule => {
                    let key = if is_new { "request_id" } else { "id" };
                    let rules: serde_json::Map<String, Value> = bad
                        .iter()
                        .map(|item| {
                            (
                                item[key].to_string().trim_matches('"').to_owned(),
                                name(item).into(),
                            )
                        })
                        .collect();
                    json!({"status": 400, "errors": rules})
                }
            };
            return answer(400, &refusal.to_string());
        }
        let mut ids: std::collections::BTreeSet<u64> = std::collections::BTreeSet::new();
        let mut answers: Vec<Value> = items
            .iter()
            .map(|item| {
                let id = item["id"]
                    .as_u64()
                    .unwrap_or(1_000 + self.stored.len() as u64);
                assert!(ids.insert(id), "an entity is twice in one batch");
                self.stored.push((id, name(item)));
                json!({"id": id, "request_id": item["request_id"], "updated_at": 1_800_000_000})
            })
            .collect();
        // amoCRM promises no order.
        answers.reverse();
        answer(200, &json!({"_embedded": {"leads": answers}}).to_string())
    }
}

fn collection(how: Refusal) -> (Script, Arc<Mutex<Collection>>) {
    let shared = Arc::new(Mutex::new(Collection::default()));
    let taking = Arc::clone(&shared);
    let script = Script::then([], move |request| taking.lock().unwrap().take(request, how));
    (script, shared)
}

fn own_refusal(error: &Error, name: &str, how: Refusal, is_new: bool) {
    match how {
        Refusal::NamesAll | Refusal::NamesFirst => {
            let [own] = error.validation_errors() else {
                panic!("{error:?}")
            };
            assert_eq!((&*own.path, own.item), (name, is_new.then_some(0)));
        }
        Refusal::NamesNone => assert_eq!(error.kind(), ErrorKind::Rejected),
        Refusal::ByRule => {
            let rules: Vec<_> = error.problem().unwrap().entity_errors().collect();
            assert_eq!(rules.len(), 1);
            assert_eq!(rules[0].1, name);
        }
    }
    assert_eq!(error.delivery(), Delivery::Answered);
}

fn any_refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        Just(Refusal::NamesAll),
        Just(Refusal::NamesFirst),
        Just(Refusal::NamesNone),
        Just(Refusal::ByRule)
    ]
}

/// Runs on a paused clock, so that windows and permits take no time.
fn paused<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_good_item_is_stored_once_and_every_caller_hears_of_its_own(
        items in prop::collection::vec((prop::bool::weighted(0.2), 0..30_u64), 1..60),
        how in any_refusal(),
        max_items in 1..40_usize,
    ) {
        paused(async {
            let (script, collection) = collection(how);
            let policy = BatchPolicy::default().max_items(max_items);
            let batcher = script.builder().build().unwrap().batcher_with(policy);
            let calls = items.iter().enumerate().map(|(number, (is_bad, delay))| {
                let name = format!("{}{number}", if *is_bad { "bad" } else { "good" });
                let leads = batcher.leads();
                async move {
                    tokio::time::sleep(Duration::from_millis(*delay)).await;
                    let outcome = leads.create([NewLead::new().name(&name)]).await;
                    (name, outcome)
                }
            });
            let outcomes = join_all(calls).await;
            let stored = std::mem::take(&mut collection.lock().unwrap().stored);
            for (name, outcome) in outcomes {
                let found: Vec<u64> = stored.iter().filter(|(_, it)| *it == name).map(|(id, _)| *id).collect();
                if name.starts_with("bad") {
                    assert!(found.is_empty());
                    own_refusal(&outcome.unwrap_err(), &name, how, true);
                } else {
                    assert_eq!(found, [outcome.unwrap()[0].id.get()]);
                }
            }
        });
    }

    #[test]
    fn changes_of_one_entity_keep_their_order(
        items in prop::collection::vec((prop::bool::weighted(0.1), 1..5_u64, 0..20_u64), 1..60),
        how in any_refusal(),
    ) {
        paused(async {
            let (script, collection) = collection(how);
            let batcher = script.builder().build().unwrap().batcher();
            let mut wanted: BTreeMap<u64, Vec<String>> = BTreeMap::new();
            let mut calls = Vec::new();
            let mut at = 0;
            for (number, (is_bad, id, pause)) in items.iter().enumerate() {
                at += pause;
                let name = format!("{}{number}", if *is_bad { "bad" } else { "good" });
                if !is_bad {
                    wanted.entry(*id).or_default().push(name.clone());
                }
                let call = batcher.leads().update(LeadId::new(*id)).name(&name);
                calls.push(async move {
                    tokio::time::sleep(Duration::from_millis(at)).await;
                    (name, call.await)
                });
            }
            for (name, outcome) in join_all(calls).await {
                match outcome {
                    Ok(_) => assert!(name.starts_with("good")),
                    Err(error) => own_refusal(&error, &name, how, false),
                }
            }
            let mut seen: BTreeMap<u64, Vec<String>> = BTreeMap::new();
            for (id, name) in std::mem::take(&mut collection.lock().unwrap().stored) {
                seen.entry(id).or_default().push(name);
            }
            assert_eq!(seen, wanted);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_batch_fills_while_the_one_before_waits_for_its_permit() {
    let (script, collection) = collection(Refusal::NamesAll);
    let batcher = script.client().batcher();
    // Two seconds of work, a call every millisecond, at seven requests a second.
    let calls = (0..2_000_u64).map(|number| {
        let call = batcher.leads().update(LeadId::new(number + 1)).name("good");
        async move {
            tokio::time::sleep(Duration::from_millis(number)).await;
            call.await
        }
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let requests = collection.lock().unwrap().requests;
    assert!(requests <= 16, "{requests} requests");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_slow_change_keeps_nobody_else_waiting() {
    // The first lead takes ten seconds to change.
    let slow = axum::Router::new().fallback(|axum::Json(items): axum::Json<Value>| async move {
        if items[0]["id"] == 1 {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        axum::Json(json!({"_embedded": {"leads": items}}))
    });
    let client = Client::builder("acme.amocrm.ru")
        .transport(slow)
        .long_lived_token("token")
        .build()
        .unwrap();
    let batcher = client.batcher();
    let call = |id: u64| {
        tokio::spawn(
            batcher
                .leads()
                .update(LeadId::new(id))
                .name("n")
                .into_future(),
        )
    };
    let began = tokio::time::Instant::now();
    let mut calls = Vec::new();
    for id in [1, 1, 2] {
        calls.push(call(id));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    calls.pop().unwrap().await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_of_creates_is_told_to_everyone_and_nothing_is_sent_again() {
    let wire = Script::then([], |_| dropped());
    let batcher = wire.client().batcher();
    let calls = (0..10).map(|_| batcher.leads().create([NewLead::new()]).into_future());
    for outcome in join_all(calls).await {
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Transport, Delivery::Unknown)
        );
        assert_eq!(error.operation(), Some("leads.create"));
    }
    assert_eq!(wire.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_takes_nobody_along() {
    let (script, collection) = collection(Refusal::NamesAll);
    let batcher = script.client().batcher();
    let call = |id: u64| {
        batcher
            .leads()
            .update(LeadId::new(id))
            .name("good")
            .into_future()
    };
    let early = tokio::time::timeout(Duration::from_millis(2), call(1));
    let (left, stayed) = futures_util::join!(early, call(2));
    assert!(left.is_err());
    stayed.unwrap();
    assert_eq!(collection.lock().unwrap().stored, [(2, "good".to_owned())]);

    // Nor does it once its batch is on the wire.
    let gone = tokio::spawn(call(3));
    let stayed = tokio::spawn(call(4));
    tokio::time::sleep(Duration::from_millis(50)).await;
    gone.abort();
    stayed.await.unwrap().unwrap();
    assert_eq!(collection.lock().unwrap().stored.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_batch_counts_towards_the_deadline() {
    let (script, _) = collection(Refusal::NamesAll);
    let client = script
        .builder()
        .deadline(Duration::from_millis(400))
        .limits(Limits::per_integration(1))
        .build()
        .unwrap();
    let batcher = client.batcher_with(BatchPolicy::default().max_items(1));
    let call = |id: u64| {
        batcher
            .leads()
            .update(LeadId::new(id))
            .name("good")
            .into_future()
    };
    let (first, second, third) = futures_util::join!(call(1), call(2), call(3));
    first.unwrap();
    for outcome in [second, third] {
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Deadline, Delivery::NotSent)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_at_once_are_few_lists_and_everyone_gets_their_own() {
    let (emulator, client, calls) = office().await;
    let made = client
        .leads()
        .create((0..250).map(|number| NewLead::new().name(number.to_string())))
        .await
        .unwrap();
    calls.store(0, Ordering::Relaxed);
    emulator.clear_requests();
    let batcher = client.batcher_with(BatchPolicy::default().window(Duration::from_millis(500)));
    let mut tasks = JoinSet::new();
    // Each of them twice.
    for lead in made.iter().flat_map(|lead| [lead, lead]) {
        let (leads, id) = (batcher.leads(), lead.id);
        tasks.spawn(async move { (id, leads.get(id).await) });
    }
    for (id, outcome) in tasks.join_all().await {
        assert_eq!(outcome.unwrap().unwrap().id, id);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    for request in emulator.requests() {
        assert_eq!((&*request.method, &*request.path), ("GET", "/api/v4/leads"));
    }
}

#[tokio::test]
async fn reads_of_one_kind_and_with_the_same_extras_travel_together() {
    let (emulator, client, _) = office().await;
    let contacts = client
        .contacts()
        .create((0..3).map(|n| NewContact::new().name(n.to_string())))
        .await
        .unwrap();
    let leads = client
        .leads()
        .create((0..3).map(|_| NewLead::new()))
        .await
        .unwrap();
    emulator.clear_requests();
    let batcher = client.batcher();
    let (plain, full, people) = futures_util::join!(
        join_all(
            leads
                .iter()
                .map(|lead| batcher.leads().get(lead.id).into_future())
        ),
        join_all(leads.iter().map(|lead| {
            batcher
                .leads()
                .get(lead.id)
                .with([LeadWith::Contacts])
                .into_future()
        })),
        join_all(
            contacts
                .iter()
                .map(|contact| batcher.contacts().get(contact.id).into_future())
        ),
    );
    assert!(
        plain
            .into_iter()
            .chain(full)
            .all(|lead| lead.unwrap().is_some())
    );
    assert!(people.into_iter().all(|it| it.unwrap().is_some()));
    assert_eq!(emulator.requests().len(), 3);

    // The trash is something that only lists have.
    emulator.clear_requests();
    let odd = |n: usize| {
        let get = batcher.leads().get(leads[n].id);
        get.with([LeadWith::OnlyDeleted]).into_future()
    };
    let (one, other) = futures_util::join!(odd(0), odd(1));
    assert!(one.unwrap().is_some() && other.unwrap().is_some());
    assert_eq!(emulator.requests().len(), 2);
}

/// What a request asks for by `filter[id]`.
fn asked(request: &http::Request<Full<Bytes>>) -> BTreeSet<u64> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == "filter[id][]")
        .map(|(_, id)| id.parse().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_list_does_not_name_is_asked_for_by_its_id() {
    // A list that ignores its filter and gives strangers, and one lead of those asked for.
    let script = Script::then([], |request| match request.uri().path() {
        "/api/v4/leads" => answer(200, r#"{"_embedded":{"leads":[{"id":900},{"id":2}]}}"#),
        "/api/v4/leads/3" => answer(200, r#"{"id":3,"name":"hidden"}"#),
        "/api/v4/leads/4" => answer(404, r#"{"title":"Not found","status":404}"#),
        path => {
            assert_eq!(path, "/api/v4/leads/1");
            answer(204, "")
        }
    });
    let batcher = script.client().batcher();
    let reads = [1, 2, 3, 4, 1, 3].map(|id| batcher.leads().get(LeadId::new(id)).into_future());
    let found: Vec<_> = join_all(reads)
        .await
        .into_iter()
        .map(|lead| lead.unwrap().map(|lead| lead.id.get()))
        .collect();
    assert_eq!(found, [None, Some(2), Some(3), None, None, Some(3)]);
    assert_eq!(script.count(), 4, "one list, and each of the others once");

    // Of one lead there is no list.
    assert!(batcher.leads().get(LeadId::new(1)).await.unwrap().is_none());
    assert_eq!(script.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_begins_later_gets_a_later_answer() {
    // The answer is as of the request's arrival, and takes ten seconds.
    let arrivals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&arrivals);
    let slow = axum::Router::new().fallback(move || {
        let arrival = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let leads = json!([{"id": 1, "price": arrival}, {"id": 2, "price": arrival}]);
            axum::Json(json!({"_embedded": {"leads": leads}}))
        }
    });
    let client = Client::builder("acme.amocrm.ru")
        .transport(slow)
        .long_lived_token("token")
        .build()
        .unwrap();
    let batcher = client.batcher();
    let read = async |after: u64, id: u64| {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let lead = batcher.leads().get(LeadId::new(id)).await.unwrap();
        lead.unwrap().price
    };
    let began = tokio::time::Instant::now();
    let prices = futures_util::join!(
        read(0, 1),
        read(0, 2),
        read(1_000, 1),
        read(1_000, 2),
        read(1_002, 1)
    );
    assert_eq!(prices, (Some(1), Some(1), Some(2), Some(2), Some(2)));
    assert_eq!(arrivals.load(Ordering::Relaxed), 2);
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "no read waits for another"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_read_is_told_to_everyone_and_one_that_left_is_not_made() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seeing = Arc::clone(&seen);
    let script = Script::then([], move |request| {
        seeing.lock().unwrap().push(asked(request));
        answer(403, r#"{"title":"Forbidden","status":403,"detail":"no"}"#)
    });
    let batcher = script.client().batcher();
    let read = |id: u64| batcher.leads().get(LeadId::new(id)).into_future();
    let (left, one, other) = futures_util::join!(
        tokio::time::timeout(Duration::from_millis(2), read(1)),
        read(2),
        read(3)
    );
    assert!(left.is_err());
    for outcome in [one, other] {
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Forbidden, Some("leads.get"))
        );
    }
    assert_eq!(*seen.lock().unwrap(), [BTreeSet::from([2, 3])]);
}
