//! Customers: the switch, the two modes, purchases, points, and what they share with other cards.

use amocrm_emulator::{CustomersMode, Emulator, Seed};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::{Crm, violations},
    events::{Subscriber, Told},
};

/// An account with customers on.
async fn crm_in(mode: CustomersMode) -> Crm {
    let builder = Emulator::builder().seed(Seed::AsiaDeals).rate_limit(None);
    Crm::with(builder.customers(mode).start().await.unwrap())
}

#[tokio::test]
async fn customers_are_off_until_an_administrator_switches_them_on() {
    let mut crm = Crm::start().await;
    for path in [
        "customers",
        "customers/1",
        "customers/segments",
        "customers/statuses",
        "customers/transactions",
        "customers/custom_fields",
        "customers/30000001/files",
        "customers/nothing/at/all",
    ] {
        assert_eq!(crm.get(path).await.0, 426, "{path}");
    }
    assert_eq!(crm.post("customers", json!([{"name": "x"}])).await.0, 426);
    assert_eq!(crm.read("account").await["customers_mode"], "disabled");

    let (status, document) = crm
        .patch("customers/mode", json!({"mode": "dynamic"}))
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        violations(&document),
        ["FieldMissing is_enabled", "NotSupportedChoice mode"]
    );
    let on = json!({"mode": "periodicity", "is_enabled": true});
    assert_eq!(crm.change("customers/mode", on.clone()).await, on);
    assert_eq!(crm.read("account").await["customers_mode"], "periodicity");
    assert_eq!(crm.get("customers").await.0, 204);
    assert_eq!(crm.get("customers/segments").await.0, 422);
    let off = json!({"mode": "periodicity", "is_enabled": false});
    crm.change("customers/mode", off).await;
    assert_eq!(crm.get("customers").await.0, 426);

    crm.emulator.set_customers_mode(CustomersMode::Unavailable);
    assert_eq!(crm.patch("customers/mode", on.clone()).await.0, 402);
    crm.control("customers", json!({"mode": "segments"})).await;
    assert_eq!(crm.get("customers/statuses").await.0, 422);
    crm.act_as(9_000_002).await;
    assert_eq!(crm.patch("customers/mode", on).await.0, 403);
}

#[tokio::test]
async fn customers_move_through_statuses_in_periodicity_mode() {
    let crm = crm_in(CustomersMode::Periodicity).await;
    let statuses = crm.read("customers/statuses").await["_embedded"]["statuses"].take();
    let kinds: Vec<i64> = statuses
        .as_array()
        .unwrap()
        .iter()
        .map(|status| status["type"].as_i64().unwrap())
        .collect();
    assert_eq!(kinds, [4, 1, 2, 3]);
    let (_, document) = crm
        .post("customers/statuses", json!([{"color": "#123456"}]))
        .await;
    assert_eq!(
        violations(&document),
        [
            "0: FieldMissing name",
            "0: FieldMissing sort",
            "0: NotSupportedChoice color"
        ]
    );
    let own = crm
        .create("customers/statuses", json!({"name": "Обзвон", "sort": 15}))
        .await;

    let (_, document) = crm.post("customers", json!([{"status_id": 1}])).await;
    assert_eq!(
        violations(&document),
        [
            "0: FieldMissing name",
            "0: FieldMissing next_date",
            "0: NotSupportedChoice status_id"
        ]
    );
    let customer = crm
        .create("customers", json!({"name": "Анна", "next_date": 1_900_000_000, "next_price": 500, "periodicity": 30}))
        .await;
    let path = format!("customers/{customer}");
    let read = crm.read(&path).await;
    assert_eq!(read["status_id"], statuses[0]["id"]);
    assert_eq!(read["periodicity"], 30);
    crm.change(&path, json!({"status_id": own})).await;
    assert_eq!(
        crm.ids(&format!("customers?filter[status_id][]={own}"))
            .await,
        [customer]
    );

    let system = format!("customers/statuses/{}", statuses[1]["id"]);
    assert_eq!(crm.delete(&system).await.0, 400);
    let status = format!("customers/statuses/{own}");
    assert_eq!(crm.delete(&status).await, (204, Value::Null));
    assert_eq!(crm.read(&path).await["status_id"], statuses[0]["id"]);
    assert_eq!(crm.get(&status).await.0, 404);
    let moves = crm
        .read("events?filter[type]=customer_status_changed")
        .await;
    let moves = moves["_embedded"]["events"].as_array().unwrap().len();
    assert_eq!(moves, 2);
}

#[tokio::test]
async fn customers_lie_in_segments_in_segments_mode() {
    let crm = crm_in(CustomersMode::Segments).await;
    let field = json!({"name": "Условия", "type": "text", "code": "TERMS"});
    crm.create("customers/segments/custom_fields", field).await;
    let field = json!({"name": "Телефон", "type": "smart_address"});
    let (_, document) = crm
        .post("customers/segments/custom_fields", json!([field]))
        .await;
    assert_eq!(violations(&document), ["0: NotSupportedChoice type"]);

    assert_eq!(
        crm.post("customers/segments", json!([{"name": "x"}]))
            .await
            .0,
        400
    );
    let (_, document) = crm
        .post("customers/segments", json!({"color": "#10599d"}))
        .await;
    assert_eq!(
        violations(&document),
        ["FieldMissing name", "NotSupportedChoice color"]
    );
    let values = json!([{"field_code": "TERMS", "values": [{"value": "10 %"}]}]);
    let (status, segment) = crm
        .post(
            "customers/segments",
            json!({"name": "Свои", "custom_fields_values": values}),
        )
        .await;
    assert_eq!((status, &segment["color"]), (200, &json!("10599d")));
    let id = &segment["id"];

    let customer = crm
        .create(
            "customers",
            json!({"name": "Анна", "_embedded": {"segments": [{"id": id}]}}),
        )
        .await;
    let path = format!("customers/segments/{id}");
    let read = crm.read(&path).await;
    assert_eq!(read["customers_count"], 1);
    assert_eq!(read["custom_fields_values"][0]["field_code"], "TERMS");
    assert_eq!(
        crm.ids(&format!("customers?filter[segments][]={id}")).await,
        [customer]
    );
    let (_, document) = crm
        .patch(
            &format!("customers/{customer}"),
            json!({"_embedded": {"segments": [{"id": 1}]}}),
        )
        .await;
    assert_eq!(
        violations(&document),
        ["NotSupportedChoice _embedded.segments.0.id"]
    );
    assert_eq!(crm.delete(&path).await, (204, Value::Null));
    let read = crm.read(&format!("customers/{customer}")).await;
    assert_eq!(read["_embedded"]["segments"], json!([]));
    assert_eq!(crm.get("customers/segments").await.0, 204);
}

#[tokio::test]
async fn the_sums_of_a_customer_follow_the_purchases() {
    let crm = crm_in(CustomersMode::Segments).await;
    let customer = crm.create("customers", json!({"name": "Анна"})).await;
    let list = crm.create("catalogs", json!({"name": "Виллы"})).await;
    let element = crm
        .create(
            &format!("catalogs/{list}/elements"),
            json!({"name": "Вилла"}),
        )
        .await;
    let path = format!("customers/{customer}/transactions");
    let bought = json!({"id": element, "metadata": {"catalog_id": list, "quantity": 1.5}});
    let first = crm
        .create(&path, json!({"price": 1000, "comment": "задаток", "next_price": 700, "next_date": 1_900_000_000, "_embedded": {"catalog_elements": [bought]}}))
        .await;
    crm.create(&format!("{path}?accrue_bonus=true"), json!({"price": 501}))
        .await;
    let sums = async || {
        let read = crm.read(&format!("customers/{customer}")).await;
        ["ltv", "purchases_count", "average_check"].map(|key| read[key].as_i64().unwrap())
    };
    assert_eq!(sums().await, [1501, 2, 750]);
    let read = crm.read(&format!("customers/{customer}")).await;
    assert_eq!(
        (&read["next_price"], &read["next_date"]),
        (&json!(700), &json!(1_900_000_000))
    );

    let read = crm.read(&format!("{path}/{first}")).await;
    assert_eq!(
        read["_embedded"]["catalog_elements"][0]["metadata"]["quantity"],
        1.5
    );
    assert_eq!(
        crm.ids(&format!("customers/transactions?filter[id][]={first}"))
            .await,
        [first]
    );
    assert_eq!(crm.get("customers/1/transactions").await.0, 204);
    assert_eq!(
        crm.get(&format!("customers/1/transactions/{first}"))
            .await
            .0,
        204
    );
    let (_, document) = crm
        .post(
            &path,
            json!([{"_embedded": {"catalog_elements": [{"id": 5, "metadata": {"catalog_id": list}}]}}]),
        )
        .await;
    assert_eq!(
        violations(&document),
        [
            "0: FieldMissing price",
            "0: NotSupportedChoice _embedded.catalog_elements.0.id"
        ]
    );
    let told = crm.read("events?filter[type]=transaction_added").await;
    assert_eq!(
        told["_embedded"]["events"][1]["value_after"],
        json!([{"transaction": {"id": first}}])
    );

    let transaction = format!("customers/transactions/{first}");
    assert_eq!(crm.delete(&transaction).await, (204, Value::Null));
    assert_eq!(crm.delete(&transaction).await.0, 400);
    assert_eq!(sums().await, [501, 1, 501]);

    let points = format!("customers/{customer}/bonus_points");
    assert_eq!(
        crm.post(&points, json!({"earn": 500})).await,
        (200, json!({"bonus_points": 505}))
    );
    assert_eq!(
        crm.post(&points, json!({"redeem": 5})).await.1["bonus_points"],
        500
    );
    for bad in [
        json!({"earn": 1, "redeem": 1}),
        json!({}),
        json!({"earn": -1}),
        json!({"redeem": 501}),
    ] {
        assert_eq!(crm.post(&points, bad.clone()).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_customer_has_what_every_card_has() {
    let crm = crm_in(CustomersMode::Segments).await;
    let field = json!({"name": "Остров", "type": "text", "code": "ISLAND"});
    crm.create("customers/custom_fields", field).await;
    let customer = crm
        .create(
            "customers",
            json!({
                "name": "Борис",
                "custom_fields_values": [{"field_code": "ISLAND", "values": [{"value": "Самуи"}]}],
                "tags_to_add": [{"name": "vip"}],
            }),
        )
        .await;
    let path = format!("customers/{customer}");
    assert_eq!(crm.ids("customers?query=самуи").await, [customer]);
    assert_eq!(crm.ids("customers?filter[name]=Борис").await, [customer]);
    assert_eq!(crm.get("customers/1").await, (204, Value::Null));
    assert_eq!(
        crm.read("customers/tags").await["_embedded"]["tags"][0]["name"],
        "vip"
    );
    assert!(crm.read(&path).await.get("group_id").is_none());
    let read = crm.read(&format!("{path}?with=group_id")).await;
    assert_eq!(read["group_id"], 0);

    let contacts = crm.ids("contacts?limit=2").await;
    for contact in &contacts {
        let link = json!([{"to_entity_id": contact, "to_entity_type": "contacts"}]);
        assert_eq!(crm.post(&format!("{path}/link"), link).await.0, 200);
    }
    let read = crm.read(&format!("{path}?with=contacts,companies")).await;
    let linked = read["_embedded"]["contacts"].as_array().unwrap();
    let mains: Vec<bool> = linked
        .iter()
        .map(|contact| contact["is_main"].as_bool().unwrap())
        .collect();
    assert_eq!(mains.iter().filter(|is_main| **is_main).count(), 1);
    assert_eq!(read["_embedded"]["companies"], json!([]));
    let read = crm
        .read(&format!("contacts/{}?with=customers", contacts[0]))
        .await;
    assert_eq!(read["_embedded"]["customers"][0]["id"], customer);
    let lead = crm.ids("leads?limit=1").await[0];
    for (from, to, kind) in [
        (format!("leads/{lead}"), customer, "customers"),
        (path.clone(), lead, "leads"),
    ] {
        let link = json!([{"to_entity_id": to, "to_entity_type": kind}]);
        let (_, document) = crm.post(&format!("{from}/link"), link).await;
        assert_eq!(
            violations(&document),
            ["0: NotSupportedChoice to_entity_type"]
        );
    }
    let note = json!({"note_type": "common", "params": {"text": "перезвонить"}});
    crm.create(&format!("{path}/notes"), note).await;
    assert_eq!(crm.ids(&format!("{path}/notes")).await.len(), 1);
    assert_eq!(crm.delete(&path).await, (405, Value::Null));
    crm.throw_away("customers", customer).await;
    assert_eq!(crm.get(&path).await.0, 204);
}

#[tokio::test]
async fn subscribers_hear_of_customers() {
    let crm = crm_in(CustomersMode::Segments).await;
    let subscriber = Subscriber::start().await;
    let codes = ["add_customer", "update_customer", "delete_customer"];
    let codes = [&codes[..], &["responsible_customer", "note_customer"]].concat();
    subscriber.subscribe(&crm, &codes).await;
    let customer = crm
        .create("customers", json!({"name": "Анна", "next_price": 5}))
        .await;
    let told = subscriber.take(&crm).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].what(), "customers[add]");
    assert_eq!(told[0].get("[id]"), Some(&*customer.to_string()));
    assert_eq!(told[0].get("[next_price]"), Some("5"));

    let path = format!("customers/{customer}");
    crm.change(&path, json!({"responsible_user_id": 9_000_002}))
        .await;
    let note = json!({"note_type": "common", "params": {"text": "перезвонить"}});
    crm.create(&format!("{path}/notes"), note).await;
    crm.send(
        Method::POST,
        &format!("{path}/transactions"),
        Some(r#"[{"price": 5}]"#.into()),
    )
    .await;
    crm.throw_away("customers", customer).await;
    let told = subscriber.take(&crm).await;
    let what: Vec<String> = told.iter().map(Told::what).collect();
    assert_eq!(
        what,
        [
            "customers[update]",
            "customers[responsible]",
            "customers[note]",
            "customers[update]",
            "customers[delete]"
        ]
    );
    assert_eq!(told[1].get("[old_responsible_user_id]"), Some("9000001"));
    assert_eq!(told[2].get("[note][element_type]"), Some("12"));
}
