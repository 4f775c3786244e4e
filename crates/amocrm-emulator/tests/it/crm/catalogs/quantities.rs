//! Elements on cards: how many of them, at which price.

use serde_json::{Value, json};

use crate::crm::client::{Crm, violations};

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
    let by_another = json!({"catalog_id": list, "updated_by": 9_000_002});
    crm.post(&path, link(by_another)).await;
    assert_eq!(
        crm.read(&format!("leads/{lead}")).await["updated_by"],
        9_000_002
    );
    crm.throw_away("catalogs", list).await;
    let links = crm
        .read(&format!("leads/{lead}?with=catalog_elements"))
        .await;
    assert_eq!(links["_embedded"]["catalog_elements"], json!([]));
}
