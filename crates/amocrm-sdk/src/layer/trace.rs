//! One span per call: what was asked, how often it was tried, what came back. No query strings, no bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::{HttpRequest, HttpResponse, ServiceFuture};
use crate::BoxError;
use crate::metrics::{Event, Meter, Outcome, operation_of};
use crate::request::{HIDDEN_PATH, PrivatePath};

/// How often a call was tried; shared between the retry layer, the span and the caller's error.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts(Arc<AtomicU32>);

impl Attempts {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct TraceLayer(pub(crate) Meter);

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace {
            meter: self.0.clone(),
            inner,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Trace<S> {
    meter: Meter,
    inner: S,
}

impl<S> Service<HttpRequest> for Trace<S>
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

    fn call(&mut self, mut request: HttpRequest) -> Self::Future {
        let attempts = request
            .extensions_mut()
            .get_or_insert_default::<Attempts>()
            .clone();
        let operation = operation_of(&request);
        let span = tracing::debug_span!(
            "amocrm",
            operation,
            http.method = %request.method(),
            http.path = shown_path(&request),
            http.status = Empty,
            error.kind = Empty,
            attempts = Empty,
            duration_ms = Empty,
        );
        let meter = self.meter.clone();
        let started = tokio::time::Instant::now();
        let call = self.inner.call(request);
        Box::pin(
            async move {
                let answer = call.await;
                let outcome = Outcome::of_layer(&answer);
                let duration = started.elapsed();
                let attempts = attempts.get();
                let span = tracing::Span::current();
                span.record("attempts", attempts);
                span.record("duration_ms", millis(duration));
                record_outcome(&span, outcome);
                meter.record(|| Event::Call {
                    operation,
                    outcome,
                    attempts,
                    duration,
                });
                answer
            }
            .instrument(span),
        )
    }
}

/// The path, unless it is private.
fn shown_path(request: &HttpRequest) -> &str {
    match request.extensions().get::<PrivatePath>() {
        Some(PrivatePath) => HIDDEN_PATH,
        None => request.uri().path(),
    }
}

pub(super) fn record_outcome(span: &tracing::Span, outcome: Outcome) {
    if let Some(status) = outcome.status() {
        span.record("http.status", status);
    }
    if outcome.error().is_some() {
        span.record("error.kind", outcome.as_str());
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Operation, Request};

    #[test]
    fn a_private_path_is_in_no_log() {
        let download = || Request::get(Operation::idempotent("files.download"), "/d/passport.pdf");
        let shown = download().into_http().unwrap();
        assert_eq!(shown_path(&shown), "/d/passport.pdf");
        let private = download().private_path();
        assert!(!format!("{private:?}").contains("passport"));
        assert_eq!(shown_path(&private.into_http().unwrap()), HIDDEN_PATH);
    }
}
