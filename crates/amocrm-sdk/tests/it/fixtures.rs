//! `fixtures/amocrm/`: the bodies the emulator is tested against, read and written by the SDK.

use std::fmt::Debug;
use std::path::PathBuf;

use amocrm_sdk::account::{Account, InvoicesSettings};
use amocrm_sdk::companies::{Company, NewCompany};
use amocrm_sdk::contacts::{Contact, NewContact};
use amocrm_sdk::custom_fields::{CustomField, CustomFieldGroup};
use amocrm_sdk::entity::EntityTag;
use amocrm_sdk::fields::{ContactValue, CustomFieldValues, EMAIL, PHONE, UTM_SOURCE, WEB};
use amocrm_sdk::leads::{Lead, LeadPatch};
use amocrm_sdk::links::{EntityType, Link, NewLink};
use amocrm_sdk::loss_reasons::LossReason;
use amocrm_sdk::notes::{NewNote, Note};
use amocrm_sdk::pipelines::{Pipeline, Status};
use amocrm_sdk::tags::NewTag;
use amocrm_sdk::users::User;
use amocrm_sdk::webhook::WebhookEvent;
use amocrm_sdk::webhooks::Webhook;
use amocrm_sdk::{
    CatalogElementId, CatalogId, Client, CompanyId, ContactId, LeadId, PipelineId, Request,
    StatusId,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

mod activity;
mod catalogs;
mod customers;
mod files;
mod office;

pub(crate) fn fixture(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/amocrm")
        .join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The entities of an answer: the embedded list, or the body itself.
fn entities(name: &str) -> Vec<Value> {
    let body = fixture(name);
    let ids = ["id", "uuid", "uid", "talk_id", "source_id"];
    if ids.iter().any(|id| body.get(id).is_some()) {
        return vec![body];
    }
    let lists = body["_embedded"].as_object().unwrap().values();
    lists
        .flat_map(|list| list.as_array().unwrap().clone())
        .collect()
}

/// Rewrites every node of a body, leaves first.
fn rewrite(value: Value, change: &impl Fn(Option<&str>, Value) -> Value) -> Value {
    fn go(
        key: Option<&str>,
        value: Value,
        change: &impl Fn(Option<&str>, Value) -> Value,
    ) -> Value {
        let value = match value {
            Value::Array(items) => items
                .into_iter()
                .map(|item| go(None, item, change))
                .collect(),
            Value::Object(parts) => {
                let parts = parts.into_iter().map(|(key, part)| {
                    let part = go(Some(&key), part, change);
                    (key, part)
                });
                Value::Object(parts.collect())
            }
            scalar => scalar,
        };
        change(key, value)
    }
    go(None, value, change)
}

/// The ways in which amoCRM's answers have been seen to differ from its documents.
fn dirty(clean: &Value) -> Vec<(&'static str, Value)> {
    let numbers_as_text = rewrite(clean.clone(), &|_, value| match value {
        Value::Number(number) => number.to_string().into(),
        other => other,
    });
    let flags_as_numbers = rewrite(clean.clone(), &|_, value| match value {
        Value::Bool(flag) => u8::from(flag).into(),
        other => other,
    });
    let flags_as_text = rewrite(clean.clone(), &|_, value| match value {
        Value::Bool(flag) => u8::from(flag).to_string().into(),
        other => other,
    });
    let numbers_with_fractions = rewrite(clean.clone(), &|key, value| match value {
        Value::Number(number)
            if ["price", "sort", "score", "labor_cost"].contains(&key.unwrap_or("")) =>
        {
            format!("{number}.50").into()
        }
        other => other,
    });
    let no_nulls = rewrite(clean.clone(), &|_, value| match value {
        Value::Object(parts) => Value::Object(
            parts
                .into_iter()
                .filter(|(_, part)| !part.is_null())
                .collect(),
        ),
        other => other,
    });
    let nulls_for_nothing = rewrite(clean.clone(), &|_, value| match value {
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Object(parts) if parts.is_empty() => Value::Null,
        other => other,
    });
    let false_for_nothing = rewrite(clean.clone(), &|_, value| match value {
        Value::Array(items) if items.is_empty() => false.into(),
        Value::Object(parts) if parts.is_empty() => false.into(),
        other => other,
    });
    let lists_for_empty_objects = rewrite(clean.clone(), &|_, value| match value {
        Value::Object(parts) if parts.is_empty() => json!([]),
        other => other,
    });
    let strangers = rewrite(clean.clone(), &|key, value| match value {
        // Maps keyed by data (`rights` of users, `_embedded`) keep their keys.
        Value::Object(mut parts) if key != Some("_embedded") && parts.contains_key("id") => {
            parts.insert("brand_new_key".to_owned(), json!({"deep": [1, null, "x"]}));
            Value::Object(parts)
        }
        other => other,
    });
    vec![
        ("numbers as text", numbers_as_text),
        ("numbers with fractions", numbers_with_fractions),
        ("flags as numbers", flags_as_numbers),
        ("flags as text", flags_as_text),
        ("no nulls", no_nulls),
        ("nulls for nothing", nulls_for_nothing),
        ("false for nothing", false_for_nothing),
        ("lists for empty objects", lists_for_empty_objects),
        ("strange keys", strangers),
    ]
}

#[track_caller]
fn reads<T: DeserializeOwned + PartialEq + Debug>(names: &[&str]) -> Vec<T> {
    reads_but(names, |_| ())
}

/// Reads the entities of these answers clean and dirty. `blank` empties what stays JSON in the model, dirt and all.
#[track_caller]
fn reads_but<T: DeserializeOwned + PartialEq + Debug>(names: &[&str], blank: fn(&mut T)) -> Vec<T> {
    let read_blank = |value: Value| {
        serde_json::from_value(value).map(|mut entity: T| {
            blank(&mut entity);
            entity
        })
    };
    let mut read = Vec::new();
    for name in names {
        for clean in entities(name) {
            let entity: T =
                read_blank(clean.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
            for (how, dirt) in dirty(&clean) {
                let same =
                    read_blank(dirt).unwrap_or_else(|error| panic!("{name}, {how}: {error}"));
                // `Debug` hides what people are called, so it tells too little to compare by.
                assert!(entity == same, "{name}, {how}: {entity:?} {same:?}");
            }
            read.push(serde_json::from_value(clean).unwrap());
        }
    }
    read
}

#[test]
fn every_answer_is_read_clean_and_dirty() {
    let leads: Vec<Lead> = reads_but(
        &[
            "lead_get.json",
            "leads_list.json",
            "leads_list_last_page.json",
            "leads_deleted_list.json",
        ],
        |lead| lead.custom_fields_values = CustomFieldValues::default(),
    );
    assert!(
        leads
            .iter()
            .any(|lead| !lead.embedded.loss_reason.is_empty())
    );
    assert!(leads.iter().any(|lead| lead.is_deleted));
    let contacts: Vec<Contact> =
        reads_but(&["contact_get.json", "contacts_list.json"], |contact| {
            contact.custom_fields_values = CustomFieldValues::default();
        });
    let phones = contacts
        .iter()
        .find_map(|contact| contact.custom_fields_values.get(&PHONE).unwrap())
        .unwrap();
    assert_eq!(phones[0].enum_code.as_deref(), Some("MOB"));
    let _: Vec<Company> = reads_but(&["company_get.json", "companies_list.json"], |company| {
        company.custom_fields_values = CustomFieldValues::default();
    });
    let _: Vec<Account> = reads_but(&["account.json", "account_with_all.json"], |account| {
        account.entity_names = None;
        // Settings that are all null are `{}` without their nulls.
        account
            .invoices_settings
            .take_if(|settings| *settings == InvoicesSettings::default());
    });
    let _: Vec<User> = reads(&["user_get.json", "users_list.json"]);
    let pipelines: Vec<Pipeline> = reads(&["pipeline_get.json", "pipelines_list.json"]);
    assert!(pipelines.iter().all(|pipeline| {
        pipeline
            .statuses()
            .iter()
            .any(|status| status.id == StatusId::new(142))
    }));
    let _: Vec<Status> = reads(&["statuses_list.json"]);
    let _: Vec<CustomField> = reads(&[
        "custom_field_get.json",
        "custom_fields_list.json",
        "custom_fields_create_response.json",
    ]);
    let _: Vec<CustomFieldGroup> = reads(&["custom_field_groups_list.json"]);
    let _: Vec<EntityTag> = reads(&["tags_list.json", "tags_create_response.json"]);
    let _: Vec<LossReason> = reads(&["loss_reason_get.json", "loss_reasons_list.json"]);
    let _: Vec<Link> = reads(&["links_list.json", "links_create_response.json"]);
    let _: Vec<Note> = reads_but(&["note_get.json", "notes_list.json"], |note| {
        note.raw_params = Value::Null;
    });
    let hooks: Vec<Webhook> = reads(&["webhooks_list.json", "webhook_subscribe_response.json"]);
    assert!(hooks[0].settings.contains(&WebhookEvent::AddLead));
}

/// A value without the empty keys of other countries' requisites.
fn filled(value: &Value) -> Value {
    match value {
        Value::Object(parts) => {
            let filled = parts
                .iter()
                .filter(|(_, part)| !part.is_null() && *part != "");
            filled
                .map(|(key, part)| (key.clone(), part.clone()))
                .collect()
        }
        other => other.clone(),
    }
}

#[test]
fn custom_fields_of_every_answer_can_be_sent_back() {
    for name in [
        "lead_get.json",
        "leads_list.json",
        "contact_get.json",
        "contacts_list.json",
        "company_get.json",
    ] {
        for entity in entities(name) {
            let held: CustomFieldValues =
                serde_json::from_value(entity["custom_fields_values"].clone()).unwrap();
            let sent = serde_json::to_value(held.to_changes()).unwrap();
            for (field, change) in held.iter().zip(sent.as_array().unwrap()) {
                assert_eq!(change["field_id"], json!(field.id().unwrap()), "{name}");
                for (item, sent) in field
                    .values()
                    .iter()
                    .zip(change["values"].as_array().unwrap())
                {
                    assert_eq!(
                        item.get("value").map(filled),
                        sent.get("value").cloned(),
                        "{name}"
                    );
                }
            }
        }
    }
}

/// A request's body, and a fixture, without what means nothing: the client's own request ids and nulls for "not by this key".
fn meaning(body: Value) -> Value {
    rewrite(body, &|_, value| match value {
        Value::Object(parts) => {
            let idle = |key: &str, part: &Value| {
                key == "request_id"
                    || (part.is_null()
                        && ["field_id", "field_code", "enum_id", "enum_code"].contains(&key))
            };
            Value::Object(
                parts
                    .into_iter()
                    .filter(|(key, part)| !idle(key, part))
                    .collect::<Map<_, _>>(),
            )
        }
        other => other,
    })
}

#[track_caller]
fn sends(requests: impl IntoIterator<Item = Request>, name: &str) {
    let bodies: Vec<Value> = requests
        .into_iter()
        .map(|request| serde_json::from_slice(request.body().unwrap()).unwrap())
        .collect();
    let [body] = bodies.as_slice() else {
        panic!("{name}: one request")
    };
    assert_eq!(meaning(body.clone()), meaning(fixture(name)), "{name}");
}

fn client() -> Client {
    Client::builder("acme")
        .long_lived_token("token")
        .build()
        .unwrap()
}

#[tokio::test]
async fn requests_look_as_the_emulator_expects_them() {
    let client = client();
    let lead = LeadId::new(40_000_001);
    sends(
        client
            .leads()
            .update(lead)
            .price(2000)
            .clear_field(&UTM_SOURCE)
            .remove_tag("сайт")
            .into_request(),
        "lead_update_request.json",
    );
    let patches = [
        LeadPatch::new(lead).price(1000),
        LeadPatch::new(LeadId::new(40_000_002))
            .stage(PipelineId::new(7_000_001), StatusId::new(142)),
    ];
    sends(
        client.leads().update_many(patches).into_requests().unwrap(),
        "leads_update_request.json",
    );
    let contact = NewContact::new()
        .name("Иван Иванов")
        .first_name("Иван")
        .last_name("Иванов")
        .field(
            &PHONE,
            [
                ContactValue::new("+79001112233").mob(),
                ContactValue::new("+79001112244"),
            ],
        )
        .field(&EMAIL, ContactValue::new("ivan@example.org").work())
        .tag("vip");
    sends(
        client.contacts().create([contact]).into_requests().unwrap(),
        "contacts_create_request.json",
    );
    let company = NewCompany::new()
        .name("ООО Пример")
        .field(&WEB, "https://example.org");
    sends(
        client
            .companies()
            .create([company])
            .into_requests()
            .unwrap(),
        "companies_create_request.json",
    );
    let links = [
        NewLink::to(ContactId::new(50_000_001)).main(),
        NewLink::to(CompanyId::new(50_500_001)),
        NewLink::element(CatalogId::new(3003), CatalogElementId::new(5005)).quantity(1.5),
    ];
    let sent = serde_json::to_value(links).unwrap();
    assert_eq!(meaning(sent), meaning(fixture("links_create_request.json")));
    let call = json!({
        "uniq": "c-100", "duration": 75, "source": "acme-pbx", "link": "https://pbx.example/rec/100.mp3",
        "phone": "+70000000001", "call_status": 4, "call_result": "ok",
    });
    let notes = [
        NewNote::common("Клиент просил перезвонить"),
        NewNote::new("call_in".into(), call),
    ];
    sends(
        client.notes(lead).create(notes).into_requests().unwrap(),
        "notes_create_request.json",
    );
    let tags = [NewTag::new("vip").color("FFCE5A"), NewTag::new("сайт")];
    sends(
        client
            .tags(EntityType::Leads)
            .create(tags)
            .into_requests()
            .unwrap(),
        "tags_create_request.json",
    );
    let events = [
        WebhookEvent::AddLead,
        WebhookEvent::StatusLead,
        WebhookEvent::DeleteContact,
    ];
    sends(
        client
            .webhooks()
            .subscribe("https://gw.example/amo/31000001/9f2c", events)
            .sort(10)
            .into_request(),
        "webhook_subscribe_request.json",
    );
}
