//! Statuses of customers, in [`CustomersMode::Periodicity`](super::CustomersMode::Periodicity).
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/customers-statuses-api>.

use serde::Deserialize;
use serde_json::Value;

use crate::de;
use crate::entity::{Created, HasId, Never, input, resource};
use crate::id::{AccountId, CustomerStatusId, kind};
use crate::pipelines::StatusColor;

resource! {
    /// Statuses of customers: [`Customers::statuses`](super::Customers::statuses).
    pub struct CustomerStatuses of CustomerStatus: kind::CustomerStatus, "customers.statuses", key = "statuses";
    /// Reads the statuses. An account has at most 30.
    list_whole(with = Never, filter = Never, order = Never);
    /// Reads one status.
    get(CustomerStatusId);
    /// Adds statuses. Needs an administrator's token.
    create(NewCustomerStatus => Created<CustomerStatus>);
    /// Changes a status. Needs an administrator's token. amoCRM changes one at a time only.
    update(CustomerStatusId, CustomerStatusPatch => CustomerStatus);
    /// Removes a status; its customers move some time later. amoCRM's own statuses cannot be removed.
    delete(CustomerStatusId);
}

/// A status of customers as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CustomerStatus {
    /// Its id.
    pub id: CustomerStatusId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its place.
    #[serde(default, deserialize_with = "de::number")]
    pub sort: i64,
    /// Whether amoCRM has made it.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_default: bool,
    /// Its colour, with `#`.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub color: Option<String>,
    #[serde(rename = "type", default, deserialize_with = "de::number")]
    kind: i64,
    /// When customers enter it by themselves, as amoCRM tells it.
    #[serde(default)]
    pub conditions: Value,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
}

/// What a status says of its customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CustomerStatusType {
    /// Nothing: it is the account's own.
    Normal,
    /// A purchase is expected. The vendor's table says so; its sample says the number of [`Closed`](Self::Closed).
    Expected,
    /// They did not buy.
    NotBought,
    /// They do not buy any more.
    Closed,
    /// They have bought recently.
    RecentlyBought,
    /// A number this version of the SDK does not know.
    Unknown(i64),
}

impl CustomerStatus {
    /// What it says of its customers.
    pub fn status_type(&self) -> CustomerStatusType {
        match self.kind {
            0 => CustomerStatusType::Normal,
            1 => CustomerStatusType::Expected,
            2 => CustomerStatusType::NotBought,
            3 => CustomerStatusType::Closed,
            4 => CustomerStatusType::RecentlyBought,
            other => CustomerStatusType::Unknown(other),
        }
    }
}

impl HasId for CustomerStatus {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

input! {
    /// A status to be added.
    pub struct NewCustomerStatus(name: impl Into<String>, sort: i64);
    /// Changes to a status: only what is set travels.
    pub struct CustomerStatusPatch(CustomerStatusId) of CustomerStatus;
    fields CustomerStatusFields;
    both {
        /// Sets the name.
        text name "name";
        /// Sets its place.
        set sort "sort": i64;
        /// Sets the colour, one of those that statuses of leads have.
        set color "color": StatusColor;
    }
    new {}
    patch {}
}
