//! Everything that amoCRM can do wrong to lead-intake, in turn.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use crate::emulator::Emulator;
use crate::plan::{between, chances, moments};

/// One kind of trouble.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    /// Faults of the emulator that are planned together.
    faults: Vec<Value>,
    /// The access token expires as well.
    expires: bool,
    /// What is not used up after this long is forgotten.
    lasts: Duration,
}

const COMPLEX: &str = "/api/v4/leads/complex";
const TOKEN: &str = "/oauth2/access_token";
/// Slow answers add up when they meet, and what is slower than the settling time may make a second deal, as it would
/// with amoCRM: so each is forgotten before the next may come.
const BRIEF: Duration = Duration::from_secs(2);
/// Others may wait for their request.
const LONG: Duration = Duration::from_secs(8);

impl Trouble {
    fn new(fault: Value) -> Self {
        Self {
            faults: vec![fault],
            expires: false,
            lasts: LONG,
        }
    }

    fn brief(fault: Value) -> Self {
        Self {
            lasts: BRIEF,
            ..Self::new(fault)
        }
    }

    /// For as long as it lasts, not for a number of requests.
    fn during(mut fault: Value, lasts: Duration) -> Self {
        fault["count"] = Value::Null;
        Self {
            lasts,
            ..Self::new(fault)
        }
    }

    fn of_renewal(fault: Value) -> Self {
        Self {
            expires: true,
            ..Self::new(fault)
        }
    }
}

/// The kinds there are. All of them come, in an order of the seed's.
fn kinds(chances: &mut Rng) -> Vec<Trouble> {
    let few = chances.u32(1..=4);
    let storm = between(chances, 1_500, 3_000);
    let outage = between(chances, 2_000, 4_500);
    let past_timeout = chances.u64(2_200..=2_600);
    vec![
        Trouble::new(json!({"name": "throttle", "count": few})),
        Trouble::new(json!({"name": "throttle", "count": 2, "retry_after": 1})),
        Trouble::new(json!({"name": "throttle", "count": few, "html": true})),
        Trouble::during(json!({"name": "throttle"}), storm),
        Trouble::during(json!({"name": "throttle", "retry_after": 2}), storm),
        Trouble::new(json!({"name": "block"})),
        Trouble::new(json!({"name": "server_error", "count": few})),
        Trouble::new(json!({"name": "server_error", "status": 503, "path": COMPLEX, "count": few})),
        Trouble::during(json!({"name": "server_error", "status": 503}), outage),
        Trouble::new(json!({"name": "html_error", "status": 504, "count": few})),
        Trouble::during(json!({"name": "html_error"}), outage),
        Trouble::brief(json!({"name": "slow", "ms": past_timeout, "path": COMPLEX})),
        Trouble::brief(json!({"name": "slow", "ms": past_timeout, "method": "GET"})),
        Trouble::brief(json!({"name": "slow", "ms": 900, "count": few})),
        Trouble::brief(json!({"name": "slow_answer", "ms": past_timeout, "path": COMPLEX})),
        Trouble::brief(json!({"name": "slow_answer", "ms": past_timeout, "path": "/notes"})),
        Trouble::new(json!({"name": "drop_before", "count": few})),
        Trouble::new(json!({"name": "drop_after_commit", "path": COMPLEX, "count": few})),
        Trouble::new(json!({"name": "drop_after_commit", "path": COMPLEX, "count": 2})),
        Trouble::new(json!({"name": "drop_after_commit", "method": "POST", "path": "/notes"})),
        Trouble::new(json!({"name": "drop_after_commit", "method": "PATCH", "count": 2})),
        Trouble::new(json!({"name": "malformed", "path": COMPLEX, "count": 2})),
        Trouble::new(json!({"name": "malformed", "method": "GET", "count": few})),
        Trouble::new(json!({"name": "expire_token"})),
        Trouble {
            faults: Vec::new(),
            ..Trouble::of_renewal(Value::Null)
        },
        Trouble::of_renewal(json!({"name": "drop_after_commit", "path": TOKEN})),
        Trouble::of_renewal(json!({"name": "drop_before", "path": TOKEN})),
        Trouble::of_renewal(json!({"name": "server_error", "path": TOKEN})),
        Trouble::of_renewal(json!({"name": "html_error", "path": TOKEN, "count": 2})),
        Trouble::of_renewal(json!({"name": "malformed", "path": TOKEN})),
        Trouble::of_renewal(json!({"name": "throttle", "path": TOKEN})),
        Trouble::of_renewal(json!({"name": "block", "path": TOKEN})),
        Trouble {
            lasts: BRIEF,
            ..Trouble::of_renewal(json!({"name": "slow", "ms": 1_500, "path": TOKEN}))
        },
        // Two at once: the lost answer to the deal, and no look for it at first.
        Trouble {
            faults: vec![
                json!({"name": "drop_after_commit", "path": COMPLEX}),
                json!({"name": "server_error", "method": "GET", "path": "/api/v4/leads", "count": 6}),
            ],
            ..Trouble::new(Value::Null)
        },
    ]
}

/// The troubles of a run.
pub(super) fn plan(seed: u64, length: Duration, every: Duration) -> Vec<(Duration, Trouble)> {
    let mut chances = chances(seed, "amocrm");
    let mut waiting = Vec::new();
    let mut plan = Vec::new();
    for at in moments(&mut chances, length, every) {
        if waiting.is_empty() {
            waiting = kinds(&mut chances);
            chances.shuffle(&mut waiting);
        }
        plan.extend(waiting.pop().map(|trouble| (at, trouble)));
    }
    plan
}

/// Lets them happen. Returns how often the access token expired.
pub(super) async fn happen(
    emulator: &Emulator,
    began: Instant,
    plan: Vec<(Duration, Trouble)>,
) -> anyhow::Result<usize> {
    let mut expired = 0;
    let mut planned: Vec<(Instant, u64)> = Vec::new();
    for (at, trouble) in plan {
        let next = began + at;
        forget_until(emulator, &mut planned, next).await?;
        sleep_until(next).await;
        for fault in &trouble.faults {
            let id = emulator.plan(fault).await?;
            planned.push((Instant::now() + trouble.lasts, id));
        }
        if trouble.expires {
            emulator.expire_tokens().await?;
            expired += 1;
        }
    }
    sleep(LONG).await;
    emulator.calm().await?;
    Ok(expired)
}

/// Forgets what ends before `next`.
async fn forget_until(
    emulator: &Emulator,
    planned: &mut Vec<(Instant, u64)>,
    next: Instant,
) -> anyhow::Result<()> {
    planned.sort_unstable();
    while let Some(&(end, id)) = planned.first() {
        if end >= next {
            break;
        }
        sleep_until(end).await;
        emulator.forget(id).await?;
        planned.remove(0);
    }
    Ok(())
}
