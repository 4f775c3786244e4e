//! Requests for what the emulator has not.

use std::time::Duration;

use amocrm_sdk::contacts::{ContactFilter, ContactWith};
use amocrm_sdk::custom_fields::{ChainedCatalog, FieldOwner, NestedInput, NewCustomField};
use amocrm_sdk::fields::FieldType;
use amocrm_sdk::leads::{Call, CallMetadata, ComplexLead, LeadWith, NewLead};
use amocrm_sdk::links::{EntityType, NewLink};
use amocrm_sdk::pipelines::StatusLevel;
use amocrm_sdk::{
    CatalogId, Client, ContactId, CustomFieldId, LeadId, PipelineId, Request, StatusId, UserId,
};
use chrono::{TimeZone, Utc};
use serde_json::{Value, json};

fn client() -> Client {
    Client::builder("acme")
        .long_lived_token("token")
        .build()
        .unwrap()
}

#[track_caller]
fn body(request: &Request) -> Value {
    serde_json::from_slice(request.body().unwrap()).unwrap()
}

#[track_caller]
fn only(requests: amocrm_sdk::Result<Vec<Request>>) -> Value {
    let requests = requests.unwrap();
    assert_eq!(requests.len(), 1);
    body(&requests[0])
}

#[tokio::test]
async fn a_lead_names_its_source_and_its_visitor() {
    let lead = NewLead::new().source("landing-7").visitor_uid("2b7f");
    assert_eq!(
        only(client().leads().create([lead]).into_requests()),
        json!([{
            "request_id": "0", "visitor_uid": "2b7f",
            "_embedded": {"source": {"external_id": "landing-7", "type": "widget"}},
        }])
    );
}

#[tokio::test]
async fn a_call_becomes_an_incoming_lead() {
    let call = Call {
        uniq: "c-100".into(),
        phone: "+79000000001".into(),
        called_at: Utc.timestamp_opt(1_769_000_000, 0).unwrap(),
        duration: Duration::from_secs(75),
        link: "https://pbx.example/rec/100.mp3".into(),
        service_code: "acme-pbx".into(),
    };
    let metadata = CallMetadata::from(call.clone())
        .caller("Анна")
        .callee(UserId::new(901))
        .call_event(false);
    assert!(!format!("{call:?} {metadata:?}").contains("7900"));
    let lead = ComplexLead::new()
        .name("Звонок")
        .source("pbx")
        .call(metadata);
    assert_eq!(
        only(client().leads().create_complex([lead]).into_requests()),
        json!([{
            "request_id": "0", "name": "Звонок",
            "_embedded": {
                "source": {"external_id": "pbx", "type": "widget"},
                "metadata": {
                    "category": "sip", "uniq": "c-100", "phone": "+79000000001", "called_at": 1_769_000_000, "duration": 75,
                    "link": "https://pbx.example/rec/100.mp3", "service_code": "acme-pbx", "from": "Анна",
                    "call_responsible": 901, "is_call_event_needed": false,
                },
            },
        }])
    );
}

#[tokio::test]
async fn with_words_and_filters_of_cards_go_into_the_query() {
    let client = client();
    let lead = client.leads().get(LeadId::new(1)).with([LeadWith::Source]);
    assert_eq!(
        lead.into_request().query_pairs(),
        [("with".to_owned(), "source".to_owned())]
    );
    let field = CustomFieldId::new(777);
    let contacts = client
        .contacts()
        .list()
        .with([ContactWith::SocialProfiles])
        .filter(
            ContactFilter::new()
                .custom_field(field, [1, 2])
                .custom_field_range(CustomFieldId::new(778), ..10),
        )
        .into_request(1);
    let query: Vec<String> = contacts
        .query_pairs()
        .iter()
        .filter(|(key, _)| key != "page" && key != "limit")
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        query,
        [
            "with=social_profiles",
            "filter[custom_fields_values][777][]=1",
            "filter[custom_fields_values][777][]=2",
            "filter[custom_fields_values][778][to]=9",
        ]
    );
}

#[tokio::test]
async fn links_of_many_carry_their_entity() {
    let links = client().links_of(EntityType::Leads);
    let requests = links
        .unlink([(LeadId::new(7), NewLink::to(ContactId::new(9)))])
        .into_requests()
        .unwrap();
    assert_eq!(requests[0].path(), "/api/v4/leads/unlink");
    assert_eq!(
        body(&requests[0]),
        json!([{"entity_id": 7, "to_entity_id": 9, "to_entity_type": "contacts"}])
    );
}

#[tokio::test]
async fn a_category_is_a_tree_and_a_chained_list_a_chain() {
    let client = client();
    let known: amocrm_sdk::custom_fields::NestedOption =
        serde_json::from_value(json!({"id": 33, "parent_id": null, "value": "Дома", "sort": 1}))
            .unwrap();
    let tree = NestedInput::keep(&known)
        .child(NestedInput::new("Виллы").child("С бассейном"))
        .child("Таунхаусы");
    let category = NewCustomField::new("Категория", FieldType::Category)
        .nested([tree, "Земля".into()])
        .required(true)
        .visible(true)
        .deletable(false);
    let catalog = client.custom_fields(FieldOwner::Catalog(CatalogId::new(3003)));
    assert_eq!(
        only(catalog.create([category]).into_requests()),
        json!([{
            "request_id": "0", "name": "Категория", "type": "category",
            "is_required": true, "is_visible": true, "is_deletable": false,
            "nested": [
                {"id": 33, "value": "Дома", "sort": 1},
                {"request_id": "1", "parent_id": 33, "value": "Виллы", "sort": 2},
                {"request_id": "2", "parent_request_id": "1", "value": "С бассейном", "sort": 3},
                {"request_id": "3", "parent_id": 33, "value": "Таунхаусы", "sort": 4},
                {"request_id": "4", "value": "Земля", "sort": 5},
            ],
        }])
    );

    let chain = NewCustomField::new("Объект", FieldType::ChainedList).chained_lists([
        ChainedCatalog::new("Посёлок", CatalogId::new(3003)),
        ChainedCatalog::new("Вилла", CatalogId::new(3004)).after(CatalogId::new(3003)),
    ]);
    let leads = client.custom_fields(FieldOwner::Leads);
    assert_eq!(
        only(leads.create([chain]).into_requests())[0]["chained_lists"],
        json!([
            {"title": "Посёлок", "catalog_id": 3003, "parent_catalog_id": null},
            {"title": "Вилла", "catalog_id": 3004, "parent_catalog_id": 3003},
        ])
    );
}

#[tokio::test]
async fn every_builder_shows_its_request() {
    let client = client();
    let groups = client.custom_fields(FieldOwner::Leads).groups();
    let update = groups
        .update("leads/../7?x")
        .name("Объект")
        .into_request()
        .unwrap();
    assert_eq!(
        update.path(),
        "/api/v4/leads/custom_fields/groups/leads%2F..%2F7%3Fx"
    );
    assert_eq!(body(&update), json!({"name": "Объект"}));
    assert_eq!(
        groups.delete("группа 7").into_request().path(),
        "/api/v4/leads/custom_fields/groups/%D0%B3%D1%80%D1%83%D0%BF%D0%BF%D0%B0%207"
    );
    let create =
        groups
            .create((0..251).map(|n| {
                amocrm_sdk::custom_fields::NewCustomFieldGroup::new(format!("Группа {n}"), n)
            }))
            .into_requests()
            .unwrap();
    assert_eq!(create.len(), 2);
    let tags = client.tags(EntityType::Unknown("leads/1".into()));
    assert_eq!(tags.list().into_request(1).path(), "/api/v4/leads%2F1/tags");
    let unsubscribe = client.webhooks().unsubscribe("https://gw.example/secret");
    assert!(!format!("{unsubscribe:?}").contains("secret"));
    assert_eq!(
        body(&unsubscribe.into_request().unwrap()),
        json!({"destination": "https://gw.example/secret"})
    );
}

#[tokio::test]
async fn hints_of_a_stage_keep_their_ids() {
    let read: amocrm_sdk::pipelines::Status = serde_json::from_value(json!({
        "id": 312, "descriptions": [{"id": 8, "level": "newbie", "description": "Позвонить", "created_by": 0}],
    }))
    .unwrap();
    let request = client()
        .pipelines()
        .statuses(PipelineId::new(31))
        .update(StatusId::new(312))
        .descriptions(read.descriptions)
        .description(StatusLevel::Master, "Показать")
        .into_request()
        .unwrap();
    assert_eq!(
        body(&request)["descriptions"],
        json!([
            {"id": 8, "level": "newbie", "description": "Позвонить"},
            {"level": "master", "description": "Показать"},
        ])
    );
}
