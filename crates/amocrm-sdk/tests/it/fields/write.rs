//! What is sent.

use amocrm_sdk::FieldEnumId;
use amocrm_sdk::fields::kind::{
    Birthday, Category, ChainedList, Checkbox, Date, DateTime, File, Items, LegalEntity,
    LinkedEntity, Monetary, Multiselect, Multitext, Numeric, Payer, Price, Radiobutton, Raw,
    Select, SmartAddress, StreetAddress, Supplier, Text, Textarea, TrackingData, Url,
};
use amocrm_sdk::fields::{
    self, ChainedElement, Choice, ContactValue, CustomFieldValues, Day, EMAIL, Field, FieldChanges,
    FileRef, InvoiceItem, LinkedEntityValue, PHONE, UTM_SOURCE, YM_UID,
};
use chrono::{NaiveDate, TimeZone, Utc};
use serde_json::{Value, json};

use super::{moscow, read, refused, written};

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
    let link = LinkedEntityValue {
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
fn a_field_is_sent_once_by_whichever_of_its_names_it_is_changed() {
    const PHONE_ID: Field<Multitext> = Field::id(601);
    let held: CustomFieldValues = serde_json::from_value(json!([
        {"field_id": 601, "field_code": "PHONE", "field_type": "multitext", "values": [{"value": "+7held"}]},
    ]))
    .unwrap();
    let sent = |changes: &FieldChanges| serde_json::to_value(changes).unwrap();
    let new = json!([{"field_id": 601, "values": [{"value": "+7new"}]}]);
    let old = json!([{"field_id": 601, "values": [{"value": "+7held"}]}]);

    // Held first, taken over by `extend`, then changed by code.
    let mut changes = FieldChanges::new();
    changes.extend(held.to_changes()).set(&PHONE, "+7new");
    assert_eq!(sent(&changes), new);
    // Changed by code first: the later wins, and the id is known from then on.
    let mut changes = FieldChanges::new();
    changes.set(&PHONE, "+7new").extend(held.to_changes());
    assert_eq!(sent(&changes), old);
    changes.set(&PHONE_ID, "+7new");
    assert_eq!(sent(&changes), new);
    // Two changes turn out to be of one field.
    let mut changes = FieldChanges::new();
    changes
        .set(&UTM_SOURCE, "google")
        .set(&PHONE, "+7a")
        .set(&PHONE_ID, "+7b");
    changes.extend(held.to_changes());
    assert_eq!(
        changes.keys().map(ToString::to_string).collect::<Vec<_>>(),
        ["UTM_SOURCE", "601"]
    );
    changes.remove("PHONE");
    assert_eq!(changes.len(), 1);
}

#[test]
fn a_line_of_text_has_at_most_256_characters_and_long_text_more() {
    let line = "ж".repeat(256);
    assert_eq!(written::<Text>(line.as_str()), json!([{"value": line}]));
    let long = "ж".repeat(257);
    assert_eq!(
        refused::<Text>(long.as_str()),
        "custom field SCORE: expected at most 256 characters of text"
    );
    assert_eq!(written::<Textarea>(long.as_str()), json!([{"value": long}]));
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
