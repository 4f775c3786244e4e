//! The names of our metrics, with what they mean.

use service_kit::metrics::Figure;

/// Everything that this service counts beside what service-kit counts.
pub const FIGURES: &[Figure] = &[
    Figure::counter("leads_accepted_total", "Leads that were stored"),
    Figure::counter("leads_delivered_total", "Leads that amoCRM took"),
    Figure::counter(
        "leads_failed_total",
        "Leads that amoCRM refuses; somebody should look",
    ),
    Figure::counter(
        "leads_quarantined_total",
        "Submissions that filled the honeypot",
    ),
    Figure::gauge("leads", "Leads by the state of their delivery"),
    Figure::gauge("leads_quarantine", "Submissions in quarantine"),
    Figure::counter(
        "deals_moved_total",
        "Deals moved to the stage of our status",
    ),
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
    Figure::counter("webhook_events_total", "Events in webhooks of amoCRM"),
    Figure::counter("webhook_refusals_total", "Webhooks that were refused"),
    Figure::counter(
        "auth_refusals_total",
        "Consents and hooks that did not prove where they came from",
    ),
    Figure::counter(
        "form_key_refusals_total",
        "Leads without a key of INTAKE_FORM_KEY",
    ),
    Figure::counter(
        "redirect_refusals_total",
        "Forms that asked for a redirect to a foreign site",
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
    Figure::counter(
        "amocrm_failures_total",
        "Failed deliveries by kind of failure",
    ),
    Figure::counter(
        "database_failures_total",
        "Requests that the database could not serve, by kind",
    ),
    Figure::counter(
        "retention_deleted_total",
        "Rows that had been kept long enough",
    ),
    Figure::gauge("disk_free_bytes", "Room on the disk of the SQLite file"),
];
