//! Templates of chat messages and what the messenger's owner says to them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::world::Sequence;

const FIRST_TEMPLATE: u64 = 8_700_001;
const FIRST_REVIEW: u64 = 8_800_001;

/// The templates of an account.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Templates {
    pub(crate) list: Vec<ChatTemplate>,
    template_ids: Sequence,
    review_ids: Sequence,
}

impl Templates {
    pub(crate) fn next_id(&mut self, account_id: u64) -> u64 {
        self.template_ids.take(account_id, FIRST_TEMPLATE)
    }

    pub(crate) fn next_review_id(&mut self, account_id: u64) -> u64 {
        self.review_ids.take(account_id, FIRST_REVIEW)
    }
}

/// A template. Only the integration that made it sees it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ChatTemplate {
    pub(crate) id: u64,
    pub(crate) client_id: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// Everything a client may write, all keys present, as it is answered.
    pub(crate) fields: Map<String, Value>,
    pub(crate) reviews: Vec<Review>,
}

impl ChatTemplate {
    /// Whether it is a WhatsApp template, which cannot be changed once it was sent to review.
    pub(crate) fn is_waba(&self) -> bool {
        self.fields.get("type").is_some_and(|kind| kind == "waba")
    }

    /// What the reviews come to: the worst of them.
    pub(crate) fn review_status(&self) -> Option<&'static str> {
        const FROM_WORST: [&str; 4] = ["rejected", "paused", "review", "approved"];
        FROM_WORST
            .into_iter()
            .find(|status| self.reviews.iter().any(|review| review.status == *status))
    }
}

impl fmt::Debug for ChatTemplate {
    /// Without the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("id", &self.id)
            .field("reviews", &self.reviews)
            .finish_non_exhaustive()
    }
}

/// What one source's messenger says to a template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) source_id: Option<u64>,
    /// `review`, `approved`, `paused` or `rejected`.
    pub(crate) status: String,
    pub(crate) reject_reason: String,
}
