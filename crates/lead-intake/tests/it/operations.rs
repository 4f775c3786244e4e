//! The first day and the bad days: provision, doctor, health, metrics, documentation.

use std::path::Path;

use lead_intake::provision::{self, Arguments};
use lead_intake::{
    ACCESS_VARIABLES, Config, DASHBOARD_VARIABLES, FIELDS_VARIABLES, INTAKE_VARIABLES,
    MANAGER_VARIABLES, RETENTION_VARIABLES, STATUS_VARIABLES,
};
use serde_json::Value;
use service_kit::config::{COMMON_VARIABLES, Environment};

use crate::harness::{LEAD, TestApp, TestDatabase, eventually};

#[test]
fn the_example_file_names_every_variable_and_can_be_used_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.env.example");
    let environment = Environment::from_file(Path::new(path)).unwrap();
    let config = Config::load(environment, None).unwrap();
    assert_eq!(config.server.address(), "127.0.0.1:8000");
    assert_eq!(config.intake.pipeline, "Asia Deals");
    for (file, what) in [
        (path, "=".to_owned()),
        (
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md"),
            "`".to_owned(),
        ),
        (
            concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../docs/configuration.ru.md"
            ),
            "`".to_owned(),
        ),
    ] {
        let text = std::fs::read_to_string(file).unwrap();
        for variable in COMMON_VARIABLES
            .iter()
            .chain(INTAKE_VARIABLES)
            .chain(DASHBOARD_VARIABLES)
            .chain(MANAGER_VARIABLES)
            .chain(FIELDS_VARIABLES)
            .chain(STATUS_VARIABLES)
            .chain(ACCESS_VARIABLES)
            .chain(RETENTION_VARIABLES)
        {
            assert!(
                text.contains(&format!("{}{what}", variable.name)),
                "{} is not in {file}",
                variable.name
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioning_creates_what_is_missing_and_nothing_twice() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    app.connect().await;
    let pipelines = || app.crm.get("/api/v4/leads/pipelines");
    let fields = || app.crm.get("/api/v4/leads/custom_fields?limit=250");
    let before = (pipelines().await, fields().await);

    let mut out = Vec::new();
    let dry = Arguments {
        dry_run: true,
        ..Arguments::default()
    };
    provision::run(&app.app, &dry, &mut out).await.unwrap();
    assert!(
        String::from_utf8(out)
            .unwrap()
            .contains("would create «Asia Deals»")
    );
    assert_eq!(
        (pipelines().await, fields().await),
        before,
        "a dry run changes nothing"
    );

    let said = app.provision().await;
    assert!(
        said.contains("created «Asia Deals»") && said.contains("created INTAKE_ID"),
        "{said}"
    );
    for stage in [
        "Новый лид",
        "Первичный контакт",
        "Презентация",
        "Выбор объекта",
        "Резервирование",
        "Сделка",
    ] {
        assert!(said.contains(&format!("«{stage}»")), "{stage}: {said}");
    }
    assert!(
        said.contains("completed = «Завершено» (142)") && said.contains("(143)"),
        "{said}"
    );
    assert!(said.contains("subscribed"), "{said}");

    let after = (pipelines().await, fields().await);
    let said = app.provision().await;
    assert!(!said.contains("created"), "{said}");
    assert_eq!((pipelines().await, fields().await), after);
    let hooks = app.crm.get("/api/v4/webhooks").await;
    assert_eq!(
        hooks["_embedded"]["webhooks"].as_array().map(Vec::len),
        Some(1),
        "{hooks}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_to_do_and_is_content_only_when_all_is_well() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    let (well, said) = app.examine().await;
    assert!(
        !well && said.contains("✘ connection") && said.contains("/api/auth/amo"),
        "{said}"
    );
    app.connect().await;
    let (well, said) = app.examine().await;
    assert!(
        !well && said.contains("✘ fields") && said.contains("Field not found: «"),
        "{said}"
    );
    app.provision().await;
    let (well, said) = app.examine().await;
    assert!(
        well && !said.contains('✘') && said.ends_with("all is well\n"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_metrics_and_documentation_tell_the_truth() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    let health = app.get("/health").await.json();
    assert_eq!(
        (&health["status"], &health["ready"]),
        (&"degraded".into(), &true.into())
    );
    app.submit(LEAD).await;
    let metrics = app.get("/metrics").await.text;
    assert!(
        metrics.contains(r#"queue_depth{kind="lead.deliver"} 1"#),
        "{metrics}"
    );
    app.connect().await;
    app.queue_is_empty().await;
    eventually("it is well", || async {
        (app.get("/health").await.json()["status"] == "ok").then_some(())
    })
    .await;
    let metrics = app.get("/metrics").await.text;
    for line in [
        r#"queue_depth{kind="lead.deliver"} 0"#,
        r#"leads{state="delivered"} 1"#,
        "leads_accepted_total",
        "leads_delivered_total",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }

    let page = app.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(
        !page.text.contains("https://"),
        "the page loads nothing from elsewhere: {}",
        page.text
    );
    let api = app.get("/openapi.json").await.json();
    let paths: Vec<_> = api["paths"].as_object().unwrap().keys().cloned().collect();
    for path in [
        "/api/leads",
        "/api/leads/{id}",
        "/api/leads/{id}/status",
        "/api/leads/{id}/amo",
        "/api/stats",
        "/api/auth/amo",
        "/api/auth/amo/callback",
        "/api/auth/amo/status",
        "/api/auth/amo/test",
        "/api/auth/amo/refresh",
        "/api/auth/amo/revoke",
        "/api/auth/amo/disabled",
        "/api/webhooks/amo",
        "/api/webhooks/amo/test",
    ] {
        assert!(
            paths.iter().any(|known| known == path),
            "{path} is not documented: {paths:?}"
        );
    }
    let schemas = api["components"]["schemas"]
        .as_object()
        .map_or(0, serde_json::Map::len);
    assert!(
        schemas > 5,
        "{}",
        Value::String(format!("{schemas} schemas"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_write_into_the_metrics() {
    let app = TestApp::start(TestDatabase::sqlite(), &[]).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "test%40example.com[call%2B79001234567][0][id]=5";
    let post = reqwest::Method::POST;
    let answer = app.send(post, "/api/webhooks/amo", &form, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let made_up = reqwest::Method::from_bytes(b"MADE-UP").unwrap();
    app.send(made_up, "/api/leads", &[], "").await;
    let metrics = app.get("/metrics").await.text;
    assert!(metrics.contains("webhook_events_total"), "{metrics}");
    for word in ["example.com", "79001234567", "MADE-UP"] {
        assert!(!metrics.contains(word), "{word}");
    }
}

#[test]
fn an_answer_that_would_be_cut_off_is_refused_at_the_start() {
    let settings = [
        ("SERVER_REQUEST_TIMEOUT_MS", "2000"),
        ("INTAKE_SHORT_WAIT_MS", "1500"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let error = Config::load(Environment::from_pairs(settings), None).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("INTAKE_SHORT_WAIT_MS") && text.contains("SERVER_REQUEST_TIMEOUT_MS=2000"),
        "{text}"
    );
}

/// Looking for a deal while amoCRM may still be making it finds nothing, and makes another.
#[test]
fn a_settling_time_below_the_longest_request_is_refused_unless_amocrm_is_emulated() {
    let load = |settings: &[(&str, &str)]| {
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(Environment::from_pairs(settings), None)
    };
    let short = ("INTAKE_SETTLE_MS", "5000");
    let text = load(&[short]).unwrap_err().to_string();
    assert!(
        text.contains("INTAKE_SETTLE_MS") && text.contains("INTAKE_CALL_TIMEOUT_MS=20000"),
        "{text}"
    );
    assert!(load(&[short, ("INTAKE_CALL_TIMEOUT_MS", "5000")]).is_ok());
    assert!(load(&[short, ("AMOCRM_BASE_URL", "https://acme.amocrm.ru")]).is_err());
    assert!(load(&[short, ("AMOCRM_BASE_URL", "http://127.0.0.1:8080")]).is_ok());
}
