//! Purchases of customers.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/customers-transactions-api>.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::entity::{
    Creatable, Create, Entity, Get, HasId, LinkedCustomer, LinkedElement, List, Never, Remove,
    filter, input, resource,
};
use crate::id::{AccountId, CatalogElementId, CatalogId, CustomerId, TransactionId, UserId, kind};
use crate::request::declare;

resource! {
    /// Purchases of all customers: [`Customers::transactions`](super::Customers::transactions). They are added to a customer:
    /// [`CustomerTransactions::create`].
    pub struct Transactions of Transaction: kind::Transaction, "customers.transactions", key = "transactions";
    /// Reads purchases.
    list(with = Never, filter = TransactionFilter, order = Never);
    /// Reads one purchase.
    get(TransactionId);
    /// Removes a purchase. amoCRM cannot change one.
    delete(TransactionId);
}

/// Purchases of one customer: [`Customers::transactions_of`](super::Customers::transactions_of).
#[derive(Debug, Clone)]
pub struct CustomerTransactions {
    client: Client,
    path: String,
}

declare!(CustomerTransactions: Transaction::CREATE);

impl CustomerTransactions {
    pub(super) fn new(client: Client, path: String) -> Self {
        Self { client, path }
    }

    /// Reads the customer's purchases.
    pub fn list(&self) -> List<Transaction> {
        List::new(self.client.clone(), &*self.path)
    }

    /// Reads one purchase.
    pub fn get(&self, id: TransactionId) -> Get<Transaction> {
        Get::new(self.client.clone(), format!("{}/{id}", self.path))
    }

    /// Adds purchases.
    pub fn create(
        &self,
        purchases: impl IntoIterator<Item = NewTransaction>,
    ) -> Create<Transaction> {
        Create::new(self.client.clone(), &*self.path, purchases)
    }

    /// Removes a purchase. amoCRM cannot change one.
    pub fn delete(&self, id: TransactionId) -> Remove {
        let path = format!("{}/{id}", self.path);
        Remove::new(self.client.clone(), Transaction::DELETE, path)
    }
}

impl Create<Transaction> {
    /// Whether the customer gets bonus points for it. amoCRM documents it only in its own client.
    pub fn accrue_bonus(self, accrue: bool) -> Self {
        self.query("accrue_bonus", accrue.to_string())
    }
}

impl Creatable for Transaction {
    type New = NewTransaction;
    type Created = CreatedTransaction;
}

/// A purchase as amoCRM tells it. `Debug` does not show the comment.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// The comment.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub comment: Option<String>,
    /// What it brought, in whole units of the account's currency.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub price: Option<i64>,
    /// When it was.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub completed_at: Option<DateTime<Utc>>,
    /// Whose it is.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub customer_id: Option<CustomerId>,
    /// Who created it; `0` is a robot.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub created_by: Option<UserId>,
    /// Who changed it last; `0` is a robot.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub updated_by: Option<UserId>,
    /// When it was created.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Whether it was removed.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_deleted: bool,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// What was bought.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: TransactionEmbedded,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("id", &self.id)
            .field("customer_id", &self.customer_id)
            .field("completed_at", &self.completed_at)
            .finish_non_exhaustive()
    }
}

/// What is embedded in a purchase.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TransactionEmbedded {
    /// Whose it is.
    #[serde(deserialize_with = "de::opt_object")]
    pub customer: Option<LinkedCustomer>,
    /// What was bought.
    #[serde(deserialize_with = "de::list")]
    pub catalog_elements: Vec<LinkedElement>,
}

/// What amoCRM tells of a purchase it has just stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CreatedTransaction {
    /// Its id.
    pub id: TransactionId,
    /// Whose it is.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub customer_id: Option<CustomerId>,
}

impl HasId for CreatedTransaction {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

filter! {
    /// Which purchases a list keeps.
    pub struct TransactionFilter {
        /// These purchases.
        any ids "id": TransactionId,
    }
}

/// A catalog element that was bought, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct PurchasedElement {
    id: CatalogElementId,
    metadata: PurchaseMetadata,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct PurchaseMetadata {
    catalog_id: CatalogId,
    quantity: f64,
}

impl PurchasedElement {
    /// So many of an element of a catalog; fractions are allowed.
    pub fn new(catalog: CatalogId, element: CatalogElementId, quantity: f64) -> Self {
        Self {
            id: element,
            metadata: PurchaseMetadata {
                catalog_id: catalog,
                quantity,
            },
        }
    }
}

#[derive(Clone, Default, Serialize)]
struct NewEmbedded {
    catalog_elements: Vec<PurchasedElement>,
}

/// Where the purchase is known elsewhere.
#[serde_with::skip_serializing_none]
#[derive(Clone, Default, Serialize)]
struct Receipt {
    receipt_link: Option<String>,
    external_id: Option<String>,
}

input! {
    /// A purchase to be added.
    pub struct NewTransaction(price: i64);
    fields TransactionFields;
    both {}
    new {
        /// Sets what it brought, in whole units of the account's currency.
        set price "price": i64;
        /// Sets the comment.
        text comment "comment";
        /// Sets when it was.
        time completed_at "completed_at";
        /// Sets what the customer's next purchase is expected to bring.
        set next_price "next_price": i64;
        /// Sets when the customer's next purchase is expected.
        time next_date "next_date";
        /// Sets who created it; `0` is a robot.
        set created_by "created_by": UserId;
        part embedded "_embedded": NewEmbedded;
        part metadata "metadata": Receipt;
    }
    patch {}
    also {
        /// Says what was bought.
        pub fn elements(mut self, elements: impl IntoIterator<Item = PurchasedElement>) -> Self {
            let embedded = self.fields_mut().embedded.get_or_insert_default();
            embedded.catalog_elements.extend(elements);
            self
        }

        /// Sets the address of the receipt.
        pub fn receipt_link(mut self, link: impl Into<String>) -> Self {
            self.fields_mut().metadata.get_or_insert_default().receipt_link = Some(link.into());
            self
        }

        /// Sets its id in another system.
        pub fn external_id(mut self, id: impl Into<String>) -> Self {
            self.fields_mut().metadata.get_or_insert_default().external_id = Some(id.into());
            self
        }
    }
}
