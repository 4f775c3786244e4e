//! Customers: who buys again, with statuses, segments, purchases and bonus points.
//!
//! An account has customers in one of two modes ([`CustomersMode`]): with *periodicity* they stand in statuses and are due at
//! a date, with *segments* they are grouped. While the feature is off, amoCRM refuses every call of this module.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/customers-api>.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{
    CardFields, Create, EntityTag, Get, HasCard, LinkedCompany, LinkedContact, LinkedElement, List,
    Update, UpdateMany, awaited, card, card_model, card_setters, filter, words,
};
use crate::error::Result;
use crate::id::{CustomerId, CustomerStatusId, SegmentId, UserId, kind};
use crate::request::{Operation, Request, declare};

mod bonus;
mod segments;
mod statuses;
mod transactions;

pub use self::bonus::{BonusPoints, ChangeBonusPoints};
pub use self::segments::{
    CreateSegment, NewSegment, Segment, SegmentColor, SegmentPatch, Segments,
};
pub use self::statuses::{
    CustomerStatus, CustomerStatusPatch, CustomerStatusType, CustomerStatuses, NewCustomerStatus,
};
pub use self::transactions::{
    CreatedTransaction, CustomerTransactions, NewTransaction, PurchasedElement, Transaction,
    TransactionEmbedded, TransactionFilter, Transactions,
};

const SET_MODE: Operation = Operation::idempotent("customers.set_mode");

impl Customers {
    /// Switches customers on or off, and says how they are organised. Needs an administrator's token.
    pub fn set_mode(&self, mode: CustomersMode, is_enabled: bool) -> SetCustomersMode {
        SetCustomersMode {
            client: self.client.clone(),
            state: CustomersState { mode, is_enabled },
        }
    }

    /// Statuses of customers. They exist in [`CustomersMode::Periodicity`].
    pub fn statuses(&self) -> CustomerStatuses {
        CustomerStatuses::at(&self.client, "/api/v4/customers/statuses")
    }

    /// Segments of customers. They exist in [`CustomersMode::Segments`].
    pub fn segments(&self) -> Segments {
        Segments::at(&self.client, "/api/v4/customers/segments")
    }

    /// Purchases of all customers.
    pub fn transactions(&self) -> Transactions {
        Transactions::at(&self.client, "/api/v4/customers/transactions")
    }

    /// Purchases of one customer.
    pub fn transactions_of(&self, customer: CustomerId) -> CustomerTransactions {
        CustomerTransactions::new(
            self.client.clone(),
            format!("{}/{customer}/transactions", Self::PATH),
        )
    }

    /// Bonus points of one customer.
    pub fn bonus_points(&self, customer: CustomerId) -> BonusPoints {
        BonusPoints::new(
            self.client.clone(),
            format!("{}/{customer}/bonus_points", Self::PATH),
        )
    }
}

open_enum! {
    /// How an account has customers.
    pub enum CustomersMode {
        /// In segments.
        Segments = "segments",
        /// In statuses, due again after some days.
        Periodicity = "periodicity",
        /// As with periodicity, in old accounts.
        Dynamic = "dynamic",
        /// The feature is switched off.
        Disabled = "disabled",
        /// The tariff does not have it.
        Unavailable = "unavailable",
    }
}

/// Whether an account has customers, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CustomersState {
    /// How they are organised.
    pub mode: CustomersMode,
    /// Whether the feature is on.
    #[serde(deserialize_with = "de::flag")]
    pub is_enabled: bool,
}

/// Switches customers on or off; awaiting gives the state as amoCRM has it then.
#[derive(Debug, Clone)]
#[must_use = "nothing is switched until it is awaited"]
pub struct SetCustomersMode {
    client: Client,
    state: CustomersState,
}

declare!(SetCustomersMode: SET_MODE);

impl SetCustomersMode {
    /// The request.
    ///
    /// # Errors
    ///
    /// None in practice: the state can always be written.
    pub fn into_request(self) -> Result<Request> {
        Request::patch(SET_MODE, "/api/v4/customers/mode").json(&self.state)
    }

    async fn run(self) -> Result<CustomersState> {
        let client = self.client.clone();
        client.expect(self.into_request()?).await
    }
}

awaited!(SetCustomersMode => CustomersState);

card_model! {
    /// A customer as amoCRM tells it. `Debug` shows ids and times only.
    pub struct Customer(CustomerId, CustomerEmbedded) {
        /// What the next purchase is expected to bring, in whole units of the account's currency.
        #[serde(default, deserialize_with = "de::opt_number")]
        pub next_price: Option<i64>,
        /// When the next purchase is expected.
        #[serde(default, deserialize_with = "de::opt_time::deserialize")]
        pub next_date: Option<DateTime<Utc>>,
        /// Its status, in [`CustomersMode::Periodicity`].
        #[serde(default, deserialize_with = "de::opt_id")]
        pub status_id: Option<CustomerStatusId>,
        /// Days from purchase to purchase.
        #[serde(default, deserialize_with = "de::opt_number")]
        pub periodicity: Option<i64>,
        /// What all purchases have brought.
        #[serde(default, deserialize_with = "de::opt_number")]
        pub ltv: Option<i64>,
        /// How many purchases there are.
        #[serde(default, deserialize_with = "de::opt_number")]
        pub purchases_count: Option<i64>,
        /// What a purchase has brought on the average.
        #[serde(default, deserialize_with = "de::opt_number")]
        pub average_check: Option<i64>,
    }
    shown status_id, next_date
}

/// What is embedded in a customer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CustomerEmbedded {
    /// Always there.
    #[serde(deserialize_with = "de::list")]
    pub tags: Vec<EntityTag>,
    /// Always there.
    #[serde(deserialize_with = "de::list")]
    pub segments: Vec<LinkedSegment>,
    /// With [`CustomerWith::Contacts`].
    #[serde(deserialize_with = "de::list")]
    pub contacts: Vec<LinkedContact>,
    /// With [`CustomerWith::Companies`]; at most one.
    #[serde(deserialize_with = "de::list")]
    pub companies: Vec<LinkedCompany>,
    /// With [`CustomerWith::CatalogElements`].
    #[serde(deserialize_with = "de::list")]
    pub catalog_elements: Vec<LinkedElement>,
}

/// A segment that a customer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LinkedSegment {
    /// Its id.
    pub id: SegmentId,
}

words! {
    /// What a list or a read of customers embeds on request.
    pub enum CustomerWith {
        /// Linked contacts: [`CustomerEmbedded::contacts`].
        Contacts = "contacts",
        /// The linked company: [`CustomerEmbedded::companies`].
        Companies = "companies",
        /// Linked catalog elements: [`CustomerEmbedded::catalog_elements`].
        CatalogElements = "catalog_elements",
        /// The group of the responsible user: [`Customer::group_id`].
        GroupId = "group_id",
    }
}

words! {
    /// What customers can be ordered by.
    pub enum CustomerOrder {
        /// By time of the last change.
        UpdatedAt = "updated_at",
        /// By id.
        Id = "id",
    }
}

filter! {
    /// Which customers a list keeps.
    pub struct CustomerFilter {
        /// These customers.
        any ids "id": CustomerId,
        /// Exactly these names.
        any names "name": String,
        /// With these responsible users.
        any responsible_users "responsible_user_id": UserId,
        /// Created by these users.
        any created_by "created_by": UserId,
        /// Last changed by these users.
        any updated_by "updated_by": UserId,
        /// Created in this period.
        period created_at "created_at": DateTime<Utc>,
        /// Changed in this period.
        period updated_at "updated_at": DateTime<Utc>,
        /// With the next task due in this period.
        period closest_task_at "closest_task_at": DateTime<Utc>,
        /// Expected to buy again in this period. Only one of the vendor's two sites names this condition, and amoCRM ignores
        /// those it does not know: check what comes back.
        period next_date "next_date": DateTime<Utc>,
    }
}

/// What may be written to a customer.
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
struct CustomerFields {
    #[serde(flatten)]
    card: CardFields,
    next_price: Option<i64>,
    #[serde(with = "de::opt_time")]
    next_date: Option<DateTime<Utc>>,
    status_id: Option<CustomerStatusId>,
    periodicity: Option<u32>,
}

impl HasCard for CustomerFields {
    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.card
    }
}

macro_rules! customer_setters {
    () => {
        card_setters!();

        /// Sets what the next purchase is expected to bring, in whole units of the account's currency.
        pub fn next_price(mut self, price: i64) -> Self {
            self.fields_mut().next_price = Some(price);
            self
        }

        /// Sets when the next purchase is expected. amoCRM requires it of new customers in
        /// [`CustomersMode::Periodicity`].
        pub fn next_date(mut self, at: DateTime<Utc>) -> Self {
            self.fields_mut().next_date = Some(at);
            self
        }

        /// Sets the status, in [`CustomersMode::Periodicity`].
        pub fn status(mut self, status: CustomerStatusId) -> Self {
            self.fields_mut().status_id = Some(status);
            self
        }

        /// Sets the days from purchase to purchase.
        pub fn periodicity(mut self, days: u32) -> Self {
            self.fields_mut().periodicity = Some(days);
            self
        }

        /// Puts the customer into segments. Those named here are **all** its segments then.
        pub fn segments(mut self, segments: impl IntoIterator<Item = SegmentId>) -> Self {
            self.card_mut().add_segments(segments);
            self
        }
    };
}

/// A customer to be added.
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewCustomer {
    #[serde(flatten)]
    fields: CustomerFields,
}

impl NewCustomer {
    /// A customer of this name.
    pub fn new(name: impl Into<String>) -> Self {
        let fields = CustomerFields::default();
        Self { fields }.name(name)
    }

    customer_setters!();

    fn fields_mut(&mut self) -> &mut CustomerFields {
        &mut self.fields
    }
}

card! {
    /// Customers: [`Client::customers`].
    pub struct Customers = customers of Customer: kind::Customer, CustomerId, "customers";
    list CustomerWith, CustomerFilter, CustomerOrder;
    write NewCustomer, CustomerPatch, CustomerFields, customer_setters
}
