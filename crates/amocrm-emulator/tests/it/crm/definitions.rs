//! Definitions and groups of custom fields.

use serde_json::{Value, json};

use super::client::{Crm, violations};

#[tokio::test]
async fn a_new_account_has_the_predefined_fields() {
    let crm = Crm::empty().await;
    let codes = async |entity: &str| -> Vec<String> {
        let list = crm.read(&format!("{entity}/custom_fields?limit=250")).await;
        let fields = list["_embedded"]["custom_fields"]
            .as_array()
            .unwrap()
            .clone();
        assert_eq!(list["_total_items"], fields.len());
        fields
            .iter()
            .map(|field| field["code"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        codes("contacts").await,
        ["PHONE", "EMAIL", "POSITION", "USER_AGREEMENT"]
    );
    assert_eq!(
        codes("companies").await,
        ["PHONE", "EMAIL", "WEB", "ADDRESS"]
    );
    let tracking = codes("leads").await;
    assert_eq!(
        (tracking.len(), tracking[0].as_str(), tracking[18].as_str()),
        (19, "UTM_CONTENT", "FBCLID")
    );
    let (contacts, companies) = (
        crm.read("contacts/custom_fields").await,
        crm.read("companies/custom_fields").await,
    );
    let phone = |list: &Value| list["_embedded"]["custom_fields"][0].clone();
    assert_eq!(
        phone(&contacts)["id"],
        phone(&companies)["id"],
        "one id for contacts and companies"
    );
    assert_eq!(phone(&contacts)["enums"].as_array().unwrap().len(), 6);
    let path = format!("contacts/custom_fields/{}", phone(&contacts)["id"]);
    assert_eq!(crm.delete(&path).await.0, 400);
    assert_eq!(
        violations(&crm.patch(&path, json!({"code": "FONE"})).await.1),
        ["NotSupportedChoice code"]
    );
}

#[tokio::test]
async fn definitions_are_checked_as_amocrm_checks_them() {
    let crm = Crm::empty().await;
    let cases = [
        (json!({"type": "text"}), "0: FieldMissing name"),
        (json!({"name": "x"}), "0: FieldMissing type"),
        (
            json!({"name": "x", "type": "multitext"}),
            "0: NotSupportedChoice type",
        ),
        (
            json!({"name": "x", "type": "novelty"}),
            "0: NotSupportedChoice type",
        ),
        (
            json!({"name": "x", "type": "monetary"}),
            "0: FieldMissing currency",
        ),
        (
            json!({"name": "x", "type": "select"}),
            "0: FieldMissing enums",
        ),
        (
            json!({"name": "x", "type": "text", "code": "UTM_SOURCE"}),
            "0: NotSupportedChoice code",
        ),
        (
            json!({"name": "x", "type": "text", "group_id": "nowhere"}),
            "0: NotSupportedChoice group_id",
        ),
        (
            json!({"name": "x", "type": "text", "required_statuses": [{"status_id": 1, "pipeline_id": 2}]}),
            "0: NotSupportedChoice required_statuses.0.pipeline_id",
        ),
    ];
    for (item, expected) in cases {
        let (status, document) = crm.post("leads/custom_fields", json!([item])).await;
        assert_eq!(
            (status, violations(&document)),
            (400, vec![expected.to_owned()]),
            "{item}"
        );
    }
    assert_eq!(
        crm.post(
            "contacts/custom_fields",
            json!([{"name": "x", "type": "tracking_data"}])
        )
        .await
        .0,
        400
    );

    let money = crm
        .create(
            "leads/custom_fields",
            json!({"name": "Аванс", "type": "monetary", "currency": "RUB"}),
        )
        .await;
    let path = format!("leads/custom_fields/{money}");
    assert_eq!(
        violations(&crm.patch(&path, json!({"name": "Доплата"})).await.1),
        ["FieldMissing currency"]
    );
    crm.change(
        &path,
        json!({"name": "Доплата", "currency": "KZT", "type": "monetary"}),
    )
    .await;
    assert_eq!(
        crm.patch(&path, json!({"type": "text", "currency": "KZT"}))
            .await
            .0,
        400
    );
    let changed = crm
        .change(
            "leads/custom_fields",
            json!([{"id": money, "currency": "RUB", "sort": 1}]),
        )
        .await;
    assert_eq!(changed["_embedded"]["custom_fields"][0]["name"], "Доплата");
}

#[tokio::test]
async fn a_deleted_field_takes_its_values_along() {
    let crm = Crm::empty().await;
    let field = crm
        .create(
            "leads/custom_fields",
            json!({"name": "Заметка", "type": "text", "code": "MEMO"}),
        )
        .await;
    let lead = crm
        .create(
            "leads",
            json!({"custom_fields_values": [{"field_code": "MEMO", "values": [{"value": "x"}]}]}),
        )
        .await;
    let path = format!("leads/custom_fields/{field}");
    assert_eq!(crm.delete(&path).await, (204, Value::Null));
    assert_eq!(
        crm.read(&format!("leads/{lead}")).await["custom_fields_values"],
        Value::Null
    );
    assert_eq!(
        violations(&crm.delete(&path).await.1),
        ["NotSupportedChoice id"]
    );
    assert_eq!(crm.get("leads?query=x").await.0, 204);
}

#[tokio::test]
async fn a_group_collects_fields_and_gives_them_back() {
    let crm = Crm::empty().await;
    let field = crm
        .create(
            "leads/custom_fields",
            json!({"name": "Заметка", "type": "text"}),
        )
        .await;
    let (status, made) = crm
        .post(
            "leads/custom_fields/groups",
            json!([{"name": "Доставка", "sort": 3}]),
        )
        .await;
    assert_eq!(status, 201);
    let id = made["_embedded"]["custom_field_groups"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("leads/custom_fields/groups/{id}");
    assert_eq!(
        crm.change(&path, json!({"fields": [field]})).await["fields"],
        json!([field])
    );
    let read = crm.read(&format!("leads/custom_fields/{field}")).await;
    assert_eq!(read["group_id"], id);
    assert_eq!(crm.delete(&path).await.0, 204);
    assert_eq!(
        crm.read(&format!("leads/custom_fields/{field}")).await["group_id"],
        Value::Null
    );
    assert_eq!(
        crm.delete("leads/custom_fields/groups/statistic").await.0,
        400
    );
    let statistic = crm.read("leads/custom_fields/groups/statistic").await;
    assert_eq!(statistic["fields"].as_array().unwrap().len(), 19);
}

#[tokio::test]
async fn only_administrators_change_the_settings() {
    let mut crm = Crm::start().await;
    let users = crm.ids("users").await;
    crm.act_as(users[1]).await;
    let (status, document) = crm.get("users").await;
    assert_eq!(
        (status, &document["detail"]),
        (403, &json!("Insufficient rights"))
    );
    for path in [
        "leads/pipelines",
        "leads/custom_fields",
        "contacts/custom_fields/groups",
        "webhooks",
    ] {
        assert_eq!(
            crm.post(path, json!([{"name": "x"}])).await.0,
            403,
            "{path}"
        );
    }
    assert_eq!(crm.read("account").await["current_user_id"], users[1]);
    let lead = crm.create("leads", json!({"name": "Моя"})).await;
    assert_eq!(
        crm.read(&format!("leads/{lead}")).await["responsible_user_id"],
        users[1]
    );
    assert_eq!(crm.get("leads/pipelines").await.0, 200);
}
