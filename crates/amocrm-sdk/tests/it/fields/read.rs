//! What is read.

use amocrm_sdk::fields::kind::{
    ChainedList, Checkbox, Date, DateTime, File, LegalEntity, LinkedEntity, Multiselect, Multitext,
    Numeric, Payer, Select, SmartAddress, Text,
};
use amocrm_sdk::fields::{ChainedElement, CustomFieldValues, Field, FieldKind};
use serde_json::{Value, json};

use super::{held, read};

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
