//! Many students at once: how few requests reach amoCRM, and that nobody gets another's deal for it.

use amocrm_emulator::JournalEntry;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::eventually;

use crate::harness::{Academy, Crm};

/// Leads of one request with their contacts.
const COMPLEX: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_students_at_once_take_less_than_a_request_each() {
    // As many requests a second as amoCRM allows.
    let academy = Academy::open_with(&[("AMOCRM_INTEGRATION_RPS", "7")]).await;
    let students: Vec<String> = (0..200)
        .map(|n| format!("student{n}@example.com"))
        .collect();
    let deals = apply(&academy.crm, &students).await;
    academy.crm.emulator.clear_requests();
    finish(&academy, &students, 1).await;
    ended(&academy, 200, "moved").await;
    let requests = academy.crm.emulator.requests();
    assert!(
        requests.len() < students.len(),
        "{} requests: {:?}",
        requests.len(),
        words(&requests)
    );
    let pipelines = |it: &&JournalEntry| it.path.starts_with("/api/v4/leads/pipelines");
    assert_eq!(requests.iter().filter(pipelines).count(), 1);
    for deal in deals {
        assert_eq!(academy.crm.stage_of(deal).await, academy.crm.stages[1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_known_student_there_is_one_reading_and_one_move() {
    let academy = Academy::open().await;
    let deal = academy.crm.applies("student@example.com").await;
    academy.finishes("student@example.com", 67).await;
    academy.log_has(1).await;
    academy.crm.emulator.clear_requests();
    academy.finishes("student@example.com", 68).await;
    academy.log_has(2).await;
    let requests = academy.crm.emulator.requests();
    assert_eq!(
        words(&requests),
        [
            format!("GET /api/v4/leads/{deal}"),
            "PATCH /api/v4/leads".to_owned()
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn in_company_too_the_deal_is_chosen_among_those_of_all_contacts_with_the_e_mail() {
    let academy = Academy::open().await;
    let crm = &academy.crm;
    let mut students: Vec<String> = (0..20).map(|n| format!("student{n}@example.com")).collect();
    let mut deals = apply(crm, &students).await;
    // The same person again, written in another way and beside another address; and somebody else, whose address has the
    // student's in it.
    let again = person(crm, &["old@example.com", " Student7@Example.com"]).await;
    let other = person(crm, &["not-student8@example.com"]).await;
    // And one whose address was another's until a moment ago.
    let heir = person(crm, &["heir@example.com"]).await;
    let fields = |email: &str| json!([{"field_code": "EMAIL", "values": [{"value": email, "enum_code": "WORK"}]}]);
    let contact = contact_of(crm, deals[9]).await;
    let change = json!({"custom_fields_values": fields("moved@example.com")});
    crm.call(
        Method::PATCH,
        &format!("/api/v4/contacts/{contact}"),
        Some(change),
    )
    .await;
    let contact = contact_of(crm, heir).await;
    let change = json!({"custom_fields_values": fields("student9@example.com")});
    crm.call(
        Method::PATCH,
        &format!("/api/v4/contacts/{contact}"),
        Some(change),
    )
    .await;
    let (older, former) = (deals[7], deals[9]);
    (deals[7], deals[9]) = (again, heir);
    students.push("nobody@example.com".to_owned());
    crm.emulator.clear_requests();
    finish(&academy, &students, 2).await;
    ended(&academy, 20, "moved").await;
    ended(&academy, 1, "no_contact").await;
    for deal in deals {
        assert_eq!(crm.stage_of(deal).await, crm.stages[2], "deal {deal}");
    }
    for deal in [older, other, former] {
        assert_eq!(crm.stage_of(deal).await, crm.stages[0], "deal {deal}");
    }
    // Only who is left alone is searched for.
    let requests = crm.emulator.requests();
    assert!(searches(&requests) <= 2, "{:?}", words(&requests));
}

/// Everybody applies: a contact and a deal at the first stage each.
async fn apply(crm: &Crm, emails: &[String]) -> Vec<i64> {
    let mut deals = Vec::new();
    for some in emails.chunks(COMPLEX) {
        let leads: Vec<_> = some.iter().map(|email| lead(crm, &[email])).collect();
        let made = crm
            .call(Method::POST, "/api/v4/leads/complex", Some(json!(leads)))
            .await;
        let made = made.as_array().unwrap();
        deals.extend(made.iter().map(|made| made["id"].as_i64().unwrap()));
    }
    deals
}

/// Somebody with several addresses applies.
async fn person(crm: &Crm, emails: &[&str]) -> i64 {
    let leads = json!([lead(crm, emails)]);
    let made = crm
        .call(Method::POST, "/api/v4/leads/complex", Some(leads))
        .await;
    made[0]["id"].as_i64().unwrap()
}

fn lead(crm: &Crm, emails: &[&str]) -> Value {
    let values: Vec<_> = emails
        .iter()
        .map(|email| json!({"value": email, "enum_code": "WORK"}))
        .collect();
    json!({
        "name": "Заявка", "pipeline_id": crm.pipeline, "status_id": crm.stages[0],
        "_embedded": {"contacts": [{
            "first_name": "Студент",
            "custom_fields_values": [{"field_code": "EMAIL", "values": values}]
        }]}
    })
}

async fn contact_of(crm: &Crm, deal: i64) -> i64 {
    let deal = crm
        .call(
            Method::GET,
            &format!("/api/v4/leads/{deal}?with=contacts"),
            None,
        )
        .await;
    deal["_embedded"]["contacts"][0]["id"].as_i64().unwrap()
}

/// All of them finish a lesson at the same moment.
async fn finish(academy: &Academy, emails: &[String], lesson: u32) {
    let lessons: Vec<_> = emails
        .iter()
        .map(|email| json!({"email": email, "lesson_number": lesson}))
        .collect();
    let body = json!({"completions": lessons});
    let (status, answer) = academy
        .post("/api/lessons/completed/batch", &[], &body)
        .await;
    assert_eq!(status, 202, "{answer}");
}

async fn ended(academy: &Academy, rows: usize, outcome: &str) {
    eventually(&format!("{rows} times {outcome}"), || async {
        let log = academy.log("limit=250").await;
        let found = log.iter().filter(|(_, known, _)| known == outcome).count();
        (found == rows).then_some(())
    })
    .await;
}

fn searches(requests: &[JournalEntry]) -> usize {
    let is_search = |it: &&JournalEntry| it.query.split('&').any(|it| it.starts_with("query="));
    requests.iter().filter(is_search).count()
}

fn words(requests: &[JournalEntry]) -> Vec<String> {
    let words = requests
        .iter()
        .map(|it| format!("{} {}", it.method, it.path));
    words.collect()
}
