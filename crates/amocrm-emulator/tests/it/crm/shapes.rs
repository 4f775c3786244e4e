//! The answers have the shapes of `fixtures/amocrm`: the same keys, the same JSON types.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::client::Crm;

pub(crate) fn fixture(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/amocrm")
        .join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Where the two differ. A null is compatible with everything, lists are compared item by item as far as both go.
fn differences(expected: &Value, actual: &Value, at: &str, out: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(expected), Value::Object(actual)) => {
            for key in expected.keys().filter(|key| !actual.contains_key(*key)) {
                out.push(format!("{at}.{key} is missing"));
            }
            for key in actual.keys().filter(|key| !expected.contains_key(*key)) {
                out.push(format!("{at}.{key} is not expected"));
            }
            for (key, value) in expected {
                if let Some(other) = actual.get(key) {
                    differences(value, other, &format!("{at}.{key}"), out);
                }
            }
        }
        (Value::Array(expected), Value::Array(actual)) => {
            if !expected.is_empty() && actual.is_empty() {
                out.push(format!("{at} is empty"));
            }
            for (index, (value, other)) in expected.iter().zip(actual).enumerate() {
                differences(value, other, &format!("{at}.{index}"), out);
            }
        }
        _ if kind(expected) == kind(actual) => {}
        _ => out.push(format!(
            "{at} is {} instead of {}",
            kind(actual),
            kind(expected)
        )),
    }
}

#[track_caller]
pub(crate) fn assert_shape(name: &str, (status, actual): (u16, Value)) -> Value {
    let mut found = Vec::new();
    differences(&fixture(name), &actual, "", &mut found);
    assert!(
        found.is_empty(),
        "{name} ({status}): {found:#?}\n{actual:#}"
    );
    actual
}

/// A list, an element of it and a field of prices.
async fn list_with_element(crm: &Crm) -> (u64, u64, u64) {
    let list = crm.create("catalogs", json!({"name": "Товары"})).await;
    let price = json!({"name": "Цена", "type": "price"});
    let price = crm
        .create(&format!("catalogs/{list}/custom_fields"), price)
        .await;
    let element = json!({"name": "Вилла"});
    let element = crm
        .create(&format!("catalogs/{list}/elements"), element)
        .await;
    (list, element, price)
}

#[tokio::test]
async fn leads_answer_in_the_shapes_of_the_fixtures() {
    let crm = Crm::start().await;
    let made = assert_shape(
        "leads_create_response",
        crm.post("leads", fixture("leads_create_request")).await,
    );
    assert_eq!(made["_embedded"]["leads"][0]["request_id"], "order-77");
    assert_eq!(made["_embedded"]["leads"][1]["request_id"], "1");
    let company = crm.create("companies", json!({"name": "ООО"})).await;
    let ids: Vec<u64> = [0, 1]
        .map(|n| made["_embedded"]["leads"][n]["id"].as_u64().unwrap())
        .to_vec();
    crm.post(
        &format!("leads/{}/link", ids[0]),
        json!([{"to_entity_id": company, "to_entity_type": "companies"}]),
    )
    .await;

    let list = format!("leads?filter[id][]={}&filter[id][]={}", ids[1], ids[0]);
    assert_shape("leads_list", crm.get("leads?limit=2&order[id]=asc").await);
    assert_shape(
        "leads_list_last_page",
        crm.get(&format!("{list}&limit=1&page=2")).await,
    );

    let mut update = fixture("leads_update_request");
    update[0]["id"] = ids[0].into();
    update[1]["id"] = ids[1].into();
    assert_shape("leads_update_response", crm.patch("leads", update).await);
    let path = format!("leads/{}", ids[0]);
    assert_shape(
        "lead_update_response",
        crm.patch(&path, fixture("lead_update_request")).await,
    );

    let complex = assert_shape(
        "leads_complex_response",
        crm.post("leads/complex", fixture("leads_complex_request"))
            .await,
    );
    assert_eq!(complex[0]["request_id"], json!(["row-1"]));
    assert_eq!(complex[1]["contact_id"], Value::Null);

    crm.throw_away("leads", ids[1]).await;
    assert_shape(
        "leads_deleted_list",
        crm.get("leads?with=only_deleted").await,
    );
}

#[tokio::test]
async fn contacts_and_companies_answer_in_the_shapes_of_the_fixtures() {
    let crm = Crm::empty().await;
    let made = assert_shape(
        "contacts_create_response",
        crm.post("contacts", fixture("contacts_create_request"))
            .await,
    );
    let contact = made["_embedded"]["contacts"][0]["id"].as_u64().unwrap();
    crm.post("contacts", json!([{}, {}])).await;
    let made = assert_shape(
        "companies_create_response",
        crm.post("companies", fixture("companies_create_request"))
            .await,
    );
    let company = made["_embedded"]["companies"][0]["id"].as_u64().unwrap();
    let more = crm.create("companies", json!({})).await;
    let lead = crm
        .create(
            "leads",
            json!({"_embedded": {"contacts": [{"id": contact}], "companies": [{"id": company}]}}),
        )
        .await;
    crm.post(
        &format!("companies/{company}/link"),
        json!([{"to_entity_id": contact, "to_entity_type": "contacts"}]),
    )
    .await;

    assert_shape(
        "contacts_list",
        crm.get("contacts?limit=2&order[id]=asc").await,
    )
    .as_object()
    .unwrap();
    let with = "with=leads,customers,catalog_elements,contacts";
    assert_shape(
        "contact_get",
        crm.get(&format!("contacts/{contact}?{with}")).await,
    );
    assert_shape(
        "contact_update_response",
        crm.patch(
            &format!("contacts/{contact}"),
            fixture("contact_update_request"),
        )
        .await,
    );
    assert_shape(
        "company_get",
        crm.get(&format!("companies/{company}?{with}")).await,
    );
    let list = crm.get("companies?limit=2&order[id]=asc").await;
    assert_eq!(list.1["_embedded"]["companies"][1]["id"], more);
    let mut found = Vec::new();
    differences(
        &fixture("companies_list")["_embedded"],
        &list.1["_embedded"],
        "",
        &mut found,
    );
    assert_eq!(found, Vec::<String>::new());
    assert!(lead > 40_000_000);
}

#[tokio::test]
async fn settings_answer_in_the_shapes_of_the_fixtures() {
    let crm = Crm::start().await;
    assert_shape("account", crm.get("account").await);
    let with = "amojo_id,uuid,amojo_rights,users_groups,task_types,version,entity_names,datetime_settings,drive_url,\
                is_api_filter_enabled,invoices_settings";
    assert_shape(
        "account_with_all",
        crm.get(&format!("account?with={with}")).await,
    );
    let users = assert_shape("users_list", crm.get("users").await);
    let first = &users["_embedded"]["users"][0]["id"];
    assert_shape("user_get", crm.get(&format!("users/{first}")).await);
    let reasons = assert_shape("loss_reasons_list", crm.get("leads/loss_reasons").await);
    let first = &reasons["_embedded"]["loss_reasons"][0]["id"];
    assert_shape(
        "loss_reason_get",
        crm.get(&format!("leads/loss_reasons/{first}")).await,
    );

    let pipelines = assert_shape("pipelines_list", crm.get("leads/pipelines").await);
    let main = pipelines["_embedded"]["pipelines"][0]["id"]
        .as_u64()
        .unwrap();
    assert_shape(
        "pipeline_get",
        crm.get(&format!("leads/pipelines/{main}")).await,
    );
    assert_shape(
        "pipelines_create_response",
        crm.post("leads/pipelines", fixture("pipelines_create_request"))
            .await,
    );
    assert_shape(
        "pipeline_get",
        crm.patch(
            &format!("leads/pipelines/{main}"),
            fixture("pipeline_update_request"),
        )
        .await,
    );
    let statuses = format!("leads/pipelines/{main}/statuses");
    let made = assert_shape(
        "statuses_create_response",
        crm.post(&statuses, fixture("statuses_create_request"))
            .await,
    );
    let status = made["_embedded"]["statuses"][0]["id"].as_u64().unwrap();
    let (code, one) = crm
        .get(&format!("{statuses}/{status}?with=descriptions"))
        .await;
    let expected = &fixture("statuses_list")["_embedded"]["statuses"][1];
    let mut found = Vec::new();
    differences(expected, &one, "", &mut found);
    assert!(code == 200 && found.is_empty(), "{found:#?}");
    crm.change(
        &format!("{statuses}/{status}"),
        fixture("status_update_request"),
    )
    .await;

    let made = assert_shape(
        "webhook_subscribe_response",
        crm.post("webhooks", fixture("webhook_subscribe_request"))
            .await,
    );
    assert_eq!(made["disabled"], false);
    assert_shape("webhooks_list", crm.get("webhooks").await);
}

#[tokio::test]
async fn fields_tags_links_and_notes_answer_in_the_shapes_of_the_fixtures() {
    let crm = Crm::empty().await;
    let pipelines = crm.read("leads/pipelines").await;
    let mut fields = fixture("custom_fields_create_request");
    fields[0]["required_statuses"] =
        json!([{"pipeline_id": pipelines["_embedded"]["pipelines"][0]["id"], "status_id": 142}]);
    let made = assert_shape(
        "custom_fields_create_response",
        crm.post("leads/custom_fields", fields).await,
    );
    let select = made["_embedded"]["custom_fields"][0]["id"]
        .as_u64()
        .unwrap();
    assert_shape(
        "custom_field_get",
        crm.get(&format!("leads/custom_fields/{select}")).await,
    );
    assert_shape(
        "custom_fields_list",
        crm.get("leads/custom_fields?page=2&limit=2").await,
    );
    let group = assert_shape(
        "custom_field_groups_create_response",
        crm.post(
            "leads/custom_fields/groups",
            fixture("custom_field_groups_create_request"),
        )
        .await,
    );
    let group = group["_embedded"]["custom_field_groups"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    crm.change(
        &format!("leads/custom_fields/groups/{group}"),
        json!({"fields": [select]}),
    )
    .await;
    assert_shape(
        "custom_field_groups_list",
        crm.get("leads/custom_fields/groups").await,
    );

    assert_shape(
        "tags_create_response",
        crm.post("leads/tags", fixture("tags_create_request")).await,
    );
    crm.create("leads/tags", json!({"name": "третий"})).await;
    assert_shape("tags_list", crm.get("leads/tags?limit=2").await);

    let contact = crm.create("contacts", json!({"name": "Иван"})).await;
    let company = crm.create("companies", json!({"name": "ООО"})).await;
    let lead = crm.create("leads", json!({"name": "Кухня"})).await;
    let mut links = fixture("links_create_request");
    links[0]["to_entity_id"] = contact.into();
    links[1]["to_entity_id"] = company.into();
    // A price that is the default one is not named.
    let (list, element, price) = list_with_element(&crm).await;
    links[2]["to_entity_id"] = element.into();
    links[2]["metadata"]["catalog_id"] = list.into();
    links[2]["metadata"]["price_id"] = price.into();
    assert_shape(
        "links_create_response",
        crm.post(&format!("leads/{lead}/link"), links).await,
    );
    assert_shape("links_list", crm.get(&format!("leads/{lead}/links")).await);

    let notes = format!("leads/{lead}/notes");
    let made = assert_shape(
        "notes_create_response",
        crm.post(&notes, fixture("notes_create_request")).await,
    );
    let note = made["_embedded"]["notes"][0]["id"].as_u64().unwrap();
    assert_shape("note_get", crm.get(&format!("{notes}/{note}")).await);
    assert_shape(
        "notes_list",
        crm.get(&format!("{notes}?with=is_pinned")).await,
    );
    assert_shape(
        "note_update_response",
        crm.patch(&format!("{notes}/{note}"), fixture("note_update_request"))
            .await,
    );
}

#[tokio::test]
async fn a_lead_with_a_field_of_every_type_reads_like_its_fixture() {
    let crm = Crm::start().await;
    let expected = fixture("lead_get");
    let (list, element, price) = list_with_element(&crm).await;
    let catalog = json!([{"title": "Товар", "catalog_id": list, "parent_catalog_id": null}]);
    let mut values = Vec::new();
    for value in expected["custom_fields_values"].as_array().unwrap() {
        let (kind, mut items) = (
            value["field_type"].as_str().unwrap(),
            value["values"].clone(),
        );
        let mut field = json!({"name": value["field_name"], "type": kind, "code": value["field_code"], "currency": "RUB"});
        if kind == "tracking_data" {
            values.push(json!({"field_code": "UTM_SOURCE", "values": items}));
            continue;
        }
        if kind == "chained_list" {
            field["chained_lists"] = catalog.clone();
            items = json!([{"catalog_id": list, "catalog_element_id": element}]);
        }
        if matches!(kind, "select" | "multiselect" | "radiobutton") {
            let options = items
                .as_array()
                .unwrap()
                .iter()
                .map(|item| json!({"value": item["value"], "code": item["enum_code"]}));
            field["enums"] = options.collect();
            items
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .for_each(|item| *item = json!({"value": item["value"]}));
        }
        if kind == "legal_entity" {
            // Reading shows the keys of all countries, writing takes those of the account's.
            items[0]["value"]
                .as_object_mut()
                .unwrap()
                .retain(|_, value| value != "");
        }
        let id = crm.create("leads/custom_fields", field).await;
        values.push(json!({"field_id": id, "field_code": null, "values": items}));
    }
    let contact = crm.create("contacts", json!({})).await;
    let company = crm.create("companies", json!({})).await;
    let reasons = crm.read("leads/loss_reasons").await;
    let lead = crm
        .create(
            "leads",
            json!({
                "status_id": 143,
                "loss_reason_id": reasons["_embedded"]["loss_reasons"][0]["id"],
                "custom_fields_values": values,
                "tags_to_add": [{"name": "сайт"}],
                "_embedded": {"contacts": [{"id": contact}], "companies": [{"id": company}]},
            }),
        )
        .await;
    let element = json!([{"to_entity_id": element, "to_entity_type": "catalog_elements", "metadata": {"catalog_id": list, "quantity": 2, "price_id": price}}]);
    crm.post(&format!("leads/{lead}/link"), element).await;
    let with = "with=contacts,loss_reason,catalog_elements,source_id,is_price_modified_by_robot";
    let read = assert_shape("lead_get", crm.get(&format!("leads/{lead}?{with}")).await);

    // Beyond the shape: what was written is what is read.
    let plain = |document: &Value| -> Vec<Value> {
        let fields = document["custom_fields_values"].as_array().unwrap();
        fields
            .iter()
            .flat_map(|f| f["values"].as_array().unwrap())
            .map(|v| v["value"].clone())
            .collect()
    };
    let (expected, read) = (plain(&expected), plain(&read));
    assert_eq!(expected, read);
}

#[tokio::test]
async fn errors_answer_in_the_shapes_of_the_fixtures() {
    let crm = Crm::start().await;
    let bad = json!([{"price": "much", "custom_fields_values": [{"field_id": 1, "values": [{"value": "x"}]}]}]);
    let document = assert_shape("validation_errors", crm.post("leads", bad).await);
    assert_eq!(document["detail"], "Request validation failed");
    let lead = crm.create("leads", json!({})).await;
    let bad = json!({"custom_fields_values": [{"field_code": "UTM_TERM", "values": []}]});
    let document = assert_shape(
        "validation_errors_single",
        crm.patch(&format!("leads/{lead}"), bad).await,
    );
    assert!(document["validation-errors"][0].get("request_id").is_none());
    let many = vec![json!({}); 251];
    assert_eq!(
        assert_shape("problem_limit", crm.post("leads", many.into()).await),
        fixture("problem_limit")
    );
    let empty = crm
        .send(reqwest::Method::POST, "leads", Some(String::new()))
        .await;
    assert_eq!(
        assert_shape("problem_empty_body", empty),
        fixture("problem_empty_body")
    );
    let nowhere = assert_shape("problem_no_route", crm.get("nothing").await);
    assert_eq!(
        nowhere["detail"],
        format!("Cannot GET {}/api/v4/nothing!", crm.emulator.base_url())
    );
    assert_eq!(crm.delete("leads").await, (405, Value::Null));
    assert_eq!(
        crm.post(&format!("contacts/{lead}"), json!({})).await.0,
        405
    );
    assert_eq!(crm.get("customers").await.0, 426);
}
