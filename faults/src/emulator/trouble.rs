//! Everything that amoCRM can do wrong to a service, in turn.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::Emulator;
use crate::plan::{chances, moments};

/// Where tokens are renewed.
const TOKEN: &str = "/oauth2/access_token";
/// Slow answers add up when they meet, and what is slower than the settling time may make a second deal, as it would
/// with amoCRM: so each is forgotten before the next may come.
const BRIEF: Duration = Duration::from_secs(2);
/// Others may wait for their request.
const LONG: Duration = Duration::from_secs(8);

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

impl Trouble {
    pub(crate) fn new(fault: Value) -> Self {
        Self {
            faults: vec![fault],
            expires: false,
            lasts: LONG,
        }
    }

    pub(crate) fn brief(fault: Value) -> Self {
        Self {
            lasts: BRIEF,
            ..Self::new(fault)
        }
    }

    /// Several at once.
    pub(crate) fn together(faults: impl Into<Vec<Value>>) -> Self {
        Self {
            faults: faults.into(),
            ..Self::new(Value::Null)
        }
    }

    /// For as long as it lasts, not for a number of requests.
    pub(crate) fn during(mut fault: Value, lasts: Duration) -> Self {
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

/// Whatever can go wrong while a token is renewed.
pub(crate) fn of_renewals() -> Vec<Trouble> {
    vec![
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
    ]
}

/// The troubles of a run: all `kinds` come, in an order of the seed's.
pub(crate) fn plan(
    seed: u64,
    length: Duration,
    every: Duration,
    kinds: impl Fn(&mut Rng) -> Vec<Trouble>,
) -> Vec<(Duration, Trouble)> {
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
pub(crate) async fn happen(
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
    let end = Instant::now() + LONG;
    forget_until(emulator, &mut planned, end).await?;
    sleep_until(end).await;
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
