//! Every body in the fixtures, through the route to the stored envelope.

use std::collections::BTreeSet;

use amocrm_sdk::webhook::{self, CloudEvent};
use serde_json::Value;

use super::world::{FORM, Place, SECRET, World, eventually, fixtures};

/// What the first part of a fixture's name is called in an event.
fn entity(name: &str) -> &'static str {
    match name.split('.').next().unwrap() {
        "lead" => "leads",
        "contact" => "contacts",
        "company" => "companies",
        "customer" => "customers",
        "task" => "tasks",
        "unsorted" => "unsorted",
        "catalog_element" => "catalog_elements",
        "message" => "messages",
        "talk" => "talks",
        "template_review" => "template_reviews",
        "widget" => "widgets",
        other => panic!("a fixture of {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fixture_becomes_the_envelopes_that_its_name_says() {
    for place in [Some(Place::sqlite()), Place::postgres().await]
        .into_iter()
        .flatten()
    {
        let world = World::start(&place).await;
        let fixtures = fixtures();
        assert!(fixtures.len() > 50);
        let path = format!("/webhooks/amocrm/{SECRET}");
        // Of one request, because what tells no time is another event in another.
        let headers = [("content-type", FORM), ("x-amocrm-requestid", "fixtures")];
        let mut expected = Vec::new();
        let mut keys = BTreeSet::new();
        for (name, body) in &fixtures {
            let answer = world.post(&path, &headers, body.clone()).await;
            let receipt = answer.json();
            assert_eq!(answer.status, 200, "{name}: {receipt}");
            assert_eq!(receipt["problem"], Value::Null, "{name}");
            let payload = webhook::parse(body).unwrap();
            let mut new = 0;
            let request = receipt["request"].as_i64().unwrap();
            let kept = world.store().gateway().request(request).await.unwrap();
            assert_eq!(
                &kept.unwrap().body.unwrap()[..],
                &body[..],
                "{name}: byte for byte"
            );
            for event in payload.events {
                // Two files show one event in different shapes.
                if keys.insert(event.dedup_key(&payload.account)) {
                    new += 1;
                    expected.push((name, request, event, payload.account.clone()));
                }
            }
            assert_eq!(answer.counts().0, new, "{name}");
        }
        let stored = world.events().await;
        assert_eq!(stored.len(), expected.len());
        for (row, (name, request, event, account)) in stored.iter().zip(expected) {
            let action = event.action().to_string();
            assert_eq!(row.kind, format!("{}.{action}", entity(name)), "{name}");
            assert_eq!(
                (row.request, row.account.as_str()),
                (request, "main"),
                "{name}"
            );
            let envelope = CloudEvent::from_json(row.envelope.as_bytes()).unwrap();
            assert_eq!(envelope.event, event, "{name}");
            assert_eq!(envelope.account, account, "{name}");
            assert_eq!(envelope.id, row.event_id, "{name}");
            assert!(row.event_id.starts_with("evt_"), "{name}");
            let value: Value = serde_json::from_str(&row.envelope).unwrap();
            assert_eq!(value["specversion"], "1.0", "{name}");
            assert_eq!(value["type"], format!("amocrm.{}.v1", row.kind), "{name}");
            assert_eq!(value["subject"].as_str(), row.subject.as_deref(), "{name}");
            assert_eq!(row.occurred_at, event.updated_at(), "{name}");
            assert_eq!(
                row.account_id,
                account.id.map(|id| i64::try_from(id.get()).unwrap()),
                "{name}"
            );
        }
        // The same again is known, whatever it is about.
        for (name, body) in &fixtures {
            let answer = world.post(&path, &headers, body.clone()).await;
            assert_eq!(answer.counts().0, 0, "{name}");
        }
        assert_eq!(world.events().await.len(), stored.len());
        world.stop().await;
        place.drop_schema().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_manager_does_in_amocrm_arrives_with_companies_as_companies() {
    let emulator = amocrm_emulator::Emulator::start().await.unwrap();
    let place = Place::sqlite();
    let token = emulator.long_lived_token();
    let base = emulator.base_url().to_owned();
    let world = World::start_with(
        &place,
        &[
            ("GATEWAY_WEBHOOK_SECRET", super::world::SECRET),
            ("AMOCRM_BASE_URL", &base),
            ("AMOCRM_ACCESS_TOKEN", &token),
        ],
    )
    .await;
    let mut out = Vec::new();
    world
        .app
        .subscribe(&webhook_gateway::Subscribe::default(), &mut out)
        .await
        .unwrap();
    for (path, body) in [
        ("companies", r#"[{"name": "Horns"}]"#),
        ("contacts", r#"[{"name": "Ann"}]"#),
        ("leads", r#"[{"name": "Order"}]"#),
    ] {
        let answer = world
            .http
            .post(format!("{base}/api/v4/{path}"))
            .bearer_auth(&token)
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }
    eventually("three events arrive", || async {
        let events = world.events().await;
        let mut kinds: Vec<_> = events.iter().map(|event| event.kind.clone()).collect();
        kinds.sort();
        (kinds == ["companies.add", "contacts.add", "leads.add"]).then_some(())
    })
    .await;
    world.stop().await;
}
