//! Sends again what may be sent again.

use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt};

use super::{Attempts, Deadline, HttpRequest, HttpResponse, ServiceFuture, own_error};
use crate::BoxError;
use crate::error::{Delivery, Error, ErrorKind};
use crate::metrics::{Event, Meter, Outcome};
use crate::request::Operation;

/// How often and how patiently a failed request is tried again.
///
/// 429 and failed connections are always tried again: amoCRM did not act. 5xx, timeouts and broken connections are
/// tried again only for operations that may be repeated ([`Operation::idempotent`]), because amoCRM may have acted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Retries after the first attempt. Default: 3.
    pub max_retries: u32,
    /// Pause before the first retry, doubled before each next one. Default: 1.5 s.
    pub base_delay: Duration,
    /// The longest pause. Default: 30 s.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 3,
            base_delay: Duration::from_millis(1_500),
            max_delay: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// No retries at all.
    pub fn none() -> Self {
        Self {
            max_retries: 0,
            ..Self::default()
        }
    }

    /// Sets the number of retries.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets the pause before the first retry.
    #[must_use]
    pub fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// Sets the longest pause.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The pause before retry `number` (from 0): exponential, of which the second half is random, so that clients
    /// that failed together do not come back together.
    fn pause(&self, number: u32) -> Duration {
        let full = self
            .base_delay
            .saturating_mul(2_u32.saturating_pow(number))
            .min(self.max_delay);
        full / 2 + full.mul_f64(fastrand::f64() / 2.0)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RetryLayer(pub(crate) RetryPolicy, pub(crate) Meter);

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry {
            policy: self.0.clone(),
            meter: self.1.clone(),
            inner,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Retry<S> {
    policy: RetryPolicy,
    meter: Meter,
    inner: S,
}

impl<S> Service<HttpRequest> for Retry<S>
where
    S: Service<HttpRequest, Response = HttpResponse, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Each attempt makes its own clone ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let inner = self.inner.clone();
        let policy = self.policy.clone();
        let meter = self.meter.clone();
        Box::pin(async move {
            let deadline = Deadline::of(&request);
            let attempts = request
                .extensions()
                .get::<Attempts>()
                .cloned()
                .unwrap_or_default();
            let operation = request.extensions().get::<Operation>().copied();
            let repeatable = operation.is_some_and(|operation| operation.idempotent);
            // Whether amoCRM may have acted on an attempt whose answer never came.
            let mut unsettled = false;
            for retry in 0.. {
                attempts.count();
                let outcome = inner
                    .clone()
                    .oneshot(request.clone())
                    .await
                    .map_err(own_error);
                let pause = policy.pause(retry);
                if retry >= policy.max_retries
                    || !worth_retrying(&outcome, repeatable)
                    || !Deadline::allows(deadline, pause)
                {
                    let known = |error: Error| match error.delivery() {
                        Delivery::NotSent if unsettled => error.with_delivery(Delivery::Unknown),
                        _ => error,
                    };
                    return outcome.map_err(|error| known(error).into());
                }
                unsettled |= match &outcome {
                    Ok(answer) => failure(answer).delivery() == Delivery::Unknown,
                    Err(error) => error.delivery() == Delivery::Unknown,
                };
                meter.record(|| Event::Retry {
                    operation: operation.map_or("request", |operation| operation.name),
                    outcome: outcome
                        .as_ref()
                        .map_or_else(Outcome::of_error, Outcome::of_answer),
                    pause,
                });
                tracing::debug!(
                    operation = operation.map(|operation| operation.name),
                    attempt = retry + 1,
                    pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                    "the attempt failed and is repeated"
                );
                sleep(pause).await;
            }
            unreachable!("the loop returns when the retries are used up")
        })
    }
}

fn worth_retrying(outcome: &Result<HttpResponse, Error>, repeatable: bool) -> bool {
    match outcome {
        Ok(answer) if answer.status().is_success() => false,
        Ok(answer) if answer.status() == StatusCode::TOO_MANY_REQUESTS => true,
        Ok(answer) => repeatable && failure(answer).kind() == ErrorKind::Server,
        Err(error) => match error.kind() {
            ErrorKind::Connect => true,
            // Not sent: the trouble was with a renewal on the way.
            ErrorKind::Timeout | ErrorKind::Transport | ErrorKind::Server | ErrorKind::Decode => {
                repeatable || error.delivery() == Delivery::NotSent
            }
            _ => false,
        },
    }
}

fn failure(answer: &HttpResponse) -> Error {
    Error::from_answer(answer.status(), answer.headers(), answer.body())
}
