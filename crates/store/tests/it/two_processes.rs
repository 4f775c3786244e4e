//! The client over the store in two real processes: one renewal, one budget. The emulator's journal is the witness.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amocrm_emulator::{Emulator, JournalEntry};
use amocrm_sdk::Client;
use amocrm_sdk::oauth::{Credentials, TokenKey};
use amocrm_sdk::quota::{DEFAULT_INTEGRATION_RPS, Limits};
use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use store::{Keyring, Options, Store};

use crate::db::{TestDb, env, on_both};

const ORDERS: &str = "STORE_TEST_ORDERS";

/// How long the budget is watched.
const WATCHED: Duration = Duration::from_secs(5);

/// How late a request may arrive: a machine that builds for others too lets a process wait for its turn.
const JITTER: Duration = Duration::from_millis(100);

/// What a process needs to be one of lead-intake's: a database and an account.
#[derive(Clone, Serialize, Deserialize)]
struct Orders {
    database: String,
    encryption_key: String,
    base_url: String,
    account: String,
    client_id: String,
    client_secret: String,
    redirect_uri: String,
    requests_per_second: u32,
    work: Work,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Work {
    /// Ten tasks, one call each.
    TenCalls,
    /// Eight tasks that call until the time is over.
    CallFor(Duration),
}

impl Orders {
    fn of(db: &TestDb, emulator: &Emulator, requests_per_second: u32, work: Work) -> Self {
        let known = emulator.credentials();
        Self {
            database: db.url.clone(),
            encryption_key: Keyring::generate_key().unwrap().expose_secret().to_owned(),
            base_url: known.base_url.clone(),
            account: format!("{}.amocrm.ru", known.subdomain),
            client_id: known.client_id.clone(),
            client_secret: known.client_secret.clone(),
            redirect_uri: known.redirect_uri.clone(),
            requests_per_second,
            work,
        }
    }

    async fn client(&self) -> Client {
        let keyring = Keyring::parse(&self.encryption_key.clone().into()).unwrap();
        let url = SecretString::from(self.database.clone());
        let store = Store::open(&url, Options::new().keyring(keyring))
            .await
            .unwrap();
        let credentials = Credentials::new(
            &self.client_id,
            self.client_secret.clone(),
            &self.redirect_uri,
        );
        let key = TokenKey::new(&self.client_id, &self.account);
        let mut limits = Limits::per_integration(self.requests_per_second);
        limits.jitter_allowance = JITTER;
        Client::builder(&self.account)
            .base_url(&self.base_url)
            .oauth(credentials, Arc::new(store.tokens()))
            .quota(Arc::new(store.quota(&key, &limits)))
            .build()
            .unwrap()
    }

    /// A process that waits for the word to go.
    fn hire(&self) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "two_processes::process",
                "--ignored",
                "--nocapture",
            ])
            .env(ORDERS, serde_json::to_string(self).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap() == "ready"),
            "the process died before it was ready"
        );
        child
    }

    /// Two processes that go at the same moment, until both are done.
    fn two_at_once(&self) {
        let mut children = [self.hire(), self.hire()];
        for child in &mut children {
            child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        }
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }
}

/// Not a test: one of the processes.
#[test]
#[ignore = "run by the tests of this file, twice at a time"]
fn process() {
    let Some(orders) = env(ORDERS) else { return };
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = orders.client().await;
        writeln!(std::io::stdout(), "ready").unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
        match orders.work {
            Work::TenCalls => {
                for call in join_all((0..10).map(|_| client.account().get().into_future())).await {
                    call.unwrap();
                }
            }
            Work::CallFor(time) => {
                let until = Instant::now() + time;
                join_all((0..8).map(|_| async {
                    while Instant::now() < until {
                        client.account().get().await.unwrap();
                    }
                }))
                .await;
            }
        }
    });
}

async fn connected(orders: &Orders, emulator: &Emulator) {
    let client = orders.client().await;
    client
        .oauth()
        .exchange_code(&emulator.code().into())
        .await
        .unwrap();
}

fn renewals(requests: &[JournalEntry]) -> usize {
    requests
        .iter()
        .filter(|request| request.grant_type.as_deref() == Some("refresh_token"))
        .count()
}

on_both! {
    async fn twenty_tasks_of_two_processes_on_one_expired_token_renew_once(db: TestDb) {
        let emulator = Emulator::builder().rate_limit(None).start().await.unwrap();
        let orders = Orders::of(&db, &emulator, 500, Work::TenCalls);
        connected(&orders, &emulator).await;
        for _ in 0..3 {
            emulator.expire_tokens();
            emulator.clear_requests();
            let orders = orders.clone();
            tokio::task::spawn_blocking(move || orders.two_at_once()).await.unwrap();
            let requests = emulator.requests();
            assert_eq!(renewals(&requests), 1);
            let answered = requests.iter().filter(|request| request.status == Some(200)).count();
            assert_eq!(answered, 21, "twenty calls and the renewal");
        }
    }

    async fn two_processes_use_one_budget_to_the_full_and_never_beyond_in_any_sliding_second(db: TestDb) {
        let limit = DEFAULT_INTEGRATION_RPS as usize;
        let emulator = Emulator::builder().rate_limit(DEFAULT_INTEGRATION_RPS).start().await.unwrap();
        let orders = Orders::of(&db, &emulator, DEFAULT_INTEGRATION_RPS, Work::CallFor(WATCHED + Duration::from_secs(1)));
        connected(&orders, &emulator).await;
        tokio::task::spawn_blocking(move || orders.two_at_once()).await.unwrap();

        let requests = emulator.requests();
        assert!(requests.iter().all(|request| request.status == Some(200)), "a 429 or worse");
        let arrivals: Vec<f64> = requests.iter().map(|request| request.arrival_ms).collect();
        let closest = arrivals.windows(limit + 1).map(|window| window[limit] - window[0]).fold(f64::MAX, f64::min);
        assert!(closest > 1000.0, "{} requests within {closest} ms", limit + 1);

        // From the first call of the processes; the request before it exchanged the code.
        let calls = &arrivals[1..];
        let watched = WATCHED.as_secs_f64() * 1000.0;
        let used = calls.iter().filter(|at| **at - calls[0] < watched).count();
        let budget = limit * usize::try_from(WATCHED.as_secs()).unwrap();
        println!("{used} of {budget} requests in 5 s; the closest {} span {closest:.0} ms", limit + 1);
        // Nearly all of it; a machine that is busy with other things takes its share of the time.
        assert!(used * 10 >= budget * 7, "{used} of {budget}");
    }
}
