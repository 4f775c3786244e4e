//! What nobody could do, and the person who decides about it.

use std::time::Duration;

use amocrm_emulator::Fault;
use clap::Parser as _;
use lead_intake::dead_letters::{self, Command};
use reqwest::Method;
use serde_json::{Value, json};
use store::JobSpec;

use crate::harness::{LEAD, TestApp, field};

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// What `lead-intake dead-letters …` prints, or says.
async fn command(app: &TestApp, line: &[&str]) -> Result<String, String> {
    let line = Line::try_parse_from([&["dead-letters"], line].concat())
        .map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let done = dead_letters::run(&app.app, &line.command, &mut out).await;
    let out = String::from_utf8(out).unwrap();
    match done {
        Ok(()) => Ok(out),
        Err(error) => Err(format!("{error:#}\n{out}")),
    }
}

/// A lead that amoCRM refuses.
async fn refused(app: &TestApp, body: &str) -> i64 {
    app.crm
        .emulator
        .fault(Fault::server_error(400).path("/leads/complex").always());
    let id = app.submit(body).await.id();
    app.lead_is(id, "/delivery/state", "failed").await;
    app.crm.emulator.clear_faults();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_without_people_and_decided_about() {
    let app = TestApp::ready().await;
    let first = refused(&app, LEAD).await;
    let second = refused(
        &app,
        &LEAD
            .replace("test@", "other@")
            .replace("+79001234567", "+79007654321"),
    )
    .await;

    let table = command(&app, &["list"]).await.unwrap();
    assert!(
        table.contains("lead.deliver") && table.contains("the lead cannot be delivered"),
        "{table}"
    );
    let listed: Value = serde_json::from_str(
        &command(&app, &["list", "--json", "--since", "1h"])
            .await
            .unwrap(),
    )
    .unwrap();
    let listed = listed.as_array().unwrap();
    assert_eq!(
        (listed.len(), &listed[0]["lead"], &listed[0]["attempts"]),
        (2, &json!(first), &json!(0))
    );
    for word in ["example.com", "7900", "Тестов"] {
        assert!(!format!("{table}{listed:?}").contains(word), "{word}");
    }

    // By key, one by one.
    let page = app
        .get("/api/dead-letters?limit=1&kind=deliver")
        .await
        .json();
    assert_eq!(page["dead_letters"][0]["lead"], first);
    let next = app
        .get(&format!("/api/dead-letters?limit=1&after={}", page["next"]))
        .await
        .json();
    assert_eq!(
        (&next["dead_letters"][0]["lead"], &next["next"]),
        (&json!(second), &Value::Null)
    );
    assert_eq!(
        app.get("/api/dead-letters?kind=cats").await.wrong_fields(),
        ["kind"]
    );
    assert_eq!(
        app.get("/api/dead-letters?since=yore").await.wrong_fields(),
        ["since"]
    );

    let letter = page["dead_letters"][0]["id"].as_i64().unwrap();
    let back = app.post(&format!("/api/dead-letters/{letter}/retry")).await;
    assert_eq!(
        (back.status.as_u16(), &back.json()["lead"]),
        (202, &json!(first))
    );
    app.lead_is(first, "/delivery/state", "delivered").await;
    assert_eq!(
        app.post(&format!("/api/dead-letters/{letter}/retry"))
            .await
            .status,
        404
    );

    let letter = next["dead_letters"][0]["id"].as_i64().unwrap().to_string();
    let error = command(&app, &["drop", &letter]).await.unwrap_err();
    assert!(
        error.contains("--yes") && error.contains("lead.deliver"),
        "{error}"
    );
    assert!(command(&app, &["drop"]).await.is_err());
    assert!(
        command(&app, &["retry", "999999"])
            .await
            .unwrap_err()
            .contains("there is no dead letter 999999")
    );
    let said = command(&app, &["drop", &letter, "--yes"]).await.unwrap();
    assert_eq!(said, "1 letter thrown away\n");
    assert_eq!(app.lead(second).await["delivery"]["state"], "failed");
    // Nobody is asked to look at it any more.
    let metrics = app.get("/metrics").await.text;
    assert!(metrics.contains("leads{state=\"failed\"} 0"), "{metrics}");
    let gone = app
        .send(
            Method::DELETE,
            &format!("/api/dead-letters/{letter}"),
            &[],
            "",
        )
        .await;
    assert_eq!(gone.status, 404);
    assert_eq!(
        command(&app, &["list"]).await.unwrap(),
        "there are no dead letters\n"
    );
}

/// Jobs of funnels carry the number of a message or a note, which is no lead's.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_names_the_lead_that_it_is_about() {
    let app = TestApp::start(crate::harness::TestDatabase::sqlite(), &[]).await;
    let jobs = app.app.store().jobs();
    let worker = jobs.worker("w");
    for (kind, payload, lane, lead) in [
        (
            "funnel.email",
            json!(1),
            Some("funnel/71/welcome"),
            Some(71),
        ),
        ("funnel.note", json!(2), Some("lead/72"), Some(72)),
        (
            "lead.finish",
            json!({"lead": 73}),
            Some("lead/73"),
            Some(73),
        ),
        (
            "lead.contact",
            json!({"lead": 74, "contact": 5}),
            Some("contact/5"),
            Some(74),
        ),
        ("lead.deliver", json!(75), Some("lead/75"), Some(75)),
        ("funnel.whatsapp", json!(6), None, None),
    ] {
        let mut spec = JobSpec::new(kind, &payload).unwrap();
        if let Some(lane) = lane {
            spec = spec.lane(lane);
        }
        jobs.enqueue(spec).await.unwrap();
        // Nobody works here: the account is not connected.
        let job = worker
            .claim(&[kind], 1, Duration::from_mins(1))
            .await
            .unwrap()
            .remove(0);
        assert!(jobs.bury(&job, "r", None).await.unwrap().is_recorded());
        let listed = command(&app, &["list", "--json", "--kind", kind])
            .await
            .unwrap();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed[0]["lead"], json!(lead), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_lead_that_amocrm_has_after_all_is_recognised() {
    let app = TestApp::ready().await;
    let id = refused(&app, LEAD).await;
    // What became of the request is known to amoCRM only: here is its deal.
    let intake = app.lead(id).await["intake_id"].as_str().unwrap().to_owned();
    let fields = json!([{"field_code": "INTAKE_ID", "values": [{"value": intake}]}]);
    let deal = json!([{"name": "Заявка", "custom_fields_values": fields}]);
    let made = app.crm.post("/api/v4/leads", deal).await;
    command(&app, &["retry", "--all"]).await.unwrap();
    let lead = app.lead_is(id, "/delivery/state", "delivered").await;
    assert_eq!(
        lead["amocrm"]["lead_id"],
        made["_embedded"]["leads"][0]["id"]
    );
    app.queue_is_empty().await;
    let deals = app.crm.deals().await;
    assert_eq!(deals.len(), 1);
    assert_eq!(field(&deals[0], "INTAKE_ID"), Some(intake.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_costs_its_workers_their_lives_is_given_up_and_its_lead_says_so() {
    let app = TestApp::start(crate::harness::TestDatabase::sqlite(), &[]).await;
    let id = app.submit(LEAD).await.id();
    // A hundred workers die with it, each without a word.
    let jobs = app.app.store().jobs();
    let worker = jobs.worker("doomed");
    for _ in 0..100 {
        let claimed = worker
            .claim(&["lead.deliver"], 1, Duration::from_millis(1))
            .await
            .unwrap();
        assert_eq!(claimed.len(), 1);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    app.connect().await;
    let lead = app.lead_is(id, "/delivery/state", "failed").await;
    let why = lead["delivery"]["last_error"].as_str().unwrap();
    assert!(
        why.contains("claimed 100 times without an outcome"),
        "{why}"
    );
    let table = command(&app, &["list"]).await.unwrap();
    assert!(table.contains("claimed 100 times"), "{table}");
    let (_, said) = app.examine().await;
    assert!(
        said.contains("1 jobs were given up") && said.contains("dead-letters list"),
        "{said}"
    );
    // The reason of other kinds is told by the queue itself.
    jobs.enqueue(JobSpec::new("lead.move", &json!({"lead": id, "status": "deal"})).unwrap())
        .await
        .unwrap();
    app.queue_is_empty().await;
    command(&app, &["retry", "--kind", "deliver"])
        .await
        .unwrap();
    app.lead_is(id, "/delivery/state", "delivered").await;
}
