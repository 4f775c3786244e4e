//! Sources, and the button on a site.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::{
    client::{Crm, violations},
    shapes::{assert_shape, fixture},
};

#[tokio::test]
async fn sources_have_the_shapes_of_the_fixtures_and_keep_their_external_ids() {
    let crm = Crm::empty().await;
    assert_eq!(crm.get("sources").await.0, 204);
    let pipeline = crm.read("leads/pipelines").await;
    let pipeline = &pipeline["_embedded"]["pipelines"][0]["id"];
    let mut request = fixture("sources_create_request");
    request[0]["pipeline_id"] = pipeline.clone();
    let made = assert_shape(
        "sources_create_response",
        crm.post("sources", request.clone()).await,
    );
    let id = made["_embedded"]["sources"][0]["id"].as_u64().unwrap();
    assert_shape("sources_list", crm.get("sources").await);
    assert_shape("source_get", crm.get(&format!("sources/{id}")).await);

    let (_, again) = crm.post("sources", request).await;
    assert_eq!(
        violations(&again),
        ["0: NotUnique external_id", "1: NotUnique external_id"]
    );
    let long = json!([{"name": "x", "external_id": "я"}]);
    let (_, refused) = crm.post("sources", long).await;
    assert_eq!(violations(&refused), ["0: InvalidFormat external_id"]);
    let found = crm.read("sources?filter[external_id][]=wa-1").await;
    assert_eq!(found["_total_items"], 1);

    let path = format!("sources/{id}");
    let renamed = crm.change(&path, json!({"name": "Новый сайт"})).await;
    assert_eq!(renamed["name"], "Новый сайт");
    assert_eq!(
        crm.patch(&path, json!({"external_id": "other"})).await.0,
        400
    );
    assert_eq!(crm.patch("sources", json!([{"id": 5}])).await.0, 400);

    let body = Some(json!([{"id": id}, {"id": 5}]).to_string());
    let (status, refused) = crm.send(Method::DELETE, "sources", body).await;
    assert_eq!((status, refused), (400, fixture("sources_delete_errors")));
    assert_eq!(crm.delete("sources/5").await.0, 404);
    assert_eq!(crm.delete(&path).await.0, 204);
    assert_eq!(crm.get(&path).await.0, 204);
}

#[tokio::test]
async fn an_integration_sees_its_own_sources_and_templates_only() {
    let crm = Crm::empty().await;
    crm.post("sources", json!([{"name": "x", "external_id": "x"}]))
        .await;
    crm.post("chats/templates", json!([{"name": "x", "content": "y"}]))
        .await;
    let (_, other) = crm.control("accounts", json!({"subdomain": "other"})).await;
    assert!(other["access_token"].is_string());
    let mut crm = crm;
    crm.take_token(json!({"account_id": other["account_id"]}))
        .await;
    assert_eq!(crm.get("sources").await.0, 204);
    assert_eq!(crm.get("chats/templates").await.0, 204);
}

#[tokio::test]
async fn a_button_is_accepted_at_once_and_made_later() {
    let crm = Crm::empty().await;
    let pipeline = crm.read("leads/pipelines").await;
    let pipeline = &pipeline["_embedded"]["pipelines"][0]["id"];
    let no_site = json!({"pipeline_id": pipeline});
    assert_eq!(crm.post("website_buttons", no_site).await.0, 400);
    let button = json!({"pipeline_id": pipeline, "trusted_websites": ["acme.example"]});
    let (status, made) = crm.post("website_buttons", button).await;
    assert_eq!(status, 202, "{made}");
    assert_eq!(made["trusted_websites"], json!(["acme.example"]));
    let path = format!("website_buttons/{}", made["source_id"]);
    let seen = crm.read(&format!("{path}?with=scripts")).await;
    assert_eq!(seen["creation_status"], "creation_pending");
    assert_eq!(seen["script"], Value::Null);
    crm.emulator.advance(Duration::from_secs(5));
    let seen = crm.read(&format!("{path}?with=scripts")).await;
    assert_eq!(seen["creation_status"], "created");
    assert!(seen["script"].as_str().unwrap().contains("<script>"));

    let chat = format!("{path}/online_chat");
    assert_eq!(crm.post(&chat, json!({})).await, (202, json!({})));
    assert_eq!(
        crm.post("website_buttons/5/online_chat", json!({})).await.0,
        404
    );
    let change = json!({"name": "Вилла", "trusted_websites": {"add": ["villa.example"]}});
    assert_eq!(crm.change(&path, change).await["name"], "Вилла");
    let again: Vec<String> = (0..8).map(|n| format!("{n}.example")).collect();
    let again = [again, vec!["acme.example".to_owned()]].concat();
    let change = json!({"trusted_websites": {"add": again}});
    // The two it has and eight more: a site it has already does not count.
    crm.change(&path, change).await;
    let sites: Vec<String> = (0..10).map(|n| format!("{n}.example")).collect();
    let (status, _) = crm
        .patch(&path, json!({"trusted_websites": {"add": sites}}))
        .await;
    assert_eq!(status, 400, "no more than ten");

    let in_app = json!({"pipeline_id": pipeline, "is_used_in_app": true});
    let (_, made) = crm.post("website_buttons", in_app).await;
    let path = format!("website_buttons/{}", made["source_id"]);
    let (status, _) = crm
        .patch(&path, json!({"trusted_websites": {"add": ["a.example"]}}))
        .await;
    assert_eq!(status, 400, "a button of the application stays there");
    let list = crm.read("website_buttons").await;
    assert_eq!(
        list["_embedded"]["website_buttons"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
