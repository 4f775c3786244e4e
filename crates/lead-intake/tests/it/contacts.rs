//! Whose lead it is, as a sales company sees it: one card per person, and nobody on somebody else's.

use amocrm_emulator::Fault;
use serde_json::{Value, json};

use crate::harness::TestApp;

/// A card as some manager typed it.
async fn card(app: &TestApp, name: &str, phones: &[&str], emails: &[&str]) -> i64 {
    let values = |values: &[&str]| {
        values
            .iter()
            .map(|value| json!({"value": value}))
            .collect::<Vec<_>>()
    };
    let mut fields = Vec::new();
    for (code, texts) in [("PHONE", phones), ("EMAIL", emails)] {
        if !texts.is_empty() {
            fields.push(json!({"field_code": code, "values": values(texts)}));
        }
    }
    let made = app
        .crm
        .post(
            "/api/v4/contacts",
            json!([{"name": name, "custom_fields_values": fields}]),
        )
        .await;
    made["_embedded"]["contacts"][0]["id"].as_i64().unwrap()
}

/// The contact that a lead of this person is put on.
async fn contact_of(app: &TestApp, form: &Value) -> i64 {
    let answer = app.submit(&form.to_string()).await;
    let lead = app
        .lead_is(answer.id(), "/delivery/state", "delivered")
        .await;
    app.queue_is_empty().await;
    lead["amocrm"]["contact_id"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_found_in_every_spelling_and_others_only_resemble() {
    let app = TestApp::ready().await;
    let anna = card(
        &app,
        "Анна",
        &["+7 495 000-00-01", "89001234567"],
        &["Anna.Lin@Example.COM"],
    )
    .await;
    let somchai = card(&app, "Somchai", &["0812345678"], &[]).await;
    card(
        &app,
        "Похожая",
        &["+79001234568"],
        &["xanna.lin@example.com"],
    )
    .await;
    card(&app, "Комментарий", &[], &["not@example.com"]).await;
    app.crm.emulator.advance(std::time::Duration::from_mins(1));
    assert_eq!(
        contact_of(&app, &json!({"email": "anna.lin@example.com"})).await,
        anna
    );
    assert_eq!(
        contact_of(&app, &json!({"phone": "+7 (900) 123-45-67"})).await,
        anna
    );
    assert_eq!(
        contact_of(&app, &json!({"phone": "+66 81 234 5678"})).await,
        somchai
    );
    let stranger = contact_of(
        &app,
        &json!({"phone": "+79001234569", "email": "lin@example.com"}),
    )
    .await;
    assert!(![anna, somchai].contains(&stranger));
    // What the card lacks is added; what it has is kept.
    contact_of(
        &app,
        &json!({"phone": "+79001234567", "email": "anna@new.example"}),
    )
    .await;
    let card = app
        .crm
        .get(&format!("/api/v4/contacts/{anna}"))
        .await
        .to_string();
    for value in [
        "+7 495 000-00-01",
        "89001234567",
        "Anna.Lin@Example.COM",
        "anna@new.example",
    ] {
        assert!(card.contains(value), "{value}: {card}");
    }
    assert_eq!(app.crm.contacts().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_given_to_somebody_else_is_theirs() {
    let app = TestApp::ready().await;
    let form = json!({"phone": "+79001234567", "name": "Новый клиент"});
    let first = contact_of(&app, &form).await;
    // A manager finds out that the number is another person's, and takes it off the card.
    let change = json!([{"id": first, "custom_fields_values": [{"field_code": "PHONE", "values": [{"value": "+79990000000"}]}]}]);
    app.crm.patch("/api/v4/contacts", change).await;
    let second = contact_of(&app, &form).await;
    assert_ne!(first, second);
    assert_eq!(
        contact_of(&app, &form).await,
        second,
        "and that is remembered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_is_refused_as_deleted_costs_no_lead() {
    let app = TestApp::ready().await;
    let form = json!({"phone": "+79001234567"});
    contact_of(&app, &form).await;
    // Between our look and our write.
    app.crm
        .emulator
        .fault(amocrm_emulator::Fault::refuse("_embedded.contacts.0.id").path("/leads/complex"));
    contact_of(&app, &form).await;
    assert_eq!(app.crm.deals().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_takes_several_attempts_has_the_contact_completed_once() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    let anna = card(&app, "Анна", &["+79001234567"], &[]).await;
    app.crm.emulator.advance(std::time::Duration::from_mins(1));
    app.crm
        .emulator
        .fault(Fault::server_error(409).path("/notes").times(3));
    let form = json!({"phone": "+79001234567", "email": "anna@new.example", "comment": "?"});
    assert_eq!(contact_of(&app, &form).await, anna);
    let requests = app.crm.emulator.requests();
    let looks = requests
        .iter()
        .filter(|request| request.path == format!("/api/v4/contacts/{anna}"))
        .filter(|request| request.method == "GET");
    assert_eq!(looks.count(), 1);
}
