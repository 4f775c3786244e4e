//! Leads ("deals" in the interface).
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/leads-api>.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::entity::{
    CardFields, Create, Get, HasCard, List, Update, UpdateMany, card, card_setters, filter, words,
};
use crate::fields::Number;
use crate::id::{CompanyId, ContactId, LeadId, LossReasonId, PipelineId, StatusId, UserId, kind};

mod complex;
mod lead;
mod origin;

pub use self::complex::{ComplexLead, CreateComplex, CreatedComplex};
pub use self::lead::{Lead, LeadEmbedded, LeadSource};
pub use self::origin::{Call, CallMetadata, FormMetadata};
use self::origin::{SourceInput, origin_setters};

/// The status "successfully closed": the same id in **every** pipeline.
pub const WON: StatusId = StatusId::new(142);

/// The status "closed and not realised": the same id in **every** pipeline.
pub const LOST: StatusId = StatusId::new(143);

impl Leads {
    /// Adds leads together with their contact and company: one request where three would be needed.
    pub fn create_complex(&self, leads: impl IntoIterator<Item = ComplexLead>) -> CreateComplex {
        CreateComplex::new(self.client.clone(), leads)
    }
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
        /// The id of the source: [`Lead::source_id`].
        SourceId = "source_id",
        /// The source: [`LeadEmbedded::source`].
        Source = "source",
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

/// What may be written to a lead.
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
struct LeadFields {
    #[serde(flatten)]
    card: CardFields,
    price: Option<Number>,
    status_id: Option<StatusId>,
    pipeline_id: Option<PipelineId>,
    loss_reason_id: Option<LossReasonId>,
    #[serde(with = "de::opt_time")]
    closed_at: Option<DateTime<Utc>>,
}

impl HasCard for LeadFields {
    fn card_mut(&mut self) -> &mut CardFields {
        &mut self.card
    }
}

macro_rules! lead_setters {
    () => {
        card_setters!();

        /// Sets the budget, in whole units of the account's currency.
        pub fn price(mut self, price: i64) -> Self {
            self.fields_mut().price = Some(price.into());
            self
        }

        /// Sets the budget with its fraction, where the account has fractional budgets:
        /// `.price_with_minor_units("1500.50".parse()?)`.
        pub fn price_with_minor_units(mut self, price: crate::fields::Number) -> Self {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    visitor_uid: Option<String>,
    #[serde(rename = "_embedded", skip_serializing_if = "NewEmbedded::is_empty")]
    embedded: NewEmbedded,
}

#[derive(Clone, Default, Serialize)]
struct NewEmbedded {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<NewContactLink>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    companies: Vec<NewCompanyLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceInput>,
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
        self.contacts.is_empty() && self.companies.is_empty() && self.source.is_none()
    }
}

impl NewLead {
    /// A lead with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    lead_setters!();
    origin_setters!();

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
}

card! {
    /// Leads ("deals" in the interface).
    pub struct Leads = leads of Lead: kind::Lead, LeadId, "leads";
    list LeadWith, LeadFilter, LeadOrder;
    write NewLead, LeadPatch, LeadFields, lead_setters
}
