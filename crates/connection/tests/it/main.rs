//! Connections to several accounts beside each other.
#![expect(clippy::unwrap_used, reason = "a failed helper fails its test")]

use amocrm_emulator::Emulator;
use amocrm_sdk::oauth::Callback;
use connection::{Crm, CrmError, Setup};
use secrecy::SecretString;
use service_kit::clock::SystemClock;
use service_kit::config::{AmocrmConfig, Environment, Loader};
use store::{FAILED_RENEWALS, Keyring, Options, Store};
use tempfile::TempDir;

/// The `[amocrm]` of an emulator's integration; no account is configured.
fn section(emulator: &Emulator) -> AmocrmConfig {
    let keys = emulator.credentials();
    let settings = [
        ("AMOCRM_BASE_URL", emulator.base_url()),
        ("AMOCRM_CLIENT_ID", &keys.client_id),
        ("AMOCRM_CLIENT_SECRET", &keys.client_secret),
        ("AMOCRM_REDIRECT_URI", &keys.redirect_uri),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Loader::new(Environment::from_pairs(settings))
        .load()
        .unwrap();
    settings.section(&mut settings.problems())
}

fn crm(name: &str, emulator: &Emulator, store: &Store) -> Crm {
    let setup = Setup::new("test", section(emulator)).named(name);
    Crm::new(setup, store.clone(), SystemClock::shared())
}

async fn open(folder: &TempDir) -> Store {
    let url = SecretString::from(format!("sqlite://{}/store.db", folder.path().display()));
    let keyring = Keyring::parse(&Keyring::generate_key().unwrap()).unwrap();
    let store = Store::open(&url, Options::new().keyring(keyring))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test]
async fn accounts_of_one_process_keep_their_grants_apart_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let accounts = [
        ("one", Emulator::start().await.unwrap()),
        ("two", Emulator::start().await.unwrap()),
    ];
    for (name, emulator) in &accounts {
        let crm = crm(name, emulator, &store);
        assert!(matches!(crm.linked().await, Err(CrmError::NotConnected)));
        let query = format!("code={}&referer={name}.amocrm.ru&state=x", emulator.code());
        let Callback::Granted(grant) = crm.read_callback(&query).unwrap() else {
            panic!("consent was given");
        };
        crm.connect(&grant).await.unwrap();
    }

    // Another process finds each account's own.
    let [one, two] = accounts
        .each_ref()
        .map(|(name, emulator)| crm(name, emulator, &store));
    for (crm, account) in [(&one, "one.amocrm.ru"), (&two, "two.amocrm.ru")] {
        let linked = crm.linked().await.unwrap();
        assert_eq!(linked.account, account);
        linked.client.account().get().await.unwrap();
    }
    assert!(one.disconnect().await.unwrap());
    assert!(!one.standing().await.unwrap().connected());
    assert!(matches!(one.linked().await, Err(CrmError::NotConnected)));
    two.linked()
        .await
        .unwrap()
        .client
        .account()
        .get()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_refusal_is_known_to_every_process_until_there_is_another_grant() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let emulator = Emulator::start().await.unwrap();
    let consent = async |crm: &Crm| {
        let query = format!("code={}&referer=one.amocrm.ru&state=x", emulator.code());
        let Callback::Granted(grant) = crm.read_callback(&query).unwrap() else {
            panic!("consent was given");
        };
        crm.connect(&grant).await.unwrap();
    };
    let one = crm("one", &emulator, &store);
    assert!(!one.is_refused().await.unwrap(), "nobody has asked");
    consent(&one).await;
    emulator.revoke_tokens();
    let refused = one.renew().await.unwrap_err();
    assert!(refused.refuses_grant(), "{refused}");
    // One that has not asked, as after a restart.
    let other = crm("one", &emulator, &store);
    assert!(one.is_refused().await.unwrap() && other.is_refused().await.unwrap());
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
    while store.totals().read(FAILED_RENEWALS).await.unwrap() == 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    consent(&other).await;
    assert!(!one.is_refused().await.unwrap() && !other.is_refused().await.unwrap());
}

#[tokio::test]
async fn a_token_is_sent_to_its_own_account_only() {
    let emulator = Emulator::start().await.unwrap();
    let section = section(&emulator).with_access_token(emulator.long_lived_token().into());
    assert!(section.access_token().is_some());
    let other = section.of_account("other.amocrm.ru");
    assert!(other.access_token().is_none());
    assert_eq!(other.domain().as_deref(), Some("other.amocrm.ru"));
    assert!(other.credentials().is_some(), "the integration is the same");
}
