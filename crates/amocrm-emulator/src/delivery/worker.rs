//! The task that sends what is due.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::delivery::{Delivery, attempt};

/// Sends deliveries until `stop`, then waits for those under way.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let under_way = TaskTracker::new();
    loop {
        let changed = app.deliveries().changed.notified();
        tokio::pin!(changed);
        // From here on no change is missed, whatever happens before the wait below.
        changed.as_mut().enable();
        loop {
            let due = app.deliveries().lock().take_due(app.clock().now_ms());
            let Some(delivery) = due else { break };
            under_way.spawn(deliver(app.clone(), delivery));
        }
        let next_due = app.deliveries().lock().next_due_ms();
        tokio::select! {
            () = changed => {}
            () = sleep_until(&app, next_due) => {}
            () = stop.cancelled() => break,
        }
    }
    under_way.close();
    under_way.wait().await;
}

/// Without anything due there is no timer either: under tokio's paused clock an idle timer would make time fly.
async fn sleep_until(app: &App, due_ms: Option<i64>) {
    let Some(due_ms) = due_ms else {
        return std::future::pending().await;
    };
    let pause_ms = due_ms.saturating_sub(app.clock().now_ms()).max(1);
    tokio::time::sleep(Duration::from_millis(u64::try_from(pause_ms).unwrap_or(1))).await;
}

async fn deliver(app: App, delivery: Delivery) {
    // A subscription that was deleted or disabled meanwhile gets nothing more, retries included.
    if is_wanted(&app, &delivery) {
        attempt_once(&app, &delivery).await;
    }
    app.deliveries().lock().finish(&delivery);
    app.deliveries().changed.notify_waiters();
    app.mark_changed();
}

fn is_wanted(app: &App, delivery: &Delivery) -> bool {
    app.with_world(|world| {
        let account = world.account(delivery.account_id);
        account.is_some_and(|account| {
            account
                .webhooks
                .iter()
                .any(|webhook| webhook.id == delivery.webhook_id && !webhook.disabled)
        })
    })
}

async fn attempt_once(app: &App, delivery: &Delivery) {
    let result = attempt::send(app, delivery).await;
    tracing::debug!(
        webhook.code = %delivery.code, attempt = result.attempt, status = result.status, "a webhook was sent"
    );
    let (webhook_id, now, retry_at_ms) =
        (delivery.webhook_id, app.clock().now(), result.retry_at_ms);
    let is_disabling = {
        let mut state = app.deliveries().lock();
        if !state.is_under_way(delivery) {
            return;
        }
        let is_disabling = state.record(result, webhook_id, now);
        // In one step: a state file written in between would hold the delivery twice.
        state.finish(delivery);
        if let Some(due_ms) = retry_at_ms {
            state.enqueue(
                Delivery {
                    attempts: delivery.attempts + 1,
                    ..delivery.clone()
                },
                due_ms,
            );
        }
        is_disabling
    };
    if is_disabling {
        disable(app, delivery);
    }
}

fn disable(app: &App, delivery: &Delivery) {
    let changed = app.with_world(|world| {
        let webhooks = &mut world.account(delivery.account_id)?.webhooks;
        let webhook = webhooks
            .iter_mut()
            .find(|webhook| webhook.id == delivery.webhook_id)?;
        Some(!std::mem::replace(&mut webhook.disabled, true))
    });
    if changed == Some(true) {
        tracing::warn!(
            webhook.id = delivery.webhook_id,
            "a webhook was disabled after too many invalid answers"
        );
    }
}
