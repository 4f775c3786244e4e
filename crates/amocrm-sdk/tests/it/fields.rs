//! Custom-field values against the shapes of the API notes.

use amocrm_sdk::fields::kind::{
    Birthday, Category, ChainedList, Checkbox, Date, DateTime, File, Items, LegalEntity,
    LinkedEntity, Monetary, Multiselect, Multitext, Numeric, Payer, Price, Radiobutton, Raw,
    Select, SmartAddress, StreetAddress, Supplier, Text, Textarea, TrackingData, Url,
};
use amocrm_sdk::fields::{
    self, ChainedElement, Choice, ContactValue, CustomFieldValues, Day, EMAIL, EntityRef, Field,
    FieldChanges, FieldKind, FieldType, FileRef, InvoiceItem, PHONE, UTM_SOURCE, YM_UID,
};
use amocrm_sdk::{FieldEnumId, kind};
use chrono::{FixedOffset, NaiveDate, TimeZone, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The `values` that setting a field of this kind sends.
#[track_caller]
fn written<K: FieldKind>(value: impl Into<K::Input>) -> Value {
    let mut changes = FieldChanges::new();
    changes.set(&Field::<K>::id(1), value);
    serde_json::to_value(&changes).unwrap()[0]["values"].clone()
}

/// The refusal that setting a field of this kind meets.
#[track_caller]
fn refused<K: FieldKind>(value: impl Into<K::Input>) -> String {
    let mut changes = FieldChanges::new();
    changes.set(&Field::<K>::code("SCORE"), value);
    let refusal = changes.check().unwrap_err().to_string();
    assert_eq!(
        serde_json::to_string(&changes).unwrap_err().to_string(),
        refusal
    );
    refusal
}

fn held(values: &Value) -> CustomFieldValues {
    serde_json::from_value(json!([{"field_id": 1, "field_code": "F", "values": values}])).unwrap()
}

#[track_caller]
fn read<K: FieldKind>(values: Value) -> K::Value {
    held(&values).get(&Field::<K>::id(1)).unwrap().unwrap()
}

fn moscow() -> FixedOffset {
    FixedOffset::east_opt(3 * 3600).unwrap()
}

#[test]
fn every_kind_is_written_as_amocrm_documents_it() {
    assert_eq!(written::<Text>("hello"), json!([{"value": "hello"}]));
    assert_eq!(
        written::<Textarea>("long".to_owned()),
        json!([{"value": "long"}])
    );
    assert_eq!(
        written::<StreetAddress>("Lenina 1"),
        json!([{"value": "Lenina 1"}])
    );
    assert_eq!(
        written::<Url>("https://a.example"),
        json!([{"value": "https://a.example"}])
    );
    assert_eq!(
        written::<TrackingData>("kitchen"),
        json!([{"value": "kitchen"}])
    );
    assert_eq!(written::<Numeric>(123), json!([{"value": 123}]));
    assert_eq!(written::<Numeric>("123.45"), json!([{"value": 123.45}]));
    assert_eq!(written::<Monetary>(123.45), json!([{"value": 123.45}]));
    assert_eq!(written::<Price>(990_u64), json!([{"value": 990}]));
    assert_eq!(written::<Checkbox>(true), json!([{"value": true}]));
    assert_eq!(written::<Select>("White"), json!([{"value": "White"}]));
    assert_eq!(
        written::<Select>(FieldEnumId::new(4401)),
        json!([{"enum_id": 4401}])
    );
    assert_eq!(
        written::<Select>(Choice::by_code("OAK")),
        json!([{"enum_code": "OAK"}])
    );
    assert_eq!(
        written::<Radiobutton>(Choice::by_id(4401)),
        json!([{"enum_id": 4401}])
    );
    assert_eq!(
        written::<Category>(Choice::by_id(33)),
        json!([{"enum_id": 33}])
    );
    assert_eq!(
        written::<Multiselect>([Choice::by_id(1), Choice::by_text("B")]),
        json!([{"enum_id": 1}, {"value": "B"}])
    );
    assert_eq!(
        written::<Multitext>(["+79000000001"]),
        json!([{"value": "+79000000001"}])
    );
    assert_eq!(
        written::<Multitext>(vec![
            ContactValue::new("+79000000001").mob(),
            ContactValue::new("+79000000002").workdd()
        ]),
        json!([{"value": "+79000000001", "enum_code": "MOB"}, {"value": "+79000000002", "enum_code": "WORKDD"}])
    );
    assert_eq!(
        written::<ChainedList>([
            ChainedElement::new(3003, 5005),
            ChainedElement::new(3004, 5010)
        ]),
        json!([{"catalog_id": 3003, "catalog_element_id": 5005}, {"catalog_id": 3004, "catalog_element_id": 5010}])
    );
    assert_eq!(
        written::<SmartAddress>(fields::SmartAddress {
            address_line_1: Some("Lenina 1".into()),
            city: Some("Perm".into()),
            country: Some("RU".into()),
            ..Default::default()
        }),
        json!([
            {"value": "Lenina 1", "enum_code": "address_line_1"},
            {"value": "Perm", "enum_code": "city"},
            {"value": "RU", "enum_code": "country"},
        ])
    );
    assert_eq!(
        written::<Raw>(vec![json!({"value": 1, "x": 2})]),
        json!([{"value": 1, "x": 2}])
    );
}

#[test]
fn days_carry_their_zone_and_instants_are_unix_seconds() {
    let day = NaiveDate::from_ymd_opt(2025, 3, 1).unwrap();
    assert_eq!(
        written::<Date>((day, moscow())),
        json!([{"value": "2025-03-01T00:00:00+03:00"}])
    );
    let birthday = NaiveDate::from_ymd_opt(1960, 1, 12).unwrap();
    assert_eq!(
        written::<Birthday>(Day::new(birthday, moscow())),
        json!([{"value": "1960-01-12T00:00:00+03:00"}])
    );
    assert_eq!(
        read::<Birthday>(json!([{"value": -314_679_600}])).date(),
        birthday
    );
    let instant = Utc.timestamp_opt(1_769_000_000, 0).unwrap();
    assert_eq!(
        written::<DateTime>(instant),
        json!([{"value": 1_769_000_000}])
    );
    assert_eq!(
        written::<DateTime>(instant.with_timezone(&moscow())),
        json!([{"value": 1_769_000_000}])
    );
    // A day that was read goes back as the stamp it was.
    assert_eq!(
        written::<Date>(read::<Date>(json!([{"value": 1_772_917_200}]))),
        json!([{"value": 1_772_917_200}])
    );
}

#[test]
fn objects_are_written_without_empty_and_read_only_keys() {
    let entity = fields::LegalEntity {
        name: Some("OOO Example".into()),
        entity_type: Some(fields::LegalEntity::COMPANY),
        vat_id: Some("7700000000".into()),
        unp: Some(String::new()),
        ..Default::default()
    };
    assert_eq!(
        written::<LegalEntity>(entity),
        json!([{"value": {"name": "OOO Example", "entity_type": 2, "vat_id": "7700000000"}}])
    );
    let item: InvoiceItem = serde_json::from_value(json!({
        "product_id": "9", "quantity": "2", "unit_price": 495.25, "total_sum": 990.5, "is_total_sum_recalculated": true,
        "discount": {"type": "amount", "value": 0}, "sku": "HSK-2",
    }))
    .unwrap();
    assert_eq!(
        written::<Items>(item),
        json!([{"value": {
            "product_id": 9, "quantity": 2, "unit_price": 495.25, "discount": {"type": "amount", "value": 0}, "sku": "HSK-2",
        }}])
    );
    let supplier = fields::Supplier {
        name: Some("S".into()),
        entity_id: Some(77.into()),
        ..Default::default()
    };
    assert_eq!(
        written::<Supplier>(supplier),
        json!([{"value": {"entity_id": 77}}])
    );
    let payer = fields::Payer {
        name: Some("P".into()),
        kind: Some("legal".into()),
        ..Default::default()
    };
    assert_eq!(
        written::<Payer>(payer),
        json!([{"value": {"name": "P", "type": "legal"}}])
    );
    let link = EntityRef {
        entity_id: Some(9100),
        entity_type: Some("contacts".into()),
        ..Default::default()
    };
    assert_eq!(
        written::<LinkedEntity>(link),
        json!([{"value": {"entity_id": 9100, "entity_type": "contacts"}}])
    );
    let file = FileRef {
        file_uuid: Some("u".into()),
        file_size: Some(1024),
        is_deleted: Some(false),
        ..Default::default()
    };
    assert_eq!(
        written::<File>(file),
        json!([{"value": {"file_uuid": "u", "file_size": 1024}}])
    );
}

#[test]
fn absent_is_untouched_and_clear_is_null() {
    const FILE: Field<File> = Field::id(2);
    let mut changes = FieldChanges::new();
    assert!(changes.is_empty());
    assert_eq!(serde_json::to_value(&changes).unwrap(), json!([]));
    changes
        .clear(&PHONE)
        .clear(&FILE)
        .set(&UTM_SOURCE, "")
        .set(&EMAIL, Vec::<ContactValue>::new());
    changes.set_raw(5, json!([])).set_raw("X", Value::Null);
    assert_eq!(
        serde_json::to_value(&changes).unwrap(),
        json!([
            {"field_code": "PHONE", "values": null},
            {"field_id": 2, "values": [{"value": null}]},
            {"field_code": "UTM_SOURCE", "values": null},
            {"field_code": "EMAIL", "values": null},
            {"field_id": 5, "values": null},
            {"field_code": "X", "values": null},
        ])
    );
    changes
        .remove(&PHONE)
        .remove(2)
        .remove("UTM_SOURCE")
        .remove(&EMAIL)
        .remove("X");
    assert_eq!(
        changes.keys().map(ToString::to_string).collect::<Vec<_>>(),
        ["5"]
    );
}

#[test]
fn the_last_change_of_a_field_wins() {
    let mut changes = FieldChanges::new();
    changes
        .set(&UTM_SOURCE, "google")
        .set(&UTM_SOURCE, "yandex");
    let mut later = FieldChanges::new();
    later.set(&YM_UID, "1").set(&UTM_SOURCE, "vk");
    changes.extend(later);
    assert_eq!(
        serde_json::to_value(&changes).unwrap(),
        json!([{"field_code": "UTM_SOURCE", "values": [{"value": "vk"}]}, {"field_code": "_YM_UID", "values": [{"value": "1"}]}])
    );
}

#[test]
fn what_amocrm_would_refuse_is_told_with_the_fields_name_and_without_the_value() {
    assert_eq!(
        refused::<Numeric>("+7 secret"),
        "custom field SCORE: expected a decimal number"
    );
    assert_eq!(
        refused::<Numeric>(f64::NAN),
        "custom field SCORE: expected a decimal number"
    );
    let expected = "custom field SCORE: expected options by text or enum_id, not by enum_code";
    assert_eq!(refused::<Multiselect>(Choice::by_code("A")), expected);
    assert!(refused::<Multitext>(" ").contains("not empty"));
    assert!(refused::<ChainedList>(vec![ChainedElement::new(1, 2); 6]).contains("five"));
    assert!(refused::<File>(FileRef::default()).contains("file_uuid"));
    let mut changes = FieldChanges::new();
    changes.set_raw("X", json!("secret"));
    assert_eq!(
        changes.check().unwrap_err().to_string(),
        "custom field X: expected an array of values or null"
    );
}

#[test]
fn every_kind_is_read_from_clean_and_dirty_answers() {
    assert_eq!(read::<Text>(json!([{"value": "hello"}])), "hello");
    assert_eq!(read::<Text>(json!([{"value": 15}])), "15");
    for number in [json!("123.45"), json!(123.45), json!(" 123.450 ")] {
        assert_eq!(
            read::<Numeric>(json!([{"value": number}])).as_str(),
            "123.45"
        );
    }
    for yes in [json!(true), json!(1), json!("1")] {
        assert!(read::<Checkbox>(json!([{"value": yes}])));
    }
    let white = read::<Select>(json!([{"value": "White", "enum_id": "4401", "enum_code": null}]));
    assert_eq!(
        (white.text.as_deref(), white.enum_id, white.enum_code),
        (Some("White"), Some(4401.into()), None)
    );
    let many = read::<Multiselect>(
        json!({"0": {"value": "A", "enum_id": 1}, "1": {"value": "B", "enum_code": "new_code"}}),
    );
    assert_eq!(many.len(), 2);
    let phones = read::<Multitext>(
        json!([{"value": "+79000000001", "enum_id": 1201, "enum_code": "FUTURE"}, {"value": null}]),
    );
    assert_eq!(phones.len(), 1);
    assert_eq!(phones[0].enum_code.as_deref(), Some("FUTURE"));
    assert_eq!(
        read::<Multitext>(json!([{"value": "a@b.example", "enum": "1211"}]))[0].enum_id,
        Some(1211.into())
    );
    let address = read::<SmartAddress>(json!([
        {"value": "Lenina 1", "enum_code": "address_line_1"}, {"value": "Perm", "enum_id": 3},
        {"value": "x", "enum_id": 9, "enum_code": "planet"}, {"value": "RU", "enum_id": "6"},
    ]));
    assert_eq!(
        (
            address.address_line_1.as_deref(),
            address.city.as_deref(),
            address.country.as_deref()
        ),
        (Some("Lenina 1"), Some("Perm"), Some("RU"))
    );
    let entity = &read::<LegalEntity>(
        json!([{"value": {"name": "OOO", "entity_type": "2", "vat_id": 77, "inn2": "x", "kpp": ""}}]),
    )[0];
    assert_eq!(
        (
            entity.vat_id.as_deref(),
            entity.entity_type,
            entity.kpp.as_deref()
        ),
        (Some("77"), Some(2), None)
    );
    assert_eq!(entity.extra["inn2"], "x");
    let file = read::<File>(
        json!([{"value": {"file_uuid": "u", "version_uuid": "v", "file_name": "a.pdf", "file_size": "1024", "is_deleted": "0"}}]),
    );
    assert_eq!((file.file_size, file.is_deleted), (Some(1024), Some(false)));
    let chain = read::<ChainedList>(json!([{"catalog_id": "3003", "catalog_element_id": 5005}]));
    assert_eq!(chain, [ChainedElement::new(3003, 5005)]);
    let link = read::<LinkedEntity>(
        json!([{"value": {"name": "Anna", "entity_id": 9100, "entity_type": "contacts", "catalog_id": null}}]),
    );
    assert_eq!((link.entity_id, link.catalog_id), (Some(9100), None));
    assert_eq!(
        read::<DateTime>(json!([{"value": "2025-03-01T00:00:00+03:00"}])).timestamp(),
        1_740_776_400
    );
}

#[test]
fn nothing_is_none_in_every_spelling() {
    fn nothing<K: FieldKind>() {
        let field = Field::<K>::id(1);
        for values in [
            Value::Null,
            json!([]),
            json!([{"value": null}]),
            json!([{"value": ""}]),
        ] {
            let held = held(&values);
            assert!(held.get(&field).unwrap().is_none(), "{values}");
        }
        assert!(CustomFieldValues::default().get(&field).unwrap().is_none());
    }
    nothing::<Text>();
    nothing::<Numeric>();
    nothing::<Checkbox>();
    nothing::<Select>();
    nothing::<Multiselect>();
    nothing::<Date>();
    nothing::<DateTime>();
    nothing::<Multitext>();
    nothing::<SmartAddress>();
    nothing::<LegalEntity>();
    nothing::<Payer>();
    nothing::<File>();
    for empty in ["null", "[]", "{}", "[null]"] {
        assert!(
            serde_json::from_str::<CustomFieldValues>(empty)
                .unwrap()
                .is_empty(),
            "{empty}"
        );
    }
}

#[test]
fn a_handle_of_the_wrong_kind_is_an_error_without_the_value() {
    let phones = held(&json!([{"value": "+79000000001"}, {"value": {"secret": 1}}]));
    let error = phones.get(&Field::<Multitext>::code("F")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "custom field F: expected phones, e-mails or messengers as text"
    );
    assert!(
        held(&json!([{"value": "soon"}]))
            .get(&Field::<Numeric>::code("F"))
            .is_err()
    );
    assert!(
        held(&json!([{"value": "soon"}]))
            .get(&Field::<Payer>::code("F"))
            .is_err()
    );
    assert!(
        held(&json!([{"value": {"a": 1}}]))
            .get(&Field::<Text>::code("F"))
            .is_err()
    );
    assert!(
        held(&json!([{"value": [1]}]))
            .get(&Field::<Select>::code("F"))
            .is_err()
    );
    assert_eq!(phones.raw("F").map(<[Value]>::len), Some(2));
}

#[test]
fn reading_modifying_and_writing_sends_only_what_amocrm_takes() {
    let held: CustomFieldValues = serde_json::from_value(json!([
        {"field_id": 1, "field_code": "UTM_SOURCE", "field_type": "tracking_data", "values": [{"value": "google"}]},
        {"field_id": 2, "field_type": "multiselect", "values": [{"value": "A", "enum_id": 1, "enum_code": "a"}]},
        {"field_id": 3, "field_type": "select", "values": [{"value": "B", "enum_id": 2, "enum_code": null}]},
        {"field_id": 4, "field_type": "legal_entity", "values": [{"value": {"name": "N", "vat_id": "7", "unp": "", "bin": null}}]},
        {"field_id": 5, "field_type": "items", "values": [{"value": {"sku": "S", "total_sum": 1, "is_discount_recalculated": false}}]},
        {"field_id": 6, "field_type": "org_legal_name", "values": [{"value": "N"}]},
        {"field_id": 7, "field_type": "numeric", "is_computed": true, "values": [{"value": "1"}]},
        {"field_id": 8, "field_type": "supplier", "values": [{"value": {"entity_id": 9, "name": "N"}}]},
        {"field_id": 9, "field_type": "file", "values": [{"value": {"file_uuid": "u", "is_deleted": false}}]},
        {"field_id": 10, "field_type": "text", "values": [{"value": null}]},
        {"field_id": 11, "field_type": "chained_list", "values": [{"catalog_id": 1, "catalog_element_id": 2}]},
        {"field_id": 12, "field_code": "SEND", "field_type": "date", "values": [{"value": 1_772_917_200}]},
    ]))
    .unwrap();
    let mut changes = held.to_changes();
    // By code, though it was read with an id: still one change.
    changes.set(&UTM_SOURCE, "vk");
    changes.clear(&Field::<Date>::id(12));
    assert_eq!(
        serde_json::to_value(&changes).unwrap(),
        json!([
            {"field_id": 1, "values": [{"value": "vk"}]},
            {"field_id": 2, "values": [{"value": "A", "enum_id": 1}]},
            {"field_id": 3, "values": [{"value": "B", "enum_id": 2}]},
            {"field_id": 4, "values": [{"value": {"name": "N", "vat_id": "7"}}]},
            {"field_id": 5, "values": [{"value": {"sku": "S"}}]},
            {"field_id": 8, "values": [{"value": {"entity_id": 9}}]},
            {"field_id": 9, "values": [{"value": {"file_uuid": "u"}}]},
            {"field_id": 11, "values": [{"catalog_id": 1, "catalog_element_id": 2}]},
            {"field_id": 12, "values": null},
        ])
    );
}

#[test]
fn debug_shows_fields_and_no_values() {
    let held: CustomFieldValues = serde_json::from_value(
        json!([{"field_id": 1, "field_code": "PHONE", "values": [{"value": "+7secret"}]}]),
    )
    .unwrap();
    let mut changes = FieldChanges::new();
    changes.set(&PHONE, "+7secret");
    let payer = fields::Payer {
        phone: Some("+7secret".into()),
        ..Default::default()
    };
    let debug = format!(
        "{held:?} {changes:?} {payer:?} {:?}",
        read::<Multitext>(json!([{"value": "+7secret"}]))
    );
    assert!(
        debug.contains("PHONE") && !debug.contains("secret"),
        "{debug}"
    );
}

#[test]
fn types_of_fields_keep_what_they_do_not_know() {
    for known in FieldType::KNOWN {
        let json = serde_json::to_string(known).unwrap();
        assert_eq!(serde_json::from_str::<FieldType>(&json).unwrap(), *known);
    }
    let unknown: FieldType = serde_json::from_str("\"hologram\"").unwrap();
    assert_eq!(unknown, FieldType::Unknown("hologram".into()));
    assert_eq!(serde_json::to_string(&unknown).unwrap(), "\"hologram\"");
}

#[test]
fn ids_of_different_things_do_not_mix() {
    // Compiles because both are options of fields; a `LeadId` here would not.
    let id: amocrm_sdk::Id<kind::FieldEnum> = FieldEnumId::new(1);
    assert_eq!(Choice::from(id), Choice::by_id(1));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,10}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn fields_of_unknown_types_survive_the_round_trip(values in prop::collection::vec(any_json(), 1..4), word in "x_[a-z]{1,8}") {
        let answer = json!([{"field_id": 7, "field_name": "n", "field_code": "C", "field_type": word, "values": values}]);
        let held: CustomFieldValues = serde_json::from_value(answer.clone()).unwrap();
        prop_assert_eq!(serde_json::to_value(&held).unwrap(), answer);
        let sent = serde_json::to_value(held.to_changes()).unwrap();
        prop_assert_eq!(sent, json!([{"field_id": 7, "values": values}]));
    }

    #[test]
    fn no_values_make_a_reader_panic(values in prop::collection::vec(any_json(), 0..4)) {
        let held = held(&Value::Array(values));
        let field = &held.iter().next().unwrap();
        let _ = (field.read::<Text>(), field.read::<Numeric>(), field.read::<Checkbox>(), field.read::<Select>());
        let _ = (field.read::<Multiselect>(), field.read::<Date>(), field.read::<DateTime>(), field.read::<Multitext>());
        let _ = (field.read::<SmartAddress>(), field.read::<LegalEntity>(), field.read::<Items>(), field.read::<Payer>());
        let _ = (field.read::<Supplier>(), field.read::<LinkedEntity>(), field.read::<ChainedList>(), field.read::<File>());
        for known in FieldType::KNOWN {
            let mut answer = serde_json::to_value(&held).unwrap();
            answer[0]["field_type"] = known.as_str().into();
            let held: CustomFieldValues = serde_json::from_value(answer).unwrap();
            // Sending back what was read never clears a field.
            let sent = serde_json::to_value(held.to_changes()).unwrap();
            prop_assert!(sent.as_array().unwrap().iter().all(|change| !change["values"].is_null()));
        }
    }

    #[test]
    fn what_was_set_is_read_again(text in "\\PC{1,40}", codes in prop::collection::vec("[A-Z]{2,6}", 1..4)) {
        prop_assert_eq!(&read::<Text>(written::<Text>(text.as_str())), &text);
        prop_assert_eq!(read::<Select>(written::<Select>(text.as_str())), Choice::by_text(text));
        let phones: Vec<ContactValue> = codes.iter().map(|code| ContactValue::new("+79000000001").code(code)).collect();
        prop_assert_eq!(read::<Multitext>(written::<Multitext>(phones.clone())), phones);
    }
}
