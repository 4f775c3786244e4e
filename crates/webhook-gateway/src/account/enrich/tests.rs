//! Enrichment beside an emulated amoCRM.

use std::sync::Arc;
use std::time::Duration;

use amocrm_emulator::{Emulator, Fault};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};
use service_kit::clock::{Clock as _, ManualClock, SystemClock};
use service_kit::config::Environment;
use store::{Keyring, Options, Store};
use tempfile::TempDir;

use super::Enricher;
use crate::account::Accounts;
use crate::config::{Config, Enrich};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

struct Crm {
    emulator: Emulator,
    enricher: Enricher,
    clock: ManualClock,
    _folder: TempDir,
}

impl Crm {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let emulator = Emulator::builder().rate_limit(None).start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut all = vec![
            (
                "DATABASE_URL",
                format!("sqlite://{}/gateway.db", folder.path().display()),
            ),
            ("AMOCRM_BASE_URL", emulator.base_url().to_owned()),
            ("AMOCRM_ACCESS_TOKEN", emulator.long_lived_token()),
            ("AMOCRM_INTEGRATION_RPS", "50".to_owned()),
        ];
        all.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let config = Config::load(Environment::from_pairs(all), None).unwrap();
        let keyring = Keyring::parse(&SecretString::from(KEY)).unwrap();
        let store = Store::open(
            &config.database.to_secret(),
            Options::new().keyring(keyring),
        )
        .await
        .unwrap();
        store.migrate().await.unwrap();
        let accounts = Accounts::new(&config, &store, &SystemClock::shared());
        let clock = ManualClock::at(SystemClock.now());
        let enricher = Enricher::new(&config, accounts, Arc::new(clock.clone()));
        Self {
            emulator,
            enricher,
            clock,
            _folder: folder,
        }
    }

    async fn post(&self, path: &str, body: Value) -> Vec<u64> {
        let url = format!("{}/api/v4/{path}", self.emulator.base_url());
        let answer = reqwest::Client::builder()
            .build()
            .unwrap()
            .post(url)
            .bearer_auth(self.emulator.long_lived_token())
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        let made = answer["_embedded"][path].as_array().unwrap();
        made.iter()
            .map(|item| item["id"].as_u64().unwrap())
            .collect()
    }

    /// How many requests were made for a list of these.
    fn lists(&self, path: &str) -> usize {
        let requests = self.emulator.requests();
        let lists = requests
            .iter()
            .filter(|entry| entry.method == "GET" && entry.path == path);
        lists.count()
    }

    async fn enrich(&self, envelope: &Value, wanted: &[Enrich]) -> Value {
        let enriched = self
            .enricher
            .enrich("main", &envelope.to_string(), wanted, Duration::MAX)
            .await;
        serde_json::from_str(&enriched).unwrap()
    }
}

fn event(entity: &str, id: u64, at: DateTime<Utc>) -> Value {
    json!({
        "specversion": "1.0",
        "id": "evt_1",
        "receivedtime": at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "data": {"entity": entity, "object": {"id": id.to_string()}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deliveries_at_once_share_requests_and_get_what_is_theirs() {
    let crm = Crm::start(&[]).await;
    let contacts = crm
        .post("contacts", json!([{"name": "Ann"}, {"name": "Bob"}]))
        .await;
    let company = crm.post("companies", json!([{"name": "Horns"}])).await[0];
    let deals: Vec<_> = (0..40)
        .map(|number| {
            json!({
                "name": format!("Order {number}"),
                "_embedded": {
                    "contacts": [{"id": contacts[0], "is_main": true}, {"id": contacts[1]}],
                    "companies": [{"id": company}],
                },
            })
        })
        .collect();
    let deals = crm.post("leads", json!(deals)).await;
    crm.emulator.clear_requests();
    let wanted = [Enrich::Lead, Enrich::Contacts, Enrich::Company];
    let now = crm.clock.now();
    let events: Vec<_> = deals
        .iter()
        .map(|deal| event("leads", *deal, now))
        .collect();
    // Each of them several times, as several subscribers would.
    let answers = join_all(
        events
            .iter()
            .cycle()
            .take(120)
            .map(|event| crm.enrich(event, &wanted)),
    )
    .await;
    for (answer, deal) in answers.iter().zip(deals.iter().cycle()) {
        let enriched = &answer["data"]["enriched"];
        assert_eq!(enriched["lead"]["id"], *deal, "{answer}");
        let names: Vec<_> = enriched["contacts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|contact| contact["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["Ann", "Bob"]);
        assert_eq!(enriched["company"]["name"], "Horns");
        assert_eq!(answer["data"]["object"]["id"], deal.to_string());
    }
    let asked =
        ["leads", "contacts", "companies"].map(|what| crm.lists(&format!("/api/v4/{what}")));
    assert!(
        asked.iter().all(|asked| (1..=4).contains(asked)),
        "{asked:?}"
    );
    // What is gone, or never was, is nothing.
    let gone = crm.enrich(&event("leads", 999_999_999, now), &wanted).await;
    assert_eq!(
        gone["data"]["enriched"],
        json!({"lead": null, "contacts": [], "company": null})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_used_again_but_not_for_what_came_later() {
    let crm = Crm::start(&[("GATEWAY_ENRICH_CACHE_MS", "5000")]).await;
    let deal = crm.post("leads", json!([{"name": "Order"}])).await[0];
    crm.emulator.clear_requests();
    let asked = async |at: DateTime<Utc>| {
        let answer = crm.enrich(&event("leads", deal, at), &[Enrich::Lead]).await;
        assert_eq!(answer["data"]["enriched"]["lead"]["id"], deal, "{answer}");
        crm.lists("/api/v4/leads")
    };
    let first = crm.clock.now();
    assert_eq!(asked(first).await, 1);
    crm.clock.advance(TimeDelta::seconds(2));
    assert_eq!(asked(first).await, 1);
    // This event knows of something that the answer may not.
    assert_eq!(asked(crm.clock.now()).await, 2);
    crm.clock.advance(TimeDelta::seconds(6));
    assert_eq!(asked(first).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_without_and_says_why_when_amocrm_does_not_answer() {
    let crm = Crm::start(&[("GATEWAY_ENRICH_TIMEOUT_MS", "400")]).await;
    let deal = crm.post("leads", json!([{"name": "Order"}])).await[0];
    let sent = event("leads", deal, crm.clock.now());
    crm.emulator
        .fault(Fault::slow(60_000).path("/api/v4/leads"));
    let asked = tokio::time::Instant::now();
    let answer = crm.enrich(&sent, &[Enrich::Lead]).await;
    assert!(
        asked.elapsed() < Duration::from_secs(30),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(answer["data"]["enriched"], Value::Null);
    assert_eq!(
        answer["data"]["enriched_error"],
        "amoCRM did not answer in time"
    );
    assert_eq!(answer["data"]["object"], sent["data"]["object"]);
    crm.emulator.clear_faults();
    crm.emulator.revoke_tokens();
    let answer = crm.enrich(&sent, &[Enrich::Lead]).await;
    assert_eq!(answer["data"]["enriched"], Value::Null);
    assert!(answer["data"]["enriched_error"].is_string(), "{answer}");
    // Nobody asks for anything: what is stored goes out byte for byte.
    let text = sent.to_string();
    let asked_nothing = crm.enricher.enrich("main", &text, &[], Duration::MAX);
    assert_eq!(asked_nothing.await, text);
    // A claim that is about to end leaves no time for it: the event goes without.
    crm.emulator.clear_faults();
    let late = crm
        .enricher
        .enrich("main", &text, &[Enrich::Lead], Duration::ZERO);
    let late: Value = serde_json::from_str(&late.await).unwrap();
    assert_eq!(
        late["data"]["enriched_error"],
        "amoCRM did not answer in time"
    );
}
