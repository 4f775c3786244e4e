//! A visitor's form becomes a contact and a deal.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{LEAD, TestApp, field};

#[tokio::test(flavor = "multi_thread")]
async fn a_form_becomes_one_contact_and_one_deal_with_all_it_said() {
    let app = TestApp::ready().await;
    let body = json!({
        "name": "Анна Линь", "phone": "8 (900) 123-45-67", "email": "Anna@Example.com",
        "utm_source": "google", "utm_term": "вилла", "comment": "Перезвоните вечером",
        "tags": ["site", "vip"], "price": "1 500 000",
        "custom_fields": {"Любимый цвет": "синий"}, "gclid": "unused"
    });
    let answer = app.submit(&body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let receipt = answer.json();
    assert_eq!(receipt["delivery"]["state"], "delivered");
    assert_eq!(receipt["status"], "new");
    assert_eq!(receipt["ignored"], json!(["gclid"]));
    let deal_id = receipt["amocrm"]["lead_id"].as_i64().unwrap();
    app.queue_is_empty().await;

    let deals = app.crm.deals().await;
    assert_eq!(deals.len(), 1);
    let deal = &deals[0];
    assert_eq!(deal["id"], deal_id);
    assert_eq!(deal["name"], "Заявка с сайта: Анна Линь");
    assert_eq!(deal["price"], 1_500_000);
    let (pipeline, stage) = app.crm.stage("Asia Deals", "Новый лид").await;
    assert_eq!(
        (deal["pipeline_id"].as_i64(), deal["status_id"].as_i64()),
        (Some(pipeline), Some(stage))
    );
    assert_eq!(field(deal, "UTM_SOURCE"), Some("google"));
    assert_eq!(field(deal, "UTM_TERM"), Some("вилла"));
    let lead = app.lead(answer.id()).await;
    assert_eq!(field(deal, "INTAKE_ID"), lead["intake_id"].as_str());
    let tags: Vec<_> = deal["_embedded"]["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    assert_eq!(tags, ["site", "vip"]);

    let contacts = app.crm.contacts().await;
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0]["id"], receipt["amocrm"]["contact_id"]);
    assert_eq!(contacts[0]["name"], "Анна Линь");
    assert_eq!(field(&contacts[0], "PHONE"), Some("+79001234567"));
    assert_eq!(field(&contacts[0], "EMAIL"), Some("anna@example.com"));

    // What has no field is in the note, once.
    let notes = app.crm.notes(deal_id).await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].starts_with("Перезвоните вечером\n\nЛюбимый цвет: синий\n"),
        "{notes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_calls_of_the_guide_work_as_printed() {
    let app = TestApp::ready().await;
    let status = app.get("/api/auth/amo/status").await;
    assert_eq!(
        (status.status.as_u16(), &status.json()["connected"]),
        (200, &Value::Bool(true))
    );
    let test = app.get("/api/auth/amo/test").await;
    assert_eq!(
        (test.status.as_u16(), &test.json()["ok"]),
        (200, &Value::Bool(true))
    );
    let json = [("content-type", "application/json")];
    let created = app.send(Method::POST, "/api/leads/", &json, LEAD).await;
    assert_eq!((created.status.as_u16(), created.id()), (201, 1));
    let list = app.get("/api/leads/").await.json();
    assert_eq!(list["leads"][0]["id"], 1);
    let changed = app.put("/api/leads/1/status?status=contacted").await;
    assert_eq!(
        (changed.status.as_u16(), &changed.json()["status"]),
        (200, &json!("contacted"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_lead_and_another_body_is_refused() {
    let app = TestApp::ready().await;
    let first = app.submit_with_key(LEAD, Some("order-1")).await;
    let again = app.submit_with_key(LEAD, Some("order-1")).await;
    assert_eq!(first.status, again.status);
    assert_eq!(first.json(), again.json());
    assert!(!first.headers.contains_key("idempotency-replayed"));
    assert_eq!(again.headers["idempotency-replayed"], "true");

    let other = app
        .submit_with_key(r#"{"phone": "+79007654321"}"#, Some("order-1"))
        .await;
    assert_eq!(other.wrong_fields(), ["Idempotency-Key"]);
    assert_eq!(app.crm.deals().await.len(), 1);

    // Without a key the visitor may well mean two requests; it is still one person.
    app.submit(LEAD).await;
    assert_eq!(app.crm.deals().await.len(), 2);
    assert_eq!(app.crm.contacts().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_are_named_and_nothing_is_stored() {
    let app = TestApp::ready().await;
    for (body, fields) in [
        (r#"{"name": "Анна"}"#, &["phone", "email"][..]),
        (
            r#"{"phone": "call me", "email": "a@b", "price": "much"}"#,
            &["email", "phone", "price"],
        ),
        (r#"{"phone": "+79001234567", "tags": [1, {}]}"#, &["tags.1"]),
        (
            r#"{"email": "a@example.com", "custom_fields": []}"#,
            &["custom_fields"],
        ),
    ] {
        assert_eq!(app.submit(body).await.wrong_fields(), fields, "{body}");
    }
    for body in ["", "{", "[]", "7"] {
        assert_eq!(app.submit(body).await.status, 400, "{body}");
    }
    let long = format!(
        r#"{{"email": "a@example.com", "comment": "{}"}}"#,
        "x".repeat(70_000)
    );
    assert_eq!(app.submit(&long).await.status, 413);
    assert_eq!(app.get("/api/leads").await.json()["leads"], json!([]));
    assert!(app.crm.deals().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_html_form_is_taken_like_json() {
    let app = TestApp::ready().await;
    let form = [(
        "content-type",
        "application/x-www-form-urlencoded; charset=UTF-8",
    )];
    let body = "Name=%D0%90%D0%BD%D0%BD%D0%B0&Phone=%2B7+900+123-45-67&utm_source=ya&tags=a%2Cb";
    let answer = app.send(Method::POST, "/api/leads", &form, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let lead = app.lead(answer.id()).await;
    assert_eq!(
        (
            &lead["name"],
            &lead["phone"],
            &lead["utm_source"],
            &lead["tags"]
        ),
        (
            &json!("Анна"),
            &json!("+79001234567"),
            &json!("ya"),
            &json!(["a", "b"])
        )
    );
    let xml = [("content-type", "text/xml")];
    assert_eq!(
        app.send(Method::POST, "/api/leads", &xml, "<lead/>")
            .await
            .status,
        415
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_person_keeps_one_contact_that_learns_the_new_phone() {
    let app = TestApp::ready().await;
    // Somebody typed the contact in by hand, in another spelling, before lead-intake came.
    let by_hand = json!([{
        "name": "Тестов", "custom_fields_values": [
            {"field_code": "EMAIL", "values": [{"value": "Test@Example.com"}]},
            {"field_code": "PHONE", "values": [{"value": "8 900 765-43-21"}]}
        ]
    }]);
    let made = app.crm.post("/api/v4/contacts", by_hand).await;
    let contact = &made["_embedded"]["contacts"][0]["id"];

    let by_email = app.submit(LEAD).await.json();
    assert_eq!(&by_email["amocrm"]["contact_id"], contact);
    let by_phone = app
        .submit(r#"{"phone": "+7 (900) 765 43 21"}"#)
        .await
        .json();
    assert_eq!(&by_phone["amocrm"]["contact_id"], contact);
    app.queue_is_empty().await;

    let contacts = app.crm.contacts().await;
    assert_eq!(contacts.len(), 1);
    let phones = contacts[0]["custom_fields_values"]
        .as_array()
        .unwrap()
        .iter();
    let phones = phones.filter(|field| field["field_code"] == "PHONE");
    let phones: Vec<_> = phones
        .flat_map(|field| field["values"].as_array().unwrap())
        .map(|value| &value["value"])
        .collect();
    assert_eq!(phones, ["8 900 765-43-21", "+79001234567"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_page_by_page_and_filter() {
    let app = TestApp::ready().await;
    for number in 0..5 {
        let body = json!({"email": format!("visitor{number}@example.com")});
        app.submit(&body.to_string()).await;
    }
    app.put("/api/leads/2/status?status=lost").await;
    let ids = |page: &Value| -> Vec<i64> {
        let leads = page["leads"].as_array().unwrap();
        leads
            .iter()
            .map(|lead| lead["id"].as_i64().unwrap())
            .collect()
    };
    let first = app.get("/api/leads?limit=3").await.json();
    assert_eq!(
        (ids(&first), first["next"].as_i64()),
        (vec![5, 4, 3], Some(3))
    );
    let second = app.get("/api/leads?limit=3&after=3").await.json();
    assert_eq!((ids(&second), second["next"].as_i64()), (vec![2, 1], None));
    let lost = app
        .get("/api/leads?status=lost&state=delivered")
        .await
        .json();
    assert_eq!(ids(&lost), [2]);
    assert_eq!(app.get("/api/leads?status=sold").await.status, 400);
    assert_eq!(app.get("/api/leads/99").await.status, 404);
    assert_eq!(app.get("/api/leads/abc").await.status, 404);
    assert_eq!(
        app.put("/api/leads/1/status?status=sold")
            .await
            .wrong_fields(),
        ["status"]
    );
}
