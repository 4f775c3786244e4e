//! The routes that are open in every service.

use service_kit::dashboard::STYLESHEET_OPEN;
use service_kit::http::{DOCUMENTATION_OPEN, OPERATIONS_OPEN, OpenRoute, count_joined, joined};

use crate::AUTH_OPEN;

/// The routes that anybody may call in every service that is connected to amoCRM: consent, health, documentation and the
/// pages' style sheet. A service joins its own to them.
pub const COMMON_OPEN: &[OpenRoute] = &joined::<{ count_joined(LISTS) }>(LISTS);

const LISTS: &[&[OpenRoute]] = &[
    AUTH_OPEN,
    OPERATIONS_OPEN,
    STYLESHEET_OPEN,
    DOCUMENTATION_OPEN,
];
