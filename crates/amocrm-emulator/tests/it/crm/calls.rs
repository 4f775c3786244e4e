//! Calls find their card by the phone.

use serde_json::{Value, json};

use super::client::{Crm, violations};

fn call(phone: &str) -> Value {
    json!({"direction": "inbound", "duration": 75, "source": "pbx", "phone": phone, "uniq": "c-1", "link": "https://pbx.example/1.mp3"})
}

async fn person(crm: &Crm, phone: &str) -> u64 {
    let phone = json!([{"field_code": "PHONE", "values": [{"value": phone}]}]);
    crm.create(
        "contacts",
        json!({"name": "Иван", "custom_fields_values": phone}),
    )
    .await
}

/// The type and id of the card a call goes to.
async fn goes_to(crm: &Crm, phone: &str) -> (String, u64) {
    let (status, answer) = crm.post("calls", json!([call(phone)])).await;
    assert_eq!(status, 200, "{answer}");
    let item = &answer["_embedded"]["calls"][0];
    assert_eq!(item["entity_id"], item["_embedded"]["entity"]["id"]);
    (
        item["entity_type"].as_str().unwrap().to_owned(),
        item["entity_id"].as_u64().unwrap(),
    )
}

#[tokio::test]
async fn a_call_goes_to_the_only_open_lead_of_whoever_has_the_phone() {
    let crm = Crm::start().await;
    let contact = person(&crm, "8 (912) 000-11-22").await;
    let of_contact = ("contact".to_owned(), contact);
    assert_eq!(goes_to(&crm, "+79120001122").await, of_contact);
    let with_contact =
        |status: u64| json!({"status_id": status, "_embedded": {"contacts": [{"id": contact}]}});
    crm.create("leads", with_contact(143)).await;
    assert_eq!(goes_to(&crm, "+79120001122").await, of_contact);
    let open = json!({"_embedded": {"contacts": [{"id": contact}]}});
    let lead = crm.create("leads", open.clone()).await;
    assert_eq!(goes_to(&crm, "9120001122").await, ("lead".to_owned(), lead));
    crm.create("leads", open).await;
    assert_eq!(goes_to(&crm, "+7 912 000 11 22").await, of_contact);

    let notes = crm.read(&format!("leads/{lead}/notes")).await;
    let note = &notes["_embedded"]["notes"][0];
    assert_eq!(
        (&note["note_type"], &note["params"]["duration"]),
        (&json!("call_in"), &json!(75))
    );
    let events = crm.read(&format!("events?filter[entity]=lead&filter[entity_id]={lead}&filter[type]=incoming_call&with=note")).await;
    let event = &events["_embedded"]["events"][0];
    assert_eq!(event["value_after"][0]["note"], *note);
}

#[tokio::test]
async fn an_unknown_phone_fails_alone_and_a_wrong_field_fails_all() {
    let crm = Crm::start().await;
    person(&crm, "+79120001122").await;
    let mut named = call("+79999999999");
    named["request_id"] = "lost".into();
    let (status, answer) = crm
        .post("calls", json!([call("+79120001122"), named]))
        .await;
    assert_eq!((status, &answer["_total_items"]), (200, &json!(1)));
    assert_eq!(answer["_embedded"]["calls"][0]["request_id"], "0");
    assert_eq!(
        (
            &answer["errors"][0]["request_id"],
            &answer["errors"][0]["status"]
        ),
        (&json!("lost"), &json!(263))
    );
    let (status, answer) = crm.post("calls", json!([call("5")])).await;
    assert_eq!((status, &answer["_embedded"]), (400, &json!([])));
    assert_eq!(answer["errors"][0]["title"], "Entity not found");

    let (status, answer) = crm
        .post("calls", json!([call("+79120001122"), {"direction": "in", "phone": 5, "call_status": 9, "color": 1}]))
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        violations(&answer),
        [
            "1: FieldNotExpected color",
            "1: NotSupportedChoice direction",
            "1: FieldMissing duration",
            "1: FieldMissing source",
            "1: InvalidType phone",
            "1: NotSupportedChoice call_status",
        ]
    );
    assert_eq!(crm.get("calls").await.0, 405);
    assert_eq!(crm.delete("calls/1").await.0, 404);

    let add = json!({"add": [{"type": "phone_call", "phone_number": "89120001122"}, {"type": "phone_call", "phone_number": "1"}]});
    let answer = crm.post("/api/v2/events/", add).await.1;
    let items = &answer["_embedded"]["items"];
    assert_eq!(
        (&items[0]["element_type"], &items[1]["element_id"]),
        (&json!(1), &Value::Null)
    );
}
