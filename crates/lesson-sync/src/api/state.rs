//! What handlers may ask for.

use std::sync::Arc;

use axum::extract::FromRef;
use connection::Crm;
use store::Store;

use crate::config::Config;

/// Everything; handlers take the part they need.
#[derive(Debug, Clone, FromRef)]
pub(crate) struct AppState {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) crm: Arc<Crm>,
}
