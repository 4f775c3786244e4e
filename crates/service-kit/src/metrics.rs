//! Counters for Prometheus, rendered on request.
//!
//! Parts of a service count with the `metrics` macros (`metrics::counter!("leads_accepted_total").increment(1)`);
//! [`Metrics::install`] makes this process keep them, and `GET /metrics` renders them.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Buckets of all durations, in seconds: from a database row to a request that is given up.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// What every service counts.
pub const COMMON_FIGURES: &[Figure] = &[
    Figure::counter(
        "http_requests_total",
        "Requests by method, route and status",
    ),
    Figure::histogram(
        "http_request_duration_seconds",
        "Time of an answer by method and route",
    ),
    Figure::counter(
        "rate_limited_total",
        "Requests of addresses that sent too many",
    ),
    Figure::counter(
        "admin_refusals_total",
        "Requests without the token that they needed",
    ),
    Figure::counter(
        "audit_failures_total",
        "Changes that were refused because the audit log could not be written",
    ),
    Figure::counter("panics_total", "Requests that met a bug"),
    Figure::counter(
        "log_lines_left_out_total",
        "Warnings and errors that said again what had been said within a second",
    ),
];

/// A metric's name, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// The name, with its unit at the end.
    pub name: &'static str,
    /// What it means, in a sentence.
    pub help: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Figure {
    /// Something that only grows.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        let kind = Kind::Counter;
        Self { name, help, kind }
    }

    /// Something that is measured.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        let kind = Kind::Gauge;
        Self { name, help, kind }
    }

    /// Something of which each is of a size.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        let kind = Kind::Histogram;
        Self { name, help, kind }
    }
}

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Reader of this process's counters.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Makes this process keep counters. Later calls give the same reader, so tests may start many services.
    pub fn install() -> Self {
        let handle = RECORDER.get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
                .unwrap_or_else(|_| unreachable!("the list of buckets is not empty"))
                .build_recorder();
            let handle = recorder.handle();
            // An error means that the process counts elsewhere already; then there is nothing to render here.
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another recorder of metrics is installed; /metrics stays empty");
            }
            handle
        });
        Self {
            handle: handle.clone(),
        }
    }

    /// Adds what these figures mean to what is rendered; the common ones need not be given.
    pub fn describe(&self, figures: &[Figure]) {
        for figure in COMMON_FIGURES.iter().chain(figures) {
            let (name, help) = (figure.name, figure.help);
            match figure.kind {
                Kind::Counter => metrics::describe_counter!(name, help),
                Kind::Gauge => metrics::describe_gauge!(name, help),
                Kind::Histogram => metrics::describe_histogram!(name, help),
            }
        }
    }

    /// All counters in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
