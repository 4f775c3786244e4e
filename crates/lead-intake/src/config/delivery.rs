//! The variables of `[delivery]`, which is read by the connection.

use service_kit::config::Variable;

/// The variables of this section.
pub(super) const DELIVERY_VARIABLES: &[Variable] = &[
    Variable::plain(
        "INTAKE_CALL_TIMEOUT_MS",
        "delivery.call_timeout_ms",
        "milliseconds from 500 to 120000",
        "20000",
    ),
    Variable::plain(
        "INTAKE_LEASE_MS",
        "delivery.lease_ms",
        "milliseconds from INTAKE_CALL_TIMEOUT_MS + 15000 to 600000: shorter, and two workers could be at one lead",
        "45000",
    ),
    Variable::plain(
        "INTAKE_BLOCK_PAUSE_MS",
        "delivery.block_pause_ms",
        "milliseconds from 1000 to 86400000",
        "600000",
    ),
];
