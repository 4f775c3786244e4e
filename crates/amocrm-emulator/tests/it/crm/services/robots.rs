//! Bots and widgets.

use serde_json::{Value, json};

use super::super::{
    client::{Crm, violations},
    shapes::assert_shape,
};

/// The ids of the bots an account begins with: one that only speaks, one that asks a widget.
async fn bots(crm: &Crm) -> (u64, u64) {
    let list = crm.read("bots?with=favorite").await;
    assert_eq!(list["_total_items"], 2);
    let items = list["_embedded"]["items"].as_array().unwrap();
    assert_eq!(items[0]["is_favorite"], false);
    (
        items[0]["id"].as_u64().unwrap(),
        items[1]["id"].as_u64().unwrap(),
    )
}

#[tokio::test]
async fn bots_are_started_on_cards_and_go_on_when_the_widget_answers() {
    let crm = Crm::empty().await;
    let (greeting, asking) = bots(&crm).await;
    let lead = crm.create("leads", json!({"name": "Order"})).await;
    let contact = crm.create("contacts", json!({"name": "Ann"})).await;
    let regular = crm.read("bots?filter[type_functionality]=regular").await;
    assert_eq!(regular["_embedded"]["items"][0]["id"], asking);
    assert_shape("bot_get", crm.get(&format!("bots/{asking}")).await);
    assert_eq!(crm.get("bots/5").await.0, 204);

    let card = json!({"entity_id": lead, "entity_type": "leads"});
    assert_eq!(
        crm.post(&format!("bots/{asking}/run"), card.clone()).await,
        (202, Value::Null)
    );
    let starts = json!([{"bot_id": greeting, "entity_id": contact, "entity_type": "contacts"}]);
    assert_eq!(crm.post("bots/run", starts).await.0, 202);
    let old = json!([{"bot_id": asking, "entity_id": lead, "entity_type": 2}]);
    let (status, answer) = crm.post("/api/v2/salesbot/run", old).await;
    assert_eq!((status, &answer["success"]), (202, &json!(true)));
    let unknown = json!([{"bot_id": 5, "entity_id": 5, "entity_type": "leads"}]);
    let (_, refused) = crm.post("bots/run", unknown).await;
    assert_eq!(
        violations(&refused),
        [
            "0: NotSupportedChoice bot_id",
            "0: NotSupportedChoice entity_id"
        ]
    );
    assert_eq!(crm.post("bots/5/run", card.clone()).await.0, 404);

    let (_, runs) = crm.control_get("bots/runs").await;
    let runs = runs["runs"].as_array().unwrap();
    let states: Vec<&Value> = runs.iter().map(|run| &run["state"]).collect();
    assert_eq!(states, ["waiting", "finished", "waiting"]);

    let go_on = format!("salesbot/{asking}/continue/{}", runs[0]["id"]);
    let show = json!({"handler": "show", "params": {"type": "text", "value": "Готово"}});
    let answer = json!({"data": {"ok": true}, "execute_handlers": [show]});
    let long = json!({"execute_handlers": [{"handler": "show", "params": {"type": "text", "value": "x".repeat(81)}}]});
    assert_eq!(crm.post(&go_on, long).await.0, 400);
    assert_eq!(crm.post(&go_on, answer.clone()).await.0, 202);
    assert_eq!(
        crm.post(&go_on, answer.clone()).await.0,
        404,
        "nobody waits any more"
    );
    assert_eq!(crm.post(&format!("bots/{asking}/stop"), card).await.0, 202);
    let go_on = format!("salesbot/{asking}/continue/{}", runs[2]["id"]);
    assert_eq!(crm.post(&go_on, answer).await.0, 404, "it was stopped");
}

#[tokio::test]
async fn a_widget_is_installed_with_its_settings() {
    let crm = Crm::empty().await;
    let widget = crm.read("widgets/local_widget").await;
    assert_eq!(widget["is_active_in_account"], false);
    let (_, refused) = crm
        .post(
            "widgets/local_widget",
            json!({"login": "x", "colour": "red"}),
        )
        .await;
    let mut found = violations(&refused);
    found.sort();
    assert_eq!(found, ["FieldMissing password", "FieldNotExpected colour"]);
    let settings = json!({"login": "ann", "password": "x", "users": {"9000001": "101"}});
    let (status, widget) = crm.post("widgets/local_widget", settings.clone()).await;
    assert_eq!(status, 200);
    assert_eq!(widget["is_active_in_account"], true);
    assert_eq!(widget["settings"], settings);
    assert_eq!(crm.post("widgets/nobody", json!({})).await.0, 404);
    assert_eq!(crm.delete("widgets/local_widget").await.0, 204);
    assert_eq!(
        crm.read("widgets").await["_embedded"]["widgets"][0]["is_active_in_account"],
        false
    );
    let (status, _) = crm.control("widgets", json!({"code": "phone"})).await;
    assert_eq!(status, 201);
    assert_eq!(crm.read("widgets").await["_total_items"], 2);
}
