//! Whether an endpoint seems to live: one row per subscriber, shared by all instances.
//!
//! # The rules
//!
//! A circuit is **closed** (everything is sent) or **open** (nothing is, but one probe at a time when the pause is over).
//!
//! * It opens after [`CircuitPolicy::failures`] failures with no success among them, for a pause that doubles with every
//!   probe that fails; or at the first failure that [asks for a pause](CircuitStep::Failed::retry_after), for as long.
//! * Only the probe closes it, and only if nobody has asked for a longer pause meanwhile. A success that was on its way
//!   when the circuit opened, here or at another instance, tells of the time before: it changes nothing. Nor does a
//!   failure that was on its way make the pause longer, unless it asks for one.
//! * While the circuit is closed, every success ends the row of failures. It wakes nobody: an event at which the endpoint
//!   fails while it takes others keeps its schedule, and is given up at its end.
//! * When an open circuit closes, the events at which the endpoint failed since [it began to fail](Circuit::failing_since)
//!   are due at once, and that attempt is given back. What the endpoint refused for what is in it, and what it put off
//!   itself (429), keeps its time. No event is woken more than [`WAKES`](super::wake) times, so it always ends.
//!
//! * Who has [failed since](Circuit::failing_since) too long may be disabled; that is the caller's business. An answer about
//!   an event (400, 422) is a success here: the endpoint reads events. And failures that are more than [`SILENCE`] apart
//!   are no row: nobody knows how the endpoint was between them, so it begins anew.
//!
//! [`State`] is these rules, and nothing else is: they are pure and have a property test.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Gateway;
use crate::clock::{duration, instant, micros};
use crate::db::{Operation, Row, Sql, Tx};
use crate::error::Result;

/// Longer than the longest pause between two attempts of one event: between failures further apart than this there was
/// nothing to send.
const SILENCE: Duration = Duration::from_hours(36);

/// What is known of a subscriber's endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Circuit {
    /// How often it failed since it last succeeded.
    pub failures: u32,
    /// `Some`: the circuit is open and nothing is sent; when the time has come, one [probe](Gateway::take_probe) is.
    pub open_until: Option<DateTime<Utc>>,
    /// How it failed last, in words for people.
    pub last_error: Option<String>,
    /// When it began to fail: since then there was no success, and never much time without a failure.
    pub failing_since: Option<DateTime<Utc>>,
    /// When it failed last: how it has been after that, nobody knows.
    pub failed_at: Option<DateTime<Utc>>,
}

impl Circuit {
    /// Whether nothing may be sent but probes.
    pub fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Whether somebody should [take the probe](Gateway::take_probe).
    pub fn is_probe_due(&self, now: DateTime<Utc>) -> bool {
        self.open_until.is_some_and(|until| until <= now)
    }
}

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitPolicy {
    /// After so many failures one after another.
    pub failures: u32,
    /// For so long the first time; every time after that for twice as long.
    pub first_pause: Duration,
    /// For so long at most.
    pub longest_pause: Duration,
}

impl Default for CircuitPolicy {
    fn default() -> Self {
        Self {
            failures: 5,
            first_pause: Duration::from_secs(5),
            longest_pause: Duration::from_mins(5),
        }
    }
}

/// What an attempt says of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CircuitStep {
    /// Nothing: the answer was about the event.
    Unchanged,
    /// It lives: it took the event, or refused it for what is in it.
    Succeeded,
    /// It does not.
    Failed {
        /// How it failed, in words for people.
        error: String,
        /// When the circuit opens.
        policy: CircuitPolicy,
        /// It asked for this pause: the circuit opens at once, for as long.
        retry_after: Option<Duration>,
    },
}

impl Gateway {
    /// What is known of a subscriber's endpoint; `None`: there is no such subscriber.
    pub async fn circuit(&self, name: &str) -> Result<Option<Circuit>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(
                "SELECT failures, open_until, last_error, failing_since, failed_at
                 FROM gateway_subscribers WHERE name = $1",
            )
            .bind(name)
            .fetch_optional()
            .await?;
        row.as_ref().map(circuit).transpose()
    }

    /// Takes the right to try an endpoint whose circuit's pause is over, for `hold` at most. `false`: it is not over, or
    /// somebody else tries. Send one event and [record](Gateway::record) how it went: that ends the probe.
    pub async fn take_probe(&self, name: &str, hold: Duration) -> Result<bool> {
        let probe = TakeProbe {
            name: name.to_owned(),
            hold: micros(hold),
        };
        self.inner.db.write(probe).await
    }

    /// Gives the right back: there was nothing to send.
    pub async fn release_probe(&self, name: &str) -> Result<()> {
        let release = ReleaseProbe {
            name: name.to_owned(),
        };
        self.inner.db.write(release).await
    }
}

pub(super) fn circuit(row: &Row) -> Result<Circuit> {
    Ok(Circuit {
        failures: u32::try_from(row.int("failures")?).unwrap_or(u32::MAX),
        open_until: row.opt_int("open_until")?.map(instant),
        last_error: row.opt_text("last_error")?,
        failing_since: row.opt_int("failing_since")?.map(instant),
        failed_at: row.opt_int("failed_at")?.map(instant),
    })
}

struct TakeProbe {
    name: String,
    hold: i64,
}

impl Operation for TakeProbe {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let now = tx.now().await?;
        let taken = tx
            .query(
                "UPDATE gateway_subscribers SET probe_until = $3
                 WHERE name = $1 AND open_until <= $2 AND (probe_until IS NULL OR probe_until <= $2)",
            )
            .bind(&self.name)
            .bind(now)
            .bind(now.saturating_add(self.hold))
            .execute()
            .await?;
        Ok(taken > 0)
    }
}

struct ReleaseProbe {
    name: String,
}

impl Operation for ReleaseProbe {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        tx.query("UPDATE gateway_subscribers SET probe_until = NULL WHERE name = $1")
            .bind(&self.name)
            .execute()
            .await?;
        Ok(())
    }
}

/// What is stored of a circuit. Times are in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct State {
    /// One after another.
    failures: i64,
    /// Pauses since the last success: they double.
    openings: i64,
    open_until: Option<i64>,
    /// Somebody tries the endpoint, until then at most.
    probe_until: Option<i64>,
    last_error: Option<String>,
    failing_since: Option<i64>,
    failed_at: Option<i64>,
}

impl State {
    /// Follows from an attempt. `Some`: the open circuit was closed; since when it had failed.
    fn follow(&mut self, step: &CircuitStep, is_probe: bool, now: i64) -> Option<i64> {
        if is_probe {
            self.probe_until = None;
        }
        match step {
            CircuitStep::Unchanged => None,
            CircuitStep::Succeeded => self.succeeded(is_probe, now),
            CircuitStep::Failed {
                error,
                policy,
                retry_after,
            } => {
                self.failed(error, policy, *retry_after, is_probe, now);
                None
            }
        }
    }

    fn succeeded(&mut self, is_probe: bool, now: i64) -> Option<i64> {
        match self.open_until {
            None => {
                *self = Self::default();
                None
            }
            Some(until) if is_probe && until <= now => {
                let since = self.failing_since;
                *self = Self::default();
                // An older release may not have noted it.
                Some(since.unwrap_or(until))
            }
            Some(_) => None,
        }
    }

    fn failed(
        &mut self,
        error: &str,
        policy: &CircuitPolicy,
        retry_after: Option<Duration>,
        is_probe: bool,
        now: i64,
    ) {
        if self.failed_at.is_some_and(|at| now - at > micros(SILENCE)) {
            self.failures = 0;
            self.failing_since = None;
        }
        self.failures = self.failures.saturating_add(1);
        self.failing_since = self.failing_since.or(Some(now));
        self.failed_at = Some(now);
        self.last_error = Some(error.to_owned());
        let is_to_open = match self.open_until {
            None => self.failures >= i64::from(policy.failures),
            Some(until) => is_probe && until <= now,
        };
        if let Some(pause) = retry_after {
            let until = now.saturating_add(micros(pause));
            self.open_until = Some(self.open_until.map_or(until, |known| known.max(until)));
        } else if is_to_open {
            let doubled = 1_u32 << self.openings.clamp(0, 20);
            let pause = policy
                .first_pause
                .saturating_mul(doubled)
                .min(policy.longest_pause);
            self.open_until = Some(now.saturating_add(micros(pause)));
            self.openings = self.openings.saturating_add(1);
        }
    }
}

/// Notes what an attempt says of the endpoint. `Some`: its circuit was open and is closed; since when it had failed.
pub(super) async fn follow(
    tx: &mut Tx,
    name: &str,
    step: &CircuitStep,
    is_probe: bool,
    now: i64,
) -> Result<Option<i64>> {
    let sql = Sql::either(
        "SELECT failures, openings, open_until, probe_until, last_error, failing_since, failed_at
         FROM gateway_subscribers WHERE name = $1",
        "SELECT failures, openings, open_until, probe_until, last_error, failing_since, failed_at
         FROM gateway_subscribers WHERE name = $1 FOR UPDATE",
    );
    let Some(row) = tx.query(sql).bind(name).fetch_optional().await? else {
        return Ok(None);
    };
    let known = State {
        failures: row.int("failures")?,
        openings: row.int("openings")?,
        open_until: row.opt_int("open_until")?,
        probe_until: row.opt_int("probe_until")?,
        last_error: row.opt_text("last_error")?,
        failing_since: row.opt_int("failing_since")?,
        failed_at: row.opt_int("failed_at")?,
    };
    let mut state = known.clone();
    let closed = state.follow(step, is_probe, now);
    if state == known {
        return Ok(None);
    }
    tx.query(
        "UPDATE gateway_subscribers SET failures = $2, openings = $3, open_until = $4, probe_until = $5,
             last_error = $6, failing_since = $7, failed_at = $8
         WHERE name = $1",
    )
    .bind(name)
    .bind(state.failures)
    .bind(state.openings)
    .bind(state.open_until)
    .bind(state.probe_until)
    .bind(state.last_error.as_deref())
    .bind(state.failing_since)
    .bind(state.failed_at)
    .execute()
    .await?;
    if let Some(until) = state.open_until {
        tracing::debug!(
            subscriber = name,
            pause_ms = duration(until - now).as_millis(),
            "the circuit is open"
        );
    }
    Ok(closed)
}

/// Forgets everything: a person has changed something.
pub(super) async fn reset(tx: &mut Tx, name: &str) -> Result<()> {
    tx.query(
        "UPDATE gateway_subscribers SET failures = 0, openings = 0, open_until = NULL, probe_until = NULL,
             last_error = NULL, failing_since = NULL, failed_at = NULL
         WHERE name = $1",
    )
    .bind(name)
    .execute()
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;

    #[derive(Debug, Clone)]
    enum Move {
        Wait(i64),
        TakeProbe,
        Succeed { probe: bool },
        Fail { probe: bool, asks: Option<u64> },
        NoWord { probe: bool },
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let asks = prop::option::weighted(0.2, 1_u64..600);
        let one = prop_oneof![
            2 => (1_i64..400).prop_map(Move::Wait),
            1 => (1_i64..50).prop_map(|hours| Move::Wait(hours * 3_600)),
            2 => Just(Move::TakeProbe),
            2 => any::<bool>().prop_map(|probe| Move::Succeed { probe }),
            4 => (any::<bool>(), asks).prop_map(|(probe, asks)| Move::Fail { probe, asks }),
            1 => any::<bool>().prop_map(|probe| Move::NoWord { probe }),
        ];
        prop::collection::vec(one, 1..60)
    }

    fn failed(asks: Option<u64>) -> CircuitStep {
        CircuitStep::Failed {
            error: "answered 500".to_owned(),
            policy: CircuitPolicy::default(),
            retry_after: asks.map(Duration::from_secs),
        }
    }

    #[test]
    fn failures_far_apart_are_no_outage_of_days() {
        let hour = 3_600 * SECOND;
        for (gap, is_one) in [(36 * hour, true), (37 * hour, false)] {
            let mut state = State::default();
            for number in 0..4 {
                state.follow(&failed(None), false, number * gap);
            }
            let since = if is_one { 0 } else { 3 * gap };
            assert_eq!(state.failing_since, Some(since));
            assert_eq!(state.failures, if is_one { 4 } else { 1 });
        }
    }

    proptest! {
        #[test]
        fn only_a_probe_closes_and_no_pause_that_was_asked_for_is_cut_short(moves in moves()) {
            let policy = CircuitPolicy::default();
            let (mut state, mut now) = (State::default(), 0);
            // What the circuit is for, told in another way.
            let (mut in_a_row, mut asked_until, mut first_failure) = (0, 0, None);
            let mut last_failure = 0;
            for one in moves {
                let before = state.clone();
                let (step, probe) = match one {
                    Move::Wait(seconds) => {
                        now += seconds * SECOND;
                        continue;
                    }
                    Move::TakeProbe => {
                        if state.open_until.is_some_and(|until| until <= now) {
                            state.probe_until = Some(now + 45 * SECOND);
                        }
                        continue;
                    }
                    Move::Succeed { probe } => (CircuitStep::Succeeded, probe),
                    Move::Fail { probe, asks } => (failed(asks), probe),
                    Move::NoWord { probe } => (CircuitStep::Unchanged, probe),
                };
                let closed = state.follow(&step, probe, now);
                let was_open = before.open_until.is_some();
                let is_open = state.open_until.is_some();
                prop_assert_eq!(closed.is_some(), was_open && !is_open);
                match &step {
                    CircuitStep::Failed { retry_after, .. } => {
                        if now - last_failure > micros(SILENCE) {
                            (in_a_row, first_failure) = (0, None);
                        }
                        (in_a_row, last_failure) = (in_a_row + 1, now);
                        first_failure = first_failure.or(Some(now));
                        asked_until = asked_until.max(now + retry_after.map_or(0, micros));
                        let asks = retry_after.is_some();
                        prop_assert_eq!(is_open, was_open || asks || in_a_row >= policy.failures);
                        // What was on its way does not make the pause longer.
                        if was_open && !probe && !asks {
                            prop_assert_eq!(state.open_until, before.open_until);
                        }
                        let longest = now + micros(policy.longest_pause);
                        prop_assert!(state.open_until <= Some(longest.max(asked_until)));
                    }
                    CircuitStep::Succeeded if closed.is_some() => {
                        prop_assert!(probe && before.open_until <= Some(now));
                        prop_assert_eq!(closed, first_failure);
                    }
                    CircuitStep::Succeeded => prop_assert_eq!(was_open, is_open),
                    CircuitStep::Unchanged => prop_assert_eq!(state.failures, before.failures),
                }
                if !is_open {
                    prop_assert!(asked_until <= now, "a pause was cut short");
                }
                if step == CircuitStep::Succeeded && !is_open {
                    prop_assert_eq!(&state, &State::default());
                    (in_a_row, first_failure) = (0, None);
                }
                prop_assert_eq!(state.failing_since, first_failure);
                prop_assert!(!probe || state.probe_until.is_none());
            }
        }
    }
}
