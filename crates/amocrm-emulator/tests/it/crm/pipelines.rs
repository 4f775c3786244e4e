//! Pipelines and stages, and how leads move through them.

use serde_json::{Value, json};

use super::client::{Crm, violations};

/// A pipeline with these stages; its id and the ids of the stages.
async fn pipeline(crm: &Crm, stages: &[&str]) -> (u64, Vec<u64>) {
    let statuses: Value = stages
        .iter()
        .map(|name| json!({"name": name, "sort": 500, "color": "#fffeb2"}))
        .collect();
    let item = json!({"name": "Новая", "sort": 7, "is_main": false, "is_unsorted_on": true, "_embedded": {"statuses": statuses}});
    let id = crm.create("leads/pipelines", item).await;
    let document = crm.read(&format!("leads/pipelines/{id}")).await;
    let statuses = document["_embedded"]["statuses"].as_array().unwrap();
    (
        id,
        statuses
            .iter()
            .map(|status| status["id"].as_u64().unwrap())
            .collect(),
    )
}

#[tokio::test]
async fn every_pipeline_has_unsorted_won_and_lost_around_its_own_stages() {
    let crm = Crm::empty().await;
    let (id, ids) = pipeline(&crm, &["Первая", "Вторая"]).await;
    assert_eq!((ids.len(), ids[3], ids[4]), (5, 142, 143));
    let statuses = crm.read(&format!("leads/pipelines/{id}/statuses")).await;
    let sorts: Vec<&Value> = statuses["_embedded"]["statuses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["sort"])
        .collect();
    assert_eq!(sorts, [10, 20, 30, 10_000, 11_000]);
    assert_eq!(statuses["_embedded"]["statuses"][0]["type"], 1);
    for bad in [
        json!({"name": "Без стадий"}),
        json!({"name": "Пустая", "_embedded": {"statuses": []}}),
        json!({"name": "Цвет", "_embedded": {"statuses": [{"name": "x", "color": "#123456"}]}}),
        json!({"_embedded": {"statuses": [{"name": "x"}]}}),
    ] {
        assert_eq!(
            crm.post("leads/pipelines", json!([bad])).await.0,
            400,
            "{bad}"
        );
    }
    let embedded = json!({"_embedded": {"statuses": [{"name": "x"}]}});
    assert_eq!(
        crm.patch(&format!("leads/pipelines/{id}"), embedded)
            .await
            .0,
        400
    );

    crm.change(&format!("leads/pipelines/{id}"), json!({"is_main": true}))
        .await;
    let all = crm.read("leads/pipelines?limit=1&page=9").await;
    let mains: Vec<&Value> = all["_embedded"]["pipelines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["is_main"] == true)
        .collect();
    assert_eq!((mains.len(), &mains[0]["id"]), (1, &json!(id)));
}

#[tokio::test]
async fn a_stage_is_valid_only_in_its_pipeline() {
    let crm = Crm::empty().await;
    let (id, ids) = pipeline(&crm, &["Первая", "Вторая"]).await;
    let lead = crm.create("leads", json!({"pipeline_id": id})).await;
    let path = format!("leads/{lead}");
    assert_eq!(
        crm.read(&path).await["status_id"],
        ids[1],
        "the first stage that is not the unsorted one"
    );
    for bad in [
        json!({"status_id": ids[2]}),
        json!({"pipeline_id": id, "status_id": ids[0]}),
        json!({"pipeline_id": id, "status_id": 9}),
    ] {
        let (status, document) = crm.post("leads", json!([bad])).await;
        assert_eq!(
            (status, violations(&document)),
            (400, vec!["0: NotSupportedChoice status_id".to_owned()]),
            "{bad}"
        );
    }
    let (_, document) = crm.patch(&path, json!({"pipeline_id": 1})).await;
    assert_eq!(violations(&document), ["NotSupportedChoice pipeline_id"]);
}

#[tokio::test]
async fn closing_stamps_the_lead_and_reopening_forgets_why() {
    let crm = Crm::start().await;
    let reasons = crm.read("leads/loss_reasons").await;
    let reason = reasons["_embedded"]["loss_reasons"][0]["id"].clone();
    let lead = crm.create("leads", json!({})).await;
    let path = format!("leads/{lead}?with=loss_reason");
    let open = crm.read(&path).await;
    assert_eq!(
        (&open["closed_at"], &open["_embedded"]["loss_reason"]),
        (&Value::Null, &json!([]))
    );

    let (status, document) = crm
        .patch(&format!("leads/{lead}"), json!({"loss_reason_id": reason}))
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        document["errors"][lead.to_string()],
        "Loss reason can be specified only for lost lead"
    );
    assert_eq!(document["detail"], "Invalid request body");

    crm.change(&path, json!({"status_id": 143, "loss_reason_id": reason}))
        .await;
    let lost = crm.read(&path).await;
    assert!(lost["closed_at"].is_i64());
    assert_eq!(lost["_embedded"]["loss_reason"][0]["id"], reason);
    crm.change(
        &path,
        json!({"status_id": open["status_id"], "pipeline_id": open["pipeline_id"]}),
    )
    .await;
    let again = crm.read(&path).await;
    assert_eq!(
        (&again["closed_at"], &again["loss_reason_id"]),
        (&Value::Null, &Value::Null)
    );
    let history = crm
        .create("leads", json!({"status_id": 142, "closed_at": 1000}))
        .await;
    assert_eq!(
        crm.read(&format!("leads/{history}")).await["closed_at"],
        1000
    );
}

#[tokio::test]
async fn a_deleted_stage_hands_its_leads_to_the_first_and_a_pipeline_with_leads_stays() {
    let crm = Crm::empty().await;
    let (id, ids) = pipeline(&crm, &["Первая", "Вторая"]).await;
    let lead = crm
        .create("leads", json!({"pipeline_id": id, "status_id": ids[2]}))
        .await;
    let statuses = format!("leads/pipelines/{id}/statuses");
    assert_eq!(
        crm.delete(&format!("{statuses}/{}", ids[2])).await,
        (204, Value::Null)
    );
    assert_eq!(
        crm.read(&format!("leads/{lead}")).await["status_id"],
        ids[1]
    );
    for gone in [ids[2], ids[0], 142, 143] {
        let (status, document) = crm.delete(&format!("{statuses}/{gone}")).await;
        assert_eq!(
            (status, violations(&document)),
            (400, vec!["NotSupportedChoice status_id".to_owned()]),
            "{gone}"
        );
    }

    let path = format!("leads/pipelines/{id}");
    let (status, document) = crm.delete(&path).await;
    assert_eq!(status, 422, "{document}");
    assert!(
        document["detail"]
            .as_str()
            .unwrap()
            .starts_with("Only pipelines without leads can")
    );
    crm.throw_away("leads", lead).await;
    assert_eq!(crm.delete(&path).await, (204, Value::Null));
    let (status, document) = crm.delete(&path).await;
    assert_eq!(
        (status, violations(&document)),
        (400, vec!["NotSupportedChoice id".to_owned()])
    );
    let main = crm.read("leads/pipelines").await["_embedded"]["pipelines"][0]["id"].clone();
    assert_eq!(crm.delete(&format!("leads/pipelines/{main}")).await.0, 400);
}
