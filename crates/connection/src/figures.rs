//! The names of the metrics of a connection and its queue, with what they mean.

use service_kit::metrics::Figure;

/// What every connected service counts, beside what service-kit counts.
pub const FIGURES: &[Figure] = &[
    Figure::gauge("queue_depth", "Unfinished jobs by kind"),
    Figure::gauge("queue_dead_letters", "Jobs that were given up, by kind"),
    Figure::gauge(
        "queue_oldest_age_seconds",
        "Age of the oldest unfinished job by kind",
    ),
    Figure::gauge(
        "queue_lag_seconds",
        "How long the most overdue job has been waiting, by kind",
    ),
    Figure::counter(
        "auth_refusals_total",
        "Consents and hooks that did not prove where they came from",
    ),
    Figure::counter(
        "amocrm_auth_failures_total",
        "Times that amoCRM refused our access",
    ),
    Figure::counter(
        "amocrm_calls_total",
        "Calls to amoCRM by operation and outcome, retries included",
    ),
    Figure::histogram(
        "amocrm_call_seconds",
        "Time of a call with its waits and retries, by operation",
    ),
    Figure::counter(
        "amocrm_responses_total",
        "Answers of amoCRM by status, such as 429 and 403, or what came instead",
    ),
    Figure::histogram(
        "amocrm_request_seconds",
        "Latency of amoCRM: time of one request, by operation",
    ),
    Figure::histogram(
        "amocrm_permit_wait_seconds",
        "How long requests waited for a permit of the budget",
    ),
    Figure::counter(
        "amocrm_permits_refused_total",
        "Requests that gave up waiting for a permit",
    ),
    Figure::counter(
        "amocrm_retries_total",
        "Requests that were repeated, and why",
    ),
    Figure::counter(
        "amocrm_pauses_total",
        "Times that amoCRM had us stop: throttled (429) or blocked (403)",
    ),
    Figure::counter("amocrm_renewals_total", "Renewals of the tokens by outcome"),
    Figure::gauge("alerts_firing", "1 while a limit is crossed, by rule"),
    Figure::gauge(
        "alerts_waiting",
        "Alerts that somebody has still to be told",
    ),
    Figure::counter(
        "alerts_sent_total",
        "Alerts that were sent, by way and outcome",
    ),
    Figure::counter(
        "amocrm_failures_total",
        "Jobs that met a failure of amoCRM, by its kind",
    ),
    Figure::counter(
        "database_failures_total",
        "Requests that the database could not serve, by kind",
    ),
    Figure::gauge("disk_free_bytes", "Room on the disk of the SQLite file"),
];
