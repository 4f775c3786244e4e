//! Duplicate control is switched on and off.

use serde::Deserialize;

use crate::app::App;
use crate::world::DuplicateControl;

/// Which mode, and of which account: the first one unless another is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchDuplicates {
    pub(super) mode: DuplicateControl,
    #[serde(default)]
    pub(super) account_id: Option<u64>,
}

/// Switches duplicate control of an account. Returns whether it exists.
pub(crate) fn set_duplicate_control(
    app: &App,
    account_id: Option<u64>,
    mode: DuplicateControl,
) -> bool {
    let is_there = app.with_world(|world| {
        let mut accounts = world.accounts.iter_mut();
        let account = accounts.find(|it| account_id.is_none_or(|id| id == it.id));
        account.map(|account| account.duplicates = mode).is_some()
    });
    app.mark_changed();
    is_there
}
