//! One span and one figure for everything that touches the wire.

use std::task::{Context, Poll};

use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::trace::{millis, record_outcome};
use super::{Attempts, HttpRequest, HttpResponse, SendGuard, ServiceFuture};
use crate::BoxError;
use crate::metrics::{Event, Meter, Outcome, operation_of};

#[derive(Debug, Clone)]
pub(crate) struct AttemptLayer(pub(crate) Meter);

impl<S> Layer<S> for AttemptLayer {
    type Service = Attempt<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Attempt {
            meter: self.0.clone(),
            inner,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Attempt<S> {
    meter: Meter,
    inner: S,
}

impl<S> Service<HttpRequest> for Attempt<S>
where
    S: Service<HttpRequest, Response = HttpResponse, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let operation = operation_of(&request);
        // Renewals are not counted by a call.
        let number = request.extensions().get::<Attempts>().map(Attempts::get);
        let span = tracing::debug_span!(
            "amocrm.attempt",
            operation,
            attempt = number,
            http.status = Empty,
            error.kind = Empty,
            duration_ms = Empty,
        );
        let meter = self.meter.clone();
        let started = Instant::now();
        // Here and not earlier: a process that was frozen while it waited must not send when it thaws.
        if let Err(error) = SendGuard::check(&request) {
            return Box::pin(std::future::ready(Err(error.into())));
        }
        let call = self.inner.call(request);
        Box::pin(
            async move {
                let answer = call.await;
                let outcome = Outcome::of_layer(&answer);
                let duration = started.elapsed();
                let span = tracing::Span::current();
                record_outcome(&span, outcome);
                span.record("duration_ms", millis(duration));
                meter.record(|| Event::Attempt {
                    operation,
                    outcome,
                    duration,
                });
                answer
            }
            .instrument(span),
        )
    }
}
