//! Tokens: one renewal however many ask, stored before it is used, never burnt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amocrm_emulator::{Emulator, Fault};
use amocrm_sdk::oauth::{
    Callback, Credentials, Lease, MemoryTokenStore, Saved, StoredTokens, TokenKey, TokenPair,
    TokenStore,
};
use amocrm_sdk::quota::Limits;
use amocrm_sdk::{BoxError, Client, Clock, ErrorKind, RetryPolicy};
use async_trait::async_trait;
use chrono::{TimeDelta, Utc};

struct Office {
    emulator: Emulator,
    store: Arc<Fussy>,
}

/// A store that can fail, and that checks that nobody uses a pair before it is stored.
#[derive(Debug, Default)]
struct Fussy {
    inner: MemoryTokenStore,
    broken: AtomicBool,
}

#[async_trait]
impl TokenStore for Fussy {
    async fn load(&self, key: &TokenKey) -> Result<Option<StoredTokens>, BoxError> {
        self.inner.load(key).await
    }

    async fn save(
        &self,
        key: &TokenKey,
        tokens: &TokenPair,
        expected: Option<u64>,
    ) -> Result<Saved, BoxError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err("the disk is full".into());
        }
        self.inner.save(key, tokens, expected).await
    }

    async fn lease(&self, key: &TokenKey, ttl: Duration) -> Result<Option<Lease>, BoxError> {
        self.inner.lease(key, ttl).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), BoxError> {
        self.inner.release(key, lease).await
    }

    async fn forget(&self, key: &TokenKey) -> Result<bool, BoxError> {
        self.inner.forget(key).await
    }
}

impl Office {
    async fn open() -> Self {
        Self {
            emulator: Emulator::builder().rate_limit(None).start().await.unwrap(),
            store: Arc::default(),
        }
    }

    fn credentials(&self) -> Credentials {
        let known = self.emulator.credentials();
        Credentials::new(
            &known.client_id,
            known.client_secret.clone(),
            &known.redirect_uri,
        )
    }

    /// One process: a client with nothing in memory.
    fn process(&self) -> Client {
        self.process_at(Clock::system())
    }

    fn process_at(&self, clock: Clock) -> Client {
        Client::builder(format!(
            "{}.amocrm.ru",
            self.emulator.credentials().subdomain
        ))
        .base_url(self.emulator.base_url())
        .oauth(
            self.credentials(),
            Arc::clone(&self.store) as Arc<dyn TokenStore>,
        )
        .limits(Limits::per_integration(500))
        .retry(RetryPolicy::default().base_delay(Duration::from_millis(10)))
        .clock(clock)
        .build()
        .unwrap()
    }

    async fn connect(&self) -> Client {
        let client = self.process();
        client
            .oauth()
            .exchange_code(&self.emulator.code().into())
            .await
            .unwrap();
        client
    }

    fn renewals(&self) -> usize {
        let requests = self.emulator.requests();
        requests
            .iter()
            .filter(|request| request.grant_type.as_deref() == Some("refresh_token"))
            .count()
    }

    async fn generation(&self) -> u64 {
        let account = format!("{}.amocrm.ru", self.emulator.credentials().subdomain);
        let key = TokenKey::new(&self.emulator.credentials().client_id, account);
        self.store.load(&key).await.unwrap().unwrap().generation
    }
}

#[tokio::test]
async fn ten_tasks_and_two_clients_on_one_expired_token_renew_once() {
    let office = Office::open().await;
    let first = office.connect().await;
    let second = office.process();
    second.account().get().await.unwrap();
    office.emulator.expire_tokens();
    office.emulator.clear_requests();
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let client = if n % 2 == 0 {
                first.clone()
            } else {
                second.clone()
            };
            tokio::spawn(async move { client.account().get().await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(office.renewals(), 1);
    assert_eq!(office.generation().await, 2);
}

#[tokio::test]
async fn an_answer_lost_after_the_exchange_is_asked_for_again_with_the_same_token() {
    let office = Office::open().await;
    let client = office.connect().await;
    office.emulator.expire_tokens();
    office
        .emulator
        .fault(Fault::drop_after_commit().path("/oauth2/access_token"));
    client.account().get().await.unwrap();
    assert_eq!(office.renewals(), 2);

    // Half an answer is a lost answer too.
    office.emulator.expire_tokens();
    office
        .emulator
        .fault(Fault::malformed().path("/oauth2/access_token"));
    client.account().get().await.unwrap();
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_lose_the_new_pair() {
    let office = Office::open().await;
    let client = office.connect().await;
    office.emulator.expire_tokens();
    office
        .emulator
        .fault(Fault::slow(200).path("/oauth2/access_token"));
    let hasty = tokio::time::timeout(Duration::from_millis(50), async {
        client.account().get().await
    });
    assert!(hasty.await.is_err());
    client.account().get().await.unwrap();
    assert_eq!(office.renewals(), 1);
}

#[tokio::test]
async fn a_pair_that_cannot_be_stored_is_not_used_and_not_lost() {
    let office = Office::open().await;
    let client = office.connect().await;
    office.emulator.expire_tokens();
    office.store.broken.store(true, Ordering::SeqCst);
    office.emulator.clear_requests();
    let error = client.account().get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(office.renewals(), 1);
    let with_new_token = office
        .emulator
        .requests()
        .iter()
        .filter(|request| request.status == Some(200))
        .count();
    assert_eq!(with_new_token, 1, "only the exchange itself succeeded");

    office.store.broken.store(false, Ordering::SeqCst);
    client.account().get().await.unwrap();
    assert_eq!(
        office.renewals(),
        1,
        "the pair in memory was stored instead of renewing again"
    );
}

#[tokio::test]
async fn a_refused_refresh_token_is_reported_once_and_not_hammered() {
    let office = Office::open().await;
    let client = office.connect().await;
    office.emulator.revoke_tokens();
    office.emulator.clear_requests();
    for _ in 0..5 {
        let error = client.account().get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NeedsReconnect);
    }
    assert_eq!(office.renewals(), 1);
    assert!(
        client.oauth().connection().await.unwrap().is_some(),
        "the pair is kept for the support to look at"
    );

    client
        .oauth()
        .exchange_code(&office.emulator.code().into())
        .await
        .unwrap();
    client.account().get().await.unwrap();
}

#[tokio::test]
async fn a_block_page_at_the_token_endpoint_keeps_the_pair() {
    let office = Office::open().await;
    let client = office.connect().await;
    office.emulator.expire_tokens();
    office
        .emulator
        .fault(Fault::block().path("/oauth2/access_token"));
    let error = client.account().get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Blocked);
    client.quota().resume().await.unwrap();
    client.account().get().await.unwrap();
}

#[tokio::test]
async fn a_renamed_account_is_followed() {
    let office = Office::open().await;
    let client = office.connect().await;
    office.emulator.rename_account("renamed").unwrap();
    office.emulator.expire_tokens();
    // The old host no longer knows the account, which is how a rename shows.
    office
        .emulator
        .fault(Fault::html_error(404).path("/oauth2/access_token"));
    client.account().get().await.unwrap();
    assert_eq!(client.domain(), "renamed.amocrm.ru");
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_without_anyone_waiting() {
    let office = Office::open().await;
    office.connect().await;
    let client = office.process_at(Clock::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "a clock that is ahead of the machine's"
        )]
        let now = Utc::now();
        now
    }));
    client.account().get().await.unwrap();
    let late = office.process_at(Clock::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "a clock that is ahead of the machine's"
        )]
        let now = Utc::now();
        now + TimeDelta::hours(20)
    }));
    late.account().get().await.unwrap();
    assert_eq!((office.renewals(), office.generation().await), (1, 2));
}

#[tokio::test]
async fn a_refresh_token_from_a_file_is_taken_once() {
    let office = Office::open().await;
    let client = office.process();
    assert_eq!(
        client.account().get().await.unwrap_err().kind(),
        ErrorKind::NotConnected
    );
    let pasted = office.emulator.credentials().refresh_token.clone().into();
    assert!(client.oauth().adopt_refresh_token(&pasted).await.unwrap());
    client.account().get().await.unwrap();
    assert!(
        !client.oauth().adopt_refresh_token(&pasted).await.unwrap(),
        "the stored pair is newer"
    );
}

#[tokio::test]
async fn a_wrong_code_is_named_by_amocrms_hint() {
    let office = Office::open().await;
    let error = office
        .process()
        .oauth()
        .exchange_code(&"def502garbage".into())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(
        error.problem().unwrap().hint(),
        Some("Cannot decrypt the authorization code")
    );
    assert!(!format!("{error:?}").contains("def502garbage"));
}

#[tokio::test]
async fn disconnecting_forgets_the_pair() {
    let office = Office::open().await;
    let client = office.connect().await;
    let connection = client.oauth().connection().await.unwrap().unwrap();
    assert!(connection.renewable && connection.claims.unwrap().account_id.is_some());
    assert!(client.oauth().disconnect().await.unwrap());
    assert_eq!(
        client.account().get().await.unwrap_err().kind(),
        ErrorKind::NotConnected
    );
}

#[test]
fn callbacks_are_read_in_all_their_forms() {
    let Callback::Refused(refusal) =
        Callback::parse("error=access_denied&client_id=1&state=s").unwrap()
    else {
        panic!("a refusal")
    };
    assert_eq!(
        (refusal.error.as_str(), refusal.state.as_deref()),
        ("access_denied", Some("s"))
    );
    let Callback::Granted(grant) =
        Callback::parse("code=c&referrer=https%3A%2F%2FAcme.amocrm.ru%2F&from_widget=1").unwrap()
    else {
        panic!("a grant")
    };
    assert!(grant.from_widget && grant.account == "acme.amocrm.ru");
    for (query, named) in [
        ("referer=a.amocrm.ru", "code"),
        ("code=c", "referer"),
        ("code=c&referer=a%2Fb%3Fc", "referer"),
        (
            "code=c&referer=evil.example%3A8443&from_widget=1",
            "referer",
        ),
        ("code=c&referer=evilamocrm.ru", "referer"),
    ] {
        let error = Callback::parse(query).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
