//! What handlers may ask for.

use std::sync::Arc;

use axum::extract::FromRef;
use service_kit::clock::SharedClock;
use store::Store;

use crate::account::Enricher;
use crate::config::Config;
use crate::ingest::Intake;
use crate::operate::{Desk, Feed};

/// Everything; handlers take the part they need.
#[derive(Debug, Clone, FromRef)]
pub(crate) struct AppState {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) intake: Intake,
    /// For deliveries.
    pub(crate) enricher: Enricher,
    pub(crate) desk: Desk,
    pub(crate) feed: Feed,
}
