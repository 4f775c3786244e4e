//! The names of our metrics, with what they mean.

use service_kit::metrics::Figure;

/// Everything that this service counts beside what service-kit counts.
pub const FIGURES: &[Figure] = &[
    Figure::counter(
        "gateway_webhooks_accepted_total",
        "Webhooks that were stored, by account",
    ),
    Figure::counter(
        "gateway_webhooks_unread_total",
        "Webhooks that were stored and are not delivered: they cannot be read, or are of another account",
    ),
    Figure::counter("gateway_events_total", "Events in webhooks of amoCRM"),
    Figure::counter(
        "gateway_duplicates_total",
        "Events that had come before, by account",
    ),
    Figure::counter(
        "gateway_refusals_total",
        "Webhooks that were refused, by reason; the senders of those with a wrong secret are in the log",
    ),
    Figure::histogram(
        "gateway_answer_seconds",
        "How long amoCRM waited for our answer, by account",
    ),
    Figure::counter(
        "gateway_subscription_disabled_total",
        "Times that amoCRM had switched our subscription off",
    ),
    Figure::gauge(
        "gateway_subscription_active",
        "1 if amoCRM sends, by account, as it was seen last",
    ),
    Figure::counter(
        "gateway_enrichments_total",
        "Events that were to be completed with what amoCRM says now, by outcome",
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
