//! One span per call: what was asked, how often it was tried, what came back. No query strings, no bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::{HttpRequest, HttpResponse, ServiceFuture};
use crate::BoxError;
use crate::request::Operation;

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

#[derive(Debug, Clone, Copy)]
pub(crate) struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace { inner }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Trace<S> {
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
        let operation = request
            .extensions()
            .get::<Operation>()
            .map_or("request", |operation| operation.name);
        let span = tracing::debug_span!(
            "amocrm",
            operation,
            http.method = %request.method(),
            http.path = request.uri().path(),
            http.status = Empty,
            attempts = Empty,
            duration_ms = Empty,
        );
        let started = tokio::time::Instant::now();
        let call = self.inner.call(request);
        Box::pin(
            async move {
                let outcome = call.await;
                let span = tracing::Span::current();
                span.record("attempts", attempts.get());
                span.record(
                    "duration_ms",
                    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                );
                if let Ok(answer) = &outcome {
                    span.record("http.status", answer.status().as_u16());
                }
                outcome
            }
            .instrument(span),
        )
    }
}
