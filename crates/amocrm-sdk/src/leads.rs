//! Leads ("deals" in the interface).
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/leads-api>.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::entity::{
    CardFields, Creatable, Create, Created, EntityTag, Get, HasId, LinkedCompany, LinkedContact,
    LinkedElement, List, Listable, Updatable, Update, UpdateMany, Updated, card_patch_setters,
    card_setters, entity, filter, quiet_debug, words,
};
use crate::fields::CustomFieldValues;
use crate::id::{
    AccountId, CompanyId, ContactId, LeadId, LossReasonId, PipelineId, SourceId, StatusId,
    UserGroupId, UserId, kind,
};

mod complex;

pub use self::complex::{ComplexLead, CreateComplex, CreatedComplex};

const PATH: &str = "/api/v4/leads";

/// The status "successfully closed": the same id in **every** pipeline.
pub const WON: StatusId = StatusId::new(142);

/// The status "closed and not realised": the same id in **every** pipeline.
pub const LOST: StatusId = StatusId::new(143);

/// Leads of an account: [`Client::leads`].
#[derive(Debug, Clone)]
pub struct Leads {
    client: Client,
}

impl Client {
    /// Leads ("deals" in the interface).
    pub fn leads(&self) -> Leads {
        Leads {
            client: self.clone(),
        }
    }
}

impl Leads {
    /// Reads leads, least recently changed first unless ordered otherwise.
    pub fn list(&self) -> List<Lead> {
        List::new(self.client.clone(), PATH)
    }

    /// Reads one lead.
    pub fn get(&self, id: LeadId) -> Get<Lead> {
        Get::new(self.client.clone(), format!("{PATH}/{id}"))
    }

    /// Adds leads.
    pub fn create(&self, leads: impl IntoIterator<Item = NewLead>) -> Create<Lead> {
        Create::new(self.client.clone(), PATH, leads)
    }

    /// Adds leads together with their contact and company: one request where three would be needed.
    pub fn create_complex(&self, leads: impl IntoIterator<Item = ComplexLead>) -> CreateComplex {
        CreateComplex::new(self.client.clone(), leads)
    }

    /// Changes one lead.
    pub fn update(&self, id: LeadId) -> Update<Lead> {
        Update::new(
            self.client.clone(),
            format!("{PATH}/{id}"),
            LeadPatch::new(id),
        )
    }

    /// Changes many leads.
    pub fn update_many(&self, patches: impl IntoIterator<Item = LeadPatch>) -> UpdateMany<Lead> {
        UpdateMany::new(self.client.clone(), PATH, patches)
    }
}

/// A lead as amoCRM tells it.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Lead {
    /// Its id.
    pub id: LeadId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Budget, in whole units of the account's currency.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub price: Option<i64>,
    /// Budget with its fraction, where the account has fractional budgets.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub price_with_minor_units: Option<f64>,
    /// The user who leads it.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub responsible_user_id: Option<UserId>,
    /// Group of that user.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub group_id: Option<UserGroupId>,
    /// Its status. Only together with the pipeline it names a stage: [`WON`] and [`LOST`] are in every pipeline.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub status_id: Option<StatusId>,
    /// Its pipeline.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub pipeline_id: Option<PipelineId>,
    /// Why it was lost.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub loss_reason_id: Option<LossReasonId>,
    /// Where it came from, with [`LeadWith::SourceId`].
    #[serde(default, deserialize_with = "de::opt_id")]
    pub source_id: Option<SourceId>,
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
    /// When it was closed; `None` while it is open.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub closed_at: Option<DateTime<Utc>>,
    /// When its next task is due.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub closest_task_at: Option<DateTime<Utc>>,
    /// Whether it is in the trash.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_deleted: bool,
    /// Its custom fields.
    #[serde(default, deserialize_with = "de::or_default")]
    pub custom_fields_values: CustomFieldValues,
    /// Its scoring.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub score: Option<i64>,
    /// Seconds of work spent on it.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub labor_cost: Option<i64>,
    /// Whether a robot changed the budget last, with [`LeadWith::IsPriceModifiedByRobot`].
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_price_modified_by_robot: Option<bool>,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// Tags, linked contacts and companies, and what [`LeadWith`] adds.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: LeadEmbedded,
}

impl Lead {
    /// The main contact, with [`LeadWith::Contacts`].
    pub fn main_contact(&self) -> Option<ContactId> {
        let contacts = &self.embedded.contacts;
        contacts
            .iter()
            .find(|contact| contact.is_main)
            .or(contacts.first())
            .map(|contact| contact.id)
    }
}

/// What is embedded in a lead.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LeadEmbedded {
    /// Always there.
    #[serde(deserialize_with = "de::list")]
    pub tags: Vec<EntityTag>,
    /// Always there; at most one.
    #[serde(deserialize_with = "de::list")]
    pub companies: Vec<LinkedCompany>,
    /// With [`LeadWith::Contacts`].
    #[serde(deserialize_with = "de::list")]
    pub contacts: Vec<LinkedContact>,
    /// With [`LeadWith::CatalogElements`].
    #[serde(deserialize_with = "de::list")]
    pub catalog_elements: Vec<LinkedElement>,
    /// With [`LeadWith::LossReason`]. The documentation shows one object, amoCRM answers with a list of one.
    #[serde(deserialize_with = "de::one_or_many")]
    pub loss_reason: Vec<LossReason>,
}

/// Why leads are lost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LossReason {
    /// Its id.
    pub id: LossReasonId,
    /// Its text.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
}

words! {
    /// What a list or a read of leads embeds on request.
    pub enum LeadWith {
        /// Linked contacts: [`LeadEmbedded::contacts`].
        Contacts = "contacts",
        /// Linked catalog elements: [`LeadEmbedded::catalog_elements`].
        CatalogElements = "catalog_elements",
        /// The loss reason: [`LeadEmbedded::loss_reason`].
        LossReason = "loss_reason",
        /// Whether a robot changed the budget: [`Lead::is_price_modified_by_robot`].
        IsPriceModifiedByRobot = "is_price_modified_by_robot",
        /// Lists only: the leads in the trash *instead of* the others.
        OnlyDeleted = "only_deleted",
        /// The source: [`Lead::source_id`].
        SourceId = "source_id",
    }
}

words! {
    /// What leads can be ordered by. amoCRM ignores anything else.
    pub enum LeadOrder {
        /// By time of creation.
        CreatedAt = "created_at",
        /// By time of the last change.
        UpdatedAt = "updated_at",
        /// By id.
        Id = "id",
    }
}

filter! {
    /// Which leads a list keeps.
    ///
    /// amoCRM ignores filters that it does not know and then gives the whole collection, which is why there are only
    /// these.
    pub struct LeadFilter {
        /// These leads.
        any ids "id": LeadId,
        /// Exactly these names.
        any names "name": String,
        /// A budget in this range.
        range price "price": i64,
        /// Any stage of these pipelines.
        any pipelines "pipeline_id": PipelineId,
        /// Led by these users.
        any responsible_users "responsible_user_id": UserId,
        /// Created by these users.
        any created_by "created_by": UserId,
        /// Last changed by these users.
        any updated_by "updated_by": UserId,
        /// Created in this period.
        period created_at "created_at": DateTime<Utc>,
        /// Changed in this period.
        period updated_at "updated_at": DateTime<Utc>,
        /// Closed in this period.
        period closed_at "closed_at": DateTime<Utc>,
        /// With the next task due in this period.
        period closest_task_at "closest_task_at": DateTime<Utc>,
    }
}

impl LeadFilter {
    /// In this pipeline.
    pub fn pipeline(self, pipeline: PipelineId) -> Self {
        self.pipelines([pipeline])
    }

    /// In this stage; again for an alternative.
    pub fn status(mut self, pipeline: PipelineId, status: StatusId) -> Self {
        let index = self.0.next_index("statuses");
        self.0
            .one(&format!("statuses][{index}][pipeline_id"), pipeline);
        self.0.one(&format!("statuses][{index}][status_id"), status);
        self
    }
}

impl Listable for Lead {
    type With = LeadWith;
    type Filter = LeadFilter;
    type Order = LeadOrder;
}

/// What may be written to a lead.
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
struct LeadFields {
    #[serde(flatten)]
    card: CardFields,
    price: Option<i64>,
    status_id: Option<StatusId>,
    pipeline_id: Option<PipelineId>,
    loss_reason_id: Option<LossReasonId>,
    #[serde(with = "de::opt_time")]
    closed_at: Option<DateTime<Utc>>,
}

macro_rules! lead_setters {
    () => {
        card_setters!();

        /// Sets the budget, in whole units of the account's currency.
        pub fn price(mut self, price: i64) -> Self {
            self.fields_mut().price = Some(price);
            self
        }

        /// Sets the status within the lead's pipeline. [`WON`](crate::leads::WON) and [`LOST`](crate::leads::LOST) close it in any.
        pub fn status(mut self, status: StatusId) -> Self {
            self.fields_mut().status_id = Some(status);
            self
        }

        /// Sets the pipeline; without a status a new lead gets its first stage.
        pub fn pipeline(mut self, pipeline: PipelineId) -> Self {
            self.fields_mut().pipeline_id = Some(pipeline);
            self
        }

        /// Sets the stage: pipeline and status together.
        pub fn stage(self, pipeline: PipelineId, status: StatusId) -> Self {
            self.pipeline(pipeline).status(status)
        }

        /// Says why it was lost. amoCRM accepts it only together with the status [`LOST`](crate::leads::LOST).
        pub fn loss_reason(mut self, reason: LossReasonId) -> Self {
            self.fields_mut().loss_reason_id = Some(reason);
            self
        }

        /// Sets when it was closed, for imports.
        pub fn closed_at(mut self, at: DateTime<Utc>) -> Self {
            self.fields_mut().closed_at = Some(at);
            self
        }
    };
}
use lead_setters;

/// A lead to be added. Nothing is required: amoCRM makes up the name, the stage and the responsible user.
#[derive(Clone, Default, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewLead {
    #[serde(flatten)]
    fields: LeadFields,
    #[serde(rename = "_embedded", skip_serializing_if = "NewEmbedded::is_empty")]
    embedded: NewEmbedded,
}

#[derive(Clone, Default, Serialize)]
struct NewEmbedded {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<NewContactLink>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    companies: Vec<NewCompanyLink>,
}

#[derive(Clone, Serialize)]
struct NewContactLink {
    id: ContactId,
    is_main: bool,
}

#[derive(Clone, Serialize)]
struct NewCompanyLink {
    id: CompanyId,
}

impl NewEmbedded {
    fn is_empty(&self) -> bool {
        self.contacts.is_empty() && self.companies.is_empty()
    }
}

impl NewLead {
    /// A lead with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    lead_setters!();

    /// Links an existing contact; the first one is the main one.
    pub fn contact(mut self, contact: ContactId) -> Self {
        let is_main = self.embedded.contacts.is_empty();
        self.embedded.contacts.push(NewContactLink {
            id: contact,
            is_main,
        });
        self
    }

    /// Links an existing company; a lead has at most one.
    pub fn company(mut self, company: CompanyId) -> Self {
        self.embedded.companies = vec![NewCompanyLink { id: company }];
        self
    }

    fn fields_mut(&mut self) -> &mut LeadFields {
        &mut self.fields
    }

    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.fields.card
    }
}

/// Changes to a lead: only what is set travels.
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct LeadPatch {
    #[serde(skip)]
    id: LeadId,
    #[serde(flatten)]
    fields: LeadFields,
}

impl LeadPatch {
    /// No changes yet.
    pub fn new(id: LeadId) -> Self {
        Self {
            id,
            fields: LeadFields::default(),
        }
    }

    lead_setters!();
    card_patch_setters!();

    fn fields_mut(&mut self) -> &mut LeadFields {
        &mut self.fields
    }

    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.fields.card
    }
}

impl HasId for LeadPatch {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl Update<Lead> {
    lead_setters!();
    card_patch_setters!();

    fn fields_mut(&mut self) -> &mut LeadFields {
        &mut self.patch_mut().fields
    }

    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.patch_mut().fields.card
    }
}

entity!(Lead: kind::Lead, "leads");
quiet_debug!(NewLead, LeadPatch);

impl Creatable for Lead {
    type New = NewLead;
    type Created = Created<Lead>;
}

impl Updatable for Lead {
    type Patch = LeadPatch;
    type Updated = Updated<Lead>;
}
