//! Round trips and other laws.

use amocrm_sdk::fields::kind::{
    ChainedList, Checkbox, Date, DateTime, File, Items, LegalEntity, LinkedEntity, Multiselect,
    Multitext, Numeric, Payer, Select, SmartAddress, Supplier, Text,
};
use amocrm_sdk::fields::{
    self, Choice, ContactValue, CustomFieldValues, Field, FieldChanges, FieldType, PHONE,
    UTM_SOURCE,
};
use amocrm_sdk::{FieldEnumId, kind};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{held, read, written};

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

    #[test]
    fn a_field_known_by_both_names_is_sent_once(
        ops in prop::collection::vec((0..3_u64, 1..5_u64, 0..100_i64), 0..20),
    ) {
        // What was read: fields 1 to 4 with their codes.
        let held = |ids: std::ops::Range<u64>, value: i64| -> FieldChanges {
            let fields: Vec<Value> = ids
                .map(|id| json!({"field_id": id, "field_code": format!("F{id}"), "values": [{"value": value}]}))
                .collect();
            serde_json::from_value::<CustomFieldValues>(fields.into()).unwrap().to_changes()
        };
        let mut changes = held(1..5, -1);
        let mut last = [-1; 4];
        for (how, id, value) in ops {
            match how {
                0 => {
                    changes.set(&Field::<Numeric>::id(id), value);
                }
                1 => {
                    changes.set(&Field::<Numeric>::with_code(format!("F{id}")), value);
                }
                _ => {
                    changes.extend(held(id..id + 1, value));
                }
            }
            last[usize::try_from(id - 1).unwrap()] = value;
        }
        let expected: Vec<Value> = (1..5)
            .zip(last)
            .map(|(id, value)| json!({"field_id": id, "values": [{"value": value}]}))
            .collect();
        prop_assert_eq!(serde_json::to_value(&changes).unwrap(), Value::from(expected));
    }
}
