//! The end of what has been kept long enough: once an hour, by one process of all.

use std::sync::Arc;
use std::time::Duration;

use store::{Ack, GatewayRetention, Run, Store, StoreError, Turn};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

const SCHEDULE: &str = "gateway.sweep";
const EVERY: Duration = Duration::from_hours(1);
/// How long a turn is held without a note: longer than many batches.
const HOLD: Duration = Duration::from_mins(5);
/// How often a process looks whether a sweep is due.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Pause between two batches, in which webhooks are stored.
const PAUSE: Duration = Duration::from_millis(100);

/// Sweeps when it is due, until the token is cancelled.
pub(crate) async fn keep_sweeping(config: Arc<Config>, store: Store, shutdown: CancellationToken) {
    // Subscribers may have been removed by a process that was killed then:
    // what waits for them is counted and kept until somebody does this.
    match shutdown
        .run_until_cancelled(store.gateway().throw_away_removed())
        .await
    {
        None => return,
        Some(Ok(0)) => {}
        Some(Ok(jobs)) => tracing::info!(jobs, "what waited for removed subscribers is gone"),
        Some(Err(error)) => {
            tracing::warn!("what waits for removed subscribers stays for now: {error}");
        }
    }
    loop {
        let nap = match sweep(&config, &store, &shutdown).await {
            Ok(nap) => nap.clamp(Duration::from_secs(1), LOOK_EVERY),
            Err(error) => {
                tracing::warn!("what was kept long enough could not be deleted: {error}");
                LOOK_EVERY
            }
        };
        if shutdown
            .run_until_cancelled(tokio::time::sleep(nap))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Takes the turn if it is due, and says when to look again.
async fn sweep(
    config: &Config,
    store: &Store,
    shutdown: &CancellationToken,
) -> Result<Duration, StoreError> {
    let run = match store.schedules().take(SCHEDULE, HOLD).await? {
        Turn::Taken(run) => run,
        Turn::NotDue(nap) | Turn::Busy(nap) => return Ok(nap),
    };
    let total = batches(config, store, &run, shutdown).await?;
    let outcome = format!("{total} rows deleted");
    // Whoever has the turn by now goes on where we were.
    let _ = store.schedules().end(&run, EVERY, &outcome).await?;
    if total > 0 {
        tracing::info!(rows = total, "what was kept long enough was deleted");
    }
    Ok(EVERY)
}

/// Deletes batch by batch; how many rows. A process that stops leaves the rest to the next sweep.
async fn batches(
    config: &Config,
    store: &Store,
    run: &Run,
    shutdown: &CancellationToken,
) -> Result<u64, StoreError> {
    let mut retention = GatewayRetention::default();
    retention.payload = config.retention.payloads();
    retention.attempts = config.retention.attempts();
    retention.dead_letters = config.retention.dead_letters();
    let mut total = 0;
    loop {
        if let Some(kept) = config.retention.waiting() {
            total += give_up(store, kept).await?;
        }
        let swept = store.gateway().sweep(&retention).await?;
        if swept.is_empty() {
            return Ok(total);
        }
        for (what, count) in [
            ("requests", swept.requests),
            ("events", swept.events),
            ("attempts", swept.attempts),
            ("dead_letters", swept.dead_letters),
            ("other", swept.other),
        ] {
            metrics::counter!("retention_deleted_total", "what" => what).increment(count);
            total += count;
        }
        let is_ours = store.schedules().note(run, &total, HOLD).await? == Ack::Recorded;
        let pause = shutdown
            .run_until_cancelled(tokio::time::sleep(PAUSE))
            .await;
        if !is_ours || pause.is_none() {
            return Ok(total);
        }
    }
}

/// Gives up a batch of what has waited too long for each subscriber that takes nothing; how many events.
async fn give_up(store: &Store, kept: Duration) -> Result<u64, StoreError> {
    let mut total = 0;
    for (name, events) in store.gateway().give_up_waiting(kept).await? {
        tracing::error!(
            subscriber.name = name,
            events,
            "events have waited longer than GATEWAY_KEEP_WAITING and are dead letters now"
        );
        metrics::counter!("gateway_dead_total", "subscriber" => name).increment(events);
        total += events;
    }
    Ok(total)
}
