//! Numbers that are handed out one after the other.

use serde::{Deserialize, Serialize};

/// How far apart the numbers of two accounts are, so that a mixed-up one is found out.
const ACCOUNT_STRIDE: u64 = 1_000_000;
/// Account numbers begin here; what is above it counts the accounts.
const FIRST_ACCOUNT: u64 = 31_000_001;

/// How many numbers of one kind an account has handed out. Unlike a next number it has a default, so that state files from before the
/// kind existed still load.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sequence(u64);

impl Sequence {
    /// The next number of a kind that begins at `first` in the first account.
    pub(crate) fn take(&mut self, account_id: u64, first: u64) -> u64 {
        let account = account_id.saturating_sub(FIRST_ACCOUNT);
        let id = first + account * ACCOUNT_STRIDE + self.0;
        self.0 += 1;
        id
    }
}
