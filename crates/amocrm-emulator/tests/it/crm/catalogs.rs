//! Lists: their elements, the values only they have, invoices, products, and links with quantities.

use amocrm_emulator::{Emulator, Seed};
use serde_json::{Value, json};

use super::{
    client::{Crm, violations},
    events::{Subscriber, Told},
};

/// The values of an element by the code of their field.
async fn values(crm: &Crm, path: &str) -> impl Fn(&str) -> Value {
    let document = crm.read(path).await;
    move |code| {
        let fields = document["custom_fields_values"].as_array().unwrap();
        let field = fields.iter().find(|field| field["field_code"] == code);
        field.unwrap()["values"][0]["value"].clone()
    }
}

#[tokio::test]
async fn there_are_ten_lists_and_one_of_each_special_kind() {
    let mut crm = Crm::start().await;
    assert_eq!(crm.get("catalogs").await.0, 204);
    let list = crm.create("catalogs", json!({"name": "Виллы"})).await;
    let path = format!("catalogs/{list}");
    let changed = crm
        .change(&path, json!({"name": "Дома", "can_link_multiple": false}))
        .await;
    assert_eq!(changed["request_id"], list.to_string());
    assert_eq!(crm.read(&path).await["can_link_multiple"], false);
    let kinds = json!([
        {"name": "Счета", "type": "invoices"},
        {"name": "Ещё счета", "type": "invoices"},
        {"type": "novelties"},
    ]);
    let (_, document) = crm.post("catalogs", kinds).await;
    assert_eq!(
        violations(&document),
        [
            "1: NotSupportedChoice type",
            "2: FieldMissing name",
            "2: NotSupportedChoice type"
        ]
    );
    let invoices = crm
        .create("catalogs", json!({"name": "Счета", "type": "invoices"}))
        .await;
    assert_eq!(crm.ids("catalogs?type=invoices").await, [invoices]);
    let account = crm.read("account?with=invoices_settings").await;
    assert_eq!(
        account["invoices_settings"]["invoices_catalog_id"],
        invoices
    );
    let eight = vec![json!({"name": "x"}); 8];
    assert_eq!(crm.post("catalogs", eight.clone().into()).await.0, 200);
    assert_eq!(crm.post("catalogs", eight[..1].into()).await.0, 400);
    assert_eq!(crm.get("catalogs/1").await, (204, Value::Null));
    assert_eq!(crm.delete(&path).await, (405, Value::Null));
    assert_eq!(crm.get("catalogs/1/elements").await.0, 404);
    assert_eq!(crm.get("catalogs/1/custom_fields").await.0, 404);
    crm.act_as(9_000_002).await;
    assert_eq!(crm.patch(&path, json!({})).await.0, 403);
}

#[tokio::test]
async fn elements_come_back_whole_and_are_found_by_id_and_text() {
    let crm = Crm::empty().await;
    let list = crm.create("catalogs", json!({"name": "Виллы"})).await;
    let fields = format!("catalogs/{list}/custom_fields");
    let price = crm
        .create(
            &fields,
            json!({"name": "Цена", "type": "price", "code": "PRICE"}),
        )
        .await;
    let tree = json!([
        {"value": "Виллы", "sort": 1, "request_id": "villas"},
        {"value": "У моря", "sort": 2, "parent_request_id": "villas"},
    ]);
    let (status, document) = crm
        .post(
            &fields,
            json!([{"name": "Группа", "type": "category", "code": "GROUP", "nested": tree}]),
        )
        .await;
    assert_eq!(status, 201);
    let group = &document["_embedded"]["custom_fields"][0];
    assert_eq!(group["enums"], Value::Null);
    assert_eq!(group["nested"][1]["parent_id"], group["nested"][0]["id"]);
    let owner = json!({"name": "Владелец", "type": "linked_entity", "code": "OWNER", "search_in": "contacts"});
    crm.create(&fields, owner).await;
    let bad = json!([
        {"name": "x", "type": "monetary", "currency": "RUB"},
        {"name": "x", "type": "items"},
        {"name": "x", "type": "linked_entity", "search_in": "leads"},
        {"name": "x", "type": "category", "nested": [{"value": "x", "parent_id": 1}]},
    ]);
    let (_, document) = crm.post(&fields, bad).await;
    assert_eq!(
        violations(&document),
        [
            "0: NotSupportedChoice type",
            "1: NotSupportedChoice type",
            "2: NotSupportedChoice search_in",
            "3: NotSupportedChoice nested.0.parent_id"
        ]
    );

    let contact = crm.create("contacts", json!({"name": "Анна"})).await;
    let elements = format!("catalogs/{list}/elements");
    let linked = json!({"entity_id": contact, "entity_type": "contacts"});
    let element = json!({"name": "Вилла у моря", "custom_fields_values": [
        {"field_id": price, "values": [{"value": 120_000.5}]},
        {"field_code": "GROUP", "values": [{"value": "У моря"}]},
        {"field_code": "OWNER", "values": [{"value": linked}]},
    ]});
    let (status, document) = crm
        .post(
            &elements,
            json!([element, {"name": "Студия", "request_id": "7"}]),
        )
        .await;
    assert_eq!(status, 200);
    let made = &document["_embedded"]["elements"];
    // What the client called nothing is called a number here, and only writes say that nothing is deleted.
    assert_eq!(
        (&made[0]["request_id"], &made[1]["request_id"]),
        (&json!(0), &json!("7"))
    );
    assert_eq!(made[0]["is_deleted"], false);
    let id = made[0]["id"].as_u64().unwrap();
    let path = format!("{elements}/{id}");
    assert_eq!(crm.read(&path).await["is_deleted"], Value::Null);
    let value = values(&crm, &path).await;
    assert_eq!(value("PRICE"), "120000.5");
    assert_eq!(value("GROUP"), "У моря");
    assert_eq!(
        value("OWNER"),
        json!({"name": "Анна", "entity_id": contact, "entity_type": "contacts", "catalog_id": null})
    );
    for query in [
        format!("filter[id][]={id}"),
        format!("id={id}"),
        "query=МОРЯ".into(),
    ] {
        assert_eq!(
            crm.ids(&format!("{elements}?{query}")).await,
            [id],
            "{query}"
        );
    }
    let changed = crm.change(&path, json!({"name": "Вилла"})).await;
    assert_eq!(changed["request_id"], id);
    assert_eq!(changed["custom_fields_values"].as_array().unwrap().len(), 3);
    assert_eq!(crm.delete(&path).await, (405, Value::Null));
    assert_eq!(crm.get(&format!("{elements}/1")).await.0, 204);

    // An option that leaves the tree leaves the elements, too.
    let root = json!({"nested": [{"id": group["nested"][0]["id"], "value": "Виллы"}]});
    crm.change(&format!("{fields}/{}", group["id"]), root).await;
    let read = crm.read(&path).await;
    assert_eq!(read["custom_fields_values"].as_array().unwrap().len(), 2);
}

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

#[tokio::test]
async fn elements_are_linked_to_every_card_with_a_quantity_that_the_last_link_sets() {
    let crm = Crm::start().await;
    crm.change(
        "customers/mode",
        json!({"mode": "segments", "is_enabled": true}),
    )
    .await;
    let list = crm.create("catalogs", json!({"name": "Виллы"})).await;
    let fields = format!("catalogs/{list}/custom_fields");
    let price = crm
        .create(&fields, json!({"name": "Опт", "type": "price"}))
        .await;
    let text = crm
        .create(&fields, json!({"name": "Цвет", "type": "text"}))
        .await;
    let element = crm
        .create(
            &format!("catalogs/{list}/elements"),
            json!({"name": "Вилла"}),
        )
        .await;
    let link = |metadata: Value| json!([{"to_entity_id": element, "to_entity_type": "catalog_elements", "metadata": metadata}]);
    for entity in ["leads", "contacts", "companies", "customers"] {
        let card = crm.create(entity, json!({"name": "x"})).await;
        let path = format!("{entity}/{card}");
        let first = json!({"catalog_id": list, "quantity": 2, "price_id": price});
        let (status, document) = crm.post(&format!("{path}/link"), link(first)).await;
        assert_eq!(status, 200, "{document}");
        assert_eq!(
            document["_embedded"]["links"][0]["metadata"].to_string(),
            format!(r#"{{"catalog_id":{list},"price_id":{price},"quantity":2.0}}"#)
        );
        let again = json!({"catalog_id": list, "quantity": 11.5, "price_id": null});
        crm.post(&format!("{path}/link"), link(again)).await;
        let read = crm.read(&format!("{path}?with=catalog_elements")).await;
        let linked = read["_embedded"]["catalog_elements"].as_array().unwrap();
        assert_eq!(linked.len(), 1);
        assert_eq!(
            linked[0]["metadata"],
            json!({"catalog_id": list, "quantity": 11.5})
        );
        let listed = crm
            .read(&format!("{path}/links?filter[to_catalog_id]={list}"))
            .await;
        assert_eq!(listed["_embedded"]["links"][0]["to_entity_id"], element);
        let gone = link(json!({"catalog_id": list}));
        assert_eq!(crm.post(&format!("{path}/unlink"), gone).await.0, 204);
        let read = crm.read(&format!("{path}?with=catalog_elements")).await;
        assert_eq!(read["_embedded"]["catalog_elements"], json!([]));
    }

    let lead = crm.ids("leads?limit=1").await[0];
    let path = format!("leads/{lead}/link");
    let contact = crm.ids("contacts?limit=1").await[0];
    let bad = json!([
        {"to_entity_id": 5, "to_entity_type": "catalog_elements", "metadata": {"catalog_id": list}},
        {"to_entity_id": element, "to_entity_type": "catalog_elements", "metadata": {"catalog_id": 1}},
        {"to_entity_id": element, "to_entity_type": "catalog_elements", "metadata": {"catalog_id": list, "price_id": text}},
        {"to_entity_id": contact, "to_entity_type": "contacts", "metadata": {"main_contact": true}},
    ]);
    let (_, document) = crm.post(&path, bad).await;
    assert_eq!(
        violations(&document),
        [
            "0: NotSupportedChoice to_entity_id",
            "1: NotSupportedChoice to_entity_id",
            "2: NotSupportedChoice metadata.price_id",
            "3: FieldNotExpected metadata.main_contact"
        ]
    );
    // With a list goes all that is in it.
    crm.post(&path, link(json!({"catalog_id": list}))).await;
    crm.throw_away("catalogs", list).await;
    let links = crm
        .read(&format!("leads/{lead}?with=catalog_elements"))
        .await;
    assert_eq!(links["_embedded"]["catalog_elements"], json!([]));
}

#[tokio::test]
async fn subscribers_hear_of_elements() {
    let crm = Crm::start().await;
    let subscriber = Subscriber::start().await;
    let codes = [
        "add_catalog_element",
        "update_catalog_element",
        "delete_catalog_element",
    ];
    subscriber.subscribe(&crm, &codes).await;
    let list = crm.create("catalogs", json!({"name": "Виллы"})).await;
    let field = json!({"name": "Цена", "type": "price"});
    let price = crm
        .create(&format!("catalogs/{list}/custom_fields"), field)
        .await;
    let elements = format!("catalogs/{list}/elements");
    let values = json!([{"field_id": price, "values": [{"value": 5}]}]);
    let element = crm
        .create(
            &elements,
            json!({"name": "Вилла", "custom_fields_values": values}),
        )
        .await;
    crm.change(&format!("{elements}/{element}"), json!({"name": "Дом"}))
        .await;
    crm.throw_away("catalog_elements", element).await;
    let told = subscriber.take(&crm).await;
    let what: Vec<String> = told.iter().map(Told::what).collect();
    assert_eq!(
        what,
        ["catalogs[add]", "catalogs[update]", "catalogs[delete]"]
    );
    assert_eq!(
        told[0].get("[custom_fields][0][values][0][value]"),
        Some("5")
    );
    assert_eq!(told[1].get("[name]"), Some("Дом"));
    for told in &told {
        assert_eq!(told.get("[id]"), Some(&*element.to_string()));
        assert_eq!(told.get("[catalog_id]"), Some(&*list.to_string()));
        assert_eq!(told.get("[type]"), Some("catalog"));
    }
    assert_eq!(crm.get(&elements).await.0, 204);
}

#[tokio::test]
async fn currencies_are_read_in_pages() {
    let crm = Crm::empty().await;
    let document = crm.read("currencies?limit=3").await;
    assert_eq!(document["_embedded"]["currencies"][0]["code"], "RUB");
    assert!(document["_links"]["next"].is_object());
    assert_eq!(crm.get("currencies?page=9").await.0, 204);
}

#[tokio::test]
async fn some_accounts_cut_the_pages_of_elements_and_name_no_next_one() {
    let crm = Crm::empty().await;
    let list = crm.create("catalogs", json!({"name": "Виллы"})).await;
    let elements = format!("catalogs/{list}/elements");
    let many = vec![json!({"name": "Вилла"}); 120];
    assert_eq!(crm.post(&elements, many.into()).await.0, 200);
    let path = format!("{elements}?limit=250");
    assert_eq!(crm.ids(&path).await.len(), 120);
    crm.control("catalogs", json!({"cuts_pages": true})).await;
    let first = crm.read(&path).await;
    assert_eq!(
        first["_embedded"]["elements"].as_array().unwrap().len(),
        100
    );
    assert_eq!(first["_links"].get("next"), None);
    assert_eq!(crm.ids(&format!("{path}&page=2")).await.len(), 20);
    assert_eq!(crm.get(&format!("{path}&page=3")).await.0, 204);
}

#[tokio::test]
async fn lists_customers_and_short_links_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let builder = Emulator::builder().seed(Seed::AsiaDeals).rate_limit(None);
        let state = builder.state(dir.path().join("state.json"));
        Crm::with(state.start().await.unwrap())
    };
    let crm = start().await;
    let on = json!({"mode": "segments", "is_enabled": true});
    crm.change("customers/mode", on).await;
    let customer = crm.create("customers", json!({"name": "Анна"})).await;
    crm.create(
        &format!("customers/{customer}/transactions"),
        json!({"price": 5}),
    )
    .await;
    let list = crm.create("catalogs", json!({"name": "Виллы"})).await;
    let fields = format!("catalogs/{list}/custom_fields");
    let field = json!({"name": "Группа", "type": "category", "nested": [{"value": "У моря"}]});
    crm.create(&fields, field).await;
    crm.create(
        &format!("catalogs/{list}/elements"),
        json!({"name": "Вилла"}),
    )
    .await;
    let contact = crm.ids("contacts?limit=1").await[0];
    let metadata = json!({"entity_type": "contacts", "entity_id": contact});
    let link = json!([{"url": "https://asia.example/", "metadata": metadata}]);
    let made = crm.post("short_links", link.clone()).await.1;
    let code = |document: &Value| {
        let url = &document["_embedded"]["short_links"][0]["url"];
        url.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    let paths = [
        format!("customers/{customer}"),
        "customers/transactions".to_owned(),
        fields,
        format!("catalogs/{list}/elements"),
    ];
    // Addresses begin with the port, which is another one after the restart.
    let look = async |crm: &Crm| {
        let mut seen = String::new();
        for path in &paths {
            seen += &crm.read(path).await.to_string();
        }
        seen.replace(crm.emulator.base_url(), "")
    };
    let before = look(&crm).await;
    crm.emulator.shutdown().await;
    let crm = start().await;
    assert_eq!(look(&crm).await, before);
    assert_eq!(code(&crm.post("short_links", link).await.1), code(&made));
}
