//! What can go wrong with a renewal, on a clock that waits for nobody.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amocrm_sdk::leads::NewLead;
use amocrm_sdk::oauth::{
    Credentials, Lease, MemoryTokenStore, Saved, StoredTokens, TokenKey, TokenPair, TokenStore,
};
use amocrm_sdk::quota::Limits;
use amocrm_sdk::{BoxError, Client, ClientBuilder, Clock, Delivery, Error, ErrorKind, RetryPolicy};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::Full;
use tokio::time::{Instant, sleep};

use crate::script::{ACCOUNT, Answer, html, json};

/// Seconds until the answer, and the answer.
type Reply = fn() -> (u64, Answer);

const PAIR: &str = r#"{"expires_in": 86400, "access_token": "new", "refresh_token": "r2"}"#;
const DAY: i64 = 86_400;

/// A store with moods.
#[derive(Debug, Default)]
struct Moody {
    inner: MemoryTokenStore,
    panics: AtomicBool,
    failing_saves: AtomicUsize,
    /// Each load takes this many seconds.
    slow_loads: AtomicUsize,
}

#[async_trait]
impl TokenStore for Moody {
    async fn load(&self, key: &TokenKey) -> Result<Option<StoredTokens>, BoxError> {
        assert!(!self.panics.swap(false, SeqCst), "a bug in the driver");
        sleep(Duration::from_secs(self.slow_loads.load(SeqCst) as u64)).await;
        self.inner.load(key).await
    }

    async fn save(
        &self,
        key: &TokenKey,
        tokens: &TokenPair,
        expected: Option<u64>,
    ) -> Result<Saved, BoxError> {
        if self
            .failing_saves
            .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
            .is_ok()
        {
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

/// An account whose token service answers by script; everything else works.
struct Scene {
    store: Arc<Moody>,
    seconds: Arc<AtomicI64>,
    seen: Arc<Mutex<Vec<String>>>,
    started: Instant,
    first_exchange: Arc<Mutex<Option<Instant>>>,
    script: Arc<Mutex<Vec<(Duration, Answer)>>>,
    api: fn() -> Answer,
}

impl Scene {
    /// With a stored pair that is `age` seconds of a day old.
    async fn with_pair(age: i64, refresh: Option<&str>) -> Self {
        let scene = Self {
            store: Arc::default(),
            seconds: Arc::new(AtomicI64::new(1_800_000_000)),
            seen: Arc::default(),
            started: Instant::now(),
            first_exchange: Arc::default(),
            script: Arc::default(),
            api: || json(200, ACCOUNT),
        };
        let now = scene.now();
        let pair = TokenPair::new(
            "old",
            refresh.map(Into::into),
            now,
            now + TimeDelta::days(1),
        );
        scene.store.save(&key(), &pair, None).await.unwrap();
        scene.grow_older(age);
        scene
    }

    async fn expired() -> Self {
        Self::with_pair(2 * DAY, Some("r1")).await
    }

    /// The token service's next answers, each after a while; then it gives a good pair.
    fn answers(self, script: impl IntoIterator<Item = (u64, Answer)>) -> Self {
        let script: Vec<_> = script
            .into_iter()
            .map(|(wait, answer)| (Duration::from_secs(wait), answer))
            .collect();
        *self.script.lock().unwrap() = script;
        self
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.seconds.load(SeqCst), 0).unwrap()
    }

    fn grow_older(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, SeqCst);
    }

    fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    fn builder(&self) -> ClientBuilder {
        let (seen, script, api) = (Arc::clone(&self.seen), Arc::clone(&self.script), self.api);
        let first = Arc::clone(&self.first_exchange);
        let service = tower::service_fn(move |request: http::Request<Full<Bytes>>| {
            let path = request.uri().path().to_owned();
            seen.lock().unwrap().push(path.clone());
            let (script, first) = (Arc::clone(&script), Arc::clone(&first));
            async move {
                if path.ends_with("/subdomain") {
                    return Ok(json(200, r#"{"domain": "acme.amocrm.ru"}"#));
                }
                if !path.contains("access_token") {
                    return Ok::<_, Infallible>(api());
                }
                first.lock().unwrap().get_or_insert_with(Instant::now);
                let next = {
                    let mut script = script.lock().unwrap();
                    (!script.is_empty()).then(|| script.remove(0))
                };
                let (wait, answer) = next.unwrap_or_else(|| (Duration::ZERO, json(200, PAIR)));
                sleep(wait).await;
                Ok(answer)
            }
        });
        let seconds = Arc::clone(&self.seconds);
        Client::builder("acme.amocrm.ru")
            .transport(service)
            .oauth(
                Credentials::new("cid", "secret", "https://app/cb"),
                Arc::clone(&self.store) as Arc<dyn TokenStore>,
            )
            .clock(Clock::new(move || {
                DateTime::from_timestamp(seconds.load(SeqCst), 0).unwrap()
            }))
    }

    fn requests_to(&self, part: &str) -> usize {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|path| path.contains(part))
            .count()
    }

    async fn stored(&self) -> Option<StoredTokens> {
        self.store.inner.load(&key()).await.unwrap()
    }
}

fn key() -> TokenKey {
    TokenKey::new("cid", "acme.amocrm.ru")
}

async fn call(client: &Client) -> Result<(), Error> {
    client.account().get().await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_token_that_still_works_is_used_whatever_hinders_its_renewal() {
    // A process that starts when 85 % of the token's life is over.
    let pasted = Scene::with_pair(DAY * 85 / 100, None).await;
    call(&pasted.client()).await.unwrap();

    let busy = Scene::with_pair(DAY * 85 / 100, Some("r1")).await;
    busy.store
        .lease(&key(), Duration::from_secs(55))
        .await
        .unwrap();
    let started = Instant::now();
    call(&busy.client()).await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "waited for another process although the token works"
    );

    let refused = r#"{"hint": "Token has been revoked", "status": 401}"#;
    let refused = Scene::with_pair(DAY * 85 / 100, Some("r1"))
        .await
        .answers([(0, json(401, refused))]);
    call(&refused.client()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_token_could_not_be_renewed_was_not_sent() {
    let never = || (3600, json(200, PAIR));
    let cases: [(Reply, ErrorKind); 3] = [
        (never, ErrorKind::Timeout),
        (|| (0, json(500, "{}")), ErrorKind::Server),
        (|| (0, html(200)), ErrorKind::Decode),
    ];
    for (answer, kind) in cases {
        let scene = Scene::expired().await.answers((0..50).map(|_| answer()));
        let client = scene.builder().retry(RetryPolicy::none()).build().unwrap();
        let error = client.leads().create([NewLead::new()]).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (kind, Delivery::NotSent));
        assert_eq!(
            (error.operation(), scene.requests_to("/leads")),
            (Some("leads.create"), 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn passing_trouble_of_the_token_service_passes() {
    let passing = [
        html(429),
        json(503, "{}"),
        html(404),
        html(401),
        json(200, r#"{"access_token": ""}"#),
    ];
    for answer in passing {
        let shown = answer.status();
        let scene = Scene::expired().await.answers([(0, answer)]);
        call(&scene.client())
            .await
            .unwrap_or_else(|error| panic!("after {shown}: {error}"));
        assert_eq!(scene.requests_to("access_token"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_asked_about_again_ever_more_seldom_and_by_hand_at_once() {
    let refusal = || json(401, r#"{"hint": "Token has been revoked", "status": 401}"#);
    let scene = Scene::expired()
        .await
        .answers((0..100).map(|_| (0, refusal())));
    let client = scene.client();
    for _ in 0..60 {
        assert_eq!(
            call(&client).await.unwrap_err().kind(),
            ErrorKind::NeedsReconnect
        );
        sleep(Duration::from_mins(1)).await;
    }
    let asked = scene.requests_to("access_token");
    assert!((5..=12).contains(&asked), "{asked} times in an hour");
    assert_eq!(
        client.oauth().renew().await.unwrap_err().kind(),
        ErrorKind::NeedsReconnect
    );
    assert_eq!(scene.requests_to("access_token"), asked + 1);
    scene.script.lock().unwrap().clear();
    client.oauth().renew().await.unwrap();
    call(&client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wrong_keys_are_no_reason_to_reconnect() {
    let answer = json(
        401,
        r#"{"hint": "Check the `client_secret` parameter", "status": 401}"#,
    );
    let scene = Scene::expired().await.answers([(0, answer)]);
    let error = call(&scene.client()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("client_secret"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_account_stays_disconnected() {
    // The renewal ahead of time is under way when the account is disconnected, and fails.
    let scene = Scene::with_pair(0, Some("r1"))
        .await
        .answers((0..50).map(|_| (1, json(503, "{}"))));
    let (client, other) = (scene.client(), scene.client());
    call(&client).await.unwrap();
    call(&other).await.unwrap();
    scene.grow_older(DAY * 85 / 100);
    call(&client).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    assert!(client.oauth().disconnect().await.unwrap());
    sleep(Duration::from_mins(2)).await;
    assert_eq!(
        call(&client).await.unwrap_err().kind(),
        ErrorKind::NotConnected
    );

    // The other process learns of it with its own renewal.
    let _ = call(&other).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(
        call(&other).await.unwrap_err().kind(),
        ErrorKind::NotConnected
    );
    assert!(scene.stored().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_spent_code_is_never_lost() {
    let scene = Scene::expired().await;
    scene.store.failing_saves.store(2, SeqCst);
    scene
        .client()
        .oauth()
        .exchange_code(&"code".into())
        .await
        .unwrap();
    assert_eq!(scene.stored().await.unwrap().generation, 2);

    // The disk stays full for longer: the pair waits in memory for the next call.
    let scene = Scene::expired().await;
    scene.store.failing_saves.store(5, SeqCst);
    let client = scene.client();
    let error = client
        .oauth()
        .exchange_code(&"code".into())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Store, Delivery::Answered)
    );
    call(&client).await.unwrap();
    assert_eq!(scene.requests_to("access_token"), 1);

    // The browser is closed while amoCRM thinks.
    let scene = Scene::expired().await.answers([(5, json(200, PAIR))]);
    let client = scene.client();
    let code = "code".into();
    let hasty =
        tokio::time::timeout(Duration::from_secs(1), client.oauth().exchange_code(&code)).await;
    assert!(hasty.is_err());
    sleep(Duration::from_secs(10)).await;
    assert_eq!(scene.stored().await.unwrap().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let answer = json(200, r#"{"expires_in": 86400, "access_token": "new"}"#);
    let scene = Scene::expired().await.answers([(0, answer)]);
    let client = scene.client();
    call(&client).await.unwrap();
    assert!(
        client
            .oauth()
            .connection()
            .await
            .unwrap()
            .unwrap()
            .renewable
    );
}

#[tokio::test(start_paused = true)]
async fn a_401_that_no_token_cures_renews_once() {
    let mut scene = Scene::with_pair(0, Some("r1")).await;
    scene.api = || json(401, "{}");
    let client = scene.client();
    for _ in 0..10 {
        assert_eq!(
            call(&client).await.unwrap_err().kind(),
            ErrorKind::Unauthorized
        );
    }
    assert_eq!(scene.requests_to("access_token"), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_that_are_refused_together_wait_no_longer_than_one() {
    let later = r#"{"expires_in": 86400, "access_token": "newer", "refresh_token": "r3"}"#;
    let pairs = [PAIR, later].map(|pair| (0, json(200, pair)));
    let mut scene = Scene::with_pair(0, Some("r1")).await.answers(pairs);
    scene.api = || json(401, "{}");
    let client = scene
        .builder()
        .limits(Limits::per_integration(1000))
        .build()
        .unwrap();
    let refused = futures_util::future::join_all((0..8).map(|_| call(&client))).await;
    assert!(refused.iter().all(Result::is_err));
    assert_eq!(scene.requests_to("access_token"), 1);
    sleep(Duration::from_secs(31)).await;
    let _ = call(&client).await;
    assert_eq!(scene.requests_to("access_token"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_minute_is_not_renewed_for_every_call() {
    let answer = json(
        200,
        r#"{"expires_in": 60, "access_token": "short", "refresh_token": "r2"}"#,
    );
    let scene = Scene::expired().await.answers([(0, answer)]);
    let client = scene.client();
    for _ in 0..5 {
        call(&client).await.unwrap();
    }
    assert_eq!(scene.requests_to("access_token"), 1);
}

#[tokio::test(start_paused = true)]
async fn no_exchange_begins_when_its_lease_may_be_over() {
    let scene = Scene::expired().await;
    scene.store.slow_loads.store(50, SeqCst);
    assert_eq!(
        call(&scene.client()).await.unwrap_err().kind(),
        ErrorKind::Store
    );
    assert_eq!(
        scene.requests_to("access_token"),
        0,
        "{:?}",
        scene
            .first_exchange
            .lock()
            .unwrap()
            .map(|at| at - scene.started)
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_once_fails_one_call() {
    let scene = Scene::expired().await;
    let client = scene.client();
    scene.store.panics.store(true, SeqCst);
    assert_eq!(call(&client).await.unwrap_err().kind(), ErrorKind::Store);
    call(&client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_redirect_of_the_token_service_asks_where_the_account_lives() {
    let moved = {
        let mut answer = json(301, "{}");
        answer
            .headers_mut()
            .insert("location", "https://new.amocrm.ru/".parse().unwrap());
        answer
    };
    let scene = Scene::expired().await.answers([(0, moved)]);
    let _ = call(&scene.client()).await;
    assert_eq!(scene.requests_to("/subdomain"), 1);
}
