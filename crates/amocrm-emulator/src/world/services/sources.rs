//! Where people write from: sources of integrations, and the button on a site.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::Sequence;

const FIRST_SOURCE: u64 = 8_600_001;
const FIRST_BUTTON: u64 = 8_650_001;
/// How long amoCRM takes to set a button up. The notes say only that it is not at once.
const BUTTON_SETUP_SECONDS: i64 = 3;

/// Sources and buttons; both take their numbers from one row, because a button is a source.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Sources {
    pub(crate) list: Vec<Source>,
    pub(crate) buttons: Vec<WebsiteButton>,
    source_ids: Sequence,
    button_ids: Sequence,
}

impl Sources {
    pub(crate) fn next_id(&mut self, account_id: u64) -> u64 {
        self.source_ids.take(account_id, FIRST_SOURCE)
    }

    pub(crate) fn next_button_id(&mut self, account_id: u64) -> u64 {
        self.button_ids.take(account_id, FIRST_BUTTON)
    }
}

/// A source. Only the integration that made it sees it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) id: u64,
    pub(crate) client_id: String,
    pub(crate) name: String,
    pub(crate) pipeline_id: u64,
    /// What the integration calls it; never changes.
    pub(crate) external_id: String,
    pub(crate) is_default: bool,
    /// The code of the chat channel.
    pub(crate) origin_code: Option<String>,
    /// Kept as sent.
    pub(crate) services: Value,
}

impl Source {
    /// Whether it is a WhatsApp business number.
    pub(crate) fn is_waba(&self) -> bool {
        let mut services = self.services.as_array().into_iter().flatten();
        services.any(|service| service["params"]["waba"] == true)
    }
}

impl fmt::Debug for Source {
    /// Services hold people's phones, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// A button on a site.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WebsiteButton {
    pub(crate) source_id: u64,
    pub(crate) button_id: u64,
    pub(crate) name: String,
    pub(crate) pipeline_id: u64,
    pub(crate) trusted_websites: Vec<String>,
    pub(crate) has_online_chat: bool,
    pub(crate) created_at: i64,
}

impl WebsiteButton {
    /// Whether amoCRM has finished setting it up.
    pub(crate) fn is_ready(&self, now: i64) -> bool {
        now - self.created_at >= BUTTON_SETUP_SECONDS
    }
}
