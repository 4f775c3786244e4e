//! Whether an endpoint seems to live: shared by all instances.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Gateway;
use crate::clock::{duration, instant, micros};
use crate::db::{Operation, Row, Sql, Tx};
use crate::error::Result;

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
    /// When it began to fail.
    pub failing_since: Option<DateTime<Utc>>,
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
    /// It lives: the circuit is closed.
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
                "SELECT failures, open_until, last_error, failing_since
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

/// Notes a failure. While the circuit is open, those that were on their way do not make the pause longer.
pub(super) async fn failed(
    tx: &mut Tx,
    name: &str,
    error: &str,
    policy: &CircuitPolicy,
    retry_after: Option<Duration>,
) -> Result<()> {
    let now = tx.now().await?;
    let sql = Sql::either(
        "SELECT failures, openings, open_until FROM gateway_subscribers WHERE name = $1",
        "SELECT failures, openings, open_until FROM gateway_subscribers WHERE name = $1 FOR UPDATE",
    );
    let Some(row) = tx.query(sql).bind(name).fetch_optional().await? else {
        return Ok(());
    };
    let failures = row.int("failures")?.saturating_add(1);
    let mut openings = row.int("openings")?;
    let mut open_until = row.opt_int("open_until")?;
    let is_paused = open_until.is_some_and(|until| until > now);
    if let Some(pause) = retry_after {
        let until = now.saturating_add(micros(pause));
        open_until = Some(open_until.map_or(until, |known| known.max(until)));
    } else if !is_paused && (open_until.is_some() || failures >= i64::from(policy.failures)) {
        let doubled = 1_u32 << openings.clamp(0, 20);
        let pause = policy
            .first_pause
            .saturating_mul(doubled)
            .min(policy.longest_pause);
        open_until = Some(now.saturating_add(micros(pause)));
        openings = openings.saturating_add(1);
    }
    tx.query(
        "UPDATE gateway_subscribers SET failures = $2, openings = $3, open_until = $4, last_error = $5,
             failing_since = coalesce(failing_since, $6), probe_until = NULL
         WHERE name = $1",
    )
    .bind(name)
    .bind(failures)
    .bind(openings)
    .bind(open_until)
    .bind(error)
    .bind(now)
    .execute()
    .await?;
    if let Some(until) = open_until {
        tracing::debug!(
            subscriber = name,
            pause_ms = duration(until - now).as_millis(),
            "the circuit is open"
        );
    }
    Ok(())
}
