//! What the dashboards of connected services have in common: queue, dead letters, reasons of failures, the connection.
//!
//! A service reads the figures with [`queue_figures`], [`ConnectionFigures::read`] and [`ReasonFigures::sum`], gives them to
//! programs as they are, and lets a [`View`] draw them for people. [`dashboard_routes`] are the page and its buttons.

mod figures;
mod routes;
mod view;

pub use self::figures::{ConnectionFigures, QueueFigures, ReasonFigures, queue_figures};
pub use self::routes::{
    DASHBOARD_OPERATOR, DASHBOARD_PATH, DASHBOARD_VIEWER, Dashboard, dashboard_routes, days,
};
pub use self::view::{LetterRow, Letters, View, reason_name};
