//! Notes in the feed of a card.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A note.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Its id.
    pub(crate) id: u64,
    /// The card it lies on.
    pub(crate) entity_id: u64,
    /// `common`, `call_in`, …
    pub(crate) kind: String,
    /// What the type asks for; kept as sent.
    pub(crate) params: Value,
    /// Who wrote it.
    pub(crate) created_by: u64,
    /// Who changed it last.
    pub(crate) updated_by: u64,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
    /// The user who answers for it.
    pub(crate) responsible_user_id: u64,
    /// Group of that user.
    pub(crate) group_id: u64,
    /// Shown above the feed.
    pub(crate) is_pinned: bool,
}

impl Note {
    /// A note of the user who answers for it, to be given its id when it is put down.
    pub(crate) fn new(entity_id: u64, kind: &str, params: Value, user_id: u64, now: i64) -> Self {
        Self {
            id: 0,
            entity_id,
            kind: kind.to_owned(),
            params,
            created_by: user_id,
            updated_by: user_id,
            created_at: now,
            updated_at: now,
            responsible_user_id: user_id,
            group_id: 0,
            is_pinned: false,
        }
    }
}

impl fmt::Debug for Note {
    /// The text is private, so it is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
