//! `lead-intake reconcile`, and the same every hour: finds what webhooks missed.
//!
//! A run does four things, each in small steps that may be repeated: it reads the deals that have changed since the last
//! run; it looks for deals of ours that are gone; it finds statuses that never reached amoCRM; and after every step it notes
//! how far it has come, so that a run that was killed goes on from there. One process at a time is at it.

mod parts;

use std::io::Write;
use std::time::Duration;

use amocrm_sdk::entity::ExportCursor;
use chrono::TimeDelta;
use clap::Args;
use connection::audit_command;
use serde::{Deserialize, Serialize};
use service_kit::clock::parse_span;
use store::{Ack, Run, StoreError, Turn};
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::crm::{CrmError, Linked};
use crate::worker::Worker;

/// How long a turn is held without a note of progress: longer than any step, whose calls take at most a minute each.
const HOLD: Duration = Duration::from_mins(5);
/// How soon a run that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_mins(2);
/// How often a process looks whether the run is due.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How far back the first run reads changes. What is older is found by its look at all deals.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(1);
/// Ten years: nobody looks further back.
const LONGEST: Duration = Duration::from_hours(24 * 3_650);

/// Arguments of `lead-intake reconcile`.
#[derive(Debug, Clone, Default, Args)]
pub struct Arguments {
    /// Reads the deals that have changed within this time, not since the last run: 90m, 12h, 2d.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub since: Option<Duration>,
    /// Looks at every deal of ours, not at the next two and a half thousand.
    #[arg(long)]
    pub full: bool,
}

/// How far the runs have come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// The deals that have changed, as far as they were read.
    #[serde(default)]
    export: Option<ExportCursor>,
    /// The last lead whose deal was looked at.
    #[serde(default)]
    swept: i64,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Summary {
    /// Deals of ours that were compared.
    checked: usize,
    followed: usize,
    asked: usize,
    gone: usize,
    sent: usize,
    stuck: usize,
    managers: usize,
}

impl Summary {
    fn repaired(&self) -> usize {
        self.followed + self.gone + self.sent + self.managers
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "checked {} deals: {} statuses and {} managers followed, {} to be asked again, {} deals gone, {} moves sent again, \
             {} stuck",
            self.checked,
            self.followed,
            self.managers,
            self.asked,
            self.gone,
            self.sent,
            self.stuck
        )
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("{0}")]
    Crm(#[from] CrmError),
    #[error("another process has taken over")]
    Overtaken,
    #[error("the report cannot be written: {0}")]
    Out(#[from] std::io::Error),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Crm(error.into())
    }
}

impl From<amocrm_sdk::Error> for Stop {
    fn from(error: amocrm_sdk::Error) -> Self {
        Self::Crm(error.into())
    }
}

/// Reconciles now and writes a line about everything that was repaired to `out`.
///
/// # Errors
///
/// When amoCRM is not connected or does not answer, the database fails, or another process is at it. What was repaired
/// until then is repaired.
pub async fn run(
    app: &App,
    arguments: &Arguments,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let linked = app.crm().linked().await?;
    audit_command(app.store(), "reconcile", "").await?;
    let run = match app
        .store()
        .schedules()
        .take_now(&name(&linked), HOLD)
        .await?
    {
        Turn::Taken(run) => run,
        Turn::Busy(rest) | Turn::NotDue(rest) => anyhow::bail!(
            "another process is reconciling; it may take {} seconds",
            rest.as_secs() + 1
        ),
    };
    let pause = app.config().status.reconcile_every().unwrap_or(FAR_AWAY);
    let summary = once(app.worker(), &linked, &run, arguments, pause, out).await?;
    writeln!(out, "{summary}")?;
    Ok(())
}

/// When the hourly run is turned off, its turn is never due by itself.
const FAR_AWAY: Duration = Duration::from_hours(24 * 365);

/// Reconciles whenever it is due, until the token is cancelled. A run that is cut short goes on next time.
pub(crate) async fn keep(worker: &Worker, every: Duration, shutdown: CancellationToken) {
    let turns = async {
        loop {
            let pause = match Box::pin(attempt(worker, every)).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!("statuses cannot be reconciled: {error}");
                    LOOK_EVERY
                }
            };
            tokio::time::sleep(pause.min(LOOK_EVERY)).await;
        }
    };
    let _: Option<()> = shutdown.run_until_cancelled(turns).await;
}

async fn attempt(worker: &Worker, every: Duration) -> Result<Duration, Stop> {
    // While there is no connection, or amoCRM is away, deliveries find out when that ends.
    if !worker.is_moving() {
        return Ok(LOOK_EVERY);
    }
    let Ok(linked) = worker.crm().linked().await else {
        return Ok(LOOK_EVERY);
    };
    match worker
        .store()
        .schedules()
        .take(&name(&linked), HOLD)
        .await?
    {
        Turn::NotDue(rest) | Turn::Busy(rest) => Ok(rest),
        Turn::Taken(run) => {
            let summary = once(
                worker,
                &linked,
                &run,
                &Arguments::default(),
                every,
                &mut std::io::sink(),
            )
            .await?;
            if summary.repaired() > 0 || summary.stuck > 0 {
                tracing::warn!("statuses reconciled: {summary}");
            } else {
                tracing::info!("statuses reconciled: {summary}");
            }
            Ok(every)
        }
    }
}

/// One run from where the last one stopped. It is due again after `pause`, or sooner if it fails.
async fn once(
    worker: &Worker,
    linked: &Linked,
    run: &Run,
    arguments: &Arguments,
    pause: Duration,
    out: &mut (dyn Write + Send),
) -> Result<Summary, Stop> {
    let mut pass = parts::Pass::new(worker, linked, run, arguments, out);
    let outcome = pass.all().await;
    let summary = pass.summary;
    let schedules = worker.store().schedules();
    match outcome {
        Ok(()) => {
            metrics::counter!("reconcile_runs_total", "outcome" => "ended").increment(1);
            metrics::counter!("reconcile_repairs_total").increment(summary.repaired() as u64);
            if schedules.end(run, pause, &summary.to_string()).await? == Ack::Stale {
                return Err(Stop::Overtaken);
            }
            Ok(summary)
        }
        Err(error) => {
            metrics::counter!("reconcile_runs_total", "outcome" => "failed").increment(1);
            if !matches!(error, Stop::Overtaken) {
                let _ = schedules
                    .end(run, RETRY_AFTER.min(pause), &error.to_string())
                    .await?;
            }
            Err(error)
        }
    }
}

/// Each account has its own turns.
fn name(linked: &Linked) -> String {
    format!("reconcile/{}", linked.account)
}

/// `90m`, `12h`, `2d`; seconds for the impatient.
fn duration(text: &str) -> Result<Duration, String> {
    parse_span(text)
        .filter(|span| *span <= LONGEST)
        .ok_or_else(|| "expected a number and m, h or d, for instance 2d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(duration("2d"), Ok(Duration::from_hours(48)));
        assert_eq!(duration("90m"), Ok(Duration::from_mins(90)));
        for bad in [
            "",
            "d",
            "2",
            "2w",
            "-1h",
            "99999999999999999999d",
            "9999999d",
            "1й",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
