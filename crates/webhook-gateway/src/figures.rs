//! The names of our metrics, with what they mean.

use service_kit::metrics::Figure;

/// Everything that this service counts beside what service-kit counts.
pub const FIGURES: &[Figure] = &[
    Figure::counter(
        "database_failures_total",
        "Requests that the database could not serve, by kind",
    ),
    Figure::gauge("disk_free_bytes", "Room on the disk of the SQLite file"),
];
