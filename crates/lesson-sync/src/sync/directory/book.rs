//! Which contacts have an e-mail: all contacts of the account, read once, and then what has changed since.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use amocrm_sdk::contacts::Contact;
use amocrm_sdk::entity::{ExportCursor, MAX_BATCH};
use amocrm_sdk::{Client, ContactId};
use tokio::time::Instant;

use crate::sync::deal::emails;

/// After this time it is begun anew: imports may write contacts with a time of change in the past, which then are not among
/// the changes.
const LASTS: Duration = Duration::from_hours(6);
/// Most e-mails; they take some 15 MB. Accounts with more are searched.
const MOST: usize = 500_000;

/// E-mails and contacts. Of the e-mails only hashes are kept, with a key of this process's own: whoever is found is compared
/// anyway.
#[derive(Default)]
pub(super) struct Book {
    domain: String,
    opened_at: Option<Instant>,
    entries: BTreeSet<(u64, u64)>,
    cursor: ExportCursor,
    hasher: RandomState,
    is_refused: bool,
}

impl Book {
    /// Reads on, about as many pages as given at most. Whether it knows all contacts now, as they were 3 seconds ago.
    ///
    /// # Errors
    ///
    /// As reading a list. What was read until then is kept.
    pub(super) async fn catch_up(
        &mut self,
        client: &Client,
        pages: usize,
    ) -> amocrm_sdk::Result<bool> {
        self.open(client.domain());
        if self.is_refused {
            return Ok(false);
        }
        let mut changes = client.contacts().list().updated_since(self.cursor.clone());
        let mut left = pages.saturating_mul(MAX_BATCH);
        let outcome = loop {
            if left == 0 || self.entries.len() > MOST {
                break Ok(false);
            }
            left -= 1;
            match changes.try_next().await {
                Ok(Some(contact)) => self.note(&contact),
                Ok(None) => break Ok(true),
                Err(error) => break Err(error),
            }
        };
        self.cursor = changes.cursor().clone();
        outcome
    }

    /// This account's contacts cannot be read in this way: nobody tries for a while.
    pub(super) fn refuse(&mut self) {
        self.is_refused = true;
    }

    /// The contacts that had this e-mail at some time.
    pub(super) fn contacts(&self, email: &str) -> Vec<ContactId> {
        let hash = self.hasher.hash_one(email);
        self.entries
            .range((hash, 0)..=(hash, u64::MAX))
            .map(|(_, id)| ContactId::new(*id))
            .collect()
    }

    fn open(&mut self, domain: String) {
        let is_old = self.opened_at.is_none_or(|at| at.elapsed() > LASTS);
        if is_old || self.domain != domain {
            *self = Self {
                domain,
                opened_at: Some(Instant::now()),
                ..Self::default()
            };
        }
    }

    fn note(&mut self, contact: &Contact) {
        for email in emails(contact) {
            let hash = self.hasher.hash_one(email.as_str());
            self.entries.insert((hash, contact.id.get()));
        }
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book")
            .field("entries", &self.entries.len())
            .field("is_refused", &self.is_refused)
            .finish_non_exhaustive()
    }
}
