//! What amoCRM tells an integration about itself.

use serde::Serialize;

use super::{Action, FromItem, brief_debug};
use crate::webhook::Tree;
use crate::webhook::fields::text;

/// An integration was switched off in the account, or lost its access there.
///
/// No webhook body tells this: amoCRM calls the address in the integration's settings, which
/// `oauth::DisabledHook` reads and checks. The gateway passes it on as an event like the others.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IntegrationEvent {
    /// What happened to it.
    pub action: Action,
    /// The integration's id.
    pub client_id: String,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(IntegrationEvent: action, client_id);

impl IntegrationEvent {
    /// The integration of this id was disabled.
    pub fn disabled(client_id: &str) -> Self {
        Self {
            action: Action::Disabled,
            client_id: client_id.to_owned(),
            raw: Tree::of(Self::ID_KEY, client_id),
        }
    }
}

impl FromItem for IntegrationEvent {
    const ID_KEY: &'static str = "client_uuid";
    const ID_EXPECTED: &'static str = "an integration's id";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        Some(Self {
            action,
            client_id: text(item, Self::ID_KEY)?,
            raw: item.clone(),
        })
    }
}
