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
        "Webhooks that were stored and are not delivered, or not all of them: they cannot be read, or are of another account",
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
        "gateway_delivered_total",
        "Events that a subscriber has taken",
    ),
    Figure::counter(
        "gateway_failed_total",
        "Attempts that failed, by subscriber; they are repeated",
    ),
    Figure::counter(
        "gateway_dead_total",
        "Events that were given up, by subscriber; somebody should look",
    ),
    Figure::histogram(
        "gateway_delivery_seconds",
        "Time of an attempt by subscriber",
    ),
    Figure::histogram(
        "gateway_lag_seconds",
        "Time from the webhook to the delivery by subscriber",
    ),
    Figure::gauge("gateway_queue_depth", "Events that wait, by subscriber"),
    Figure::gauge(
        "gateway_dead_letters",
        "Events that were given up and not sent again, by subscriber",
    ),
    Figure::gauge(
        "gateway_queue_lag_seconds",
        "How long the most overdue event has been waiting, by subscriber",
    ),
    Figure::gauge(
        "gateway_oldest_waiting_seconds",
        "How long ago the oldest event that waits was routed, due or not, by subscriber",
    ),
    Figure::gauge(
        "gateway_circuit_open",
        "1: the endpoint fails and is only probed, by subscriber",
    ),
    Figure::gauge(
        "gateway_paused",
        "1: a person has paused or disabled the subscriber, or it has disabled itself",
    ),
    Figure::counter(
        "gateway_endpoint_warnings_total",
        "Times that an endpoint that only fails came closer to being disabled",
    ),
    Figure::counter(
        "gateway_disabled_total",
        "Times that a subscriber was disabled: by 410, or after GATEWAY_DISABLE_AFTER of failures",
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
