//! A bug that one event meets: the process lives, the event is tried again, and its neighbours go on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::json;
use service_kit::clock::Clock;
use service_kit::config::Environment;
use service_kit::http::serve;
use store::Store;
use tokio::net::TcpListener;
use tokio::task::Id;
use tokio_util::sync::CancellationToken;
use webhook_gateway::{App, Config};

use crate::harness::{Receiver, TestClock, TestDatabase, TestGateway, eventually};

const SECRET: &str = "9f2c9f2c9f2c9f2c9f2c9f2c";

/// Where the bug is: a clock is asked everywhere, so it can be anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    Anywhere,
    /// In an attempt, before anything is sent: that is the first that a task asks for.
    Before,
    /// In an attempt whose outcome is recorded.
    After,
    /// In a pool, which asks again and again.
    Pool,
}

#[derive(Default)]
struct State {
    asked: BTreeMap<Id, u32>,
    /// This task meets no bug.
    spared: Option<Id>,
    bug: Option<(Bug, u32)>,
}

/// A clock that panics when it is asked at the wrong place, as often as it is told to.
#[derive(Clone)]
struct BrokenClock {
    clock: TestClock,
    state: Arc<Mutex<State>>,
}

impl BrokenClock {
    fn new(clock: &TestClock) -> Self {
        Self {
            clock: clock.clone(),
            state: Arc::default(),
        }
    }

    fn plant(&self, bug: Bug, times: u32) {
        self.state.lock().unwrap().bug = Some((bug, times));
    }

    /// How many tasks ask again and again.
    fn regulars(&self) -> usize {
        let state = self.state.lock().unwrap();
        let asked = state.asked.iter();
        let others = asked.filter(|(id, _)| Some(**id) != state.spared);
        others.filter(|(_, asked)| **asked > 4).count()
    }

    async fn was_met(&self) {
        eventually("the bug is met", || async {
            self.state.lock().unwrap().bug.is_none().then_some(())
        })
        .await;
    }

    fn is_met(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let asked = match tokio::task::try_id() {
            None => 0,
            id if id == state.spared => return false,
            Some(id) => {
                let asked = state.asked.entry(id).or_default();
                *asked += 1;
                *asked
            }
        };
        let Some((bug, times)) = state.bug else {
            return false;
        };
        let is_here = match bug {
            Bug::Anywhere => true,
            Bug::Before => asked == 1,
            Bug::After => asked == 2,
            Bug::Pool => asked > 4,
        };
        if is_here {
            state.bug = (times > 1).then_some((bug, times - 1));
        }
        is_here
    }
}

impl fmt::Debug for BrokenClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokenClock").finish_non_exhaustive()
    }
}

impl Clock for BrokenClock {
    fn now(&self) -> DateTime<Utc> {
        assert!(!self.is_met(), "the test has planted this bug");
        Clock::now(&self.clock)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_delivery_costs_time_and_no_event() {
    let database = TestDatabase::sqlite();
    let clock = TestClock::new();
    let broken = BrokenClock::new(&clock);
    let shown = Arc::new(broken.clone());
    let gateway = TestGateway::start_by(&database, &clock, shown, &[]).await;
    let (crm, bot) = (Receiver::start(&clock).await, Receiver::start(&clock).await);
    gateway.subscribe("crm", &crm.url, json!({})).await;
    gateway.subscribe("bot", &bot.url, json!({})).await;
    broken.state.lock().unwrap().spared = Some(gateway.task());
    let both = ["crm", "bot"];
    let sent = AtomicU64::new(0);
    let send = async || {
        let number = sent.fetch_add(1, Ordering::Relaxed);
        gateway
            .accept_all(&[("1", number), ("2", number)], &both)
            .await;
    };
    // Once both pools have been at work, what is new to the clock is an attempt.
    while broken.regulars() < both.len() {
        send().await;
        for name in both {
            gateway.runs_empty(name).await;
        }
    }
    for (bug, times) in [(Bug::Before, 3), (Bug::After, 2), (Bug::Pool, 2)] {
        let before = [&crm, &bot].map(|receiver| receiver.arrivals().len());
        broken.plant(bug, times);
        for _ in 0..3 {
            send().await;
        }
        broken.was_met().await;
        if bug == Bug::Before {
            // What was in a hand that was lost is free when its claim ends.
            clock.advance(TimeDelta::minutes(11));
        }
        for name in both {
            gateway.runs_empty(name).await;
            assert_eq!(gateway.queue(name).await.1, 0, "nothing is given up");
        }
        let expected = usize::try_from(sent.load(Ordering::Relaxed) * 2).unwrap();
        for (receiver, before) in [&crm, &bot].into_iter().zip(before) {
            receiver.assert_order();
            assert_eq!(receiver.taken().len(), expected, "{bug:?}");
            if bug == Bug::After {
                let came = receiver.arrivals().len() - before;
                assert_eq!(came, 6, "what is recorded is not sent again");
            }
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_request_is_no_answer_of_success_and_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/gateway.db", folder.path().display());
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("GATEWAY_WEBHOOK_SECRET", SECRET),
    ];
    let config = Config::load(Environment::from_pairs(settings), None).unwrap();
    let store = Store::open(&config.database.to_secret(), store::Options::new())
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let broken = BrokenClock::new(&TestClock::new());
    let app = App::with_store(config, store.clone(), Arc::new(broken.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!(
        "http://{}/webhooks/amocrm/{SECRET}",
        listener.local_addr().unwrap()
    );
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(
        listener,
        app.router(),
        shutdown.clone(),
        Duration::from_secs(5),
    ));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |lead: u64| {
        let body = format!("leads[add][0][id]={lead}");
        let answer = http.post(&address).body(body).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(post(1).await, 200);
    broken.plant(Bug::Anywhere, 1);
    let answers = join_all((2..=10).map(&post)).await;
    let failed: Vec<u64> = (2..=10)
        .zip(answers)
        .filter_map(|(lead, status)| (status != 200).then_some((lead, status)))
        .map(|(lead, status)| {
            assert_eq!(status, 500, "amoCRM comes again");
            lead
        })
        .collect();
    assert_eq!(failed.len(), 1, "only the one that met it");
    let stored = store.gateway().events_after(0, 100).await.unwrap();
    assert_eq!(stored.len(), 9, "2xx means stored, and nothing else does");
    assert_eq!(post(failed[0]).await, 200);
    let stored = store.gateway().events_after(0, 100).await.unwrap();
    assert_eq!(stored.len(), 10);
    shutdown.cancel();
    server.await.unwrap().unwrap();
}
