//! Who gets which lead, as the team in amoCRM sees it.

use std::io::Write as _;
use std::time::Duration;

use amocrm_emulator::Fault;
use lead_intake::reconcile;
use serde_json::{Value, json};

use crate::harness::{TestApp, TestCrm, TestDatabase, captured_log, eventually};

const ADMIN: i64 = 9_000_001;
const TURNS: (&str, &str) = ("INTAKE_MANAGER_STRATEGY", "round_robin");
pub(crate) const TEAM: [(&str, &str); 3] = [
    ("Анна Линь", "anna@acme.example"),
    ("Борис Иванов", "boris@acme.example"),
    ("Вера Ким", "vera@acme.example"),
];
/// The team by e-mail, name and id.
const EVERYBODY: (&str, &str) = (
    "INTAKE_MANAGERS",
    "Anna@acme.example, борис  иванов, 9000004",
);

/// Somebody is hired.
pub(crate) async fn hire(crm: &TestCrm, (name, email): (&str, &str)) -> i64 {
    let user = json!([{"name": name, "email": email, "password": "Invented2", "rights": rights()}]);
    let made = crm.post("/api/v4/users", user).await;
    made["_embedded"]["users"][0]["id"].as_i64().unwrap()
}

fn rights() -> Value {
    let entity = json!({"view": "A", "edit": "A", "add": "A", "delete": "D", "export": "D"});
    json!({
        "leads": entity, "contacts": entity, "companies": entity, "tasks": {"edit": "A", "delete": "D"},
        "mail_access": false, "catalog_access": true,
    })
}

/// The service beside an account with the three of [`TEAM`].
async fn with_team(settings: &[(&str, &str)]) -> (TestApp, [i64; 3]) {
    let app = TestApp::ready_with(settings).await;
    let mut ids = [0; 3];
    for (id, person) in ids.iter_mut().zip(TEAM) {
        *id = hire(&app.crm, person).await;
    }
    app.crm.emulator.clear_requests();
    (app, ids)
}

/// A lead of a person of their own, as the API shows it once amoCRM has it.
async fn lead_of(app: &TestApp, person: u32, more: &Value) -> Value {
    let mut form =
        json!({"name": format!("Клиент {person}"), "phone": format!("+7900555{person:04}")});
    form.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let answer = app.submit(&form.to_string()).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    // After a fault the next ones may have to wait a moment.
    app.lead_is(answer.id(), "/delivery/state", "delivered")
        .await
}

async fn manager_of(app: &TestApp, person: u32) -> i64 {
    let lead = lead_of(app, person, &json!({})).await;
    lead["manager"]["user_id"].as_i64().unwrap()
}

/// How many requests of this kind lead-intake has sent.
fn requests(app: &TestApp, method: &str, path: &str) -> usize {
    let all = app.crm.emulator.requests();
    all.iter()
        .filter(|request| request.method == method && request.path == path)
        .count()
}

fn lines(lead: &Value) -> Vec<(i64, &str, &str)> {
    let history = lead["manager"]["history"].as_array().unwrap();
    history
        .iter()
        .map(|line| {
            let word = |name: &str| line[name].as_str().unwrap();
            (
                line["to"].as_i64().unwrap_or(0),
                word("origin"),
                word("reason"),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_go_round_and_each_choice_is_explained() {
    let (app, team) = with_team(&[TURNS, EVERYBODY]).await;
    let mut order = Vec::new();
    for person in 0..6 {
        order.push(manager_of(&app, person).await);
    }
    assert_eq!(order, [team, team].concat());
    // The users are read once for all.
    assert_eq!(requests(&app, "GET", "/api/v4/users"), 1);
    assert_eq!(requests(&app, "GET", "/api/v4/account"), 1);

    for deal in app.crm.deals().await {
        let contact = deal["_embedded"]["contacts"][0]["id"].as_i64().unwrap();
        let contact = app.crm.get(&format!("/api/v4/contacts/{contact}")).await;
        assert_eq!(deal["responsible_user_id"], contact["responsible_user_id"]);
    }
    let manager = &app.lead(5).await["manager"];
    assert_eq!(manager["name"], "Борис Иванов");
    assert_eq!(
        manager["explanation"],
        "round robin, turn 5: 2 of 3 among Анна Линь, Борис Иванов, Вера Ким"
    );
    let list = app.get("/api/leads").await.json();
    assert_eq!(list["leads"][0]["manager"]["name"], "Вера Ким");
    let metrics = app.get("/metrics").await.text;
    assert!(
        metrics.contains("managers_assigned_total{reason=\"round_robin\"} 6"),
        "{metrics}"
    );
    // Employees' names are for the API and not for the log.
    let log = captured_log();
    for (name, email) in TEAM {
        assert!(!log.contains(name) && !log.contains(email));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_keeps_the_manager_until_they_leave() {
    let (app, team) = with_team(&[TURNS, EVERYBODY]).await;
    assert_eq!(manager_of(&app, 1).await, team[0]);
    assert_eq!(manager_of(&app, 2).await, team[1]);
    let again = lead_of(&app, 1, &json!({})).await;
    assert_eq!(lines(&again), [(team[0], "intake", "repeated_client")]);
    // It was nobody's turn.
    assert_eq!(manager_of(&app, 3).await, team[2]);

    app.crm
        .post("/api/v4/users/deactivate", json!([{"id": team[0]}]))
        .await;
    // Whoever looks into the matter makes the news known to all.
    let (is_well, said) = app.examine().await;
    assert!(!is_well);
    assert!(said.contains("«Anna@acme.example» is not active"), "{said}");
    let other = lead_of(&app, 1, &json!({})).await;
    assert_eq!(lines(&other), [(team[1], "intake", "round_robin")]);
    // And that one keeps the client, although the contact is still the other's.
    let kept = lead_of(&app, 1, &json!({})).await;
    assert_eq!(lines(&kept), [(team[1], "intake", "repeated_client")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_leads_of_one_new_person_at_once_have_one_manager() {
    let (app, _) = with_team(&[TURNS, EVERYBODY]).await;
    for person in 0..4 {
        let form =
            format!(r#"{{"phone": "+7900777000{person}", "email": "p{person}@example.com"}}"#);
        let (first, second) = tokio::join!(app.submit(&form), app.submit(&form));
        let (first, second) = (app.lead(first.id()).await, app.lead(second.id()).await);
        assert_eq!(first["manager"]["user_id"], second["manager"]["user_id"]);
        let reasons = [&first["manager"]["reason"], &second["manager"]["reason"]];
        assert!(reasons.contains(&&json!("repeated_client")), "{reasons:?}");
    }
    assert_eq!(app.crm.contacts().await.len(), 4);
    assert_eq!(app.crm.deals().await.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_costs_no_turn_and_makes_no_second_deal() {
    let (app, team) = with_team(&[TURNS, EVERYBODY]).await;
    for fault in [
        Fault::drop_after_commit(),
        Fault::drop_before(),
        Fault::server_error(502),
    ] {
        let complex = fault.path("/api/v4/leads/complex").times(2);
        app.crm.emulator.fault(complex);
    }
    let mut order = Vec::new();
    for person in 0..6 {
        order.push(manager_of(&app, person).await);
    }
    assert_eq!(order, [team, team].concat());
    assert_eq!(app.crm.deals().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_whom_amocrm_does_not_take_is_replaced() {
    let (app, team) = with_team(&[TURNS, EVERYBODY]).await;
    assert_eq!(manager_of(&app, 0).await, team[0]);
    for gone in &team[1..] {
        app.crm
            .post("/_emulator/users/remove", json!({"id": gone}))
            .await;
    }
    app.crm.emulator.clear_requests();
    let lead = lead_of(&app, 1, &json!({})).await;
    assert_eq!(
        lines(&lead),
        [
            (team[1], "intake", "round_robin"),
            (team[0], "intake", "round_robin")
        ]
    );
    // Refused once, the list read again, and made.
    assert_eq!(requests(&app, "POST", "/api/v4/leads/complex"), 2);
    assert_eq!(requests(&app, "GET", "/api/v4/users"), 1);
    assert_eq!(app.crm.deals().await.len(), 2);

    // Nobody is left: the lead arrives all the same.
    app.crm
        .post("/_emulator/users/remove", json!({"id": team[0]}))
        .await;
    let lead = lead_of(&app, 2, &json!({})).await;
    assert_eq!(
        lines(&lead),
        [
            (team[0], "intake", "round_robin"),
            (0, "intake", "no_active_user")
        ]
    );
    assert_eq!(
        lead["manager"]["explanation"],
        format!(
            "nobody of those named is active: amoCRM decides; nobody active: the default managers; refused by amoCRM: \
             user {}",
            team[0]
        )
    );
    let deals = app.crm.deals().await;
    let responsible: Vec<_> = deals
        .iter()
        .map(|deal| &deal["responsible_user_id"])
        .collect();
    assert!(responsible.contains(&&json!(ADMIN)), "{responsible:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_choose_by_marks_tags_and_price_among_a_list_or_a_group() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        r#"
        [managers]
        strategy = "round_robin"

        [[managers.rules]]
        name = "Дорогие"
        price_from = 50000000
        users = ["vera@acme.example"]

        [[managers.rules]]
        name = "Бали"
        utm_source = "google"
        utm_campaign = "bali*"
        group = "Бали"
        strategy = "least_loaded"

        [[managers.rules]]
        tag = "партнёр"
        users = "nobody@acme.example"
        "#
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let (app, team) = with_team(&[("CONFIG_FILE", path)]).await;
    app.crm
        .post(
            "/_emulator/users/group",
            json!({"name": "Бали", "users": [team[0], team[1]]}),
        )
        .await;
    let bali = json!({"utm_source": "Google", "utm_campaign": "bali_villas"});
    for (person, form, user, explanation) in [
        (
            0,
            json!({"price": 60_000_000, "utm_source": "google", "utm_campaign": "bali"}),
            team[2],
            "round robin, turn 1: 1 of 1 among Вера Ким; rule «Дорогие»",
        ),
        (
            1,
            bali.clone(),
            team[0],
            "fewest open deals among Анна Линь (0), Борис Иванов (0); rule «Бали»",
        ),
        (
            2,
            bali.clone(),
            team[1],
            "fewest open deals among Анна Линь (1), Борис Иванов (0); rule «Бали»",
        ),
        (
            3,
            json!({"utm_source": "yandex", "utm_campaign": "bali"}),
            0,
            "no rule is about this lead: amoCRM decides",
        ),
        (
            4,
            json!({"tags": ["Партнёр"]}),
            0,
            "nobody of those named is active: amoCRM decides; nobody active: rule 3",
        ),
    ] {
        let lead = lead_of(&app, person, &form).await;
        let manager = &lead["manager"];
        assert_eq!(
            manager["user_id"].as_i64().unwrap_or(0),
            user,
            "{form} {manager}"
        );
        assert_eq!(manager["explanation"], explanation, "{form}");
        let deal = lead["amocrm"]["lead_id"].as_i64().unwrap();
        let deal = app.crm.get(&format!("/api/v4/leads/{deal}")).await;
        let expected = if user == 0 { ADMIN } else { user };
        assert_eq!(deal["responsible_user_id"], expected, "{form}");
    }
    // A client of whoever amoCRM chose stays there.
    let lead = lead_of(&app, 3, &bali).await;
    assert_eq!(lines(&lead), [(ADMIN, "intake", "repeated_client")]);

    let (is_well, said) = app.examine().await;
    assert!(!is_well);
    assert!(
        said.contains("rule «rule 3»: nobody is called «nobody@acme.example»"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_loaded_gets_the_lead_for_one_count_a_minute() {
    let (app, team) = with_team(&[
        ("INTAKE_MANAGER_STRATEGY", "least_loaded"),
        EVERYBODY,
        ("INTAKE_MANAGER_KEEP", "never"),
    ])
    .await;
    let (pipeline, new) = app.crm.stage("Asia Deals", "Новый лид").await;
    let (_, talks) = app.crm.stage("Asia Deals", "Презентация").await;
    let deal = |user: i64, stage: i64| json!({"responsible_user_id": user, "pipeline_id": pipeline, "status_id": stage});
    let mut deals = vec![
        deal(team[0], new),
        deal(team[0], talks),
        deal(team[0], talks),
        deal(team[1], new),
    ];
    // What is closed is no load.
    deals.extend([deal(team[2], 142), deal(team[2], 142)]);
    app.crm.post("/api/v4/leads", json!(deals)).await;
    app.crm.emulator.clear_requests();

    let mut order = Vec::new();
    for person in 0..6 {
        order.push(manager_of(&app, person).await);
    }
    assert_eq!(order, [2, 1, 2, 1, 2, 0].map(|index: usize| team[index]));
    // Nobody looked among the deals for anything else.
    assert_eq!(requests(&app, "GET", "/api/v4/leads"), 1);
    assert_eq!(requests(&app, "GET", "/api/v4/users"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_does_not_wait_for_users_who_cannot_be_read() {
    let (app, team) = with_team(&[TURNS, EVERYBODY]).await;
    app.crm
        .emulator
        .fault(Fault::server_error(500).path("/api/v4/users").always());
    let lead = lead_of(&app, 1, &json!({})).await;
    assert_eq!(lines(&lead), [(0, "intake", "users_unreadable")]);
    assert_eq!(app.crm.deals().await[0]["responsible_user_id"], ADMIN);
    // Once that is known, nobody waits at all.
    app.crm.emulator.clear_requests();
    let lead = lead_of(&app, 2, &json!({})).await;
    assert_eq!(lead["manager"]["reason"], "users_unreadable");
    assert_eq!(requests(&app, "GET", "/api/v4/users"), 0);

    app.crm.emulator.clear_faults();
    assert!(app.examine().await.1.contains("3 active users"));
    assert_eq!(manager_of(&app, 3).await, team[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_changed_in_amocrm_is_followed() {
    let (app, team) = with_team(&[TURNS, EVERYBODY]).await;
    let lead = lead_of(&app, 1, &json!({})).await;
    let deal = lead["amocrm"]["lead_id"].as_i64().unwrap();
    app.crm.emulator.settle_webhooks().await;
    let change = json!([{"id": deal, "responsible_user_id": team[2]}]);
    app.crm.patch("/api/v4/leads", change).await;
    let lead = eventually("the manager follows", || async {
        let lead = app.lead(1).await;
        (lead["manager"]["user_id"] == team[2]).then_some(lead)
    })
    .await;
    assert_eq!(
        lines(&lead),
        [(team[0], "intake", "round_robin"), (team[2], "crm", "crm")]
    );
    assert_eq!(lead["manager"]["name"], "Вера Ким");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_changed_without_a_webhook_is_found_by_reconcile() {
    let (app, team) = with_team(&[TURNS, EVERYBODY]).await;
    app.crm.unsubscribe_all().await;
    let deal = lead_of(&app, 1, &json!({})).await["amocrm"]["lead_id"].clone();
    let change = json!([{"id": deal, "responsible_user_id": team[2]}]);
    app.crm.patch("/api/v4/leads", change).await;
    app.crm.emulator.advance(Duration::from_secs(3));
    let reconcile = async || {
        let mut out = Vec::new();
        let arguments = reconcile::Arguments {
            full: true,
            ..Default::default()
        };
        reconcile::run(&app.app, &arguments, &mut out)
            .await
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    let told = reconcile().await;
    let line = format!("lead 1: manager {} -> {}, as in amoCRM", team[0], team[2]);
    assert!(told.contains(&line), "{told}");
    assert_eq!(app.lead(1).await["manager"]["user_id"], team[2]);
    let again = reconcile().await;
    assert!(again.contains("0 managers followed"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_new_deal_has_one_task_for_its_manager() {
    let (app, team) = with_team(&[
        TURNS,
        EVERYBODY,
        ("INTAKE_MANAGER_TASK", "Связаться с клиентом"),
        ("INTAKE_MANAGER_TASK_MINUTES", "30"),
    ])
    .await;
    let lost = Fault::drop_after_commit()
        .path("/api/v4/tasks")
        .method("POST");
    app.crm.emulator.fault(lost);
    for person in 0..2 {
        lead_of(&app, person, &json!({})).await;
    }
    app.queue_is_empty().await;
    let tasks = app.crm.get("/api/v4/tasks").await;
    let tasks = tasks["_embedded"]["tasks"].as_array().unwrap();
    let mut seen: Vec<_> = tasks
        .iter()
        .map(|task| {
            let due =
                task["complete_till"].as_i64().unwrap() - task["created_at"].as_i64().unwrap();
            assert!((1700..=1800).contains(&due), "{task}");
            assert_eq!(task["text"], "Связаться с клиентом");
            (
                task["entity_id"].as_i64().unwrap(),
                task["responsible_user_id"].as_i64().unwrap(),
            )
        })
        .collect();
    seen.sort_unstable();
    let deals = app.crm.deals().await;
    let mut wanted: Vec<_> = deals
        .iter()
        .map(|deal| {
            (
                deal["id"].as_i64().unwrap(),
                deal["responsible_user_id"].as_i64().unwrap(),
            )
        })
        .collect();
    wanted.sort_unstable();
    assert_eq!(seen, wanted);
    assert_eq!(
        seen.iter().map(|(_, user)| *user).collect::<Vec<_>>(),
        team[..2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_turns_on_postgres() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let app = TestApp::ready_on(database, &[TURNS, EVERYBODY, ("INTAKE_WORKERS", "4")]).await;
    for person in TEAM {
        hire(&app.crm, person).await;
    }
    // A second one beside it, which only delivers.
    let other = lead_intake::App::open(app.app.config().clone())
        .await
        .unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let working = tokio::spawn({
        let stop = stop.clone();
        async move { other.work(stop).await }
    });
    let forms = (0..30).map(|person| format!(r#"{{"phone": "+790055500{person:02}"}}"#));
    let forms: Vec<_> = forms.collect();
    let answers = futures_util::future::join_all(forms.iter().map(|form| app.submit(form))).await;
    assert!(answers.iter().all(|answer| answer.status.is_success()));
    app.queue_is_empty().await;
    stop.cancel();
    working.await.unwrap();
    let mut turns = std::collections::BTreeMap::new();
    for deal in app.crm.deals().await {
        *turns
            .entry(deal["responsible_user_id"].as_i64().unwrap())
            .or_insert(0) += 1;
    }
    assert_eq!(turns.into_values().collect::<Vec<_>>(), [10, 10, 10]);
    let (_, database) = app.stop().await;
    database.drop_schema().await;
}
