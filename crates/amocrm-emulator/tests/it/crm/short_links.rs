//! Short links: made for a contact, opened by whoever has them.

use serde_json::{Value, json};

use super::{
    client::{Crm, violations},
    events::Subscriber,
};

#[tokio::test]
async fn an_opened_short_link_leads_on_and_leaves_a_note() {
    let crm = Crm::start().await;
    let subscriber = Subscriber::start().await;
    subscriber.subscribe(&crm, &["note_contact"]).await;
    let contact = crm.ids("contacts?limit=1").await[0];
    let link = |contact: u64, url: &str| json!({"url": url, "metadata": {"entity_type": "contacts", "entity_id": contact}});
    let target = "https://asia.example/villa?id=1";
    let (status, document) = crm
        .post(
            "short_links",
            json!([
                link(1, target),
                link(contact, target),
                link(contact, target)
            ]),
        )
        .await;
    assert_eq!(status, 200);
    let made = document["_embedded"]["short_links"].as_array().unwrap();
    // Nobody says that there is no contact 1, and one contact has one link to one place.
    assert_eq!(made.len(), 2);
    assert_eq!(made[0], made[1]);
    assert_eq!(made[0]["metadata"]["entity_id"], contact);
    let short = made[0]["url"].as_str().unwrap();
    assert!(short.starts_with(crm.emulator.base_url()), "{short}");

    let visitor = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = visitor.get(short).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()["location"], target);
    let unknown = format!("{}/s/nothing", crm.emulator.base_url());
    assert_eq!(visitor.get(unknown).send().await.unwrap().status(), 404);

    let notes = crm
        .read(&format!(
            "contacts/{contact}/notes?filter[note_type]=link_followed"
        ))
        .await;
    let note = &notes["_embedded"]["notes"][0];
    assert_eq!(note["params"], json!({"url": target}));
    assert_eq!(note["created_by"], 0);
    let told = crm.read("events?filter[type]=link_followed").await;
    assert_eq!(
        told["_embedded"]["events"][0]["value_after"],
        json!([{"note": {"id": note["id"]}}])
    );
    assert_eq!(subscriber.take(&crm).await.len(), 1);

    let bad = json!([{"url": "asia.example", "metadata": {"entity_type": "leads"}}, {}]);
    let (_, document) = crm.post("short_links", bad).await;
    assert_eq!(
        violations(&document),
        [
            "0: InvalidUrl url",
            "0: NotSupportedChoice metadata.entity_type",
            "0: FieldMissing metadata.entity_id",
            "1: FieldMissing url",
            "1: FieldMissing metadata"
        ]
    );
    assert_eq!(crm.get("short_links").await, (405, Value::Null));
}
