//! Loss reasons are written by administrators; followers of cards can only be read.

use serde_json::{Value, json};

use super::client::{Crm, violations};

#[tokio::test]
async fn a_lead_forgets_a_loss_reason_that_is_deleted() {
    let mut crm = Crm::start().await;
    let made = crm
        .post(
            "leads/loss_reasons",
            json!([{"name": "Далеко", "request_id": "r"}, {"name": "Долго", "sort": 5}]),
        )
        .await
        .1;
    let made = made["_embedded"]["loss_reasons"].clone();
    assert_eq!(
        (&made[0]["sort"], &made[1]["sort"]),
        (&json!(500_000), &json!(5))
    );
    assert_eq!(
        (&made[0]["request_id"], &made[1]["request_id"]),
        (&json!("r"), &json!("1"))
    );
    let path = format!("leads/loss_reasons/{}", made[0]["id"]);
    crm.change(&path, json!({"name": "Очень далеко"})).await;
    let lead = crm
        .create(
            "leads",
            json!({"status_id": 143, "loss_reason_id": made[0]["id"]}),
        )
        .await;
    let read = crm.read(&format!("leads/{lead}?with=loss_reason")).await;
    assert_eq!(read["_embedded"]["loss_reason"][0]["name"], "Очень далеко");

    assert_eq!(crm.delete(&path).await, (204, Value::Null));
    assert_eq!(crm.delete(&path).await.0, 404);
    assert_eq!(
        crm.read(&format!("leads/{lead}")).await["loss_reason_id"],
        Value::Null
    );
    let (status, document) = crm
        .post(
            "leads/loss_reasons",
            json!([{"sort": "x"}, {"name": " ", "color": "red"}]),
        )
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        violations(&document),
        [
            "0: FieldMissing name",
            "0: InvalidType sort",
            "1: FieldNotExpected color",
            "1: NotBlank name"
        ]
    );
    assert_eq!(crm.patch("leads/loss_reasons", json!([])).await.0, 405);
    let users = crm.read("users").await;
    let manager = users["_embedded"]["users"][1]["id"].as_u64().unwrap();
    crm.act_as(manager).await;
    assert_eq!(
        crm.post("leads/loss_reasons", json!([{"name": "я"}]))
            .await
            .0,
        403
    );
}

#[tokio::test]
async fn followers_of_a_card_are_listed() {
    let crm = Crm::start().await;
    let lead = crm.create("leads", json!({})).await;
    let path = format!("leads/{lead}/subscriptions");
    assert_eq!(crm.get(&path).await.0, 204);
    assert_eq!(crm.get("leads/1/subscriptions").await.0, 404);
    let followers =
        json!({"entity_type": "leads", "entity_id": lead, "users": [9_000_001], "groups": [0]});
    assert_eq!(crm.control("followers", followers).await.0, 204);
    let list = crm.read(&path).await;
    assert_eq!(
        (&list["_total_items"], &list["_page_count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        list["_embedded"]["subscriptions"],
        json!([{"subscriber_id": 9_000_001, "type": "user"}, {"subscriber_id": 0, "type": "group"}])
    );
}
