//! Companies.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/companies-api>.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::entity::{
    CardFields, Create, EntityTag, Get, LinkedContact, LinkedCustomer, LinkedElement, LinkedLead,
    List, Update, UpdateMany, card, card_model, card_setters, filter, words,
};
use crate::id::{CompanyId, UserId, kind};

card_model! {
    /// A company as amoCRM tells it. `Debug` shows ids and times only.
    pub struct Company(CompanyId, CompanyEmbedded) {
        /// Whether it belongs to an incoming lead that nobody has accepted yet.
        #[serde(default, deserialize_with = "de::flag")]
        pub is_unsorted: bool,
    }
    shown is_unsorted
}

/// What is embedded in a company.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CompanyEmbedded {
    /// Always there.
    #[serde(deserialize_with = "de::list")]
    pub tags: Vec<EntityTag>,
    /// With [`CompanyWith::Contacts`].
    #[serde(deserialize_with = "de::list")]
    pub contacts: Vec<LinkedContact>,
    /// With [`CompanyWith::Leads`].
    #[serde(deserialize_with = "de::list")]
    pub leads: Vec<LinkedLead>,
    /// With [`CompanyWith::Customers`].
    #[serde(deserialize_with = "de::list")]
    pub customers: Vec<LinkedCustomer>,
    /// With [`CompanyWith::CatalogElements`].
    #[serde(deserialize_with = "de::list")]
    pub catalog_elements: Vec<LinkedElement>,
}

words! {
    /// What a list or a read of companies embeds on request.
    pub enum CompanyWith {
        /// Linked contacts: [`CompanyEmbedded::contacts`].
        Contacts = "contacts",
        /// Linked leads: [`CompanyEmbedded::leads`].
        Leads = "leads",
        /// Linked customers: [`CompanyEmbedded::customers`].
        Customers = "customers",
        /// Linked catalog elements: [`CompanyEmbedded::catalog_elements`].
        CatalogElements = "catalog_elements",
        /// Lists only: the companies in the trash *instead of* the others.
        OnlyDeleted = "only_deleted",
    }
}

words! {
    /// What companies can be ordered by. amoCRM ignores anything else, the time of creation too.
    pub enum CompanyOrder {
        /// By time of the last change.
        UpdatedAt = "updated_at",
        /// By id.
        Id = "id",
        /// By name; works, though not documented.
        Name = "name",
    }
}

filter! {
    /// Which companies a list keeps.
    pub struct CompanyFilter {
        /// These companies.
        any ids "id": CompanyId,
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
    }
}

/// A company to be added. Nothing is required.
#[derive(Clone, Default, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewCompany {
    #[serde(flatten)]
    fields: CardFields,
}

impl NewCompany {
    /// A company with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    card_setters!();

    fn fields_mut(&mut self) -> &mut CardFields {
        &mut self.fields
    }
}

card! {
    /// Companies.
    pub struct Companies = companies of Company: kind::Company, CompanyId, "companies";
    list CompanyWith, CompanyFilter, CompanyOrder;
    write NewCompany, CompanyPatch, CardFields, card_setters
}
