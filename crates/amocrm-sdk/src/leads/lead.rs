//! A lead as amoCRM tells it.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::de;
use crate::entity::{EntityTag, LinkedCompany, LinkedContact, LinkedElement, card_model};
use crate::id::{ContactId, LeadId, LossReasonId, PipelineId, SourceId, StatusId};
use crate::loss_reasons::LossReason;

card_model! {
    /// A lead as amoCRM tells it. `Debug` shows ids and times only.
    pub struct Lead(LeadId, LeadEmbedded) {
        /// Budget, in whole units of the account's currency; a fraction is cut off.
        #[serde(default, deserialize_with = "de::opt_number")]
        pub price: Option<i64>,
        /// Budget with its fraction, where the account has fractional budgets.
        #[serde(default, deserialize_with = "de::opt_number")]
        pub price_with_minor_units: Option<f64>,
        /// Its status. Only together with the pipeline it names a stage: [`WON`](super::WON) and [`LOST`](super::LOST)
        /// are in every pipeline.
        #[serde(default, deserialize_with = "de::opt_id")]
        pub status_id: Option<StatusId>,
        /// Its pipeline.
        #[serde(default, deserialize_with = "de::opt_id")]
        pub pipeline_id: Option<PipelineId>,
        /// Why it was lost.
        #[serde(default, deserialize_with = "de::opt_id")]
        pub loss_reason_id: Option<LossReasonId>,
        /// Where it came from, with [`LeadWith::SourceId`](super::LeadWith::SourceId).
        #[serde(default, deserialize_with = "de::opt_id")]
        pub source_id: Option<SourceId>,
        /// When it was closed; `None` while it is open.
        #[serde(default, deserialize_with = "de::opt_time::deserialize")]
        pub closed_at: Option<DateTime<Utc>>,
        /// Its scoring.
        #[serde(default, deserialize_with = "de::opt_number")]
        pub score: Option<i64>,
        /// Seconds of work spent on it.
        #[serde(default, deserialize_with = "de::opt_number")]
        pub labor_cost: Option<i64>,
        /// Whether amoCRM computes the budget.
        #[serde(default, deserialize_with = "de::opt_flag")]
        pub is_price_computed: Option<bool>,
        /// Whether a robot changed the budget last, with
        /// [`LeadWith::IsPriceModifiedByRobot`](super::LeadWith::IsPriceModifiedByRobot).
        #[serde(default, deserialize_with = "de::opt_flag")]
        pub is_price_modified_by_robot: Option<bool>,
    }
    shown pipeline_id, status_id, closed_at
}

impl Lead {
    /// The main contact, with [`LeadWith::Contacts`](super::LeadWith::Contacts).
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
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LeadEmbedded {
    /// Always there.
    #[serde(deserialize_with = "de::list")]
    pub tags: Vec<EntityTag>,
    /// Always there; at most one.
    #[serde(deserialize_with = "de::list")]
    pub companies: Vec<LinkedCompany>,
    /// With [`LeadWith::Contacts`](super::LeadWith::Contacts).
    #[serde(deserialize_with = "de::list")]
    pub contacts: Vec<LinkedContact>,
    /// With [`LeadWith::CatalogElements`](super::LeadWith::CatalogElements).
    #[serde(deserialize_with = "de::list")]
    pub catalog_elements: Vec<LinkedElement>,
    /// With [`LeadWith::LossReason`](super::LeadWith::LossReason). The documentation shows one object, amoCRM answers
    /// with a list of one.
    #[serde(deserialize_with = "de::one_or_many")]
    pub loss_reason: Vec<LossReason>,
    /// With [`LeadWith::Source`](super::LeadWith::Source).
    #[serde(deserialize_with = "de::opt_object")]
    pub source: Option<LeadSource>,
}

/// Where a lead came from: a source that an integration has set up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LeadSource {
    /// Its id.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub id: Option<SourceId>,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its id on the integration's side.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub external_id: Option<String>,
}
