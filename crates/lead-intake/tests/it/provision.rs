//! The first day: an account gets what it needs, once, whoever stumbles on the way.

use std::collections::BTreeSet;

use amocrm_emulator::Fault;
use lead_intake::provision::{self, Arguments};
use lead_intake::{App, Config};
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::config::Environment;

use crate::harness::{TestApp, TestCrm, TestDatabase, all_settings, eventually};

const OWN_STAGES: [&str; 6] = [
    "Новый лид",
    "Первичный контакт",
    "Презентация",
    "Выбор объекта",
    "Резервирование",
    "Сделка",
];

/// Everything that provisioning is about, as amoCRM has it.
async fn account(crm: &TestCrm) -> Value {
    json!({
        "pipelines": crm.get("/api/v4/leads/pipelines").await,
        "deals": crm.get("/api/v4/leads/custom_fields?limit=250").await,
        "contacts": crm.get("/api/v4/contacts/custom_fields?limit=250").await,
        "webhooks": crm.get("/api/v4/webhooks").await,
    })
}

/// The account has everything, and nothing of it twice.
fn is_complete(account: &Value) {
    let pipelines = account["pipelines"]["_embedded"]["pipelines"]
        .as_array()
        .unwrap();
    let ours: Vec<_> = pipelines
        .iter()
        .filter(|pipeline| pipeline["name"] == "Asia Deals")
        .collect();
    assert_eq!(ours.len(), 1, "{pipelines:?}");
    let stages = ours[0]["_embedded"]["statuses"].as_array().unwrap();
    let named =
        |stage: &Value| (stage["type"] == 0).then(|| stage["name"].as_str().unwrap().to_owned());
    let stages: Vec<_> = stages.iter().filter_map(named).collect();
    let wanted = OWN_STAGES
        .into_iter()
        .chain(["Завершено", "Закрыто и не реализовано"]);
    assert_eq!(stages, wanted.collect::<Vec<_>>());
    let marks =
        ["SOURCE", "MEDIUM", "CAMPAIGN", "CONTENT", "TERM"].map(|mark| format!("UTM_{mark}"));
    let ours = [
        "INTAKE_ID",
        "INTAKE_OBJECT",
        "INTAKE_OBJECT_PRICE",
        "INTAKE_COMMISSION",
        "INTAKE_PAYMENT_STATUS",
    ];
    for (owner, codes) in [
        (
            "deals",
            marks
                .iter()
                .map(String::as_str)
                .chain(ours)
                .collect::<Vec<_>>(),
        ),
        (
            "contacts",
            marks
                .iter()
                .map(String::as_str)
                .chain(["PHONE", "EMAIL"])
                .collect(),
        ),
    ] {
        let fields = account[owner]["_embedded"]["custom_fields"]
            .as_array()
            .unwrap();
        for code in codes {
            let found = fields.iter().filter(|field| field["code"] == code).count();
            assert_eq!(found, 1, "{owner} {code}");
        }
        let names: BTreeSet<_> = fields
            .iter()
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), fields.len(), "{owner}: a name twice");
    }
    let hooks = account["webhooks"]["_embedded"]["webhooks"]
        .as_array()
        .unwrap();
    assert_eq!(hooks.len(), 1, "{hooks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing_and_says_so() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    app.connect().await;
    let said = app.provision().await;
    for line in [
        "created «Стоимость объекта», numeric",
        "created «Комиссия», numeric",
        "created «Объект», select of 7 options",
        "created «Статус оплаты», select of 5 options",
        "created «UTM Source», text",
        "utm_source = «utm_source»",
        "phone = ",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let before = account(&app.crm).await;
    is_complete(&before);
    app.crm.emulator.clear_requests();
    let said = app.provision().await;
    assert!(
        said.ends_with("everything is there; nothing was changed\n"),
        "{said}"
    );
    assert_eq!(account(&app.crm).await, before);
    let writes = app.crm.emulator.requests();
    let writes: Vec<_> = writes
        .iter()
        .filter(|request| request.method != "GET")
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
}

/// Whatever it was doing when it died, and whether amoCRM had done it already.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_halfway_is_completed_by_the_next() {
    for (written, fault) in [
        (0, Fault::drop_after_commit()),
        (3, Fault::drop_after_commit()),
        (7, Fault::drop_before()),
        (10, Fault::drop_after_commit()),
    ] {
        let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
        app.connect().await;
        app.crm
            .emulator
            .fault(fault.method("POST").path("/api/v4/").skip(written).always());
        let died = provision::run(&app.app, &Arguments::default(), &mut Vec::new()).await;
        let error = died.unwrap_err().to_string();
        assert!(error.contains("run it again"), "{error}");
        app.crm.emulator.clear_faults();
        app.provision().await;
        is_complete(&account(&app.crm).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_make_nothing_twice() {
    Box::pin(two_runs(TestDatabase::sqlite())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_make_nothing_twice_on_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        Box::pin(two_runs(database)).await;
    }
}

async fn two_runs(database: TestDatabase) {
    let app = TestApp::start(database, &[]).await;
    app.connect().await;
    let other = App::open(app.app.config().clone()).await.unwrap();
    let run = |app: App| async move {
        let mut out = Vec::new();
        provision::run(&app, &Arguments::default(), &mut out)
            .await
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    let said = tokio::join!(run(app.app.clone()), run(other));
    is_complete(&account(&app.crm).await);
    let idle = [&said.0, &said.1]
        .into_iter()
        .filter(|said| said.contains("nothing was changed"));
    assert_eq!(idle.count(), 1, "{said:?}");
    let (_, database) = app.stop().await;
    database.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_in_the_middle_leaves_the_others_in_their_order() {
    let app = TestApp::ready().await;
    let stages = || async {
        let pipelines = app.crm.get("/api/v4/leads/pipelines").await;
        let pipelines = pipelines["_embedded"]["pipelines"]
            .as_array()
            .unwrap()
            .clone();
        let ours = pipelines
            .into_iter()
            .find(|pipeline| pipeline["name"] == "Asia Deals")
            .unwrap();
        let stages = ours["_embedded"]["statuses"].as_array().unwrap().clone();
        let own = stages
            .into_iter()
            .filter(|stage| stage["is_editable"] == true);
        own.map(|stage| stage["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (pipeline, second) = app.crm.stage("Asia Deals", "Первичный контакт").await;
    let statuses = format!("/api/v4/leads/pipelines/{pipeline}/statuses");
    let mut own = json!([{"name": "Показ онлайн", "sort": 31}]);
    app.crm.post(&statuses, own.take()).await;
    let before = stages().await;
    assert_eq!(before[2], "Показ онлайн");
    for gone in ["Новый лид", "Презентация", "Выбор объекта"] {
        let (_, id) = app.crm.stage("Asia Deals", gone).await;
        app.crm.delete(&format!("{statuses}/{id}")).await;
    }
    let said = app.provision().await;
    assert!(
        said.contains("created «Презентация» for presentation"),
        "{said}"
    );
    // Behind the stage of ours before it; the account's own one stays where it is among those that were there.
    assert_eq!(
        stages().await,
        [
            "Новый лид",
            "Первичный контакт",
            "Презентация",
            "Выбор объекта",
            "Показ онлайн",
            "Резервирование",
            "Сделка"
        ]
    );
    assert_eq!(
        app.crm.stage("Asia Deals", "Первичный контакт").await.1,
        second
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_no_administrator_is_a_clear_error_and_delivers_all_the_same() {
    let app = TestApp::ready().await;
    let rights = json!({"view": "A", "edit": "A", "add": "A", "delete": "D", "export": "D"});
    let user = json!([{
        "name": "Anna", "email": "anna@acme.example", "password": "Invented2",
        "rights": {"leads": rights, "contacts": rights, "companies": rights, "tasks": {"edit": "A", "delete": "D"},
            "mail_access": false, "catalog_access": true},
    }]);
    let made = app.crm.post("/api/v4/users", user).await;
    let user = &made["_embedded"]["users"][0]["id"];
    let token = app
        .crm
        .post("/_emulator/tokens", json!({"user_id": user}))
        .await;
    let token = token["token"].as_str().unwrap();
    let settings = [
        ("AMOCRM_ACCESS_TOKEN", token),
        ("INTAKE_PIPELINE", "Another"),
    ];
    let settings = all_settings(&app.crm, &app.database, &app.url, &settings);
    let config = Config::load(Environment::from_pairs(settings), None).unwrap();
    let theirs = App::open(config).await.unwrap();
    let mut out = Vec::new();
    let error = provision::run(&theirs, &Arguments::default(), &mut out)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the token is not an administrator's"),
        "{error}"
    );
    let report = lead_intake::doctor::run(
        theirs.config().clone(),
        lead_intake::doctor::Arguments { json: true },
        &mut Vec::new(),
    )
    .await
    .unwrap();
    let rights: Vec<_> = report
        .findings()
        .filter(|(name, _)| *name == "rights")
        .collect();
    assert!(rights[0].1.text.contains("administrator"), "{rights:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhooks_address_is_a_secret_that_only_amocrm_knows() {
    let app = TestApp::start(
        TestDatabase::sqlite(),
        &[("PUBLIC_URL", "https://crm.example.ru")],
    )
    .await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let post = |path: String| {
        let app = &app;
        async move {
            app.send(Method::POST, &path, &form, "account[id]=1")
                .await
                .status
                .as_u16()
        }
    };
    app.connect().await;
    // Before anything was agreed on, anybody could know the address.
    assert_eq!(post("/api/webhooks/amo".to_owned()).await, 404);
    let said = app.provision().await;
    let hooks = app.crm.get("/api/v4/webhooks").await;
    let hook = hooks["_embedded"]["webhooks"][0]["destination"]
        .as_str()
        .unwrap()
        .to_owned();
    let secret = hook
        .strip_prefix("https://crm.example.ru/api/webhooks/amo/")
        .unwrap();
    assert_eq!(secret.len(), 32);
    assert!(!said.contains(secret), "{said}");
    assert_ne!(post(format!("/api/webhooks/amo/{secret}")).await, 404);
    assert_eq!(post("/api/webhooks/amo".to_owned()).await, 404);
    assert_eq!(
        post(format!("/api/webhooks/amo/{}", "0".repeat(32))).await,
        404
    );
    // Another process finds it through the database, which holds its hash only.
    let again = App::open(app.app.config().clone()).await.unwrap();
    provision::run(&again, &Arguments::default(), &mut Vec::new())
        .await
        .unwrap();
    assert_eq!(app.crm.get("/api/v4/webhooks").await, hooks);
    let kept: Value = app
        .app
        .store()
        .meta()
        .get("webhook.secret_hashes")
        .await
        .unwrap()
        .unwrap();
    assert!(!kept.to_string().contains(secret), "{kept}");
    // Whoever suspects that it is known removes the subscription: the next run makes another, and the old one is worth nothing.
    let body = json!({"destination": hook});
    app.crm.delete_with("/api/v4/webhooks", body).await;
    app.provision().await;
    assert_eq!(post(format!("/api/webhooks/amo/{secret}")).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_amocrm_switched_off_is_made_anew() {
    let app = TestApp::ready().await;
    // The service answers 404 to its own address: somebody has lost the database's settings.
    let hashes: Value = app
        .app
        .store()
        .meta()
        .get("webhook.secret_hashes")
        .await
        .unwrap()
        .unwrap();
    app.app
        .store()
        .meta()
        .put("webhook.secret_hashes", &json!(["other"]))
        .await
        .unwrap();
    let body = json!(
        (0..110)
            .map(|number| json!({"name": format!("Deal {number}")}))
            .collect::<Vec<_>>()
    );
    let made = app.crm.post("/api/v4/leads", body).await;
    let ids: Vec<_> = made["_embedded"]["leads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lead| lead["id"].clone())
        .collect();
    let change = ids.iter().map(|id| json!({"id": id, "name": "Changed"}));
    app.crm
        .patch("/api/v4/leads", json!(change.collect::<Vec<_>>()))
        .await;
    eventually("amoCRM switches the webhook off", || async {
        let hooks = app.crm.get("/api/v4/webhooks").await;
        (hooks["_embedded"]["webhooks"][0]["disabled"] == true).then_some(())
    })
    .await;
    app.app
        .store()
        .meta()
        .put("webhook.secret_hashes", &hashes)
        .await
        .unwrap();
    let (is_well, said) = app.examine().await;
    assert!(
        !is_well && said.contains("Webhook not received: amoCRM switched the subscription off"),
        "{said}"
    );
    let said = app.provision().await;
    assert!(said.contains("it was switched off"), "{said}");
    let hooks = app.crm.get("/api/v4/webhooks").await;
    assert_eq!(hooks["_embedded"]["webhooks"][0]["disabled"], false);
    assert_eq!(hooks["_embedded"]["webhooks"].as_array().unwrap().len(), 1);
}
