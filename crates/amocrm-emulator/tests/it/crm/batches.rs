//! Writes of many items: all or nothing, matched by `request_id`, with a path to every mistake.

use serde_json::{Value, json};

use super::client::{Crm, violations};

#[tokio::test]
async fn one_bad_item_rejects_the_whole_batch() {
    let crm = Crm::empty().await;
    let batch = json!([
        {"name": "good", "request_id": "first"},
        {"price": true, "status_id": 1, "responsible_user_id": 5, "request_id": "second"},
        {"custom_fields_values": [
            {"field_code": "UTM_TERM", "values": [{"value": "fine"}]},
            {"field_code": "NOTHING", "values": [{"value": "x"}]},
            {"field_code": "UTM_SOURCE", "values": [{"value": 5}]},
            {"field_code": "UTM_SOURCE", "values": [{"value": "x", "enum_code": "WORK"}]},
            {"values": [{"value": "x"}]},
        ], "_embedded": {"tags": [{"name": "a", "request_id": "b"}], "contacts": [{"id": 7}]}},
    ]);
    let (status, document) = crm.post("leads", batch).await;
    assert_eq!(status, 400);
    let mut found = violations(&document);
    found.sort();
    assert_eq!(
        found,
        [
            "2: FieldMissing custom_fields_values.4.field_id",
            "2: FieldNotExpected _embedded.tags.0.request_id",
            "2: FieldNotExpected custom_fields_values.3.values.0.enum_code",
            "2: InvalidType custom_fields_values.2.values.0.value",
            "2: NotSupportedChoice _embedded.contacts.0.id",
            "2: NotSupportedChoice custom_fields_values.1.field_code",
            "second: InvalidType price",
            "second: NotSupportedChoice responsible_user_id",
            "second: NotSupportedChoice status_id",
        ]
    );
    assert_eq!(crm.get("leads").await, (204, Value::Null));
    assert_eq!(crm.get("leads/tags").await.0, 204);
}

#[tokio::test]
async fn a_batch_update_needs_ids_that_exist_and_changes_nothing_else() {
    let crm = Crm::empty().await;
    let lead = crm
        .create(
            "leads",
            json!({"name": "Кухня", "price": 10, "tags_to_add": [{"name": "a"}]}),
        )
        .await;
    let (status, document) = crm
        .patch(
            "leads",
            json!([{"id": lead, "price": 20}, {"price": 1}, {"id": 1, "price": 1}]),
        )
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        violations(&document),
        ["1: FieldMissing id", "2: NotSupportedChoice id"]
    );
    assert_eq!(crm.read(&format!("leads/{lead}")).await["price"], 10);

    crm.change("leads", json!([{"id": lead, "price": 20.9}]))
        .await;
    let read = crm.read(&format!("leads/{lead}")).await;
    assert_eq!(
        (&read["price"], &read["name"]),
        (&json!(20), &json!("Кухня"))
    );
    assert_eq!(read["_embedded"]["tags"][0]["name"], "a");
}

#[tokio::test]
async fn bodies_that_are_no_lists_of_objects_are_refused_and_250_is_the_most() {
    let crm = Crm::empty().await;
    for body in ["", "  ", "[]"] {
        let (status, document) = crm
            .send(reqwest::Method::POST, "leads", Some(body.to_owned()))
            .await;
        assert_eq!(
            (status, &document["detail"]),
            (400, &json!("Request data can not be empty")),
            "{body:?}"
        );
    }
    for body in ["{", r#"{"0": {}}"#, "[1]", "null"] {
        let (status, _) = crm
            .send(reqwest::Method::POST, "contacts", Some(body.to_owned()))
            .await;
        assert_eq!(status, 400, "{body:?}");
    }
    let (status, document) = crm.post("contacts", vec![json!({}); 250].into()).await;
    assert_eq!(
        (
            status,
            document["_embedded"]["contacts"].as_array().unwrap().len()
        ),
        (200, 250)
    );
    assert_eq!(
        crm.post("contacts", vec![json!({}); 251].into()).await.0,
        422
    );
    assert_eq!(
        crm.post("leads/complex", vec![json!({}); 51].into())
            .await
            .0,
        422
    );
}

#[tokio::test]
async fn an_empty_name_is_made_up_from_the_id_and_the_caller_is_responsible() {
    let crm = Crm::empty().await;
    let user = crm.read("account").await["current_user_id"].clone();
    let lead = crm
        .create("leads", json!({"name": "", "created_by": 0}))
        .await;
    let read = crm.read(&format!("leads/{lead}")).await;
    assert_eq!(read["name"], format!("Сделка #{lead}"));
    assert_eq!(
        (&read["responsible_user_id"], &read["created_by"]),
        (&user, &json!(0))
    );
    assert_eq!(read["custom_fields_values"], Value::Null);
    let contact = crm
        .create("contacts", json!({"first_name": "Анна", "last_name": ""}))
        .await;
    assert_eq!(
        crm.read(&format!("contacts/{contact}")).await["name"],
        "Анна"
    );
}

#[tokio::test]
async fn a_complex_lead_links_what_it_brings_and_what_it_names() {
    let crm = Crm::empty().await;
    let known = crm
        .create("contacts", json!({"name": "Старый знакомый"}))
        .await;
    let batch = json!([
        {"_embedded": {"contacts": [{"name": "Новый"}], "companies": [{"name": "ООО"}]}},
        {"_embedded": {"contacts": [{"id": known}]}, "request_id": "x"},
    ]);
    let (status, made) = crm.post("leads/complex", batch).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&made[0]["request_id"], &made[1]["request_id"]),
        (&json!(["0"]), &json!(["x"]))
    );
    let lead = crm
        .read(&format!("leads/{}?with=contacts", made[0]["id"]))
        .await;
    assert_eq!(
        lead["_embedded"]["contacts"][0]["id"],
        made[0]["contact_id"]
    );
    assert_eq!(lead["_embedded"]["contacts"][0]["is_main"], true);
    assert_eq!(
        lead["_embedded"]["companies"][0]["id"],
        made[0]["company_id"]
    );
    let contact = crm
        .read(&format!("contacts/{}", made[0]["contact_id"]))
        .await;
    assert_eq!(
        contact["_embedded"]["companies"][0]["id"],
        made[0]["company_id"]
    );
    assert_eq!(made[1]["contact_id"], known);

    let two = json!([{"_embedded": {"contacts": [{"name": "a"}, {"custom_fields_values": [{"field_code": "PHONE", "values": []}]}]}}]);
    let (status, document) = crm.post("leads/complex", two).await;
    assert_eq!(
        (status, violations(&document)),
        (400, vec!["0: TooMany _embedded.contacts".to_owned()])
    );
    assert_eq!(crm.ids("contacts").await.len(), 2);
}

#[tokio::test]
async fn the_trash_hides_a_lead_everywhere_but_in_its_own_list() {
    let crm = Crm::empty().await;
    let lead = crm.create("leads", json!({"name": "Лишняя"})).await;
    crm.throw_away("leads", lead).await;
    assert_eq!(crm.get(&format!("leads/{lead}")).await.0, 204);
    assert_eq!(crm.get("leads").await.0, 204);
    let trash = crm.read("leads?with=only_deleted").await;
    let item = &trash["_embedded"]["leads"][0];
    assert_eq!(
        (&item["id"], &item["is_deleted"], &item["name"]),
        (&json!(lead), &json!(true), &Value::Null)
    );
    let (status, document) = crm
        .patch(&format!("leads/{lead}"), json!({"price": 1}))
        .await;
    assert_eq!((status, &document["detail"]), (400, &json!("Error 226")));
    let (status, _) = crm
        .post(
            "leads/notes",
            json!([{"entity_id": lead, "note_type": "common", "params": {"text": "x"}}]),
        )
        .await;
    assert_eq!(status, 400);
    // Contacts say of themselves that they are not deleted, even there.
    let contact = crm.create("contacts", json!({"name": "Лишний"})).await;
    crm.throw_away("contacts", contact).await;
    let trash = crm.read("contacts?with=only_deleted").await;
    assert_eq!(trash["_embedded"]["contacts"][0]["is_deleted"], false);
}

#[tokio::test]
async fn duplicate_control_folds_a_lead_into_the_open_one_of_its_contact() {
    let crm = Crm::empty().await;
    let person = |price: u32, phone: &str| {
        let contact = json!({"custom_fields_values": [
            {"field_code": "PHONE", "values": [{"value": phone, "enum_code": "WORK"}]},
        ]});
        json!([{
            "price": price,
            "custom_fields_values": [{"field_code": "UTM_SOURCE", "values": [{"value": phone}]}],
            "_embedded": {"contacts": [contact]},
        }])
    };
    let send = async |phone| crm.post("leads/complex", person(1, phone)).await.1[0].clone();
    let source = async |lead: &Value| {
        let lead = crm.read(&format!("leads/{lead}")).await;
        lead["custom_fields_values"][0]["values"][0]["value"].clone()
    };
    let first = send("+79001234567").await;
    assert_eq!(first["merged"], false);
    assert_eq!(send("+79001234567").await["merged"], false, "off at first");

    crm.control("duplicates", json!({"mode": "keep"})).await;
    let same = send("8 (900) 123-45-67").await;
    assert_eq!(
        (&same["merged"], &same["id"], &same["contact_id"]),
        (&json!(true), &first["id"], &first["contact_id"])
    );
    assert_eq!(source(&first["id"]).await, "+79001234567");
    crm.control("duplicates", json!({"mode": "overwrite"}))
        .await;
    send("8 (900) 123-45-67").await;
    assert_eq!(source(&first["id"]).await, "8 (900) 123-45-67");
    assert_eq!(send("+79007654321").await["merged"], false);

    // By the contact itself, and only into a lead that is open.
    let known = json!([{"_embedded": {"contacts": [{"id": first["contact_id"]}]}}]);
    let again = crm.post("leads/complex", known.clone()).await.1;
    assert_eq!(again[0]["id"], first["id"]);
    crm.change(&format!("leads/{}", first["id"]), json!({"status_id": 143}))
        .await;
    let anew = crm.post("leads/complex", known).await.1;
    assert_eq!(anew[0]["merged"], false);
}
