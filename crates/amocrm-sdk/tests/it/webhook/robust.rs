//! What else arrives.

use amocrm_sdk::LeadId;
use amocrm_sdk::webhook::{
    self, Action, CloudEvent, Event, ParseError, ParseErrorKind, Tree, WebhookEvent,
};
use proptest::prelude::*;
use serde_json::json;

use super::fixtures;

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
fn an_item_without_an_id_costs_none_of_the_items_beside_it() {
    let body = b"leads[add][0][id]=1&leads[add][1][name]=secret&leads[add][2][id]=3&event[type]=1&contacts[add][0][id]=4\
        &contacts[update][0][0][type]=company&add[0][type]=waba";
    let payload = webhook::parse(body).unwrap();
    let events: Vec<_> = payload.events.iter().map(Event::entity_id).collect();
    assert_eq!(events, ["1", "3", "4"].map(|id| Some(id.to_owned())));
    let keys: Vec<_> = payload.problems.iter().map(ParseError::key).collect();
    assert_eq!(
        keys,
        [
            "leads[add][1][id]",
            "event[data][id]",
            "contacts[update][0][0][id]",
            "add[0][id]"
        ]
    );
    assert!(!format!("{payload:?}").contains("secret"));
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
                let sent = CloudEvent::new("1", event.clone(), payload.account.clone());
                let read = CloudEvent::from_json(&serde_json::to_vec(&sent).unwrap()).unwrap();
                prop_assert_eq!(&read.event, event);
            }
        }
    }

    #[test]
    fn a_cut_or_bitten_delivery_never_panics(at in any::<prop::sample::Index>(), which in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let bodies: Vec<Vec<u8>> = fixtures().into_values().collect();
        let body = which.get(&bodies);
        let at = at.index(body.len());
        let _ = webhook::parse(&body[..at]);
        let mut bitten = body.clone();
        bitten[at] = byte;
        let _ = webhook::parse(&bitten);
    }
}
