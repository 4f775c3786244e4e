//! `[dashboard]`.

use service_kit::config::Variable;
use service_kit::dashboard::DashboardConfig;

/// The variables of `[dashboard]`.
pub const DASHBOARD_VARIABLES: &[Variable] =
    &[DashboardConfig::time_zone_variable("INTAKE_TIME_ZONE")];
