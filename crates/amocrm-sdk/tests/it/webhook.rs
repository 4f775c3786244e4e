//! Webhook bodies against the fixtures written from the API notes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use amocrm_sdk::fields::kind::{
    Birthday, Checkbox, Date, Items, LegalEntity, Multiselect, Numeric, Radiobutton, Select, Url,
};
use amocrm_sdk::fields::{EMAIL, Field, PHONE, POSITION, UTM_SOURCE};
use amocrm_sdk::webhook::{
    self, Action, Event, ParseErrorKind, Payload, Tree, UnsortedOutcome, WebhookEvent,
};
use amocrm_sdk::{AccountId, LeadId, PipelineId, StatusId, UserId};
use proptest::prelude::*;
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

/// The only event of a fixture, taken apart.
macro_rules! only {
    ($name:literal, $variant:ident) => {
        match fixture($name).events.as_slice() {
            [Event::$variant(event)] => event.clone(),
            events => panic!("expected one event of another kind: {events:?}"),
        }
    };
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

#[test]
fn a_lead_comes_with_typed_custom_fields_in_every_layout() {
    let lead = only!("lead.add", Lead);
    assert_eq!(lead.name.as_deref(), Some("Chinese from zero"));
    assert_eq!(lead.price, Some(1500));
    assert_eq!(lead.tags.len(), 2);
    assert_eq!(lead.tags[0].name.as_deref(), Some("vip"));
    let fields = &lead.custom_fields;
    assert_eq!(fields.get(&UTM_SOURCE).unwrap().as_deref(), Some("google"));
    assert_eq!(
        fields
            .get(&Field::<Numeric>::id(502))
            .unwrap()
            .and_then(|number| number.as_i64()),
        Some(12)
    );
    assert_eq!(fields.get(&Field::<Checkbox>::id(503)).unwrap(), Some(true));
    let source = fields.get(&Field::<Select>::id(504)).unwrap().unwrap();
    assert_eq!(
        (source.text.as_deref(), source.enum_id),
        (Some("Site"), Some(611.into()))
    );
    assert_eq!(
        fields
            .get(&Field::<Multiselect>::id(505))
            .unwrap()
            .unwrap()
            .len(),
        2
    );
    // Not indexed on the wire.
    let level = fields.get(&Field::<Radiobutton>::id(506)).unwrap().unwrap();
    assert_eq!(
        (level.text.as_deref(), level.enum_id),
        (Some("HSK 2"), Some(631.into()))
    );
    // A bare value on the wire.
    assert_eq!(
        fields
            .get(&Field::<Date>::id(507))
            .unwrap()
            .unwrap()
            .date()
            .to_string(),
        "2026-03-08"
    );
    assert_eq!(
        fields
            .get(&Field::<Birthday>::id(508))
            .unwrap()
            .unwrap()
            .date()
            .to_string(),
        "1980-01-12"
    );
    assert_eq!(
        fields.get(&Field::<Url>::id(509)).unwrap().as_deref(),
        Some("https://school.example/?a=1&b=2")
    );
}

#[test]
fn a_moved_lead_tells_where_from() {
    let lead = only!("lead.status", Lead);
    assert_eq!(
        (lead.status_id, lead.old_status_id),
        (Some(StatusId::new(142)), Some(StatusId::new(60_000_002)))
    );
    assert_eq!(lead.updated_at.unwrap().timestamp(), 1_769_000_100);
    let robot = only!("lead.status.no_pipeline", Lead);
    assert_eq!(
        (robot.pipeline_id, robot.modified_user_id),
        (None, Some(UserId::new(0)))
    );
    let trigger = only!("lead.status.digital_pipeline", Lead);
    assert_eq!(trigger.old_pipeline_id, Some(PipelineId::new(7_000_001)));
}

#[test]
fn several_items_keep_their_order() {
    let payload = fixture("lead.update.several");
    let ids: Vec<String> = payload.events.iter().filter_map(Event::entity_id).collect();
    let expected: Vec<String> = (40_000_001..40_000_013).map(|id| id.to_string()).collect();
    assert_eq!(ids, expected);
    let ids = |name| {
        fixture(name)
            .events
            .iter()
            .filter_map(Event::entity_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("lead.delete.scalar"), ["40000001"]);
    assert_eq!(ids("lead.delete.scalars"), ["40000001", "40000002"]);
}

#[test]
fn companies_come_under_contacts_and_under_their_own_key() {
    let contact = only!("contact.add", Contact);
    assert_eq!(
        contact.linked_leads,
        [LeadId::new(40_000_001), LeadId::new(40_000_002)]
    );
    let phones = contact.custom_fields.get(&PHONE).unwrap().unwrap();
    assert_eq!((phones.len(), phones[1].enum_id), (2, Some(1203.into())));
    assert_eq!(
        contact.custom_fields.get(&EMAIL).unwrap().unwrap()[0].value,
        "ann@school.example"
    );
    assert_eq!(
        contact.custom_fields.get(&POSITION).unwrap().as_deref(),
        Some("Student")
    );
    let company = only!("company.add", Company);
    let requisites = company
        .custom_fields
        .get(&Field::<LegalEntity>::id(605))
        .unwrap()
        .unwrap();
    assert_eq!(
        (requisites[0].kpp.as_deref(), requisites[0].entity_type),
        (Some("770001001"), Some(2))
    );
    assert_eq!(
        only!("company.update.own_key", Company).id.get(),
        51_000_001
    );
    let note = only!("company.note", Company);
    assert_eq!(note.note.unwrap().text.as_deref(), Some("Call after six"));
}

#[test]
fn the_rest_of_the_entities_tell_their_own() {
    let task = only!("task.update.nested", Task);
    assert_eq!(
        (task.is_completed, task.action_close),
        (Some(true), Some(true))
    );
    assert_eq!(task.result.unwrap().text.as_deref(), Some("done"));
    assert_eq!(task.complete_before.unwrap().timestamp(), 1_769_115_540);
    let form = only!("unsorted.add.forms", Unsorted);
    assert_eq!(
        (form.category.as_deref(), form.outcome.clone()),
        (Some("forms"), None)
    );
    assert_eq!(form.leads, [LeadId::new(40_000_009)]);
    assert_eq!(
        form.raw
            .at(["source_data", "form_name"])
            .and_then(Tree::as_str),
        Some("Free lesson")
    );
    let declined = only!("unsorted.delete.decline", Unsorted);
    assert_eq!(declined.outcome, Some(UnsortedOutcome::Decline));
    assert_eq!(declined.leads, [LeadId::new(40_000_009)]);
    let element = only!("catalog_element.add", CatalogElement);
    let items = element
        .custom_fields
        .get(&Field::<Items>::code("ITEMS"))
        .unwrap()
        .unwrap();
    assert_eq!(
        items[0]
            .unit_price
            .as_ref()
            .map(ToString::to_string)
            .as_deref(),
        Some("495.25")
    );
    assert_eq!(items[0].product_id, Some(90_000_002.into()));
    assert_eq!(element.is_deleted, Some(false));
    let message = only!("message.add.attachment", Message);
    assert_eq!(message.attachment.unwrap().kind.as_deref(), Some("picture"));
    let talk = only!("talk.update.closed", Talk);
    assert_eq!((talk.is_in_work, talk.is_read), (Some(false), Some(true)));
    let widget = only!("widget.lead_status_changed", Widget);
    assert_eq!(
        (widget.event_type, widget.status_id),
        (Some(14), Some(StatusId::new(60_000_002)))
    );
    assert_eq!(
        widget
            .settings
            .unwrap()
            .get("template")
            .and_then(Tree::as_str),
        Some("welcome")
    );
    assert_eq!(only!("customer.note", Customer).id.get(), 52_000_001);
    assert_eq!(
        only!("template_review.add", TemplateReview).is_on_review,
        Some(true)
    );
}

#[test]
fn events_are_readable_as_json() {
    let events = |name| serde_json::to_value(fixture(name)).unwrap();
    insta::assert_json_snapshot!("lead_status", events("lead.status"));
    insta::assert_json_snapshot!("contact_note", events("contact.note"));
    insta::assert_json_snapshot!("unsorted_accept", events("unsorted.delete.accept"));
    insta::assert_json_snapshot!("message", events("message.add"));
}

#[test]
fn the_users_own_json_is_taken_too() {
    let payload = webhook::parse_json(
        br#"{"leads": {"add": [{"id": 123, "name": "Test", "price": 1500.0}]}}"#,
    )
    .unwrap();
    let [Event::Lead(lead)] = payload.events.as_slice() else {
        panic!("{:?}", payload.events)
    };
    assert_eq!(
        (lead.id, lead.price, payload.account.id),
        (LeadId::new(123), Some(1500), None)
    );
}

#[test]
fn what_is_unknown_is_kept_and_breaks_nothing() {
    let payload = webhook::parse(
        b"rockets[launch][0][id]=7&leads[teleport][0][id]=8&leads[dream][0][about]=x&leads[add]=&a=1&contacts=2&7=3",
    )
    .unwrap();
    let told: Vec<String> = payload
        .events
        .iter()
        .map(|event| {
            format!(
                "{} {} {:?}",
                event.entity_kind(),
                event.action(),
                event.entity_id()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "rockets launch None",
            "lead teleport Some(\"8\")",
            "leads dream None"
        ]
    );
    let Event::Unknown(rocket) = &payload.events[0] else {
        panic!()
    };
    assert_eq!(
        serde_json::to_value(&rocket.raw).unwrap(),
        json!([{"id": "7"}])
    );
    assert_eq!(
        payload.events[1].action(),
        &Action::Unknown("teleport".into())
    );
    assert!(webhook::parse(b"").unwrap().events.is_empty());
}

#[test]
fn odd_values_do_not_cost_the_event() {
    let body = b"leads[update][0][id]=7&leads[update][0][price]=a+lot&leads[update][0][status_id]=-1\
        &leads[update][0][updated_at]=99999999999999999&leads[update][0][tags]=x&leads[update][0][custom_fields][0]=y\
        &leads[update][0][name][first]=z&leads[update][0][created_at]=0&leads[update][0][last_modified]=5";
    let payload = webhook::parse(body).unwrap();
    let [Event::Lead(lead)] = payload.events.as_slice() else {
        panic!()
    };
    assert_eq!(
        (
            lead.price,
            lead.status_id,
            lead.updated_at,
            lead.created_at,
            &lead.name
        ),
        (None, None, None, None, &None)
    );
    assert_eq!(lead.raw.get("price").and_then(Tree::as_str), Some("a lot"));
}

#[test]
fn an_item_without_an_id_is_an_error_that_names_the_key() {
    let error = |body: &str| webhook::parse(body.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        error("leads[add][0][name]=secret"),
        "webhook leads[add][0][id]: expected a numeric id"
    );
    assert_eq!(
        error("leads[add][1][id]=secret"),
        "webhook leads[add][1][id]: expected a numeric id"
    );
    assert_eq!(
        error("leads[delete]=secret"),
        "webhook leads[delete][id]: expected a numeric id"
    );
    assert_eq!(
        error("task[update][0][0][id]=0"),
        "webhook task[update][0][0][id]: expected a numeric id"
    );
    assert_eq!(
        error("unsorted[add][0][category]=forms"),
        "webhook unsorted[add][0][uid]: expected a uid"
    );
    assert_eq!(
        error("add[0][type]=waba"),
        "webhook add[0][id]: expected an id"
    );
    assert_eq!(
        error("event[type]=1"),
        "webhook event[data][id]: expected a numeric id"
    );
    let error = webhook::parse_json(b"secret").unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ParseErrorKind::Malformed,
            "webhook body: expected a JSON object"
        )
    );
}

#[test]
fn repetitions_share_a_key_and_edits_do_not() {
    let key = |body: &str| {
        let payload = webhook::parse(body.as_bytes()).unwrap();
        payload.events[0].dedup_key(&payload.account)
    };
    let edit = "account[id]=1&leads[update][0][id]=7&leads[update][0][updated_at]=1769000100&leads[update][0][price]=1";
    assert!(
        key(edit).starts_with("1/lead/update/7/1769000100/"),
        "{}",
        key(edit)
    );
    assert_eq!(key(edit), key(edit));
    // A second edit within the same second.
    assert_ne!(key(edit), key(&edit.replace("[price]=1", "[price]=2")));
    assert_ne!(key(edit), key(&edit.replace("update]", "status]")));
    assert_ne!(
        key(edit),
        key(&edit.replace("account[id]=1", "account[id]=2"))
    );
}

#[test]
fn debug_shows_no_names_texts_or_phones() {
    for (name, body) in fixtures() {
        let debug = format!("{:?}", webhook::parse(&body).unwrap());
        for private in [
            "Ann",
            "900 000",
            "school.example",
            "Hello",
            "Call after six",
            "Chinese",
        ] {
            assert!(!debug.contains(private), "{name}: {debug}");
        }
    }
}

#[test]
fn subscription_codes_are_words_both_ways() {
    assert_eq!(WebhookEvent::KNOWN.len(), 36);
    for event in WebhookEvent::KNOWN {
        let json = serde_json::to_string(event).unwrap();
        assert_eq!(json, format!("\"{event}\""));
        assert_eq!(serde_json::from_str::<WebhookEvent>(&json).unwrap(), *event);
    }
    assert_eq!(
        "add_rocket".parse(),
        Ok(WebhookEvent::Unknown("add_rocket".into()))
    );
}

/// Keys that amoCRM uses, put together at random.
fn structured_body() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "leads",
        "contacts",
        "companies",
        "customers",
        "task",
        "unsorted",
        "catalogs",
        "message",
        "talk",
        "add",
        "update",
        "delete",
        "status",
        "note",
        "event",
        "action",
        "account",
        "id",
        "uid",
        "talk_id",
        "type",
        "0",
        "1",
        "999999999999",
        "",
        "custom_fields",
        "values",
        "value",
        "enum",
        "tags",
        "data",
        "result",
        "linked_leads_id",
        "ID",
        "company",
        "settings",
    ]);
    let value = prop_oneof![
        "[0-9]{0,20}",
        "\\PC{0,8}",
        Just("company".to_owned()),
        Just("1".to_owned())
    ];
    let pair = (prop::collection::vec(word, 1..8), value);
    prop::collection::vec(pair, 0..24).prop_map(|pairs| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (path, value) in pairs {
            let key: String = path
                .iter()
                .enumerate()
                .map(|(at, word)| {
                    if at == 0 {
                        (*word).to_owned()
                    } else {
                        format!("[{word}]")
                    }
                })
                .collect();
            form.append_pair(&key, &value);
        }
        form.finish()
    })
}

proptest! {
    #[test]
    fn any_bytes_parse_or_are_refused(body in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = webhook::parse(&body);
        let _ = webhook::parse_json(&body);
    }

    #[test]
    fn any_structured_body_parses_or_is_refused(body in structured_body()) {
        if let Ok(payload) = webhook::parse(body.as_bytes()) {
            for event in &payload.events {
                let key = event.dedup_key(&payload.account);
                prop_assert_eq!(&key, &event.dedup_key(&payload.account));
                let _ = (event.entity_kind(), event.updated_at(), format!("{event:?}"), serde_json::to_string(event).unwrap());
            }
        }
    }

    #[test]
    fn a_cut_or_bitten_delivery_never_panics(at in any::<prop::sample::Index>(), which in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let fixtures = fixtures();
        let body = which.get(&fixtures.values().collect::<Vec<_>>()).to_vec();
        let at = at.index(body.len());
        let _ = webhook::parse(&body[..at]);
        let mut bitten = body.clone();
        bitten[at] = byte;
        let _ = webhook::parse(&bitten);
    }
}
