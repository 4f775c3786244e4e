//! Tasks, notes, calls, incoming leads and the feed answer in the shapes of their fixtures.

use serde_json::{Value, json};

use super::{
    client::Crm,
    shapes::{assert_shape, fixture},
};

/// An account with one open lead of a contact that has the fixtures' phone.
async fn crm_with_lead() -> (Crm, u64, u64) {
    let crm = Crm::empty().await;
    let phone = json!([{"field_code": "PHONE", "values": [{"value": "+70000000001"}]}]);
    let contact = crm
        .create(
            "contacts",
            json!({"name": "Анна", "custom_fields_values": phone}),
        )
        .await;
    let lead = crm
        .create(
            "leads",
            json!({"name": "Вилла", "_embedded": {"contacts": [{"id": contact}]}}),
        )
        .await;
    (crm, lead, contact)
}

#[tokio::test]
async fn tasks_and_notes_answer_in_the_shapes_of_the_fixtures() {
    let (crm, lead, _) = crm_with_lead().await;
    let me = crm.read("users").await["_embedded"]["users"][0]["id"].clone();
    let mut tasks = fixture("tasks_create_request");
    tasks[0]["entity_id"] = lead.into();
    tasks[0]["responsible_user_id"] = me.clone();
    let made = assert_shape("tasks_create_response", crm.post("tasks", tasks).await);
    let path = format!("tasks/{}", made["_embedded"]["tasks"][0]["id"]);
    assert_shape("task_get", crm.get(&path).await);
    let mut answer = crm.patch(&path, fixture("task_update_request")).await;
    // The notes say that it is echoed, the fixture was written without.
    answer.1.as_object_mut().unwrap().remove("request_id");
    assert_shape("task_update_response", answer);

    let mut notes = fixture("notes_of_type_create_request");
    for note in notes.as_array_mut().unwrap() {
        note["entity_id"] = lead.into();
        for key in ["created_by", "responsible_user_id"] {
            if note.get(key).is_some() {
                note[key] = me.clone();
            }
        }
    }
    let made = assert_shape(
        "notes_create_response",
        crm.post("leads/notes", notes).await,
    );
    assert_eq!(made["_embedded"]["notes"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn calls_and_the_feed_answer_in_the_shapes_of_the_fixtures() {
    let (crm, lead, _) = crm_with_lead().await;
    let me = crm.read("users").await["_embedded"]["users"][0]["id"].clone();
    let mut calls = fixture("calls_create_request");
    for key in ["call_responsible", "created_by", "responsible_user_id"] {
        calls[0][key] = me.clone();
    }
    assert_shape(
        "calls_partial_response",
        crm.post("calls", calls.clone()).await,
    );
    assert_shape(
        "calls_refused_response",
        crm.post("calls", json!([calls[1]])).await,
    );
    let mut pop_up = fixture("call_popup_request");
    pop_up["add"][0]["users"] = json!([me]);
    assert_shape(
        "call_popup_response",
        crm.post("/api/v2/events/", pop_up).await,
    );

    crm.create(
        &format!("leads/{lead}/notes"),
        json!({"note_type": "common", "params": {"text": "а"}}),
    )
    .await;
    let (status, list) = crm
        .get("events?with=note&filter[type]=common_note_added")
        .await;
    assert_shape("events_with_note_list", (status, list.clone()));
    let event = list["_embedded"]["events"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    crm.change(&format!("leads/{lead}"), json!({"status_id": 142}))
        .await;
    let moved = crm
        .read("events?with=lead_name&filter[type]=lead_status_changed")
        .await;
    let moved = moved["_embedded"]["events"][0].clone();
    // The first event of the list is such a one.
    let listed = &fixture("events_list")["_embedded"]["events"][0];
    assert_eq!(keys(listed), keys(&moved));
    assert_eq!(
        keys(&listed["value_after"][0]["lead_status"]),
        keys(&moved["value_after"][0]["lead_status"])
    );
    assert_eq!(crm.get(&format!("events/{event}")).await.0, 200);
    assert_shape("events_types", crm.get("events/types").await);
}

#[tokio::test]
async fn incoming_leads_and_reasons_answer_in_the_shapes_of_the_fixtures() {
    let (crm, lead, contact) = crm_with_lead().await;
    let pipelines = crm.read("leads/pipelines").await;
    let pipeline = &pipelines["_embedded"]["pipelines"][0];
    let me = crm.read("users").await["_embedded"]["users"][0]["id"].clone();
    let mut form = fixture("unsorted_forms_create_request");
    form[0]["pipeline_id"] = pipeline["id"].clone();
    let forms = "leads/unsorted/forms";
    let made = assert_shape(
        "unsorted_forms_create_response",
        crm.post(forms, form.clone()).await,
    );
    let uid = |made: &Value| {
        made["_embedded"]["unsorted"][0]["uid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let path = format!("leads/unsorted/{}", uid(&made));
    assert_shape("unsorted_get", crm.get(&path).await);
    let accept = json!({"user_id": me, "status_id": pipeline["_embedded"]["statuses"][1]["id"]});
    assert_shape(
        "unsorted_accept_response",
        crm.post(&format!("{path}/accept"), accept).await,
    );

    let mut call = fixture("unsorted_sip_create_request");
    call[0]["metadata"]["call_responsible"] = me.clone();
    assert_eq!(crm.post("leads/unsorted/sip", call).await.0, 200);
    let chat = crm
        .control("unsorted", json!({"category": "chats"}))
        .await
        .1;
    let mut link = fixture("unsorted_link_request");
    link["link"]["entity_id"] = lead.into();
    link["link"]["metadata"]["contact_id"] = contact.into();
    link["user_id"] = me;
    let path = format!("leads/unsorted/{}/link", chat["uid"].as_str().unwrap());
    assert_shape("unsorted_link_response", crm.post(&path, link).await);
    assert_shape("unsorted_summary", crm.get("leads/unsorted/summary").await);

    let reasons = fixture("loss_reasons_create_request");
    let made = assert_shape(
        "loss_reasons_create_response",
        crm.post("leads/loss_reasons", reasons).await,
    );
    let path = format!(
        "leads/loss_reasons/{}",
        made["_embedded"]["loss_reasons"][0]["id"]
    );
    assert_shape(
        "loss_reason_update_response",
        crm.patch(&path, fixture("loss_reason_update_request"))
            .await,
    );
    let followers = json!({"entity_type": "leads", "entity_id": lead, "users": [1], "groups": [2]});
    crm.control("followers", followers).await;
    let (status, mut list) = crm.get(&format!("leads/{lead}/subscriptions")).await;
    list["_links"]
        .as_object_mut()
        .unwrap()
        .retain(|name, _| name == "self");
    assert_shape("subscriptions_list", (status, list));
}

fn keys(document: &Value) -> Vec<&String> {
    document.as_object().unwrap().keys().collect()
}
