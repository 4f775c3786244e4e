//! Filters of the feed and of talks, and the outcomes of calls, links and bots, without the emulator.

use amocrm_sdk::bots::{BotFilter, BotFunctionality};
use amocrm_sdk::calls::{CallDirection, NewCall};
use amocrm_sdk::events::{EntityKind, EventFilter, EventType, EventWith, Language};
use amocrm_sdk::notes::{NoteFilter, NoteType};
use amocrm_sdk::short_links::NewShortLink;
use amocrm_sdk::talks::TalkFilter;
use amocrm_sdk::unsorted::{SummaryFilter, UnsortedCategory, UnsortedFilter};
use amocrm_sdk::{
    BotId, ContactId, CustomFieldId, CustomerStatusId, ErrorKind, FieldEnumId, LeadId, PipelineId,
    Request, StatusId, UserId,
};
use chrono::{TimeZone, Utc};

use crate::script::{Script, json};

fn query(request: &Request) -> Vec<String> {
    request
        .query_pairs()
        .iter()
        .filter(|(key, _)| key != "page" && key != "limit")
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

fn fixture(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/amocrm/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

#[tokio::test]
async fn the_feed_is_filtered_by_entities_users_types_and_values() {
    let client = Script::new([]).client();
    let list = |filter| client.events().list().filter(filter).into_request(1);
    let begin = Utc.timestamp_opt(1_769_000_000, 0).unwrap();
    let filter = EventFilter::new()
        .of(LeadId::new(7))
        .of(LeadId::new(8))
        .created_by([UserId::new(0)])
        .types([EventType::LeadAdded])
        .created_at(begin..);
    let request = client
        .events()
        .list()
        .limit(250)
        .with([EventWith::LeadName, EventWith::Note])
        .filter(filter)
        .into_request(1);
    assert!(
        request
            .query_pairs()
            .contains(&("limit".into(), "100".into()))
    );
    assert_eq!(
        query(&request),
        [
            "with=lead_name,note",
            "filter[created_at][from]=1769000000",
            "filter[type][]=lead_added",
            "filter[entity][]=lead",
            "filter[entity_id][]=7",
            "filter[entity_id][]=8",
            "filter[created_by][]=0",
        ]
    );
    let (pipeline, won) = (PipelineId::new(11), StatusId::new(142));
    let moved = EventFilter::new()
        .status_before(pipeline, StatusId::new(55))
        .status_after(pipeline, won)
        .status_after(PipelineId::new(12), won);
    assert_eq!(
        query(&list(moved)),
        [
            "filter[type][]=lead_status_changed",
            "filter[value_before][leads_statuses][0][pipeline_id]=11",
            "filter[value_before][leads_statuses][0][status_id]=55",
            "filter[value_after][leads_statuses][0][pipeline_id]=11",
            "filter[value_after][leads_statuses][0][status_id]=142",
            "filter[value_after][leads_statuses][1][pipeline_id]=12",
            "filter[value_after][leads_statuses][1][status_id]=142",
        ]
    );
    let chosen = EventFilter::new().option_after(
        CustomFieldId::new(777),
        [FieldEnumId::new(1), FieldEnumId::new(2)],
    );
    assert_eq!(
        query(&list(chosen)),
        [
            "filter[type][]=custom_field_777_value_changed",
            "filter[value_after][custom_field_values]=1,2",
        ]
    );
    let given = EventFilter::new().responsible_before([UserId::new(1), UserId::new(2)]);
    assert_eq!(
        query(&list(given))[1],
        "filter[value_before][responsible_user_id]=1,2"
    );
    let rated = EventFilter::new()
        .types([EventType::NpsRateAdded])
        .value_after("9");
    assert_eq!(query(&list(rated))[1], "filter[value_after][value]=9");
    let customers = EventFilter::new().customer_status_after(CustomerStatusId::new(5));
    assert_eq!(
        query(&list(customers))[1],
        "filter[value_after][customers_statuses][0][status_id]=5"
    );
    let types = client.events().types().language(Language::Russian);
    assert_eq!(
        types.into_request().target(),
        "/api/v4/events/types?language_code=ru"
    );
    let one = client.events().get("01hx/../?").into_request();
    assert_eq!(one.path(), "/api/v4/events/01hx%2F..%2F%3F");
}

#[tokio::test]
async fn what_the_feed_does_not_take_together_is_not_sent() {
    let script = Script::new([]);
    let client = script.client();
    let eleven = (1..=11).map(UserId::new);
    let refused = [
        (
            EventFilter::new().entity_ids([1_u64]),
            "filter[entity_id]: expected exactly one type",
        ),
        (
            EventFilter::new()
                .entities([EntityKind::Lead, EntityKind::Contact])
                .entity_ids([1_u64]),
            "filter[entity_id]: expected exactly one type",
        ),
        (
            EventFilter::new()
                .entities([EntityKind::Lead])
                .entity_ids(1..=11_u64),
            "filter[entity_id]: expected at most 10",
        ),
        (
            EventFilter::new().created_by(eleven),
            "filter[created_by]: expected at most 10",
        ),
        (
            EventFilter::new()
                .field_changed(CustomFieldId::new(7))
                .types([EventType::LeadAdded]),
            "filter[type]: expected custom_field_7_value_changed alone",
        ),
        (
            EventFilter::new()
                .value_after("9")
                .types([EventType::LeadAdded]),
            "filter[value_after][value]: expected a type of event that has such values",
        ),
    ];
    for (filter, why) in refused {
        let error = client
            .events()
            .list()
            .filter(filter)
            .all()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(why), "{error}");
    }
    // A condition without an alternative lets nothing through, and amoCRM would have ignored it.
    for nothing in [
        EventFilter::new().types([]),
        EventFilter::new().entities([]),
        EventFilter::new().responsible_after([]),
    ] {
        assert!(
            client
                .events()
                .list()
                .filter(nothing)
                .all()
                .await
                .unwrap()
                .is_empty()
        );
    }
    let nothing = SummaryFilter::new().uids([]);
    assert_eq!(
        client
            .unsorted()
            .summary()
            .filter(nothing)
            .await
            .unwrap()
            .total,
        0
    );
    assert_eq!(script.count(), 0);
}

#[tokio::test]
async fn the_other_lists_are_filtered_too() {
    let client = Script::new([]).client();
    let talks = client.talks().list().filter(
        TalkFilter::new()
            .of(LeadId::new(7))
            .contacts([ContactId::new(8)])
            .in_work(),
    );
    assert_eq!(
        query(&talks.into_request(1)),
        [
            "filter[entity_id]=7",
            "filter[entity_type]=lead",
            "filter[contact_id][]=8",
            "filter[only_in_work]=1"
        ]
    );
    let unsorted = UnsortedFilter::new()
        .uids(["3c9f".into()])
        .categories([UnsortedCategory::Sip, UnsortedCategory::Forms])
        .pipeline(PipelineId::new(31));
    assert_eq!(
        query(&client.unsorted().list().filter(unsorted).into_request(1)),
        [
            "filter[uid][]=3c9f",
            "filter[category][]=sip",
            "filter[category][]=forms",
            "filter[pipeline_id]=31"
        ]
    );
    let bots = BotFilter::new()
        .ids([BotId::new(1)])
        .functionalities([BotFunctionality::Nps]);
    assert_eq!(
        query(&client.bots().list().filter(bots).into_request(1)),
        ["filter[id][]=1", "filter[type_functionality][]=nps"]
    );
    let notes = NoteFilter::new().entities([7, 8]).types([NoteType::CallIn]);
    let notes = client
        .notes_of(amocrm_sdk::links::EntityType::Leads)
        .list()
        .filter(notes);
    assert_eq!(
        query(&notes.into_request(1)),
        [
            "filter[entity_id][]=7",
            "filter[entity_id][]=8",
            "filter[note_type][]=call_in"
        ]
    );
    let until = Utc.timestamp_opt(1_769_000_000, 0).unwrap();
    let summary = client
        .unsorted()
        .summary()
        .filter(SummaryFilter::new().created_at(..=until));
    assert_eq!(
        summary.into_request().query_pairs(),
        [("filter[created_at][to]".to_owned(), "1769000000".to_owned())]
    );
}

#[tokio::test]
async fn each_call_has_its_own_outcome_in_the_order_of_the_input() {
    let call = |phone: &str| NewCall::new(CallDirection::Inbound, phone, "pbx", 10);
    let both = [call("+70000000001"), call("+70000000009")];
    for status in [200, 207, 400] {
        let script = Script::new([json(status, &fixture("calls_partial_response.json"))]);
        let outcomes = script.client().calls().create(both.clone()).await;
        let outcomes = outcomes.unwrap_or_else(|error| panic!("{status}: {error}"));
        let [Ok(added), Err(refused)] = outcomes.as_slice() else {
            panic!("{status}: one of each")
        };
        assert_eq!(added.entity_type, Some(EntityKind::Contact));
        assert_eq!(refused.status, Some(263));
        assert!(refused.to_string().contains("Entity not found"));
    }
    let script = Script::new([json(400, &fixture("calls_refused_response.json"))]);
    let outcomes = script
        .client()
        .calls()
        .create([call("+70000000009")])
        .await
        .unwrap();
    assert!(outcomes[0].is_err());
    // One error without a number speaks for all that is left.
    let anonymous = r#"{"errors": [{"title": "Entity not found"}], "_embedded": {"calls": [{"id": 7, "request_id": "1"}]}}"#;
    let script = Script::new([json(200, anonymous)]);
    let outcomes =
        script
            .client()
            .calls()
            .create([both[0].clone(), both[1].clone(), both[0].clone()]);
    let outcomes = outcomes.await.unwrap();
    assert_eq!(
        outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [false, true, false]
    );
    // A refusal of the whole request is an error of the whole call.
    let script = Script::new([json(400, &fixture("validation_errors.json"))]);
    let error = script.client().calls().create(both).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
}

#[tokio::test]
async fn calls_and_runs_are_never_repeated() {
    for answer in [crate::script::dropped, || json(504, "{}")] {
        let script = Script::then([], move |_| answer());
        let client = script.client();
        let call = NewCall::new(CallDirection::Inbound, "+70000000001", "pbx", 10);
        client.calls().create([call]).await.unwrap_err();
        client
            .bots()
            .run(BotId::new(1), LeadId::new(7))
            .await
            .unwrap_err();
        client
            .bots()
            .run_many([(BotId::new(1), LeadId::new(7).into())])
            .await
            .unwrap_err();
        assert_eq!(script.count(), 3);
    }
}

#[tokio::test]
async fn a_bot_is_not_sent_more_than_amocrm_takes() {
    let script = Script::new([]);
    let bots = script.client().bots();
    let resume = || bots.resume(BotId::new(1), 2);
    let full = (0..11).fold(resume(), |answer, _| answer.show("Да"));
    let wide = resume().show_buttons("Выберите", (0..26).map(|number| number.to_string()));
    let long = resume().show("я".repeat(81));
    for (answer, why) in [
        (full, "execute_handlers"),
        (wide, "buttons"),
        (long, "value"),
    ] {
        let error = answer.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(why), "{error}");
    }
    resume().show("я".repeat(80)).into_request().unwrap();
    let hundred_and_one = (1..=101).map(|lead| (BotId::new(1), LeadId::new(lead).into()));
    assert_eq!(
        bots.run_many(hundred_and_one)
            .into_requests()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(script.count(), 0);
}

#[tokio::test]
async fn a_short_link_that_was_skipped_is_none() {
    let script = Script::new([json(200, &fixture("short_links_create_response.json"))]);
    let links = [50_000_001, 50_000_002, 50_000_003]
        .map(|contact| NewShortLink::new("https://example.org/plan", ContactId::new(contact)));
    let made = script.client().short_links().create(links).await.unwrap();
    let made: Vec<_> = made
        .iter()
        .map(|link| link.as_ref().map(|link| link.url.as_str()))
        .collect();
    assert_eq!(
        made,
        [
            Some("https://amo.sh/AAA111"),
            None,
            Some("https://amo.sh/CCC333")
        ]
    );
}
