//! Accounts with duplicate control: amoCRM answers with a deal that was there, and nothing may be lost in it, nor begin anew.

use amocrm_emulator::{DuplicateControl, Fault};
use serde_json::{Value, json};

use crate::harness::{TestApp, eventually};

/// The same person again, with another source and another question.
fn again(number: usize) -> String {
    json!({
        "name": "Анна", "phone": "+79001234567", "email": "anna@example.com",
        "utm_source": format!("source{number}"), "comment": format!("question {number}"),
    })
    .to_string()
}

/// How often a deal was sent to amoCRM.
fn sent(app: &TestApp) -> usize {
    let requests = app.crm.emulator.requests();
    requests
        .iter()
        .filter(|request| request.path == "/api/v4/leads/complex")
        .count()
}

async fn notes(app: &TestApp, deal: i64) -> String {
    let path = format!("/api/v4/leads/{deal}/notes");
    let notes = app.crm.all(&path, "notes").await;
    notes
        .iter()
        .filter_map(|note| note["params"]["text"].as_str())
        .collect::<Vec<_>>()
        .join("\n--\n")
}

fn deal_of(lead: &Value) -> i64 {
    lead["amocrm"]["lead_id"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_is_folded_into_a_deal_is_delivered_there_and_follows_it() {
    for mode in [DuplicateControl::Keep, DuplicateControl::Overwrite] {
        let app = TestApp::ready().await;
        let first = app.submit(&again(1)).await.id();
        let deal = deal_of(&app.lead_is(first, "/delivery/state", "delivered").await);
        app.queue_is_empty().await;
        let presentation = app.crm.stage("Asia Deals", "Презентация").await;
        app.crm.move_deal(deal, presentation).await;
        app.lead_is(first, "/status", "presentation").await;

        app.crm.emulator.set_duplicate_control(mode);
        let second = app.submit(&again(2)).await.id();
        let lead = app.lead_is(second, "/delivery/state", "delivered").await;
        assert_eq!(deal_of(&lead), deal);
        app.queue_is_empty().await;
        assert_eq!((app.crm.deals().await.len(), sent(&app)), (1, 2));
        // Where the deal is.
        let lead = app.lead_is(second, "/status", "presentation").await;
        assert_eq!(lead["warnings"][0]["reason"], "merged", "{lead}");
        // Whatever the account's rules made of it, a person can read what was sent.
        let notes = notes(&app, deal).await;
        for text in [
            "question 1",
            "question 2",
            "utm_source: source2",
            "anna@example.com",
        ] {
            assert!(notes.contains(text), "{text}: {notes}");
        }

        // From now on the two go together, whoever moves the deal.
        let choice = app.crm.stage("Asia Deals", "Выбор объекта").await;
        app.crm.move_deal(deal, choice).await;
        app.lead_is(first, "/status", "selection").await;
        app.lead_is(second, "/status", "selection").await;
        let put = app
            .put(&format!("/api/leads/{second}/status?status=reservation"))
            .await;
        assert!(put.status.is_success(), "{}", put.text);
        app.lead_is(first, "/status", "reservation").await;
        app.queue_is_empty().await;
        assert_eq!((app.crm.deals().await.len(), sent(&app)), (1, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_the_folding_ends_in_the_same_deal() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    app.crm
        .emulator
        .set_duplicate_control(DuplicateControl::Keep);
    let first = app.submit(&again(1)).await.id();
    app.lead_is(first, "/delivery/state", "delivered").await;
    app.crm
        .emulator
        .fault(Fault::drop_after_commit().path("/api/v4/leads/complex"));
    let second = app.submit(&again(2)).await.id();
    app.lead_is(second, "/delivery/state", "delivered").await;
    app.queue_is_empty().await;
    assert_eq!((app.crm.deals().await.len(), sent(&app)), (1, 3));
    eventually("both questions are noted", || async {
        let deal = deal_of(&app.lead(first).await);
        let notes = notes(&app, deal).await;
        (notes.matches("question 1").count() == 1 && notes.matches("question 2").count() == 1)
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_leads_of_one_person_at_once_end_in_one_deal_under_duplicate_control() {
    let app = TestApp::ready_with(&[("INTAKE_SHORT_WAIT_MS", "0")]).await;
    app.crm
        .emulator
        .set_duplicate_control(DuplicateControl::Overwrite);
    let mut leads = Vec::new();
    for number in 0..8 {
        leads.push(app.submit(&again(number)).await.id());
    }
    for lead in leads {
        app.lead_is(lead, "/delivery/state", "delivered").await;
    }
    app.queue_is_empty().await;
    assert_eq!((app.crm.deals().await.len(), sent(&app)), (1, 8));
    assert_eq!(app.crm.contacts().await.len(), 1);
    let deal = app.crm.deals().await[0]["id"].as_i64().unwrap();
    let notes = notes(&app, deal).await;
    for number in 0..8 {
        assert_eq!(notes.matches(&format!("question {number}")).count(), 1);
    }
}
