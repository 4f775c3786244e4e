//! Short links: addresses made for one contact, so that opening one tells who it was.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A short link.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ShortLink {
    /// Where it leads.
    pub(crate) url: String,
    /// Whom it was made for.
    pub(crate) contact_id: u64,
    /// Who made it.
    pub(crate) created_by: u64,
}

impl fmt::Debug for ShortLink {
    /// Addresses made for one person are private, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortLink")
            .field("contact_id", &self.contact_id)
            .finish_non_exhaustive()
    }
}
