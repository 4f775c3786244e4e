//! Structs over custom fields, against the account of the setup guide and against accounts that do not fit.

use std::error::Error as _;

use amocrm_emulator::Emulator;
use amocrm_sdk::custom_fields::{CustomField, FieldOwner, NewCustomField};
use amocrm_sdk::customers::NewSegment;
use amocrm_sdk::fields::{ContactValue, CustomFieldValues, FieldType};
use amocrm_sdk::leads::NewLead;
use amocrm_sdk::quota::Limits;
use amocrm_sdk::schema::{CustomFieldEnum, CustomFields, Mismatch, Schema, SchemaError};
use amocrm_sdk::{Client, CustomFieldId, ErrorKind};
use chrono::{DateTime, TimeZone, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

async fn agency() -> (Emulator, Client) {
    let emulator = Emulator::builder().rate_limit(None).start().await.unwrap();
    let client = Client::builder(&emulator.credentials().subdomain)
        .transport(emulator.router())
        .long_lived_token(emulator.long_lived_token())
        .limits(Limits::per_integration(2_000))
        .build()
        .unwrap();
    (emulator, client)
}

#[derive(Debug, Clone, Default, PartialEq, CustomFields)]
#[amo(entity = "leads")]
struct Deal {
    #[amo(code = "UTM_SOURCE")]
    utm_source: Option<String>,
    #[amo(name = "Объект")]
    object: Option<Object>,
    #[amo(code = "EXTRAS")]
    extras: Vec<Extra>,
    #[amo(code = "COMMISSION")]
    commission: Option<f64>,
    #[amo(code = "ROOMS")]
    rooms: Option<u32>,
    #[amo(code = "VIEWING")]
    viewing: Option<DateTime<Utc>>,
    #[amo(code = "PAID")]
    is_paid: bool,
}

#[derive(Debug, Clone, PartialEq, CustomFieldEnum)]
enum Object {
    #[amo(value = "Вилла")]
    Villa,
    #[amo(value = "Апартаменты")]
    Apartment,
    #[amo(other)]
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, CustomFieldEnum)]
enum Extra {
    #[amo(value = "Бассейн")]
    Pool,
    #[amo(value = "Паркинг")]
    Parking,
}

async fn furnish(client: &Client) {
    client
        .custom_fields(FieldOwner::Leads)
        .create([
            NewCustomField::new("Дополнительно", FieldType::Multiselect)
                .code("EXTRAS")
                .options(["Бассейн", "Паркинг"]),
            NewCustomField::new("Комиссия, %", FieldType::Numeric).code("COMMISSION"),
            NewCustomField::new("Комнат", FieldType::Numeric).code("ROOMS"),
            NewCustomField::new("Показ", FieldType::DateTime).code("VIEWING"),
            NewCustomField::new("Оплачено", FieldType::Checkbox).code("PAID"),
        ])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_struct_is_written_changed_and_cleared_as_its_fields_say() {
    let (emulator, client) = agency().await;
    furnish(&client).await;
    emulator.clear_requests();
    let schema = Schema::<Deal>::load(&client).await.unwrap();
    assert_eq!(emulator.requests().len(), 1);

    let full = Deal {
        utm_source: Some("google".into()),
        object: Some(Object::Villa),
        extras: vec![Extra::Parking, Extra::Pool],
        commission: Some(3.5),
        rooms: Some(4),
        viewing: Utc.with_ymd_and_hms(2026, 12, 1, 9, 30, 0).single(),
        is_paid: true,
    };
    let lead = NewLead::new().fields(schema.write(&full));
    let id = client.leads().create([lead]).await.unwrap()[0].id;
    let read = async || {
        let lead = client.leads().get(id).await.unwrap().unwrap();
        schema.read(&lead).unwrap()
    };
    let mut held = read().await;
    assert_eq!(held.extras.len(), 2);
    held.extras.clone_from(&full.extras);
    assert_eq!(held, full);

    // `write` leaves alone what is not there.
    let little = Deal {
        rooms: Some(5),
        is_paid: true,
        ..Deal::default()
    };
    client
        .leads()
        .update(id)
        .fields(schema.write(&little))
        .await
        .unwrap();
    let held = read().await;
    assert_eq!(
        (held.rooms, held.commission, &held.object),
        (Some(5), Some(3.5), &Some(Object::Villa))
    );

    // `changes` sends what differs.
    let after = Deal {
        object: Some(Object::Apartment),
        commission: None,
        ..held.clone()
    };
    let changes = schema.changes(&held, &after);
    assert_eq!(changes.len(), 2);
    client.leads().update(id).fields(changes).await.unwrap();
    let held = read().await;
    assert_eq!(
        (held.commission, &held.object),
        (None, &Some(Object::Apartment))
    );
    assert!(schema.changes(&held, &held).is_empty());

    // `replace` clears what is not there.
    client
        .leads()
        .update(id)
        .fields(schema.replace(&little))
        .await
        .unwrap();
    assert_eq!(read().await, little);
}

#[tokio::test]
async fn options_that_the_enum_does_not_list_are_kept_or_refused_by_name() {
    let (_emulator, client) = agency().await;
    furnish(&client).await;
    let schema = Schema::<Deal>::load(&client).await.unwrap();
    let object = schema.id("object").unwrap();
    let held = |field: u64, value: Value| -> CustomFieldValues {
        serde_json::from_value(json!([{"field_id": field, "values": [value]}])).unwrap()
    };
    let read = schema.read(&held(
        object.get(),
        json!({"value": "Участок", "enum_id": 1}),
    ));
    assert_eq!(read.unwrap().object, Some(Object::Other("Участок".into())));

    let extras = schema.id("extras").unwrap();
    let error = schema
        .read(&held(extras.get(), json!({"value": "Сад", "enum_id": 1})))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("custom field {extras}: expected one of the options that the enum lists")
    );
    let rooms = schema.id("rooms").unwrap();
    let error = schema
        .read(&held(rooms.get(), json!({"value": "-1"})))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a whole number within the range"),
        "{error}"
    );
}

#[tokio::test]
async fn an_account_that_does_not_fit_is_told_in_one_error_before_anything_is_sent() {
    #[derive(CustomFields)]
    #[amo(entity = "leads")]
    struct Wrong {
        #[amo(name = "Обьект")]
        misspelt: Option<Object>,
        #[amo(name = "Объект")]
        not_a_number: Option<i64>,
        #[amo(name = "Статус оплаты")]
        options: Option<Payment>,
        #[amo(code = "UTM_SORCE")]
        code: Option<String>,
    }

    #[derive(CustomFieldEnum)]
    enum Payment {
        #[amo(value = "Оплачена")]
        Paid,
    }

    let (emulator, client) = agency().await;
    let error = Schema::<Wrong>::load(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert_eq!(emulator.requests().len(), 1);
    let source = error
        .source()
        .unwrap()
        .downcast_ref::<SchemaError>()
        .unwrap();
    let told: Vec<String> = source
        .mismatches()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told.len(), 4);
    assert!(
        told[0].starts_with("`Обьект` not found; the account has: `Объект`, "),
        "{told:?}"
    );
    assert_eq!(
        told[1],
        "`Объект` is of type select, but `not_a_number: Option<i64>` needs numeric, monetary or price"
    );
    assert!(
        told[2].starts_with("`Статус оплаты` has no option `Оплачена`; it has: `Оплачено`, "),
        "{told:?}"
    );
    assert!(
        told[3].starts_with("`UTM_SORCE` not found; the account has: `UTM_SOURCE`, "),
        "{told:?}"
    );
    assert!(told[3].ends_with(" more"), "{told:?}");
    assert!(
        error
            .to_string()
            .contains("; lead field `Объект` is of type select"),
        "{error}"
    );
}

#[test]
fn two_fields_of_one_name_are_not_guessed_between() {
    #[derive(Debug, CustomFields)]
    #[amo(catalog = 7)]
    struct Element {
        #[amo(name = "Цена")]
        price: Option<f64>,
        #[amo(id = 9)]
        anything: Vec<Value>,
    }

    let definition = |id: u64, name: &str| -> CustomField {
        serde_json::from_value(json!({"id": id, "name": name, "type": "numeric"})).unwrap()
    };
    let error =
        Schema::<Element>::resolve(&[definition(1, "Цена"), definition(2, "Цена")]).unwrap_err();
    assert!(matches!(error.mismatches()[0], Mismatch::Ambiguous { .. }));
    assert_eq!(
        error.to_string(),
        "catalog field `Цена` is not the only one of this name: take one of the ids 1, 2; \
         catalog field `9` not found; the account has: `1 Цена`, `2 Цена`"
    );
    Schema::<Element>::resolve(&[definition(1, "Цена"), definition(9, "цена")]).unwrap();
}

#[tokio::test]
async fn something_that_must_be_filled_is_missed_when_it_is_read() {
    #[derive(Debug, CustomFields)]
    #[amo(entity = "contacts")]
    struct Person {
        #[amo(code = "PHONE")]
        phones: Vec<ContactValue>,
        #[amo(code = "POSITION")]
        position: String,
    }

    let (_emulator, client) = agency().await;
    let schema = Schema::<Person>::load(&client).await.unwrap();
    let contact = &client.contacts().list().all().await.unwrap()[0];
    let error = schema.read(contact).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("expected a value: the field is empty"),
        "{error}"
    );

    let person = Person {
        phones: vec![ContactValue::new("+79000000001").mob()],
        position: "директор".into(),
    };
    client
        .contacts()
        .update(contact.id)
        .fields(schema.write(&person))
        .await
        .unwrap();
    let contact = client.contacts().get(contact.id).await.unwrap().unwrap();
    let read = schema.read(&contact).unwrap();
    assert_eq!((read.phones.len(), &*read.position), (1, "директор"));
}

#[derive(CustomFields)]
#[amo(entity = "segments")]
struct Club {
    #[amo(code = "CLUB_TYPE")]
    r#type: Option<String>,
}

#[test]
fn segments_are_written_through_a_schema_as_cards_are() {
    let definition = json!([{"id": 5, "name": "Тип", "code": "CLUB_TYPE", "type": "text"}]);
    let definitions: Vec<CustomField> = serde_json::from_value(definition).unwrap();
    let schema = Schema::<Club>::resolve(&definitions).unwrap();
    assert_eq!(schema.id("type"), Some(CustomFieldId::new(5)));

    let segments = crate::script::Script::new([])
        .client()
        .customers()
        .segments();
    let written = |club: Club| {
        let segment = NewSegment::new("VIP").fields(schema.write(&club));
        let request = segments.create(segment).into_request().unwrap();
        serde_json::from_slice::<Value>(request.body().unwrap()).unwrap()
    };
    assert_eq!(
        written(Club {
            r#type: Some("gold".to_owned())
        }),
        json!({"name": "VIP", "custom_fields_values": [{"field_id": 5, "values": [{"value": "gold"}]}]})
    );
    assert_eq!(written(Club { r#type: None }), json!({"name": "VIP"}));
}

fn any_deal() -> impl Strategy<Value = Deal> {
    (
        prop::option::of("[a-z]{1,8}"),
        prop::option::of(prop_oneof![Just(Object::Villa), Just(Object::Apartment)]),
        prop::collection::vec(prop_oneof![Just(Extra::Pool), Just(Extra::Parking)], 0..3),
        prop::option::of((-1_000..1_000_i32).prop_map(|number| f64::from(number) / 4.0)),
        prop::option::of(any::<u32>()),
        prop::option::of(
            (0..4_000_000_000_i64).prop_map(|at| DateTime::from_timestamp(at, 0).unwrap()),
        ),
        any::<bool>(),
    )
        .prop_map(
            |(utm_source, object, extras, commission, rooms, viewing, is_paid)| Deal {
                utm_source,
                object,
                extras,
                commission,
                rooms,
                viewing,
                is_paid,
            },
        )
}

fn offline_schema() -> Schema<Deal> {
    let field = |id: u64, name: &str, code: &str, kind: &str, options: Value| json!({"id": id, "name": name, "code": code, "type": kind, "enums": options});
    let definitions: Vec<CustomField> = serde_json::from_value(json!([
        field(1, "utm_source", "UTM_SOURCE", "tracking_data", Value::Null),
        field(
            2,
            "Объект",
            "",
            "select",
            json!([{"id": 21, "value": "Апартаменты"}, {"id": 22, "value": "Вилла"}])
        ),
        field(
            3,
            "Доп",
            "EXTRAS",
            "multiselect",
            json!([{"id": 31, "value": "Паркинг"}, {"id": 32, "value": "Бассейн"}])
        ),
        field(4, "Комиссия", "COMMISSION", "monetary", Value::Null),
        field(5, "Комнат", "ROOMS", "numeric", Value::Null),
        field(6, "Показ", "VIEWING", "date_time", Value::Null),
        field(7, "Оплачено", "PAID", "checkbox", Value::Null),
    ]))
    .unwrap();
    Schema::resolve(&definitions).unwrap()
}

/// What the account holds after a write: fields that are mentioned are replaced, or gone.
fn apply(held: &mut Vec<Value>, changes: &amocrm_sdk::fields::FieldChanges) {
    for change in serde_json::to_value(changes).unwrap().as_array().unwrap() {
        held.retain(|field| field["field_id"] != change["field_id"]);
        if !change["values"].is_null() {
            held.push(change.clone());
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_whichever_way_it_is_written(before in any_deal(), after in any_deal()) {
        let schema = offline_schema();
        let read = |held: &[Value]| {
            let values: CustomFieldValues = serde_json::from_value(held.to_vec().into()).unwrap();
            schema.read(&values).unwrap()
        };
        let mut held = Vec::new();
        apply(&mut held, &schema.write(&before));
        prop_assert_eq!(&read(&held), &before);
        let mut replaced = held.clone();
        apply(&mut replaced, &schema.replace(&after));
        prop_assert_eq!(&read(&replaced), &after);
        apply(&mut held, &schema.changes(&before, &after));
        prop_assert_eq!(&read(&held), &after);
    }
}
