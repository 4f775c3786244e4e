//! Lists of a special kind: invoices and products.

use serde_json::{Value, json};

use super::values;
use crate::crm::client::{Crm, violations};

#[tokio::test]
async fn an_invoice_needs_a_status_and_a_payer_and_is_summed_up_by_its_client() {
    let crm = Crm::empty().await;
    let list = crm
        .create("catalogs", json!({"name": "Счета", "type": "invoices"}))
        .await;
    let suppliers = crm
        .create("catalogs", json!({"name": "Юрлица", "type": "suppliers"}))
        .await;
    let supplier = crm
        .create(
            &format!("catalogs/{suppliers}/elements"),
            json!({"name": "ООО «Берег»", "custom_fields_values": [{"field_code": "SUPPLIER_VAT_ID", "values": [{"value": "7700000000"}]}]}),
        )
        .await;
    let fields = crm
        .read(&format!("catalogs/{list}/custom_fields?limit=250"))
        .await;
    for field in fields["_embedded"]["custom_fields"].as_array().unwrap() {
        assert_eq!(field["is_deletable"], false);
        let path = format!("catalogs/{list}/custom_fields/{}", field["id"]);
        assert_eq!(crm.delete(&path).await.0, 400);
    }
    let elements = format!("catalogs/{list}/elements");
    let (status, document) = crm.post(&elements, json!([{"name": "Счёт 1"}])).await;
    assert_eq!((status, &document["detail"]), (400, &json!("Error 285")));

    let contact = crm.create("contacts", json!({"name": "Анна"})).await;
    let position = json!({
        "sku": "V-1", "description": "Вилла", "unit_price": 1000, "quantity": 2, "unit_type": "шт",
        "discount": {"type": "percentage", "value": 10}, "vat_rate_id": 0, "external_uid": "1",
    });
    let value =
        |code: &str, value: Value| json!({"field_code": code, "values": [{"value": value}]});
    let mut invoice = json!({"name": "Счёт 1", "custom_fields_values": [
        {"field_code": "BILL_STATUS", "values": [{"enum_code": "created"}]},
        value("PAYER", json!({"entity_type": "contacts", "entity_id": contact})),
        value("SUPPLIER", json!({"entity_id": supplier})),
        value("ITEMS", position),
        value("BILL_PRICE", json!(2000)),
    ]});
    let (status, document) = crm.post(&elements, json!([invoice])).await;
    assert_eq!(status, 200, "{document}");
    let made = &document["_embedded"]["elements"][0];
    assert!(made["invoice_link"].is_string());
    assert!(made["_embedded"]["warning"]["message"].is_string());
    let path = format!("{elements}/{}", made["id"]);
    let changed = crm
        .change(
            &path,
            json!({"custom_fields_values": [value("BILL_PRICE", json!(1800))]}),
        )
        .await;
    assert_eq!(changed["_embedded"]["warning"]["message"], Value::Null);
    let read = values(&crm, &path).await;
    assert_eq!(read("BILL_STATUS"), "Создан");
    assert_eq!(read("PAYER")["name"], "Анна");
    assert_eq!(read("SUPPLIER")["vat_id"], "7700000000");
    let item = read("ITEMS");
    assert_eq!(item["total_sum"], 1800.0);
    assert_eq!(item["metadata"], json!([]));
    let document = crm
        .read(&format!("{path}?with=invoice_link,supplier_field_values"))
        .await;
    assert!(document["invoice_link"].is_string());
    assert_eq!(
        document["supplier_field_values"][0]["field_code"],
        "SUPPLIER_VAT_ID"
    );

    // What is computed cannot be written back, and what points elsewhere must point at something.
    invoice["custom_fields_values"][1] = value("PAYER", json!({"entity_type": "contacts"}));
    invoice["custom_fields_values"][2] = value("SUPPLIER", json!({"entity_id": 1}));
    invoice["custom_fields_values"][3] = value("ITEMS", item);
    invoice["custom_fields_values"][4] = value("LEGAL_ENTITY", json!({"vat_id": "7700000000"}));
    let (_, document) = crm.post(&elements, json!([invoice])).await;
    let at = |index: usize| format!("custom_fields_values.{index}.values.0.value");
    assert_eq!(
        violations(&document),
        [
            format!("0: FieldMissing {}.entity_id", at(1)),
            format!("0: NotSupportedChoice {}.entity_id", at(2)),
            format!("0: FieldNotExpected {}.is_discount_recalculated", at(3)),
            format!("0: FieldNotExpected {}.is_total_sum_recalculated", at(3)),
            format!("0: FieldNotExpected {}.total_sum", at(3)),
            format!("0: FieldMissing {}.name", at(4)),
        ]
    );
}

#[tokio::test]
async fn products_are_switched_on_in_the_words_of_v4_and_of_v2() {
    let crm = Crm::empty().await;
    let settings = "catalogs/products/settings";
    assert_eq!(
        crm.read(settings).await,
        json!({"is_enabled": false, "catalog_id": null})
    );
    let on = crm.change(settings, json!({"is_enabled": true})).await;
    let list = on["catalog_id"].as_u64().unwrap();
    assert_eq!(crm.ids("catalogs?type=products").await, [list]);
    let v2 = "/api/v2/products_settings";
    let (status, off) = crm.post(&format!("{v2}/"), json!({"enabled": false})).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&off["is_enabled"], &off["catalog_id"]),
        (&json!(false), &json!(list))
    );
    assert_eq!(crm.read(v2).await["is_enabled"], false);
    let fields = crm.read(&format!("catalogs/{list}/custom_fields")).await;
    let fields = fields["_embedded"]["custom_fields"]
        .as_array()
        .unwrap()
        .clone();
    let codes: Vec<&str> = fields
        .iter()
        .map(|it| it["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        ["SKU", "DESCRIPTION", "PRICE", "GROUP", "EXTERNAL_ID"]
    );
    assert_eq!(fields[4]["is_visible"], false);
}
