//! Customers are switched on, off and over.

use serde::Deserialize;

use crate::app::App;
use crate::world::CustomersMode;

/// Which mode, and of which account: the first one unless another is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchCustomers {
    pub(super) mode: CustomersMode,
    #[serde(default)]
    pub(super) account_id: Option<u64>,
}

/// Switches customers of an account. Returns whether it exists.
pub(crate) fn set_customers_mode(app: &App, account_id: Option<u64>, mode: CustomersMode) -> bool {
    let is_there = app.with_world(|world| {
        let mut accounts = world.accounts.iter_mut();
        let account = accounts.find(|it| account_id.is_none_or(|id| id == it.id));
        account
            .map(|account| account.set_customers_mode(mode))
            .is_some()
    });
    app.mark_changed();
    is_there
}
