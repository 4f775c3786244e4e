//! What the client does, as figures.

use amocrm_sdk::metrics::Event;
use store::{FAILED_RENEWALS, Store};
use tokio::runtime::Handle;

/// Counts an event of the client.
pub(crate) fn record(event: &Event, store: &Store) {
    match event {
        Event::Call {
            operation,
            outcome,
            duration,
            ..
        } => {
            let outcome = outcome.as_str();
            metrics::counter!("amocrm_calls_total", "operation" => *operation, "outcome" => outcome)
                .increment(1);
            metrics::histogram!("amocrm_call_seconds", "operation" => *operation)
                .record(duration.as_secs_f64());
        }
        Event::Attempt {
            operation,
            outcome,
            duration,
            ..
        } => {
            let status = outcome
                .status()
                .map_or_else(|| outcome.as_str().to_owned(), |status| status.to_string());
            metrics::counter!("amocrm_responses_total", "status" => status).increment(1);
            metrics::histogram!("amocrm_request_seconds", "operation" => *operation)
                .record(duration.as_secs_f64());
        }
        Event::Permit {
            is_granted, waited, ..
        } => {
            metrics::histogram!("amocrm_permit_wait_seconds").record(waited.as_secs_f64());
            if !is_granted {
                metrics::counter!("amocrm_permits_refused_total").increment(1);
            }
        }
        Event::Retry {
            operation, outcome, ..
        } => {
            let reason = outcome.as_str();
            metrics::counter!("amocrm_retries_total", "operation" => *operation, "reason" => reason)
                .increment(1);
        }
        Event::Pause { reason, .. } => {
            metrics::counter!("amocrm_pauses_total", "reason" => reason.as_str()).increment(1);
        }
        Event::Renewal { outcome, .. } => {
            metrics::counter!("amocrm_renewals_total", "outcome" => outcome.as_str()).increment(1);
            if outcome.error().is_some() {
                count_failed_renewal(store);
            }
        }
        _ => {}
    }
}

/// For alerts, which look at all processes together. The client's events wait for nobody, so somebody else writes.
fn count_failed_renewal(store: &Store) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let totals = store.totals();
    runtime.spawn(async move {
        if let Err(error) = totals.count(FAILED_RENEWALS).await {
            tracing::debug!("a failed renewal is not in the statistics: {error}");
        }
    });
}
