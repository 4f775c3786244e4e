//! What a lead brings reaches its field, or the note, and somebody is told.

use amocrm_emulator::Fault;
use serde_json::{Value, json};

use crate::harness::{TestApp, TestDatabase, captured_log, field};

const SALE: &str = r#"{
    "name": "Тест", "email": "sale@example.com", "object": "вилла", "objectPrice": "12 500 000",
    "commission": 375000.5, "payment_status": "ОПЛАЧЕНО", "utm_source": "google", "utm_term": "пхукет"
}"#;

/// A deal by the lead's answer, and its notes.
async fn deal(app: &TestApp, lead: &Value) -> (Value, Vec<String>) {
    app.queue_is_empty().await;
    let id = lead["amocrm"]["lead_id"].as_i64().unwrap();
    (
        app.crm.get(&format!("/api/v4/leads/{id}")).await,
        app.crm.notes(id).await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sale_is_in_its_fields_and_the_marks_on_deal_and_contact() {
    let app = TestApp::ready().await;
    let lead = app.submit(SALE).await.json();
    assert_eq!(lead["delivery"]["state"], "delivered", "{lead}");
    let (deal, notes) = deal(&app, &lead).await;
    for (code, value) in [
        ("INTAKE_OBJECT", "Вилла"),
        ("INTAKE_OBJECT_PRICE", "12500000"),
        ("INTAKE_COMMISSION", "375000.5"),
        ("INTAKE_PAYMENT_STATUS", "Оплачено"),
        ("UTM_SOURCE", "google"),
        ("UTM_TERM", "пхукет"),
    ] {
        assert_eq!(field(&deal, code), Some(value), "{code}");
    }
    assert_eq!(notes, [""; 0]);
    let contact = &app.crm.contacts().await[0];
    assert_eq!(field(contact, "UTM_SOURCE"), Some("google"));
    assert_eq!(field(contact, "UTM_TERM"), Some("пхукет"));
    let lead = app.lead(lead["id"].as_i64().unwrap()).await;
    assert_eq!(lead["object_price"], "12500000");
    assert_eq!(lead["warnings"], Value::Null);
    // A contact who is known keeps where they first came from.
    app.submit(&SALE.replace("google", "yandex")).await;
    app.queue_is_empty().await;
    assert_eq!(
        field(&app.crm.contacts().await[0], "UTM_SOURCE"),
        Some("google")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_arrives_without_its_fields_and_everybody_is_told_once() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    app.connect().await;
    let lead = app.submit(SALE).await.json();
    let other = app.submit(&SALE.replace("sale@", "other@")).await.json();
    assert_eq!(lead["delivery"]["state"], "delivered", "{lead}");
    let (_, notes) = deal(&app, &lead).await;
    for line in [
        "Объект: вилла",
        "Стоимость объекта: 12500000",
        "Комиссия: 375000.5",
        "Статус оплаты: ОПЛАЧЕНО",
    ] {
        assert!(notes[0].contains(line), "{line}: {notes:?}");
    }
    for lead in [lead, other] {
        let lead = app.lead(lead["id"].as_i64().unwrap()).await;
        let told: Vec<_> = lead["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["message"].as_str().unwrap())
            .collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(
            told.contains(&"field not found: «Объект»; run `lead-intake provision`"),
            "{told:?}"
        );
    }
    let log = captured_log();
    let told = log
        .matches("field not found: «Объект»; run `lead-intake provision`")
        .count();
    assert_eq!(told, 1, "once, and not per lead");
    let (is_well, said) = app.examine().await;
    assert!(
        !is_well
            && said.contains(
                "Field not found: «Стоимость объекта», «Комиссия», «Объект», «Статус оплаты»"
            ),
        "{said}"
    );
    assert!(
        said.contains("of 2 leads within 7 days: field not found: «Объект»"),
        "{said}"
    );
    // After the cure everything is where it belongs.
    app.provision().await;
    let lead = app.submit(&SALE.replace("sale@", "third@")).await.json();
    let (deal, notes) = deal(&app, &lead).await;
    assert_eq!(field(&deal, "INTAKE_OBJECT"), Some("Вилла"));
    assert_eq!(notes, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_option_and_names_of_every_kind_cost_no_value() {
    let app = TestApp::ready().await;
    let body = json!({
        "email": "a@example.com", "object": "Замок", "custom_fields": {
            "Статус оплаты": "оплачено", "objectPrice": "7", "COMMISSION": "5 %", "Порода кота": "сиамский",
        },
    });
    let lead = app.submit(&body.to_string()).await.json();
    assert_eq!(lead["delivery"]["state"], "delivered", "{lead}");
    let (deal, notes) = deal(&app, &lead).await;
    assert_eq!(field(&deal, "INTAKE_PAYMENT_STATUS"), Some("Оплачено"));
    assert_eq!(field(&deal, "INTAKE_OBJECT_PRICE"), Some("7"));
    for line in ["Объект: Замок", "Комиссия: 5 %", "Порода кота: сиамский"]
    {
        assert!(notes[0].contains(line), "{line}: {notes:?}");
    }
    let lead = app.lead(lead["id"].as_i64().unwrap()).await;
    let told: Vec<_> = lead["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["field"].as_str().unwrap(),
                it["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Комиссия", "value"),
            ("Объект", "option"),
            ("Порода кота", "unknown")
        ]
    );
    assert!(
        !captured_log().contains("Порода кота"),
        "a stranger's words are in no log"
    );
}

/// The order of the values in the request: utm_source, utm_term, object, object_price, …
#[tokio::test(flavor = "multi_thread")]
async fn amocrm_refuses_a_value_and_the_deal_is_made_without_it() {
    let app = TestApp::ready().await;
    let refuse = |place: &str, times| {
        app.crm
            .emulator
            .fault(Fault::refuse(place).path("/leads/complex").times(times));
    };
    app.crm.emulator.clear_requests();
    refuse("custom_fields_values.2.values.0.enum_id", 1);
    let lead = app.submit(SALE).await.json();
    assert_eq!(lead["delivery"]["state"], "delivered", "{lead}");
    let (made, notes) = deal(&app, &lead).await;
    assert_eq!(field(&made, "INTAKE_OBJECT"), None);
    assert_eq!(
        field(&made, "INTAKE_OBJECT_PRICE"),
        Some("12500000"),
        "only what is refused is left out"
    );
    assert!(
        notes[0].contains("Объект: вилла") && !notes[0].contains("Стоимость"),
        "{notes:?}"
    );
    let shown = app.lead(lead["id"].as_i64().unwrap()).await;
    assert_eq!(shown["warnings"][0]["reason"], "refused", "{shown}");
    let sent = app.crm.emulator.requests();
    assert_eq!(
        sent.iter()
            .filter(|request| request.path.ends_with("/complex"))
            .count(),
        2
    );

    // It refuses on, and names something else: everything that can be left out is.
    refuse("custom_fields_values.0.values.0.value", 2);
    let lead = app.submit(&SALE.replace("sale@", "other@")).await.json();
    assert_eq!(lead["delivery"]["state"], "delivered", "{lead}");
    let (made, notes) = deal(&app, &lead).await;
    assert_eq!(field(&made, "UTM_TERM"), None);
    assert!(field(&made, "INTAKE_ID").is_some());
    assert!(
        notes[0].contains("utm_term: пхукет") && notes[0].contains("Комиссия: 375000.5"),
        "{notes:?}"
    );

    // The marks of the contact are a luxury.
    refuse(
        "_embedded.contacts.0.custom_fields_values.0.values.0.value",
        1,
    );
    let lead = app.submit(&SALE.replace("sale@", "third@")).await.json();
    let (made, _) = deal(&app, &lead).await;
    assert_eq!(field(&made, "UTM_TERM"), Some("пхукет"));
    assert_eq!(app.crm.deals().await.len(), 3);
    assert_eq!(app.crm.contacts().await.len(), 3);
}
