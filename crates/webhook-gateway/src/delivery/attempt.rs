//! One attempt to deliver one event, and what is recorded of it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use store::{
    Ack, Attempt, AttemptOutcome, Circuit, CircuitStep, Claimed, EventRow, Next, SubscriberState,
};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::judge::{Tried, Verdict, judge};
use super::pool::Pool;
use super::reply::{Limits, Message, Reply};
use super::subscriber::Subscriber;

/// Parts of the time after which an endpoint that only fails is disabled: an error says so at each.
const WARN_AT_PERCENT: [u32; 3] = [50, 70, 90];

/// An event in a hand.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) job: Claimed,
    /// `None`: it is no longer kept, or the job names none.
    pub(super) event: Option<EventRow>,
    pub(super) subscriber: Arc<Subscriber>,
    /// When somebody else may have the claim, with time to record an outcome before.
    pub(super) trust_ends: Instant,
    pub(super) is_probe: bool,
}

/// How much has been said of an endpoint that only fails: since when it does, and a hundredth of the time that it has.
#[derive(Debug, Default)]
pub(super) struct Warned(Mutex<(Option<DateTime<Utc>>, u32)>);

impl Warned {
    /// The mark that has just been passed.
    fn passes(&self, since: Option<DateTime<Utc>>, percent: u32) -> Option<u32> {
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = if warned.0 == since { warned.1 } else { 0 };
        *warned = (since, said.max(percent));
        let mut marks = WARN_AT_PERCENT.into_iter().rev();
        marks.find(|mark| (said + 1..=percent).contains(mark))
    }
}

/// When an attempt began, by both clocks.
#[derive(Clone, Copy)]
struct Began {
    at: DateTime<Utc>,
    instant: Instant,
}

impl Delivery {
    /// Sends, judges and records.
    pub(super) async fn run(&self, pool: &Pool) {
        let began = Began {
            at: pool.shop.clock.now(),
            instant: Instant::now(),
        };
        let (reply, verdict) = self.attempt(pool, began).await;
        let took = began.instant.elapsed();
        let Some(Ack::Recorded) = self.record(pool, began, took, reply, &verdict).await else {
            return;
        };
        // The outcome is durable: nothing that happens now delivers the event again.
        self.measure(pool, took, &verdict);
        if let Some(reason) = verdict.disable {
            self.disable(pool, reason).await;
        }
        let has_failed = matches!(verdict.circuit, CircuitStep::Failed { .. });
        if !has_failed && !self.is_probe {
            return;
        }
        let circuit = pool.look_at_circuit(&self.subscriber.name).await;
        if let (true, Some(circuit)) = (has_failed, circuit) {
            self.warn(pool, &circuit).await;
        }
    }

    async fn attempt(&self, pool: &Pool, began: Began) -> (Reply, Verdict) {
        let Some(event) = &self.event else {
            let reason = "the event is no longer kept, so it cannot be sent";
            let verdict = Verdict {
                outcome: AttemptOutcome::Failed {
                    status: None,
                    reason: reason.to_owned(),
                },
                next: Next::Dead {
                    reason: reason.to_owned(),
                },
                circuit: CircuitStep::Unchanged,
                disable: None,
            };
            return (Reply::failed(reason), verdict);
        };
        // A bug that one event meets must not end the deliveries of all others.
        let sending = AssertUnwindSafe(self.send(pool, event, began)).catch_unwind();
        let (reply, is_bug) = match sending.await {
            Ok(reply) => (reply, false),
            Err(_) => (Reply::failed("the gateway failed at it; see its log"), true),
        };
        let tried = Tried {
            before: self.job.attempts(),
            random: fastrand::f64(),
        };
        let mut verdict = judge(&reply.answer, tried, self.subscriber.patience());
        if is_bug {
            metrics::counter!("panics_total").increment(1);
            verdict.circuit = CircuitStep::Unchanged;
        }
        (reply, verdict)
    }

    async fn send(&self, pool: &Pool, event: &EventRow, began: Began) -> Reply {
        let wanted = &self.subscriber.settings.enrich;
        let body = match &pool.shop.enricher {
            Some(enricher) if !wanted.is_empty() => {
                // What is left of the claim is for the subscriber first.
                let left = self.trust_ends.saturating_duration_since(Instant::now());
                let within = left.saturating_sub(self.subscriber.settings.timeout());
                enricher
                    .enrich(&event.account, &event.envelope, wanted, within)
                    .await
            }
            _ => event.envelope.clone(),
        };
        let message = Message {
            id: event.event_id.clone(),
            account: event.account.clone(),
            kind: event.kind.clone(),
            body: body.into(),
        };
        let limits = Limits {
            timeout: self.subscriber.settings.timeout(),
            trust_ends: self.trust_ends,
        };
        let sinks = &pool.shop.sinks;
        sinks
            .send(&self.subscriber, &message, began.at, limits)
            .await
    }

    /// Records the outcome, however long the database is away, until the claim is another's. `None`: it was never told.
    async fn record(
        &self,
        pool: &Pool,
        began: Began,
        took: Duration,
        reply: Reply,
        verdict: &Verdict,
    ) -> Option<Ack> {
        let attempt = Attempt {
            subscriber: self.subscriber.name.clone(),
            event: self.event.as_ref().map_or(0, |event| event.row_id),
            started_at: began.at,
            duration: took,
            outcome: verdict.outcome.clone(),
            response_excerpt: reply.excerpt,
            is_probe: self.is_probe,
        };
        let mut backoff = Backoff::default();
        let gateway = pool.shop.store.gateway();
        loop {
            let recorded = gateway.record(
                &self.job,
                attempt.clone(),
                verdict.next.clone(),
                verdict.circuit.clone(),
            );
            let error = match recorded.await {
                Ok(ack) => {
                    if !ack.is_recorded() {
                        tracing::warn!(
                            subscriber = self.subscriber.name,
                            job.id = self.job.id(),
                            "another worker has the delivery; this outcome does not count"
                        );
                    }
                    return Some(ack);
                }
                Err(error) => error,
            };
            let what = "the outcome of a delivery could not be recorded";
            let pause = backoff.failed(what, &error);
            // What cannot be recorded by the end of the claim is delivered again.
            let is_late = Instant::now() + pause > self.trust_ends + super::pool::RECORDING;
            if !error.is_temporary() || is_late {
                return None;
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn measure(&self, pool: &Pool, took: Duration, verdict: &Verdict) {
        let name = || self.subscriber.name.clone();
        metrics::histogram!("gateway_delivery_seconds", "subscriber" => name())
            .record(took.as_secs_f64());
        match (&verdict.outcome, &self.event) {
            (AttemptOutcome::Delivered { .. }, Some(event)) => {
                metrics::counter!("gateway_delivered_total", "subscriber" => name()).increment(1);
                let lag = (pool.shop.database_now() - event.received_at)
                    .to_std()
                    .unwrap_or_default();
                metrics::histogram!("gateway_lag_seconds", "subscriber" => name())
                    .record(lag.as_secs_f64());
            }
            _ => metrics::counter!("gateway_failed_total", "subscriber" => name()).increment(1),
        }
        if let Next::Dead { reason } = &verdict.next {
            metrics::counter!("gateway_dead_total", "subscriber" => name()).increment(1);
            tracing::error!(
                subscriber = self.subscriber.name,
                event.id = self.event.as_ref().map(|event| event.event_id.as_str()),
                "an event became a dead letter: {reason}"
            );
        }
    }

    /// Says, louder and louder, that an endpoint only fails, and gives it up at last.
    async fn warn(&self, pool: &Pool, circuit: &Circuit) {
        let patience = pool.shop.config.delivery.disable_after();
        let percent = spent(circuit, patience);
        if percent >= 100 {
            let hours = patience.as_secs() / 3_600;
            let reason = format!("it has only failed for {hours} hours");
            return self.disable(pool, &reason).await;
        }
        if let Some(mark) = pool.warned.passes(circuit.failing_since, percent) {
            metrics::counter!("gateway_endpoint_warnings_total", "subscriber" => self.subscriber.name.clone())
                .increment(1);
            tracing::error!(
                subscriber = self.subscriber.name,
                failures = circuit.failures,
                "the endpoint only fails; {mark} % of the time are over after which nothing is sent to it: {}",
                circuit.last_error.as_deref().unwrap_or("no reason known"),
            );
        }
    }

    async fn disable(&self, pool: &Pool, reason: &str) {
        let name = &self.subscriber.name;
        let state = SubscriberState::Disabled {
            reason: reason.to_owned(),
        };
        match pool
            .shop
            .store
            .gateway()
            .set_subscriber_state(name, state)
            .await
        {
            Ok(_) => {
                pool.stop_sending(reason);
                metrics::counter!("gateway_disabled_total", "subscriber" => name.clone())
                    .increment(1);
                tracing::error!(
                    subscriber = name,
                    "disabled: {reason}; its events wait until it is resumed"
                );
            }
            // The next attempt comes to the same.
            Err(error) => tracing::warn!(subscriber = name, "could not be disabled: {error}"),
        }
    }
}

/// How much of its time an endpoint that only fails has used up, in hundredths. The time ends with the last failure: what
/// passes until somebody looks, while the database is slow or the machine sleeps, is not the endpoint's.
fn spent(circuit: &Circuit, patience: Duration) -> u32 {
    let failing = circuit
        .failing_since
        .zip(circuit.failed_at)
        .and_then(|(since, last)| (last - since).to_std().ok())
        .unwrap_or_default();
    let percent = failing.as_secs().saturating_mul(100) / patience.as_secs().max(1);
    u32::try_from(percent).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_failed_until_its_last_failure_whenever_somebody_looks() {
        let patience = Duration::from_hours(120);
        let since = DateTime::from_timestamp(1_445_412_420, 0).unwrap();
        let mut circuit = Circuit::default();
        assert_eq!(spent(&circuit, patience), 0);
        circuit.failing_since = Some(since);
        // Long ago: no clock is asked.
        for (hours, percent) in [(0, 0), (60, 50), (108, 90), (120, 100), (132, 110)] {
            circuit.failed_at = Some(since + Duration::from_hours(hours));
            assert_eq!(spent(&circuit, patience), percent, "{hours}");
        }
    }
}
