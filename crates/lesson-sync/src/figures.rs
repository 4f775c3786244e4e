//! The names of our metrics, with what they mean.

use service_kit::metrics::Figure;

/// Everything that this service counts beside what service-kit and connection count.
pub const FIGURES: &[Figure] = &[
    Figure::counter(
        "lessons_accepted_total",
        "Finished lessons that were stored",
    ),
    Figure::counter(
        "lessons_repeated_total",
        "Finished lessons that were known already",
    ),
    Figure::counter(
        "lessons_refused_total",
        "Finished lessons that were refused: wrong fields, or a wrong key",
    ),
    Figure::counter(
        "lessons_ended_total",
        "What became of finished lessons, by outcome",
    ),
    Figure::counter("deals_moved_total", "Deals moved to a lesson's stage"),
    Figure::counter(
        "deal_moves_heard_total",
        "Moves of deals that amoCRM told of: our own, and managers'",
    ),
    Figure::counter("webhook_refusals_total", "Webhooks that were refused"),
    Figure::counter("callbacks_total", "Callbacks to the platform by outcome"),
    Figure::counter(
        "final_actions_total",
        "What became of final actions, by outcome",
    ),
];
