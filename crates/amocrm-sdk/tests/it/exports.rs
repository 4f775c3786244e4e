//! Streams that go on after a failure, and exports that neither lose nor repeat a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amocrm_emulator::{Emulator, Seed};
use amocrm_sdk::entity::{Changes, Direction, ExportCursor};
use amocrm_sdk::leads::{Lead, LeadFilter, LeadOrder, NewLead};
use amocrm_sdk::quota::Limits;
use amocrm_sdk::{Client, ErrorKind, LeadId, RetryPolicy};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::script::{Answer, Script, json as answer};

/// Page `number` of `total` leads with ids from 1.
fn page(number: u64, size: u64, total: u64) -> Answer {
    let ids = (number - 1) * size + 1..=(number * size).min(total);
    let leads: Vec<Value> = ids.map(|id| json!({"id": id, "name": "n"})).collect();
    if leads.is_empty() {
        return answer(204, "");
    }
    answer(200, &json!({"_embedded": {"leads": leads}}).to_string())
}

fn number_of(request: &http::Request<http_body_util::Full<bytes::Bytes>>) -> u64 {
    let query = request.uri().query().unwrap();
    let page = query.split('&').find_map(|pair| pair.strip_prefix("page="));
    page.unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_leads_are_asked_for_page_by_page_while_they_are_read() {
    let wire = Script::then([], |request| page(number_of(request), 250, 100_000));
    let client = wire
        .builder()
        .limits(Limits::per_integration(1_000))
        .build()
        .unwrap();
    let mut leads = client.leads().list().stream();
    let mut read = 0_u64;
    while let Some(lead) = leads.try_next().await.unwrap() {
        read += 1;
        assert_eq!(lead.id.get(), read);
        assert_eq!(
            wire.count() as u64,
            read.div_ceil(250),
            "pages were read ahead"
        );
    }
    assert_eq!((read, wire.count()), (100_000, 401));
    assert!(leads.try_next().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_middle_of_a_stream_is_got_over_at_the_page() {
    let failures = AtomicUsize::new(0);
    let fails = move |times| failures.fetch_add(1, Ordering::Relaxed) < times;
    // Page 3 fails once and is retried by the policy; page 5 fails for longer than the policy has patience.
    let wire = Script::then([], move |request| match number_of(request) {
        3 if fails(1) => answer(502, "{}"),
        5 if fails(7) => answer(503, "{}"),
        number => page(number, 10, 65),
    });
    let client = wire
        .builder()
        .retry(RetryPolicy::default().max_retries(2))
        .build()
        .unwrap();
    let mut leads = client.leads().list().limit(10).stream();
    let mut read = Vec::new();
    let mut errors = Vec::new();
    loop {
        match leads.try_next().await {
            Ok(Some(lead)) => read.push(lead.id.get()),
            Ok(None) => break,
            Err(error) => errors.push((error.kind(), read.len())),
        }
    }
    assert_eq!(errors, [(ErrorKind::Server, 40)]);
    assert_eq!(read, (1..=65).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn an_error_that_will_not_pass_ends_a_stream() {
    let wire = Script::then([], |request| match number_of(request) {
        2 => answer(402, "{}"),
        number => page(number, 10, 65),
    });
    let mut pages = wire.client().leads().list().limit(10).pages();
    pages.try_next().await.unwrap().unwrap();
    let error = pages.try_next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PaymentRequired);
    assert!(pages.next().await.is_none());
    assert_eq!(wire.count(), 2);
}

#[tokio::test]
async fn a_server_that_ignores_the_filter_is_not_believed() {
    let lead = |id: u64| json!({"id": id, "updated_at": 1_700_000_000 + id});
    let body = json!({"_embedded": {"leads": [lead(1), lead(2)]}}).to_string();
    let wire = Script::then([], move |_| answer(200, &body));
    let since = ExportCursor::since(chrono::DateTime::from_timestamp(1_750_000_000, 0).unwrap());
    let mut changes = wire.client().leads().list().updated_since(since);
    assert_eq!(
        changes.try_next().await.unwrap_err().kind(),
        ErrorKind::Decode
    );
    assert!(changes.next().await.is_none());
}

#[tokio::test]
async fn a_server_that_ignores_the_order_is_not_believed() {
    let lead = |id: u64| json!({"id": id, "updated_at": 1_700_000_000 - id});
    let body = json!({"_embedded": {"leads": [lead(1), lead(2)]}}).to_string();
    let wire = Script::then([], move |_| answer(200, &body));
    let leads = wire.client().leads().list();
    let mut changes = leads.updated_since(ExportCursor::start());
    assert_eq!(
        changes.try_next().await.unwrap_err().kind(),
        ErrorKind::Decode
    );
    assert!(changes.next().await.is_none());
}

#[test]
fn an_export_asks_from_its_cursor_on_and_keeps_the_other_filters() {
    let query = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&query);
    let wire = Script::then([], {
        move |request| {
            let decoded = request
                .uri()
                .query()
                .unwrap()
                .replace("%5B", "[")
                .replace("%5D", "]");
            *seen.lock().unwrap() = decoded;
            answer(204, "")
        }
    });
    let list = wire
        .client()
        .leads()
        .list()
        .filter(
            LeadFilter::new()
                .price(5..)
                .updated_at(chrono::DateTime::UNIX_EPOCH..),
        )
        .order(LeadOrder::Id, Direction::Descending);
    let cursor: ExportCursor =
        serde_json::from_str(r#"{"updated_at": 1750000000, "seen": [7]}"#).unwrap();
    let mut changes = list.updated_since(cursor);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    assert!(runtime.block_on(changes.try_next()).unwrap().is_none());
    assert_eq!(
        *query.lock().unwrap(),
        "page=1&limit=250&filter[price][from]=5&filter[updated_at][from]=1750000000&order[updated_at]=asc"
    );
}

/// What happens in the account and to the export.
#[derive(Debug, Clone)]
enum Step {
    Create(usize),
    Update(usize),
    Advance(u64),
    Read(usize),
    /// The export ends or is cut off; the next one begins at the cursor that was stored.
    Again,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..12_usize).prop_map(Step::Create),
        4 => (0..1_000_usize).prop_map(Step::Update),
        2 => (0..4_u64).prop_map(Step::Advance),
        4 => (1..12_usize).prop_map(Step::Read),
        1 => Just(Step::Again),
    ]
}

fn export(client: &Client, cursor: &ExportCursor) -> Changes<Lead> {
    // Stored and read again, as between two processes.
    let cursor = serde_json::from_str(&serde_json::to_string(cursor).unwrap()).unwrap();
    client.leads().list().limit(4).updated_since(cursor)
}

async fn story(steps: Vec<Step>) {
    let emulator = Emulator::builder()
        .seed(Seed::Empty)
        .rate_limit(None)
        .start()
        .await
        .unwrap();
    let client = Client::builder(&emulator.credentials().subdomain)
        .transport(emulator.router())
        .long_lived_token(emulator.long_lived_token())
        .limits(Limits::per_integration(100_000))
        .build()
        .unwrap();
    let mut ids: Vec<LeadId> = Vec::new();
    let mut given: Vec<Lead> = Vec::new();
    let mut changes = export(&client, &ExportCursor::start());
    let mut price = 0;
    for step in steps {
        price += 1;
        match step {
            Step::Create(count) => {
                let made = client
                    .leads()
                    .create((0..count).map(|_| NewLead::new().price(price)))
                    .await;
                ids.extend(made.unwrap().iter().map(|lead| lead.id));
            }
            Step::Update(which) if !ids.is_empty() => {
                client
                    .leads()
                    .update(ids[which % ids.len()])
                    .price(price)
                    .await
                    .unwrap();
            }
            Step::Update(_) => {}
            Step::Advance(seconds) => emulator.advance(Duration::from_secs(seconds)),
            Step::Read(count) => {
                for _ in 0..count {
                    given.extend(changes.try_next().await.unwrap());
                }
            }
            Step::Again => changes = export(&client, changes.cursor()),
        }
    }
    emulator.advance(Duration::from_secs(10));
    for _ in 0..2 {
        while let Some(lead) = changes.try_next().await.unwrap() {
            given.push(lead);
        }
        changes = export(&client, changes.cursor());
    }

    let versions: BTreeSet<_> = given
        .iter()
        .map(|lead| (lead.id, lead.updated_at))
        .collect();
    assert_eq!(versions.len(), given.len(), "a change was given twice");
    let known: BTreeMap<LeadId, &Lead> = given.iter().map(|lead| (lead.id, lead)).collect();
    for lead in client.leads().list().all().await.unwrap() {
        assert_eq!(
            known.get(&lead.id).map(|known| known.price),
            Some(lead.price),
            "a change was lost"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn repeated_exports_give_every_change_once(steps in prop::collection::vec(any_step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(story(steps));
    }
}
