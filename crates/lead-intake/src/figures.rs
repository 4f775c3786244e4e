//! The names of our metrics, with what they mean.

use service_kit::metrics::Figure;

/// Everything that this service counts beside what service-kit and connection count.
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
    Figure::counter("webhook_events_total", "Events in webhooks of amoCRM"),
    Figure::counter("webhook_refusals_total", "Webhooks that were refused"),
    Figure::counter(
        "form_key_refusals_total",
        "Leads without a key of INTAKE_FORM_KEY",
    ),
    Figure::counter(
        "redirect_refusals_total",
        "Forms that asked for a redirect to a foreign site",
    ),
    Figure::counter(
        "retention_deleted_total",
        "Rows that had been kept long enough",
    ),
];
