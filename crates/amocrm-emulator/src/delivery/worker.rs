//! The task that sends what is due.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::delivery::{Delivery, attempt};

/// How long the worker sleeps without being woken; only a bound, the clock wakes it when it is moved.
const IDLE: Duration = Duration::from_hours(1);

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
        let pause = next_due.map_or(IDLE, |due| {
            let ms = due.saturating_sub(app.clock().now_ms()).max(1);
            Duration::from_millis(u64::try_from(ms).unwrap_or(1)).min(IDLE)
        });
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => break,
        }
    }
    under_way.close();
    under_way.wait().await;
}

async fn deliver(app: App, mut delivery: Delivery) {
    let result = attempt::send(&app, &delivery).await;
    tracing::debug!(
        webhook.code = %delivery.code, attempt = result.attempt, status = result.status, "a webhook was sent"
    );
    let (webhook_id, now, retry_at_ms) =
        (delivery.webhook_id, app.clock().now(), result.retry_at_ms);
    let is_disabling = {
        let mut state = app.deliveries().lock();
        let is_disabling = state.record(result, webhook_id, now);
        if let Some(due_ms) = retry_at_ms {
            delivery.attempts += 1;
            state.enqueue(delivery.clone(), due_ms);
        }
        is_disabling
    };
    if is_disabling {
        disable(&app, &delivery);
    }
    app.deliveries().lock().busy.remove(&webhook_id);
    app.deliveries().changed.notify_waiters();
    app.mark_changed();
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
