//! Templates of chat messages.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::{
    client::{Crm, violations},
    shapes::{assert_shape, fixture},
};

#[tokio::test]
async fn a_whatsapp_template_goes_to_review_and_is_sealed() {
    let crm = Crm::empty().await;
    assert_eq!(crm.get("chats/templates").await.0, 204);
    let source = fixture("sources_create_request")[1].clone();
    let (status, _) = crm.post("sources", json!([source])).await;
    assert_eq!(status, 200);
    let request = fixture("chat_templates_create_request");
    let (status, made) = crm.post("chats/templates", request).await;
    assert_eq!(status, 200, "{made}");
    let id = made["_embedded"]["chat_templates"][1]["id"]
        .as_u64()
        .unwrap();
    let path = format!("chats/templates/{id}");
    crm.change(&path, json!({"content": "Бронь готова!"})).await;

    let review = assert_shape(
        "chat_template_review_response",
        crm.post(&format!("{path}/review"), json!({})).await,
    );
    assert_shape(
        "chat_template_get",
        crm.get(&format!("{path}?with=reviews")).await,
    );
    assert_eq!(crm.patch(&path, json!({"content": "x"})).await.0, 400);
    let review = review["_embedded"]["reviews"][0]["id"].as_u64().unwrap();
    let decided = assert_shape(
        "chat_template_review_update_response",
        crm.post(
            &format!("{path}/review/{review}"),
            fixture("chat_template_review_update_request"),
        )
        .await,
    );
    assert_eq!(decided["status"], "rejected");
    let seen = crm.read(&format!("{path}?with=reviews")).await;
    assert_eq!(
        (&seen["review_status"], &seen["is_on_review"]),
        (&json!("rejected"), &json!(false))
    );
    assert_eq!(
        crm.post(&format!("{path}/review/5"), json!({"status": "approved"}))
            .await
            .0,
        404
    );

    let found = crm
        .read("chats/templates?filter[external_id]=hello-1")
        .await;
    let found = &found["_embedded"]["chat_templates"][0];
    assert_eq!(found["waba_examples"], json!([]), "PHP's empty object");
    let both = made["_embedded"]["chat_templates"].as_array().unwrap();
    let ids: Vec<Value> = both.iter().map(|t| json!({"id": t["id"]})).collect();
    let body = Some(json!(ids).to_string());
    assert_eq!(
        crm.send(Method::DELETE, "chats/templates", body).await.0,
        204
    );
    assert_eq!(crm.get(&path).await.0, 404);
}

#[tokio::test]
async fn templates_have_a_limit_and_small_pages() {
    let crm = Crm::empty().await;
    let item = |n: usize| json!({"name": format!("{n}"), "content": "x"});
    let items: Vec<Value> = (0..250).map(item).collect();
    assert_eq!(crm.post("chats/templates", json!(items)).await.0, 200);
    assert_eq!(crm.post("chats/templates", json!([item(0)])).await.0, 422);
    let page = crm.read("chats/templates?limit=250").await;
    assert_eq!(
        page["_embedded"]["chat_templates"]
            .as_array()
            .unwrap()
            .len(),
        50
    );
}

#[tokio::test]
async fn what_does_not_fit_a_template_is_named() {
    let crm = Crm::empty().await;
    let item = json!({"name": "", "waba_header": "x".repeat(61), "buttons": [{"type": "url", "text": "x"}], "colour": "red"});
    let (_, refused) = crm.post("chats/templates", json!([item])).await;
    let mut found = violations(&refused);
    found.sort();
    assert_eq!(
        found,
        [
            "0: FieldMissing buttons.0.url",
            "0: FieldMissing content",
            "0: FieldNotExpected colour",
            "0: NotBlank name",
            "0: TooLong waba_header",
        ]
    );
}
