//! Custom-field values: what is taken, how it is read back, and how it is taken away.

use serde_json::{Value, json};

use super::client::{Crm, violations};

/// The values of a field as a lead has them; null when it is not filled.
async fn values(crm: &Crm, path: &str, field: u64) -> Value {
    let document = crm.read(path).await;
    let fields = document["custom_fields_values"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    fields
        .into_iter()
        .find(|f| f["field_id"] == field)
        .map_or(Value::Null, |f| f["values"].clone())
}

fn write(field: u64, values: impl Into<Value>) -> Value {
    let values = values.into();
    json!({"custom_fields_values": [{"field_id": field, "values": values}]})
}

#[tokio::test]
async fn every_type_takes_what_amocrm_takes_and_reads_as_it_reads() {
    let crm = Crm::empty().await;
    let lead = crm.create("leads", json!({})).await;
    let path = format!("leads/{lead}");
    let cases = [
        ("numeric", json!(123), json!("123")),
        ("numeric", json!(123.45), json!("123.45")),
        ("numeric", json!(100.0), json!("100")),
        ("numeric", json!("0.5"), json!("0.5")),
        ("monetary", json!("10.50"), json!("10.50")),
        ("checkbox", json!(false), json!(false)),
        (
            "date_time",
            json!("2026-01-21T13:00:01+03:00"),
            json!(1_768_989_601),
        ),
        // A calendar day is the midnight of the account's time zone, Moscow here.
        ("date", json!(1_768_989_601), json!(1_768_942_800)),
        (
            "date",
            json!("2026-01-21T00:00:00+10:00"),
            json!(1_768_942_800),
        ),
        ("birthday", json!(-252_471_600), json!(-252_471_600)),
        ("text", json!("x".repeat(256)), json!("x".repeat(256))),
        ("textarea", json!("x".repeat(3000)), json!("x".repeat(3000))),
    ];
    for (kind, sent, expected) in cases {
        let field = crm
            .create(
                "leads/custom_fields",
                json!({"name": kind, "type": kind, "currency": "RUB"}),
            )
            .await;
        crm.change(&path, write(field, json!([{"value": sent}])))
            .await;
        assert_eq!(
            values(&crm, &path, field).await,
            json!([{"value": expected}]),
            "{kind} {sent}"
        );
        crm.change(&path, write(field, Value::Null)).await;
        assert_eq!(
            values(&crm, &path, field).await,
            Value::Null,
            "{kind} is cleared by null"
        );
    }
}

#[tokio::test]
async fn every_type_refuses_what_amocrm_refuses() {
    let crm = Crm::empty().await;
    let path = format!("leads/{}", crm.create("leads", json!({})).await);
    let at = "custom_fields_values.0.values";
    let cases = [
        (
            "text",
            json!([{"value": "x".repeat(257)}]),
            format!("TooLong {at}.0.value"),
        ),
        (
            "text",
            json!([{"value": 1}]),
            format!("InvalidType {at}.0.value"),
        ),
        ("text", json!([{}]), format!("FieldMissing {at}.0.value")),
        ("text", json!([]), format!("TooFew {at}")),
        ("text", json!("x"), format!("InvalidType {at}")),
        (
            "text",
            json!([{"value": "a"}, {"value": "b"}]),
            format!("TooMany {at}"),
        ),
        (
            "numeric",
            json!([{"value": "many"}]),
            format!("InvalidType {at}.0.value"),
        ),
        (
            "checkbox",
            json!([{"value": "1"}]),
            format!("InvalidType {at}.0.value"),
        ),
        (
            "date",
            json!([{"value": "21.01.2026"}]),
            format!("InvalidType {at}.0.value"),
        ),
        (
            "select",
            json!([{"value": "Нет такого"}]),
            format!("NotSupportedChoice {at}.0.value"),
        ),
        (
            "select",
            json!([{"enum_id": 1}]),
            format!("NotSupportedChoice {at}.0.enum_id"),
        ),
        (
            "select",
            json!([{"enum_code": "NO"}]),
            format!("NotSupportedChoice {at}.0.enum_code"),
        ),
        (
            "multiselect",
            json!([{"value": "A", "enum_code": "CODE_A"}]),
            format!("FieldNotExpected {at}.0.enum_code"),
        ),
        (
            "smart_address",
            json!([{"value": "x", "enum_id": 7}]),
            format!("NotSupportedChoice {at}.0.enum_id"),
        ),
        (
            "legal_entity",
            json!([{"value": {"name": "ООО", "unp": ""}}]),
            format!("FieldNotExpected {at}.0.value.unp"),
        ),
        (
            "legal_entity",
            json!([{"value": {"kpp": "1"}}]),
            format!("FieldMissing {at}.0.value.name"),
        ),
        (
            "chained_list",
            json!([{"catalog_id": 1}]),
            format!("FieldMissing {at}.0.catalog_element_id"),
        ),
        (
            "file",
            json!([{"value": {"file_name": "a"}}]),
            format!("FieldMissing {at}.0.value.file_uuid"),
        ),
    ];
    for (kind, sent, expected) in cases {
        let enums = json!([{"value": "A", "code": "CODE_A"}, {"value": "B"}]);
        let field = crm
            .create(
                "leads/custom_fields",
                json!({"name": kind, "type": kind, "enums": enums}),
            )
            .await;
        let (status, document) = crm.patch(&path, write(field, sent.clone())).await;
        assert_eq!(status, 400, "{kind} {sent}");
        assert_eq!(violations(&document), [expected], "{kind} {sent}");
    }
}

#[tokio::test]
async fn an_option_is_chosen_by_text_id_or_code() {
    let crm = Crm::empty().await;
    let path = format!("leads/{}", crm.create("leads", json!({})).await);
    let enums = json!([{"value": "Белый", "sort": 1}, {"value": "Дуб", "sort": 2, "code": "OAK"}]);
    let field = crm
        .create(
            "leads/custom_fields",
            json!({"name": "Цвет", "type": "select", "enums": enums}),
        )
        .await;
    let options = crm.read(&format!("leads/custom_fields/{field}")).await["enums"].clone();
    let oak = options[1]["id"].as_u64().unwrap();
    let expected = json!([{"value": "Дуб", "enum_id": oak, "enum_code": "OAK"}]);
    for sent in [
        json!({"value": "Дуб"}),
        json!({"enum_id": oak, "value": null, "enum_code": null}),
        json!({"enum_code": "OAK"}),
    ] {
        crm.change(&path, write(field, json!([sent]))).await;
        assert_eq!(values(&crm, &path, field).await, expected, "{sent}");
    }
    // The new list is the whole list: an option that is not in it is gone, and so is its value.
    let keep = json!({"enums": [{"id": options[0]["id"], "value": "Снежный"}, {"value": "Орех"}]});
    let changed = crm
        .change(&format!("leads/custom_fields/{field}"), keep)
        .await;
    assert_eq!(
        changed["enums"]["0"]["value"], "Снежный",
        "a list with gaps comes back as an object"
    );
    assert_eq!(values(&crm, &path, field).await, Value::Null);
}

#[tokio::test]
async fn a_phone_is_a_work_phone_unless_told_and_a_write_replaces_all_values() {
    let crm = Crm::empty().await;
    let contact = crm.create("contacts", json!({})).await;
    let path = format!("contacts/{contact}");
    let phones = json!([{"value": "+7 900 111-22-33", "enum_id": null, "enum_code": null}, {"value": "2", "enum_code": "MOB"}, {"value": ""}]);
    crm.change(
        &path,
        json!({"custom_fields_values": [
            {"field_code": "PHONE", "field_id": null, "values": phones},
            {"field_code": "EMAIL", "values": [{"value": "A@example.org", "enum_code": "PRIV"}]},
        ]}),
    )
    .await;
    let document = crm.read(&path).await;
    let phone = &document["custom_fields_values"][0];
    assert_eq!(phone["field_code"], "PHONE");
    let kinds: Vec<&Value> = phone["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["enum_code"])
        .collect();
    assert_eq!(kinds, ["WORK", "MOB"]);
    assert_eq!(phone["values"][0]["value"], "+7 900 111-22-33");

    let only =
        json!({"custom_fields_values": [{"field_code": "PHONE", "values": [{"value": "3"}]}]});
    crm.change(&path, only).await;
    let document = crm.read(&path).await;
    assert_eq!(
        document["custom_fields_values"][0]["values"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(document["custom_fields_values"][1]["field_code"], "EMAIL");
    let unknown = json!({"custom_fields_values": [{"field_code": "PHONE", "values": [{"value": "3", "enum_code": "PAGER"}]}]});
    let (_, document) = crm.patch(&path, unknown).await;
    assert_eq!(
        violations(&document),
        ["NotSupportedChoice custom_fields_values.0.values.0.enum_code"]
    );
}
