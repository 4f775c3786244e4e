//! Real processes that send letters, killed without warning; and funnels as an operator meets them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use lead_intake::{Config, Funnels};
use serde_json::json;
use service_kit::config::Environment;
use store::{Accepted, LeadJob, NewLeadRow, Options, Store, Utm};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::funnels::{ONE_LETTER, settings};
use crate::harness::{
    Mood, TestCrm, TestDatabase, TestSmtp, TestWhatsapp, all_settings, eventually,
};

const LEADS: usize = 120;
const KILLS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn two_killed_processes_never_send_a_letter_twice() {
    killed(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_killed_processes_never_send_a_letter_twice_on_postgres() {
    if let Some(database) = TestDatabase::postgres().await {
        killed(database).await;
    }
}

async fn killed(database: TestDatabase) {
    let (smtp, whatsapp) = (TestSmtp::start().await, TestWhatsapp::start().await);
    let settings = settings(&database, ONE_LETTER, &smtp, &whatsapp);
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    // The first letters hang with their text taken, so that the kill falls into the moment that matters.
    smtp.moods([Mood::HangAfterText, Mood::HangAfterText]);
    let crm = TestCrm::start().await;
    let child_settings = all_settings(&crm, &database, "http://127.0.0.1:1", &settings);
    let folder = database.folder.path().to_owned();
    // Accepted while nobody sends.
    let store = database.open(Options::new().funnels(true)).await;
    let mut leads = Vec::new();
    for number in 0..LEADS {
        leads.push(accept(&store, number).await);
    }
    for kill in 1..=KILLS {
        let mut children = [
            start(&child_settings, &folder),
            start(&child_settings, &folder),
        ];
        let before = smtp.letters().len();
        let wanted = (before + LEADS / 12).min(LEADS - KILLS + kill);
        eventually("some letters are sent", || async {
            (smtp.letters().len() >= wanted).then_some(())
        })
        .await;
        for child in &mut children {
            child.start_kill().unwrap();
            child.wait().await.unwrap();
        }
    }
    let survivor = start(&child_settings, &folder);
    // Everything comes to an end: those that were on their way when their process died are known to be unknown.
    let mut states = BTreeMap::new();
    for lead in &leads {
        let state = eventually("every message has its outcome", || async {
            let messages = store.funnels().messages_of(*lead).await.unwrap();
            let state = messages.first()?.state.as_str();
            ["sent", "unknown"].contains(&state).then_some(state)
        })
        .await;
        *states.entry(state).or_insert(0) += 1;
    }
    drop(survivor);
    let mut to: Vec<_> = smtp
        .letters()
        .into_iter()
        .flat_map(|letter| letter.to)
        .collect();
    let sent = to.len();
    to.sort_unstable();
    to.dedup();
    assert_eq!(to.len(), sent, "nobody got two letters");
    let unknown = states.get("unknown").copied().unwrap_or_default();
    assert!(
        sent >= LEADS - unknown && sent <= LEADS,
        "{sent} of {LEADS}, {states:?}"
    );
    store.close().await;
    database.drop_schema().await;
}

async fn accept(store: &Store, number: usize) -> i64 {
    let (email, campaign) = (format!("p{number}@example.com"), format!("c{number}"));
    let new = NewLeadRow {
        intake_id: Uuid::now_v7(),
        account: String::new(),
        name: None,
        phone: None,
        email: Some(email.clone()),
        utm: Utm::default(),
        payload: json!({"email": email, "utm": {"campaign": campaign}}),
        local_status: "new".to_owned(),
    };
    let deliver = LeadJob::new("lead.deliver");
    match store.leads().accept(new, None, deliver).await.unwrap() {
        Accepted::Created(row) => row.id,
        other => panic!("{other:?}"),
    }
}

fn start(settings: &BTreeMap<String, String>, folder: &Path) -> Child {
    Command::new(Path::new(env!("CARGO_BIN_EXE_lead-intake")))
        .env_clear()
        .envs(settings)
        .env("SERVER_PORT", "0")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[test]
fn the_guides_example_can_be_used() {
    let text = include_str!("../../../../docs/lead-intake/funnels.toml");
    let funnels = Funnels::parse(text).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert!(funnels.sends_email() && funnels.sends_whatsapp());
}

#[test]
fn a_service_that_could_not_send_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("funnels.toml");
    let load = |text: &str, more: &[(&str, &str)]| {
        std::fs::write(&file, text).unwrap();
        let mut settings: BTreeMap<String, String> = BTreeMap::new();
        settings.insert("INTAKE_FUNNELS".to_owned(), file.display().to_string());
        for (name, value) in more {
            settings.insert((*name).to_owned(), (*value).to_owned());
        }
        Config::load(Environment::from_pairs(settings), None)
    };
    let example = include_str!("../../../../docs/lead-intake/funnels.toml");
    let good = [
        ("PUBLIC_URL", "https://crm.example"),
        (
            "SMTP_URL",
            "smtps://hello%40example.com:canary-p%2Fw@smtp.example",
        ),
        ("SMTP_FROM", "Asia <hello@example.com>"),
        ("WHATSAPP_PHONE_NUMBER_ID", "106540352242922"),
        ("WHATSAPP_TOKEN", "canary-token"),
    ];
    let config = load(example, &good).unwrap();
    let server = config.smtp.server().unwrap();
    assert_eq!((server.host.as_str(), server.port), ("smtp.example", 465));
    assert_eq!(server.credentials.as_ref().unwrap().0, "hello@example.com");
    assert!(!format!("{config:?}").contains("canary"));

    let errors = load(example, &[]).unwrap_err().to_string();
    for variable in [
        "PUBLIC_URL",
        "SMTP_HOST",
        "SMTP_FROM",
        "WHATSAPP_PHONE_NUMBER_ID",
        "WHATSAPP_TOKEN",
    ] {
        assert!(
            errors.contains(&format!("{variable}: ")),
            "{variable}: {errors}"
        );
    }
    let wrong = example.replacen("{{ first_name or 'друг' }}", "{{ firstname }}", 1);
    let line = wrong
        .lines()
        .position(|line| line.contains("firstname"))
        .unwrap()
        + 1;
    let errors = load(&wrong, &good).unwrap_err().to_string();
    assert!(
        errors.contains(&format!("funnels.toml, line {line}: ")),
        "{errors}"
    );
    for (name, value) in [
        ("SMTP_URL", "https://canary@smtp.example"),
        ("SMTP_FROM", "nobody"),
        ("SMTP_TLS", "none"),
        ("WHATSAPP_BASE_URL", "http://graph.example"),
        ("WHATSAPP_PHONE_NUMBER_ID", "+7900"),
        ("WHATSAPP_TOKEN", "canary\u{7f}token"),
        ("INTAKE_FUNNELS", "/nowhere/funnels.toml"),
    ] {
        let mut settings = good.to_vec();
        settings.retain(|(known, _)| *known != name);
        settings.push((name, value));
        let errors = load(example, &settings).unwrap_err().to_string();
        assert!(errors.contains(name), "{name}: {errors}");
        assert!(!errors.contains("canary"), "{errors}");
    }
}
