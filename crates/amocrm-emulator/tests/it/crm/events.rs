//! What webhook subscribers are told when the CRM changes.

use std::sync::{Arc, Mutex};

use axum::{Router, routing::post};
use serde_json::{Value, json};

use super::client::{Crm, violations};

/// The decoded fields of one body.
type Pairs = Vec<(String, String)>;

/// A subscriber: every body it was sent, decoded to `key=value` lines.
pub(super) struct Subscriber {
    url: String,
    bodies: Arc<Mutex<Vec<Pairs>>>,
}

impl Subscriber {
    pub(super) async fn start() -> Self {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = bodies.clone();
        let handler = post(move |body: String| {
            let pairs = form_urlencoded::parse(body.as_bytes())
                .into_owned()
                .collect();
            seen.lock().unwrap().push(pairs);
            std::future::ready("")
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(
            async move { axum::serve(listener, Router::new().route("/hook", handler)).await },
        );
        Self { url, bodies }
    }

    /// Asks to be told of these events.
    pub(super) async fn subscribe(&self, crm: &Crm, codes: &[&str]) {
        let hook = json!({"destination": self.url, "settings": codes});
        assert_eq!(crm.post("webhooks", hook).await.0, 201);
    }

    /// The bodies since the last call: `entity[action]` and a look-up.
    pub(super) async fn take(&self, crm: &Crm) -> Vec<Told> {
        crm.emulator.settle_webhooks().await;
        std::mem::take(&mut *self.bodies.lock().unwrap())
            .into_iter()
            .map(Told)
            .collect()
    }
}

/// One body.
pub(super) struct Told(Pairs);

impl Told {
    pub(super) fn what(&self) -> String {
        let key = self
            .0
            .iter()
            .map(|(key, _)| key)
            .find(|key| !key.starts_with("account"))
            .unwrap();
        key.split_inclusive(']').next().unwrap().to_owned()
    }

    pub(super) fn get(&self, suffix: &str) -> Option<&str> {
        let key = format!("{}[0]{suffix}", self.what());
        self.0
            .iter()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| value.as_str())
    }
}

pub(super) async fn subscribed(codes: &[&str]) -> (Crm, Subscriber) {
    let (crm, subscriber) = (Crm::start().await, Subscriber::start().await);
    subscriber.subscribe(&crm, codes).await;
    (crm, subscriber)
}

#[tokio::test]
async fn an_edit_that_moves_a_lead_is_told_as_update_and_as_status() {
    let (crm, subscriber) = subscribed(&[
        "add_lead",
        "update_lead",
        "status_lead",
        "responsible_lead",
        "delete_lead",
    ])
    .await;
    let users = crm.read("users").await;
    let manager = users["_embedded"]["users"][1]["id"].as_u64().unwrap();
    let lead = crm
        .create(
            "leads",
            json!({"name": "Кухня", "price": 5, "tags_to_add": [{"name": "vip"}],
                   "custom_fields_values": [{"field_code": "UTM_SOURCE", "values": [{"value": "yandex"}]}]}),
        )
        .await;
    let told = subscriber.take(&crm).await;
    assert_eq!(
        told.iter().map(Told::what).collect::<Vec<_>>(),
        ["leads[add]"]
    );
    let first_stage = told[0].get("[status_id]").unwrap().to_owned();
    assert_eq!(told[0].get("[id]"), Some(lead.to_string().as_str()));
    assert_eq!(told[0].get("[tags][0][name]"), Some("vip"));
    assert_eq!(
        told[0].get("[custom_fields][0][values][0][value]"),
        Some("yandex")
    );
    assert_eq!(told[0].get("[custom_fields][0][code]"), Some("UTM_SOURCE"));

    crm.change(
        &format!("leads/{lead}"),
        json!({"status_id": 142, "responsible_user_id": manager}),
    )
    .await;
    let told = subscriber.take(&crm).await;
    let mut what: Vec<String> = told.iter().map(Told::what).collect();
    what.sort();
    assert_eq!(
        what,
        ["leads[responsible]", "leads[status]", "leads[update]"]
    );
    let by = |action: &str| told.iter().find(|told| told.what() == action).unwrap();
    assert_eq!(by("leads[status]").get("[status_id]"), Some("142"));
    assert_eq!(
        by("leads[status]").get("[old_status_id]"),
        Some(first_stage.as_str())
    );
    assert_eq!(by("leads[update]").get("[old_status_id]"), None);
    assert!(
        by("leads[responsible]")
            .get("[old_responsible_user_id]")
            .is_some()
    );

    crm.throw_away("leads", lead).await;
    let told = subscriber.take(&crm).await;
    assert_eq!(
        (told.len(), told[0].what().as_str(), told[0].get("[name]")),
        (1, "leads[delete]", None)
    );
}

#[tokio::test]
async fn companies_travel_as_contacts_with_a_type() {
    let (crm, subscriber) = subscribed(&[
        "add_contact",
        "add_company",
        "update_company",
        "note_company",
        "delete_contact",
    ])
    .await;
    let company = crm.create("companies", json!({"name": "ООО"})).await;
    crm.change(&format!("companies/{company}"), json!({"name": "АО"}))
        .await;
    crm.create(
        "companies/notes",
        json!({"entity_id": company, "note_type": "common", "params": {"text": "привет"}}),
    )
    .await;
    let contact = crm
        .create("contacts", json!({"custom_fields_values": [{"field_code": "PHONE", "values": [{"value": "+7900"}]}]}))
        .await;
    crm.throw_away("contacts", contact).await;
    let told = subscriber.take(&crm).await;
    let find = |what: &str, kind: &str| {
        told.iter()
            .find(|told| told.what() == what && told.get("[type]") == Some(kind))
            .unwrap_or_else(|| panic!("{what} {kind}"))
    };
    assert_eq!(find("contacts[add]", "company").get("[name]"), Some("ООО"));
    assert_eq!(
        find("contacts[update]", "company").get("[name]"),
        Some("АО")
    );
    assert_eq!(
        find("contacts[note]", "company").get("[note][text]"),
        Some("привет")
    );
    let phone = find("contacts[add]", "contact");
    assert!(
        phone
            .get("[custom_fields][0][values][0][enum]")
            .unwrap()
            .parse::<u64>()
            .is_ok()
    );
    assert_eq!(
        find("contacts[delete]", "contact").get("[id]"),
        Some(contact.to_string().as_str())
    );
}

#[tokio::test]
async fn a_refused_batch_tells_nobody_anything() {
    let (crm, subscriber) = subscribed(&["add_lead", "update_lead"]).await;
    assert_eq!(
        crm.post("leads", json!([{"name": "good"}, {"price": "bad"}]))
            .await
            .0,
        400
    );
    assert_eq!(subscriber.take(&crm).await.len(), 0);
}

#[tokio::test]
async fn a_destination_is_subscribed_once_and_named_to_unsubscribe() {
    let crm = Crm::empty().await;
    assert_eq!(crm.get("webhooks").await, (204, Value::Null));
    let hook = |codes: &[&str]| json!({"destination": "https://gw.example/a", "settings": codes});
    let (status, first) = crm.post("webhooks", hook(&["add_lead"])).await;
    assert_eq!(status, 201);
    let (status, second) = crm
        .post("webhooks", hook(&["status_lead", "status_lead"]))
        .await;
    assert_eq!(
        (status, &second["id"], &second["settings"]),
        (201, &first["id"], &json!(["status_lead"]))
    );
    let list = crm
        .read("webhooks?filter[destination]=https%3A%2F%2Fgw.example%2Fa")
        .await;
    assert_eq!(list["_total_items"], 1);
    assert_eq!(
        crm.get("webhooks?filter[destination]=https://other.example")
            .await
            .0,
        204
    );
    for bad in [
        json!({"settings": ["add_lead"]}),
        json!({"destination": "gw", "settings": ["add_lead"]}),
        json!({"destination": "https://gw.example/a", "settings": ["add_novelty"]}),
        json!({"destination": "https://gw.example/a", "settings": []}),
        json!({"destination": "https://gw.example/a"}),
    ] {
        let (status, document) = crm.post("webhooks", bad.clone()).await;
        assert_eq!((status, violations(&document).len()), (400, 1), "{bad}");
    }
    let body = Some(json!({"destination": "https://gw.example/a"}).to_string());
    assert_eq!(
        crm.send(reqwest::Method::DELETE, "webhooks", body.clone())
            .await,
        (204, Value::Null)
    );
    assert_eq!(
        crm.send(reqwest::Method::DELETE, "webhooks", body).await.0,
        404
    );
    for n in 0..100 {
        let hook =
            json!({"destination": format!("https://gw.example/{n}"), "settings": ["add_lead"]});
        assert_eq!(crm.post("webhooks", hook).await.0, 201);
    }
    assert_eq!(
        crm.post(
            "webhooks",
            json!({"destination": "https://gw.example/x", "settings": ["add_lead"]})
        )
        .await
        .0,
        422
    );
}

#[tokio::test]
async fn values_are_laid_out_by_their_type() {
    let (crm, subscriber) = subscribed(&["add_lead", "status_lead"]).await;
    let mut values = Vec::new();
    for (kind, value) in [
        ("radiobutton", json!("Да")),
        ("multiselect", json!("Да")),
        ("date", json!(1_768_942_800)),
        ("birthday", json!("1980-01-12T00:00:00+03:00")),
        ("checkbox", json!(true)),
        ("numeric", json!(1.5)),
    ] {
        let field = json!({"name": kind, "type": kind, "enums": [{"value": "Да"}]});
        let id = crm.create("leads/custom_fields", field).await;
        values.push(json!({"field_id": id, "values": [{"value": value}]}));
    }
    crm.create("leads", json!({"custom_fields_values": values}))
        .await;
    let told = subscriber.take(&crm).await;
    let at = |field: usize, place: &str| {
        told[0].get(&format!("[custom_fields][{field}][values]{place}"))
    };
    assert_eq!(at(0, "[value]"), Some("Да"), "a radiobutton is not indexed");
    assert!(at(0, "[enum]").is_some() && at(1, "[0][enum]").is_some());
    assert_eq!(at(2, "[0]"), Some("1768942800"), "a date is a scalar item");
    assert_eq!(at(3, "[0][value]"), Some("12.01.1980"));
    assert_eq!(at(4, "[0][value]"), Some("1"));
    assert_eq!(at(5, "[0][value]"), Some("1.5"));
    assert_eq!(told.len(), 1);
}

#[tokio::test]
async fn tasks_are_told_with_their_results_and_deletions() {
    let (crm, subscriber) =
        subscribed(&["add_task", "update_task", "responsible_task", "delete_task"]).await;
    let users = crm.read("users").await;
    let manager = &users["_embedded"]["users"][1]["id"];
    let contact = crm.create("contacts", json!({})).await;
    let task = crm
        .create(
            "tasks",
            json!({"text": "звонок", "complete_till": 1_769_115_540, "entity_id": contact, "entity_type": "contacts"}),
        )
        .await;
    let told = subscriber.take(&crm).await;
    assert_eq!((told.len(), told[0].what().as_str()), (1, "task[add]"));
    for (suffix, value) in [
        ("[element_id]", contact.to_string().as_str()),
        ("[element_type]", "1"),
        ("[task_type]", "1"),
        ("[status]", "0"),
        ("[complete_till]", "2026-01-22 20:59:00"),
        ("[complete_before]", "1769115540"),
    ] {
        assert_eq!(told[0].get(suffix), Some(value), "{suffix}");
    }

    let done = json!({"text": "письмо", "is_completed": true, "result": {"text": "готово"}, "responsible_user_id": manager});
    crm.change(&format!("tasks/{task}"), done).await;
    let told = subscriber.take(&crm).await;
    assert!(told.iter().all(|told| told.what() == "task[update]"));
    let [closed, handed] = &told[..] else {
        panic!("{} bodies", told.len())
    };
    for (suffix, value) in [
        ("[status]", "1"),
        ("[action_close]", "1"),
        ("[old_text]", "звонок"),
        ("[text]", "письмо"),
        ("[result][text]", "готово"),
    ] {
        assert_eq!(closed.get(suffix), Some(value), "{suffix}");
    }
    assert_eq!(
        handed.get("[main_user]"),
        Some(manager.to_string().as_str())
    );
    assert!(handed.get("[old_responsible_user_id]").is_some());

    crm.throw_away("contacts", contact).await;
    let told = subscriber.take(&crm).await;
    assert_eq!((told.len(), told[0].what().as_str()), (1, "task[delete]"));
    assert_eq!(told[0].get("[text]"), None);
}
