//! Companies.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/companies-api>.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::entity::{
    CardFields, Creatable, Create, Created, EntityTag, Get, HasId, LinkedContact, LinkedCustomer,
    LinkedElement, LinkedLead, List, Listable, Updatable, Update, UpdateMany, Updated,
    card_patch_setters, card_setters, entity, filter, quiet_debug, words,
};
use crate::fields::CustomFieldValues;
use crate::id::{AccountId, CompanyId, UserGroupId, UserId, kind};

const PATH: &str = "/api/v4/companies";

/// Companies of an account: [`Client::companies`].
#[derive(Debug, Clone)]
pub struct Companies {
    client: Client,
}

impl Client {
    /// Companies.
    pub fn companies(&self) -> Companies {
        Companies {
            client: self.clone(),
        }
    }
}

impl Companies {
    /// Reads companies, least recently changed first unless ordered otherwise.
    pub fn list(&self) -> List<Company> {
        List::new(self.client.clone(), PATH)
    }

    /// Reads one company.
    pub fn get(&self, id: CompanyId) -> Get<Company> {
        Get::new(self.client.clone(), format!("{PATH}/{id}"))
    }

    /// Adds companies. amoCRM does not look for duplicates here.
    pub fn create(&self, companies: impl IntoIterator<Item = NewCompany>) -> Create<Company> {
        Create::new(self.client.clone(), PATH, companies)
    }

    /// Changes one company.
    pub fn update(&self, id: CompanyId) -> Update<Company> {
        Update::new(
            self.client.clone(),
            format!("{PATH}/{id}"),
            CompanyPatch::new(id),
        )
    }

    /// Changes many companies.
    pub fn update_many(
        &self,
        patches: impl IntoIterator<Item = CompanyPatch>,
    ) -> UpdateMany<Company> {
        UpdateMany::new(self.client.clone(), PATH, patches)
    }
}

/// A company as amoCRM tells it.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Company {
    /// Its id.
    pub id: CompanyId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// The responsible user.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub responsible_user_id: Option<UserId>,
    /// Group of that user.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub group_id: Option<UserGroupId>,
    /// Who created it; `0` is a robot.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub created_by: Option<UserId>,
    /// Who changed it last; `0` is a robot.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub updated_by: Option<UserId>,
    /// When it was created.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// When its next task is due.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub closest_task_at: Option<DateTime<Utc>>,
    /// Whether it is in the trash. Lists of the trash say `false` all the same.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_deleted: bool,
    /// Its custom fields.
    #[serde(default, deserialize_with = "de::or_default")]
    pub custom_fields_values: CustomFieldValues,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// Tags, and what [`CompanyWith`] adds.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: CompanyEmbedded,
}

/// What is embedded in a company.
#[derive(Debug, Clone, Default, Deserialize)]
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

impl Listable for Company {
    type With = CompanyWith;
    type Filter = CompanyFilter;
    type Order = CompanyOrder;
}

/// A company to be added. Nothing is required.
#[derive(Clone, Default, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewCompany {
    #[serde(flatten)]
    card: CardFields,
}

impl NewCompany {
    /// A company with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    card_setters!();

    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.card
    }
}

/// Changes to a company: only what is set travels.
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct CompanyPatch {
    #[serde(skip)]
    id: CompanyId,
    #[serde(flatten)]
    card: CardFields,
}

impl CompanyPatch {
    /// No changes yet.
    pub fn new(id: CompanyId) -> Self {
        Self {
            id,
            card: CardFields::default(),
        }
    }

    card_setters!();
    card_patch_setters!();

    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.card
    }
}

impl HasId for CompanyPatch {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl Update<Company> {
    card_setters!();
    card_patch_setters!();

    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.patch_mut().card
    }
}

entity!(Company: kind::Company, "companies");
quiet_debug!(NewCompany, CompanyPatch);

impl Creatable for Company {
    type New = NewCompany;
    type Created = Created<Company>;
}

impl Updatable for Company {
    type Patch = CompanyPatch;
    type Updated = Updated<Company>;
}
