//! Webhook bodies against the fixtures written from the API notes.

mod entities;
mod robust;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use amocrm_sdk::AccountId;
use amocrm_sdk::webhook::{self, CloudEvent, Event, IntegrationEvent, Payload, Tree};
use chrono::DateTime;
use serde_json::json;

fn fixtures() -> BTreeMap<String, Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/amocrm/webhooks");
    let files = std::fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .map(|path| {
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                std::fs::read(path).unwrap(),
            )
        })
        .collect()
}

fn fixture(name: &str) -> Payload {
    webhook::parse(&fixtures()[name]).unwrap()
}
#[test]
fn every_fixture_is_what_its_name_says() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 50);
    for (name, body) in fixtures {
        let payload = webhook::parse(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            payload.account.id,
            Some(AccountId::new(31_000_001)),
            "{name}"
        );
        assert_eq!(
            payload.account.subdomain.as_deref(),
            Some("acme-demo"),
            "{name}"
        );
        let mut words = name.split('.');
        let (entity, action) = (words.next().unwrap(), words.next().unwrap());
        assert!(!payload.events.is_empty(), "{name}");
        for event in payload.events {
            assert_eq!(event.entity_kind().as_str(), entity, "{name}");
            assert_eq!(event.action().as_str(), action, "{name}");
            assert!(event.entity_id().is_some(), "{name}");
            assert!(!matches!(event, Event::Unknown(_)), "{name}");
        }
    }
}

#[test]
fn every_fixture_is_the_same_as_json_and_in_any_order() {
    for (name, body) in fixtures() {
        let from_form = webhook::parse(&body).unwrap();
        let json = serde_json::to_vec(&Tree::from_form(&body).unwrap()).unwrap();
        let from_json = webhook::parse_json(&json).unwrap();
        let keys = |payload: &Payload| -> Vec<String> {
            payload
                .events
                .iter()
                .map(|event| event.dedup_key(&payload.account))
                .collect()
        };
        assert_eq!(keys(&from_form), keys(&from_json), "{name}");
        let mut pairs: Vec<&str> = std::str::from_utf8(&body).unwrap().split('&').collect();
        pairs.reverse();
        let mut reversed = keys(&webhook::parse(pairs.join("&").as_bytes()).unwrap());
        let mut expected = keys(&from_form);
        reversed.sort();
        expected.sort();
        assert_eq!(reversed, expected, "{name}");
    }
}

/// The gateway sends envelopes, and its subscribers see the events that amoCRM sent.
#[test]
fn every_fixture_travels_in_envelopes_and_arrives_as_it_was() {
    let mut types = BTreeSet::new();
    for (name, body) in fixtures() {
        let payload = webhook::parse(&body).unwrap();
        for (index, event) in payload.events.iter().enumerate() {
            let received = DateTime::from_timestamp(1_795_219_200, 5_000_000).unwrap();
            let sent = CloudEvent::new(
                format!("evt_{index}"),
                event.clone(),
                payload.account.clone(),
            )
            .received_at(received);
            let json = serde_json::to_vec(&sent).unwrap();
            let read =
                CloudEvent::from_json(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(read, sent, "{name}");
            assert_eq!(
                read.event.dedup_key(&read.account),
                event.dedup_key(&payload.account),
                "{name}"
            );
            types.insert(sent.event_type());
        }
    }
    for kind in [
        "amocrm.leads.status.v1",
        "amocrm.companies.update.v1",
        "amocrm.catalog_elements.add.v1",
        "amocrm.widgets.lead_status_changed.v1",
    ] {
        assert!(types.contains(kind), "{kind}: {types:?}");
    }
}

#[test]
fn an_integration_that_was_switched_off_travels_as_an_event() {
    let event = Event::Integration(IntegrationEvent::disabled(
        "11111111-2222-4333-8444-555555555555",
    ));
    let account = webhook::parse(b"account[id]=31000001").unwrap().account;
    let sent = CloudEvent::new("evt_1", event, account);
    assert_eq!(sent.event_type(), "amocrm.integration.disabled.v1");
    assert_eq!(
        sent.subject().as_deref(),
        Some("integration/11111111-2222-4333-8444-555555555555")
    );
    let read = CloudEvent::from_json(&serde_json::to_vec(&sent).unwrap()).unwrap();
    assert_eq!(read, sent);
}

#[test]
fn an_envelope_names_what_is_wrong_with_it() {
    let event = fixture("lead.status");
    let sent = CloudEvent::new("1", event.events[0].clone(), event.account);
    let good = serde_json::to_value(&sent).unwrap();
    for (attribute, value) in [
        ("specversion", json!("0.3")),
        ("id", json!("")),
        ("source", json!(null)),
        ("type", json!("com.example.rocket")),
        ("data", json!(null)),
        (
            "data",
            json!({"entity": "leads", "action": "status", "object": {"name": "n"}}),
        ),
        ("receivedtime", json!("yesterday")),
    ] {
        let mut bad = good.clone();
        bad[attribute] = value;
        let error = CloudEvent::from_json(bad.to_string().as_bytes()).unwrap_err();
        assert!(error.attribute().starts_with(attribute), "{error}");
    }
    assert_eq!(
        CloudEvent::from_json(b"[]").unwrap_err().attribute(),
        "body"
    );
    let mut more = good;
    more["traceparent"] = json!("00-1");
    more["data"]["object"]["new"] = json!({"deep": [1, true, null]});
    CloudEvent::from_json(more.to_string().as_bytes()).unwrap();
}

#[test]
fn events_are_readable_as_json() {
    let events = |name| serde_json::to_value(fixture(name)).unwrap();
    insta::assert_json_snapshot!("lead_status", events("lead.status"));
    insta::assert_json_snapshot!("contact_note", events("contact.note"));
    insta::assert_json_snapshot!("unsorted_accept", events("unsorted.delete.accept"));
    insta::assert_json_snapshot!("message", events("message.add"));
}
