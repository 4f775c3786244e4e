//! What the platform and an administrator are told.

use lesson_sync::{
    ALERT_VARIABLES, Config, LESSON_VARIABLES, OPEN_ROUTES, TWO_WAY_VARIABLES, commands,
};
use serde_json::{Value, json};
use service_kit::config::Environment;
use service_kit::http::Role;
use service_kit::mail::SMTP_VARIABLES;
use testkit::{Doors, TOKENS};

use crate::harness::Academy;

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_are_named_and_unknown_lessons_list_the_known_ones() {
    let academy = Academy::open().await;
    for (body, field, part) in [
        (json!({"lesson_id": 67}), "email", "missing"),
        (
            json!({"email": "nobody", "lesson_id": 67}),
            "email",
            "e-mail address",
        ),
        (
            json!({"email": 1, "lesson_id": 67}),
            "email",
            "e-mail address",
        ),
        (json!({"email": "a@b.ru"}), "lesson_id", "needed"),
        (
            json!({"email": "a@b.ru", "lesson_id": 70}),
            "lesson_id",
            "67 (lesson 1), 68 (lesson 2), 69 (lesson 3)",
        ),
        (
            json!({"email": "a@b.ru", "lesson_id": []}),
            "lesson_id",
            "number",
        ),
        (
            json!({"email": "a@b.ru", "lesson_number": 0}),
            "lesson_number",
            "lesson 1",
        ),
        (
            json!({"email": "a@b.ru", "lesson_number": -1}),
            "lesson_number",
            "whole number",
        ),
        (
            json!({"email": "a@b.ru", "lesson_id": 67, "module_id": 17}),
            "module_id",
            "module 16",
        ),
        (
            json!({"email": "a@b.ru", "lesson_id": 67, "completed_at": "today"}),
            "completed_at",
            "2026-",
        ),
        (
            json!({"email": "a@b.ru", "lesson_id": 67, "course": "x"}),
            "course",
            "default",
        ),
    ] {
        let (status, answer) = academy.post("/api/lessons/completed", &[], &body).await;
        assert_eq!(status, 422, "{body}: {answer}");
        assert_eq!(answer["errors"][0]["field"], field, "{body}: {answer}");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(part), "{body}: {message}");
    }
    let batch = json!({"completions": [{"email": "a@b.ru", "lesson_id": 67}, {"email": "a", "lesson_id": 67}, 3]});
    let (status, answer) = academy
        .post("/api/lessons/completed/batch", &[], &batch)
        .await;
    assert_eq!(status, 422);
    assert_eq!(answer["errors"][0]["field"], "completions.1.email");
    assert_eq!(answer["errors"][1]["field"], "completions.2");
    let (_, progress) = academy.get("/api/lessons/progress?email=a@b.ru").await;
    assert_eq!(progress["courses"], json!([]), "all or none");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_platform_tells_of_lessons_and_a_key_stands_for_one_request() {
    let key = "platform-key-0123456789";
    let academy = Academy::open_with(&[
        ("LESSON_API_KEY", key),
        ("ADMIN_TOKEN", "admin-token-0123456789"),
    ])
    .await;
    let body = json!({"email": "a@b.ru", "lesson_id": "67"});
    for headers in [
        &[][..],
        &[("x-api-key", "wrong")][..],
        &[("authorization", "Bearer wrong")][..],
    ] {
        let (status, _) = academy.post("/api/lessons/completed", headers, &body).await;
        assert_eq!(status, 401);
    }
    let bearer = format!("Bearer {key}");
    let first = [("x-api-key", key), ("idempotency-key", "1")];
    let (status, one) = academy.post("/api/lessons/completed", &first, &body).await;
    assert_eq!((status.as_u16(), &one["known"]), (202, &Value::Bool(false)));
    let again = [("authorization", bearer.as_str()), ("idempotency-key", "1")];
    let (status, same) = academy.post("/api/lessons/completed", &again, &body).await;
    assert_eq!((status.as_u16(), &same["known"]), (202, &Value::Bool(true)));
    assert_eq!(one["id"], same["id"]);
    let other = json!({"email": "a@b.ru", "lesson_id": "68"});
    let (status, answer) = academy.post("/api/lessons/completed", &first, &other).await;
    assert_eq!(status, 422);
    assert_eq!(answer["errors"][0]["field"], "Idempotency-Key");
    // What became of lessons is the administrator's.
    assert_eq!(academy.get("/api/sync/log").await.0, 401);
    assert_eq!(
        academy.get("/api/lessons/progress?email=a@b.ru").await.0,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_the_open_ones_needs_a_role_in_every_method() {
    let academy = Academy::open_with(&TOKENS).await;
    let doors = Doors {
        url: &academy.url,
        open: OPEN_ROUTES,
        table: &[
            (Role::Viewer, "GET", "/api/sync/log"),
            (Role::Viewer, "GET", "/api/stats"),
            (Role::Viewer, "GET", "/dashboard"),
            (Role::Operator, "POST", "/dashboard/dead-letters/{id}/retry"),
            (Role::Viewer, "GET", "/api/auth/amo/status"),
            (Role::Viewer, "GET", "/metrics"),
            (Role::Operator, "GET", "/api/auth/amo/test"),
            (Role::Admin, "GET", "/api/auth/amo"),
            (Role::Admin, "POST", "/api/auth/amo/refresh"),
            (Role::Admin, "POST", "/api/auth/amo/revoke"),
            (Role::Admin, "GET", "/api/audit"),
            (Role::Admin, "DELETE", "/api/lessons/students"),
        ],
        undocumented: &[("GET", "/health"), ("GET", "/docs/")],
        parameters: &[("{secret}", "wrong-secret-0123456")],
    };
    let closed = doors.try_all().await;
    assert!(closed > 20, "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_knows_placeholders_wrong_pipelines_and_what_is_well() {
    let academy = Academy::open().await;
    let (is_well, told) = academy.examine().await;
    assert!(is_well, "{told}");
    assert!(told.contains("has the stages of all 3 lessons"), "{told}");
    assert!(
        told.contains("24 hours"),
        "an access token alone is warned of: {told}"
    );

    let main = academy
        .crm
        .call(reqwest::Method::GET, "/api/v4/leads/pipelines", None)
        .await;
    let foreign = main["_embedded"]["pipelines"][0]["_embedded"]["statuses"][1]["id"].to_string();
    let (crm, folder) = academy.stop().await;
    let academy = Academy::again(
        crm,
        folder,
        &[
            ("AMOCRM_STAGE_LESSON_1", "12345678"),
            ("AMOCRM_STAGE_LESSON_2", &foreign),
        ],
    )
    .await;
    let (is_well, told) = academy.examine().await;
    assert!(!is_well);
    for part in [
        "AMOCRM_STAGE_LESSON_1 is still the placeholder 12345678",
        "stage 12345678 of lesson 1 does not exist",
        "of lesson 2 is in pipeline",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_tell_what_is_in_the_account() {
    let academy = Academy::open().await;
    let deal = academy.crm.applies("student@example.com").await;
    let mut out = Vec::new();
    commands::pipelines(&academy.app, &mut out).await.unwrap();
    let told = String::from_utf8(out).unwrap();
    assert!(
        told.contains("«onAI Academy»") && told.contains("ПРОШЕЛ ПЕРВЫЙ УРОК"),
        "{told}"
    );
    assert!(told.contains(&academy.crm.stages[3].to_string()), "{told}");
    for (email, found, part) in [
        (
            "Student@example.com",
            true,
            format!("→ deal {deal}: the newest open one"),
        ),
        ("nobody@example.com", false, "no contact".to_owned()),
    ] {
        let mut out = Vec::new();
        let arguments = commands::FindLead::of(email);
        assert_eq!(
            commands::find_lead(&academy.app, &arguments, &mut out)
                .await
                .unwrap(),
            found
        );
        let told = String::from_utf8(out).unwrap();
        assert!(told.contains(&part), "{told}");
    }
}

#[test]
fn settings_that_contradict_themselves_are_told_by_their_variables() {
    let base = [("AMOCRM_PIPELINE_ID", "1"), ("AMOCRM_STAGE_LESSON_1", "2")];
    for (more, part) in [
        (vec![("AMOCRM_PIPELINE_ID", "")], "AMOCRM_PIPELINE_ID"),
        (vec![("AMOCRM_STAGE_LESSON_1", "")], "AMOCRM_STAGE_LESSON_1"),
        (
            vec![("AMOCRM_STAGE_LESSON_3", "4")],
            "AMOCRM_STAGE_LESSON_2",
        ),
        (vec![("LESSON_IDS", "67,68")], "LESSON_IDS"),
        (vec![("LESSON_COURSES", "missing.toml")], "LESSON_COURSES"),
        (
            vec![("LESSON_FINAL_TASK_DUE", "1d")],
            "LESSON_FINAL_TASK_DUE",
        ),
        (
            vec![("LESSON_CALLBACK_URL", "http://10.0.0.1/hook")],
            "LESSON_CALLBACK_URL: cannot be used",
        ),
        (
            vec![("LESSON_CALLBACK_URL", "https://platform.example.com/")],
            "LESSON_CALLBACK_SECRET",
        ),
        (
            vec![("LESSON_WEBHOOK_SECRET", "short")],
            "LESSON_WEBHOOK_SECRET",
        ),
        (vec![("LESSON_API_KEY", "short")], "LESSON_API_KEY"),
        (vec![("ALERT_EMAIL", "a@b.ru")], "SMTP_HOST"),
        (
            vec![("ALERT_EMAIL", "a@b.ru"), ("SMTP_HOST", "127.0.0.1")],
            "SMTP_FROM",
        ),
        (vec![("ALERT_EMAIL", "nobody")], "ALERT_EMAIL"),
        (
            vec![("ALERT_WEBHOOK_URL", "ftp://chat.example.com/")],
            "ALERT_WEBHOOK_URL: cannot be used",
        ),
        (
            vec![("ALERT_WEBHOOK_URL", "http://169.254.169.254/")],
            "ALERT_WEBHOOK_URL: cannot be used",
        ),
        (
            vec![("ALERT_WEBHOOK_SECRET", "whsec_short")],
            "ALERT_WEBHOOK_SECRET",
        ),
        (
            vec![("ALERT_CHECK_SECONDS", "0")],
            "ALERT_CHECK_SECONDS: `0` is not between",
        ),
        (
            vec![
                ("LESSON_API_KEY", "one-secret-for-everything"),
                ("ADMIN_TOKEN", "admin-token-0123456789"),
                ("OPERATOR_TOKEN", "one-secret-for-everything"),
            ],
            "LESSON_API_KEY: is the same as OPERATOR_TOKEN",
        ),
        (
            vec![
                ("SERVER_HOST", "0.0.0.0"),
                ("ADMIN_TOKEN", "admin-token-0123456789"),
                (
                    "ENCRYPTION_KEY",
                    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                ),
            ],
            "LESSON_API_KEY",
        ),
    ] {
        let settings = base.iter().copied().chain(more.iter().copied());
        let settings: std::collections::BTreeMap<_, _> = settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let error = Config::load(Environment::from_pairs(settings), None).unwrap_err();
        assert!(error.to_string().contains(part), "{more:?}: {error}");
    }
}

#[test]
fn stages_can_be_looked_up_before_any_is_configured() {
    let nothing = || Environment::from_pairs([("AMOCRM_SUBDOMAIN", "acme")]);
    assert!(Config::load(nothing(), None).is_err());
    assert!(Config::load_account(nothing(), None).is_ok());
}

#[test]
fn every_variable_is_in_the_tables_and_the_example_of_courses_can_be_used() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    for table in ["configuration.md", "configuration.ru.md"] {
        let text = std::fs::read_to_string(format!("{root}/{table}")).unwrap();
        let stages = "AMOCRM_STAGE_LESSON_";
        let variables = [
            LESSON_VARIABLES,
            TWO_WAY_VARIABLES,
            ALERT_VARIABLES,
            SMTP_VARIABLES,
        ];
        for variable in variables.into_iter().flatten() {
            // Of the twenty stages the first and the last are named.
            let is_between = variable
                .name
                .strip_prefix(stages)
                .is_some_and(|number| !["1", "20"].contains(&number));
            assert!(
                is_between || text.contains(&format!("`{}`", variable.name)),
                "{} is not in {table}",
                variable.name
            );
        }
    }
    let file = format!("{root}/lesson-sync/lesson-sync.toml");
    let settings = [("LESSON_COURSES".to_owned(), file)];
    let config = Config::load(Environment::from_pairs(settings), None).unwrap();
    let courses = config.courses.all();
    assert_eq!((courses.len(), courses[0].lessons.len()), (2, 3));
}
