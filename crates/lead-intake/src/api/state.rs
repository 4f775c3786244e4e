//! What handlers may ask for.

use std::sync::Arc;

use axum::extract::FromRef;
use service_kit::clock::SharedClock;
use store::Store;

use super::visitor::Visitors;
use crate::config::Config;
use crate::crm::Crm;
use crate::worker::{Deliveries, Worker};

/// Everything; handlers take the part they need.
#[derive(Debug, Clone, FromRef)]
pub(crate) struct AppState {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) crm: Arc<Crm>,
    pub(crate) deliveries: Deliveries,
    pub(crate) worker: Worker,
    pub(crate) clock: SharedClock,
    pub(crate) visitors: Visitors,
}
