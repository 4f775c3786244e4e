//! Incoming leads: from the form to the decision.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::{Crm, violations},
    events::{Told, subscribed},
};

fn form(name: &str) -> Value {
    json!({
        "source_uid": "s-1",
        "source_name": "Форма на сайте",
        "metadata": {"form_id": "f-1", "form_name": "Заявка", "form_page": "https://school.example/", "form_sent_at": 1_769_000_000, "ip": "192.0.2.1"},
        "_embedded": {"contacts": [{"name": name}]},
    })
}

/// Sends one; its uid, lead and contact.
async fn receive(crm: &Crm, category: &str, item: Value) -> (String, u64, u64) {
    let (status, document) = crm
        .post(&format!("leads/unsorted/{category}"), json!([item]))
        .await;
    assert_eq!(status, 200, "{document}");
    let item = &document["_embedded"]["unsorted"][0];
    let id = |kind: &str| {
        item["_embedded"][kind][0]["id"]
            .as_u64()
            .unwrap_or_default()
    };
    (
        item["uid"].as_str().unwrap().to_owned(),
        id("leads"),
        id("contacts"),
    )
}

#[tokio::test]
async fn a_form_waits_hidden_until_it_is_accepted() {
    let (crm, subscriber) = subscribed(&[
        "add_unsorted",
        "update_unsorted",
        "delete_unsorted",
        "add_contact",
        "status_lead",
    ])
    .await;
    let (uid, lead, contact) = receive(&crm, "forms", form("Пётр Сидоров")).await;
    let told = subscriber.take(&crm).await;
    assert_eq!(
        told.iter().map(Told::what).collect::<Vec<_>>(),
        ["unsorted[add]"]
    );
    for (suffix, value) in [
        ("[uid]", uid.as_str()),
        ("[category]", "forms"),
        ("[source_data][form_id]", "f-1"),
        ("[source_data][origin][ip]", "192.0.2.1"),
        ("[data][contacts][0][name]", "Пётр Сидоров"),
        ("[lead_id]", &lead.to_string()),
    ] {
        assert_eq!(told[0].get(suffix), Some(value), "{suffix}");
    }
    assert!((30..=60).contains(&uid.len()));

    // Whoever came with it is not in lists or searches yet, the lead stands in the incoming stage.
    assert_eq!(crm.get("contacts?query=Сидоров").await.0, 204);
    assert_eq!(
        crm.read(&format!("contacts/{contact}")).await["is_unsorted"],
        true
    );
    let pipelines = crm.read("leads/pipelines").await;
    let stages = &pipelines["_embedded"]["pipelines"][0]["_embedded"]["statuses"];
    let read = crm.read(&format!("leads/{lead}")).await;
    assert_eq!(read["status_id"], stages[0]["id"]);
    let item = crm.read(&format!("leads/unsorted/{uid}")).await;
    assert_eq!(
        (&item["metadata"]["form_id"], &item["source_uid"]),
        (&json!("f-1"), &json!("s-1"))
    );
    crm.change(&format!("leads/{lead}"), json!({"price": 5}))
        .await;
    assert_eq!(subscriber.take(&crm).await[0].what(), "unsorted[update]");

    let users = crm.read("users").await;
    let manager = &users["_embedded"]["users"][1]["id"];
    let accept = format!("leads/unsorted/{uid}/accept");
    let wrong = crm
        .post(&accept, json!({"status_id": stages[0]["id"], "user_id": 5}))
        .await;
    assert_eq!(
        violations(&wrong.1),
        ["NotSupportedChoice user_id", "NotSupportedChoice status_id"]
    );
    let (status, answer) = crm.post(&accept, json!({"user_id": manager})).await;
    assert_eq!((status, &answer["uid"]), (200, &json!(uid)));
    assert_eq!(answer["_embedded"]["leads"][0]["id"], lead);
    let read = crm.read(&format!("leads/{lead}")).await;
    assert_eq!(
        (&read["status_id"], &read["name"]),
        (&stages[1]["id"], &json!("Форма на сайте"))
    );
    assert_eq!(read["responsible_user_id"], *manager);
    assert_eq!(crm.ids("contacts?query=Сидоров").await, [contact]);
    let told = subscriber.take(&crm).await;
    let mut what: Vec<String> = told.iter().map(Told::what).collect();
    what.sort();
    assert_eq!(what, ["contacts[add]", "leads[status]", "unsorted[delete]"]);
    let deleted = told
        .iter()
        .find(|told| told.what() == "unsorted[delete]")
        .unwrap();
    assert_eq!(deleted.get("[action]"), Some("accept"));
    assert_eq!(
        deleted.get("[accept_result][leads][0]"),
        Some(lead.to_string().as_str())
    );
    assert_eq!(crm.post(&accept, json!({})).await.0, 404);
    assert_eq!(crm.get("leads/unsorted").await.0, 204);
}

#[tokio::test]
async fn a_declined_one_is_in_the_trash_and_a_call_leaves_its_note() {
    let crm = Crm::start().await;
    let call = json!({
        "source_uid": "s-2", "source_name": "АТС",
        "metadata": {"phone": 79_001_110_009_u64, "called_at": 1_769_000_000, "duration": 12, "link": "https://pbx.example/1.mp3", "service_code": "pbx", "uniq": "u-1"},
    });
    let (uid, lead, _) = receive(&crm, "sip", call).await;
    let notes = crm.read(&format!("leads/{lead}/notes")).await;
    assert_eq!(notes["_embedded"]["notes"][0]["note_type"], "call_in");
    let decline = format!("leads/unsorted/{uid}/decline");
    let body = Some(json!({"user_id": 0}).to_string());
    let (status, answer) = crm.send(Method::DELETE, &decline, body).await;
    assert_eq!((status, answer["_embedded"].get("companies")), (200, None));
    assert_eq!(crm.get(&format!("leads/{lead}")).await.0, 204);
    assert_eq!(crm.ids("leads?with=only_deleted").await, [lead]);
    assert_eq!(crm.send(Method::DELETE, &decline, None).await.0, 404);
    assert_eq!(crm.delete(&format!("leads/unsorted/{uid}")).await.0, 404);

    receive(&crm, "forms", form("а")).await;
    let (moved, by_hand, contact) = receive(&crm, "forms", form("б")).await;
    crm.change(&format!("leads/{by_hand}"), json!({"status_id": 142}))
        .await;
    assert_eq!(crm.get(&format!("leads/unsorted/{moved}")).await.0, 204);
    assert_eq!(
        crm.read(&format!("contacts/{contact}")).await["is_unsorted"],
        false
    );
    let summary = crm.read("leads/unsorted/summary").await;
    assert_eq!(
        summary,
        json!({"total": 3, "accepted": 1, "declined": 1, "average_sort_time": summary["average_sort_time"],
               "categories": {"sip": {"total": 1}, "mail": {"total": 0}, "forms": {"total": 2}, "chats": {"total": 0}}})
    );
}

#[tokio::test]
async fn incoming_leads_are_checked_and_found_newest_first() {
    let crm = Crm::start().await;
    let (status, document) = crm
        .post(
            "leads/unsorted/forms",
            json!([
                {"source_uid": "1", "source_name": "n", "metadata": {"form_id": "1", "form_name": "x"}},
                {"metadata": [], "pipeline_id": 1, "colour": 1, "request_id": "b"},
                {"source_uid": "1", "source_name": "n", "metadata": form("")["metadata"], "_embedded": {"contacts": [{}, {}]}},
            ]),
        )
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        violations(&document),
        [
            "0: FieldMissing metadata.form_page",
            "b: FieldNotExpected colour",
            "b: NotSupportedChoice pipeline_id",
            "b: FieldMissing source_uid",
            "b: FieldMissing source_name",
            "2: TooMany _embedded.contacts",
        ]
    );
    let first = receive(&crm, "forms", form("а")).await.0;
    let second = receive(&crm, "forms", form("б")).await.0;
    let chat = crm
        .control("unsorted", json!({"category": "chats", "contact_name": "Гость", "metadata": {"service": "telegram"}}))
        .await;
    assert_eq!(chat.0, 201);
    let chat = chat.1;
    let chat_uid = chat["uid"].as_str().unwrap().to_owned();
    let uids = async |query: &str| -> Vec<String> {
        let list = crm.read(&format!("leads/unsorted?{query}")).await;
        let items = list["_embedded"]["unsorted"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["uid"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        uids("order[created_at]=asc").await,
        [chat_uid.clone(), second.clone(), first.clone()]
    );
    let chats = uids("filter[category][]=chats").await;
    assert_eq!(chats, std::slice::from_ref(&chat_uid));
    assert_eq!(
        uids(&format!("filter[uid]={first},{second}")).await,
        [second, first.clone()]
    );

    // A chat goes on in a lead that is there; a form does not.
    let lead = crm.create("leads", json!({})).await;
    let body = json!({"link": {"entity_id": lead, "entity_type": "leads"}});
    assert_eq!(
        crm.post(&format!("leads/unsorted/{first}/link"), body.clone())
            .await
            .0,
        400
    );
    let link = format!("leads/unsorted/{chat_uid}/link");
    let wrong = crm
        .post(
            &link,
            json!({"link": {"entity_id": 1, "entity_type": "contacts"}}),
        )
        .await;
    assert_eq!(
        violations(&wrong.1),
        ["NotSupportedChoice link.entity_type"]
    );
    let (status, answer) = crm.post(&link, body).await;
    assert_eq!(
        (status, &answer["_embedded"]["leads"][0]["id"]),
        (200, &json!(lead))
    );
    let read = crm.read(&format!("leads/{lead}?with=contacts")).await;
    assert_eq!(read["_embedded"]["contacts"][0]["id"], chat["contact_id"]);
    assert_eq!(crm.get(&format!("leads/{}", chat["lead_id"])).await.0, 204);
}
