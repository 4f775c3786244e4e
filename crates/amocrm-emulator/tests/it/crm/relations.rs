//! Tags, links and notes: what hangs on a card.

use serde_json::{Value, json};

use super::client::{Crm, violations};

async fn tags(crm: &Crm, lead: u64) -> Vec<String> {
    let document = crm.read(&format!("leads/{lead}")).await;
    let tags = document["_embedded"]["tags"].as_array().unwrap().clone();
    tags.iter()
        .map(|tag| tag["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn tags_are_added_deleted_replaced_and_cleared() {
    let crm = Crm::empty().await;
    let lead = crm
        .create(
            "leads",
            json!({"tags_to_add": [{"name": "a"}], "_embedded": {"tags": [{"name": "b"}]}}),
        )
        .await;
    let path = format!("leads/{lead}");
    assert_eq!(tags(&crm, lead).await, ["b", "a"]);
    crm.change(&path, json!({"tags_to_add": [{"name": "c"}, {"name": "a"}], "tags_to_delete": [{"name": "b"}, {"name": "unknown"}]})).await;
    assert_eq!(tags(&crm, lead).await, ["a", "c"]);
    crm.change(&path, json!({"price": 1})).await;
    assert_eq!(tags(&crm, lead).await, ["a", "c"]);
    let list = crm.read("leads/tags?filter[name]=a").await;
    let a = list["_embedded"]["tags"][0]["id"].clone();
    crm.change(
        &path,
        json!({"_embedded": {"tags": [{"id": a, "name": "ignored", "color": null}]}}),
    )
    .await;
    assert_eq!(tags(&crm, lead).await, ["a"]);
    for clear in [json!(null), json!([])] {
        crm.change(&path, json!({"tags_to_add": [{"name": "a"}]}))
            .await;
        crm.change(&path, json!({"_embedded": {"tags": clear}}))
            .await;
        assert_eq!(tags(&crm, lead).await, Vec::<String>::new(), "{clear}");
    }
    let (_, document) = crm
        .patch(&path, json!({"tags_to_add": [{"id": 1}, {}]}))
        .await;
    assert_eq!(
        violations(&document),
        [
            "NotSupportedChoice tags_to_add.0.id",
            "FieldMissing tags_to_add.1.name"
        ]
    );
}

#[tokio::test]
async fn a_tag_is_made_once_per_entity_type_and_only_leads_have_colours() {
    let crm = Crm::empty().await;
    let lead = crm
        .create("leads/tags", json!({"name": "vip", "color": "FFCE5A"}))
        .await;
    assert_eq!(crm.create("leads/tags", json!({"name": "vip"})).await, lead);
    let contact = crm
        .create("contacts/tags", json!({"name": "vip", "color": "FFCE5A"}))
        .await;
    assert_ne!(lead, contact);
    assert_eq!(
        crm.read("leads/tags").await["_embedded"]["tags"][0]["color"],
        "FFCE5A"
    );
    assert_eq!(
        crm.read("contacts/tags").await["_embedded"]["tags"][0]["color"],
        Value::Null
    );
    let (_, document) = crm
        .post("leads/tags", json!([{"name": "x", "color": "123456"}]))
        .await;
    assert_eq!(violations(&document), ["0: NotSupportedChoice color"]);
    assert_eq!(crm.get("companies/tags").await.0, 204);
    assert_eq!(crm.ids("leads/tags?query=VI").await, [lead]);
}

#[tokio::test]
async fn links_are_idempotent_and_a_lead_always_has_one_main_contact() {
    let crm = Crm::empty().await;
    let lead = crm.create("leads", json!({})).await;
    let (one, two) = (
        crm.create("contacts", json!({})).await,
        crm.create("contacts", json!({})).await,
    );
    let path = format!("leads/{lead}");
    let to =
        |id: u64| json!([{"to_entity_id": id, "to_entity_type": "contacts", "metadata": null}]);
    let main = async || -> Vec<(u64, bool)> {
        let document = crm.read(&format!("leads/{lead}?with=contacts")).await;
        let contacts = document["_embedded"]["contacts"]
            .as_array()
            .unwrap()
            .clone();
        contacts
            .iter()
            .map(|c| (c["id"].as_u64().unwrap(), c["is_main"].as_bool().unwrap()))
            .collect()
    };
    for _ in 0..2 {
        assert_eq!(crm.post(&format!("{path}/link"), to(one)).await.0, 200);
    }
    assert_eq!(main().await, [(one, true)]);
    // The same from the other side, in the mass form.
    let mass = json!([{"entity_id": two, "to_entity_id": lead, "to_entity_type": "leads", "metadata": {"is_main": true}}]);
    assert_eq!(crm.post("contacts/link", mass).await.0, 200);
    assert_eq!(main().await, [(one, false), (two, true)]);
    assert_eq!(
        crm.post(&format!("{path}/unlink"), to(two)).await,
        (204, Value::Null)
    );
    assert_eq!(main().await, [(one, true)]);
    assert_eq!(crm.post(&format!("{path}/unlink"), to(two)).await.0, 204);

    let listed = crm
        .read(&format!("leads/links?filter[entity_id][]={lead}"))
        .await;
    assert_eq!(listed["_embedded"]["links"][0]["entity_id"], lead);
    assert_eq!(crm.get(&format!("contacts/{two}/links")).await.0, 204);
    assert_eq!(crm.get("leads/links").await.0, 400);

    let bad = json!([
        {"to_entity_id": 1, "to_entity_type": "contacts"},
        {"to_entity_id": one, "to_entity_type": "tasks"},
        {"to_entity_id": 5, "to_entity_type": "catalog_elements", "metadata": {"quantity": 1}},
        {"to_entity_id": one, "to_entity_type": "contacts", "metadata": {"from_catalog_id": 1}},
    ]);
    let (_, document) = crm.post(&format!("{path}/link"), bad).await;
    assert_eq!(
        violations(&document),
        [
            "0: NotSupportedChoice to_entity_id",
            "1: NotSupportedChoice to_entity_type",
            "2: FieldMissing metadata.catalog_id",
            "3: FieldNotExpected metadata.from_catalog_id",
        ]
    );
}

#[tokio::test]
async fn notes_keep_what_they_are_given_and_common_ones_need_a_text() {
    let crm = Crm::empty().await;
    let lead = crm.create("leads", json!({})).await;
    let params = json!({"uniq": "c-1", "duration": 5, "source": "pbx", "phone": "+7"});
    let note = crm
        .create(
            "leads/notes",
            json!({"entity_id": lead, "note_type": "call_in", "params": params}),
        )
        .await;
    let read = crm.read(&format!("leads/notes/{note}")).await;
    assert_eq!(read["params"], params);
    assert!(
        read["_links"]["self"]["href"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/leads/{lead}/notes/{note}"))
    );
    let bad = json!([
        {"note_type": "common", "params": {}},
        {"note_type": "novelty", "params": {}},
        {"note_type": "call_out", "params": {"link": null}},
        {"params": {"text": "x"}},
    ]);
    let (_, document) = crm.post(&format!("leads/{lead}/notes"), bad).await;
    assert_eq!(
        violations(&document),
        [
            "0: FieldMissing params.text",
            "1: NotSupportedChoice note_type",
            "2: NotNullable params.link",
            "3: FieldMissing note_type",
        ]
    );
    assert_eq!(
        crm.send(
            reqwest::Method::POST,
            &format!("leads/notes/{note}/pin"),
            None
        )
        .await,
        (204, Value::Null)
    );
    let pinned = crm
        .read(&format!(
            "leads/{lead}/notes?with=is_pinned&filter[note_type]=call_in"
        ))
        .await;
    assert_eq!(pinned["_embedded"]["notes"][0]["is_pinned"], true);
    assert_eq!(
        crm.get("leads/notes?filter[note_type][]=sms_in").await.0,
        204
    );
    assert_eq!(
        crm.delete(&format!("leads/{lead}/notes/{note}")).await,
        (405, Value::Null)
    );
    assert_eq!(crm.get("contacts/notes").await.0, 204);
}
