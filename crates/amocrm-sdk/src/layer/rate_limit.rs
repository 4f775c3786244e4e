//! Takes a permit for everything that touches the wire, and listens to what amoCRM says about the budget.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tower::{Layer, Service};

use super::{Deadline, Departure, HttpRequest, HttpResponse, ServiceFuture, from_now};
use crate::BoxError;
use crate::error::{Delivery, Error, ErrorKind, Problem, Result};
use crate::metrics::{Event, Meter, operation_of};
use crate::quota::{PauseReason, Permit, Quota};

/// Longest sleep before the budget is asked again: a pause that another process ended early is noticed this soon.
const LONGEST_NAP: Duration = Duration::from_secs(5);

/// How long the budget may take to answer a call that has no deadline.
const LONGEST_ASKING: Duration = Duration::from_secs(30);

/// How long an answer waits until everybody knows of the pause that it brings.
const LONGEST_TELLING: Duration = Duration::from_secs(5);

/// The way to the budget: one task of the process asks, the rest queue fairly behind it.
#[derive(Debug)]
pub(crate) struct Gate {
    quota: Arc<dyn Quota>,
    turn: Mutex<()>,
    throttled_for: Duration,
    blocked_for: Duration,
    meter: Meter,
}

impl Gate {
    pub(crate) fn new(
        quota: Arc<dyn Quota>,
        throttled_for: Duration,
        blocked_for: Duration,
        meter: Meter,
    ) -> Self {
        Self {
            quota,
            turn: Mutex::new(()),
            throttled_for,
            blocked_for,
            meter,
        }
    }

    /// Waits for a permit, but not past the deadline: what cannot be sent in time fails now, not then.
    async fn pass(&self, deadline: Option<Deadline>) -> Result<()> {
        let turn = match deadline {
            None => self.turn.lock().await,
            Some(deadline) => tokio::time::timeout_at(deadline.0, self.turn.lock())
                .await
                .map_err(|_| too_late())?,
        };
        loop {
            let patience = deadline.map_or_else(|| from_now(LONGEST_ASKING), |deadline| deadline.0);
            let permit = timeout_at(patience, self.quota.try_acquire())
                .await
                .map_err(|_| {
                    Error::store("the request budget does not answer", "timed out".into())
                })?
                .map_err(|error| Error::store("the request budget cannot be reached", error))?;
            let wait = match permit {
                Permit::Granted => break,
                Permit::Wait(wait) => wait,
                Permit::Paused {
                    reason: PauseReason::Blocked,
                    remaining,
                } => {
                    return Err(Error::new(
                        ErrorKind::Blocked,
                        Delivery::NotSent,
                        "amoCRM blocked this integration; nothing is sent until the pause ends",
                    )
                    .with_retry_after(remaining));
                }
                Permit::Paused {
                    reason: PauseReason::Throttled,
                    remaining,
                } => {
                    if !Deadline::allows(deadline, remaining) {
                        return Err(Error::new(
                            ErrorKind::RateLimited,
                            Delivery::NotSent,
                            "amoCRM throttles this integration for longer than the call may last",
                        )
                        .with_retry_after(remaining));
                    }
                    remaining
                }
            };
            if !Deadline::allows(deadline, wait) {
                return Err(too_late());
            }
            sleep(wait.min(LONGEST_NAP)).await;
        }
        drop(turn);
        Ok(())
    }

    /// Pauses everybody when the answer is a 429 or a block page.
    async fn listen(&self, answer: &HttpResponse) {
        let (duration, reason) = match answer.status() {
            StatusCode::TOO_MANY_REQUESTS => {
                let asked = Error::from_answer(answer.status(), answer.headers(), answer.body())
                    .retry_after();
                (asked.unwrap_or(self.throttled_for), PauseReason::Throttled)
            }
            StatusCode::FORBIDDEN
                if Problem::read(answer.headers(), answer.body()).is_block_page() =>
            {
                (self.blocked_for, PauseReason::Blocked)
            }
            _ => return,
        };
        self.meter.record(|| Event::Pause { reason, duration });
        tracing::warn!(
            reason = reason.as_str(),
            pause_ms = millis(duration),
            "amoCRM asked to stop sending"
        );
        // amoCRM's answer does not wait for a database that hangs.
        match timeout(LONGEST_TELLING, self.quota.pause(duration, reason)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the pause could not be shared with the other processes");
            }
            Err(_) => {
                tracing::error!(
                    "the pause could not be shared with the other processes: timed out"
                );
            }
        }
    }
}

fn too_late() -> Error {
    Error::new(
        ErrorKind::Deadline,
        Delivery::NotSent,
        "the deadline passed while waiting for a permit",
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug, Clone)]
pub(crate) struct RateLimitLayer(pub(crate) Arc<Gate>);

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit {
            gate: Arc::clone(&self.0),
            inner,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RateLimit<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S> Service<HttpRequest> for RateLimit<S>
where
    S: Service<HttpRequest, Response = HttpResponse, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let clone = self.inner.clone();
        // The clone may not be ready; the one that was polled is.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            let operation = operation_of(&request);
            let began = Instant::now();
            let passed = gate.pass(Deadline::of(&request)).await;
            gate.meter.record(|| Event::Permit {
                operation,
                is_granted: passed.is_ok(),
                waited: began.elapsed(),
            });
            passed?;
            Departure::tell(&request);
            let answer = inner.call(request).await?;
            gate.listen(&answer).await;
            Ok(answer)
        })
    }
}
