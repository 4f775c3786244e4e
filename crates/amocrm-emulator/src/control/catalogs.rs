//! Lists as some accounts have them.

use serde::Deserialize;

use crate::app::App;

/// How pages of elements are cut, in which account: the first one unless another is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CutPages {
    cuts_pages: bool,
    #[serde(default)]
    account_id: Option<u64>,
}

impl CutPages {
    /// Switches it. Returns whether the account exists.
    pub(super) fn apply(&self, app: &App) -> bool {
        let is_there = app.with_world(|world| {
            let mut accounts = world.accounts.iter_mut();
            let account = accounts.find(|it| self.account_id.is_none_or(|id| id == it.id));
            account
                .map(|account| account.catalogs.cuts_pages = self.cuts_pages)
                .is_some()
        });
        app.mark_changed();
        is_there
    }
}
