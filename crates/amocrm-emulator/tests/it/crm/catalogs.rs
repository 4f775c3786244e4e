//! Lists: their elements, the values only they have, and what is told and kept of them.

mod quantities;
mod special;

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
    let files = |element| format!("catalogs/{list}/{element}/files");
    assert_eq!(crm.get(&files(id)).await.0, 204);
    assert_eq!(crm.get(&files(1)).await.0, 404);

    // An option that leaves the tree leaves the elements, too.
    let root = json!({"nested": [{"id": group["nested"][0]["id"], "value": "Виллы"}]});
    crm.change(&format!("{fields}/{}", group["id"]), root).await;
    let read = crm.read(&path).await;
    assert_eq!(read["custom_fields_values"].as_array().unwrap().len(), 2);
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
