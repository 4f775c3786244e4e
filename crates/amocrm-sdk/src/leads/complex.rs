//! A lead with its contact and company in one request.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::origin::{CallMetadata, FormMetadata, Metadata, SourceInput, origin_setters};
use super::{LeadFields, lead_setters};
use crate::client::Client;
use crate::companies::NewCompany;
use crate::contacts::NewContact;
use crate::de;
use crate::entity::{HasId, awaited, card_setters, create_in_batches, number_items, quiet_debug};
use crate::error::Result;
use crate::id::{CompanyId, ContactId, LeadId, LossReasonId, PipelineId, StatusId};
use crate::request::{Operation, Request, declare};

const CREATE: Operation = Operation::once("leads.create_complex");

const PATH: &str = "/api/v4/leads/complex";

/// Leads that amoCRM accepts in one such request.
///
/// Source: <https://www.amocrm.ru/developers/content/crm_platform/leads-api>.
const MAX_BATCH: usize = 50;

/// A lead to be added together with its contact and its company, new or existing.
///
/// amoCRM stores all of it or nothing, and links the contact and the company to the lead and to each other. It takes
/// up to 40 custom-field values for each of the three.
#[derive(Clone, Default, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct ComplexLead {
    #[serde(flatten)]
    fields: LeadFields,
    #[serde(skip_serializing_if = "Option::is_none")]
    visitor_uid: Option<String>,
    #[serde(rename = "_embedded")]
    embedded: Parts,
}

#[derive(Clone, Default, Serialize)]
struct Parts {
    // Lists of at most one.
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<[Part<ContactId, NewContact>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    companies: Option<[Part<CompanyId, NewCompany>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Part<I, N> {
    Existing { id: I },
    New(Box<N>),
}

impl ComplexLead {
    /// A lead with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    lead_setters!();
    origin_setters!();

    /// Makes it an incoming lead of a form: it waits in the pipeline's "unsorted" stage, whatever status is set.
    pub fn form(mut self, form: FormMetadata) -> Self {
        self.embedded.metadata = Some(Metadata::Forms(form));
        self
    }

    /// Makes it an incoming lead of a call, as [`form`](Self::form).
    pub fn call(mut self, call: impl Into<CallMetadata>) -> Self {
        self.embedded.metadata = Some(Metadata::Sip(call.into()));
        self
    }

    /// Its contact, which is created.
    pub fn new_contact(mut self, contact: NewContact) -> Self {
        self.embedded.contacts = Some([Part::New(Box::new(contact))]);
        self
    }

    /// Its contact, which exists.
    pub fn contact(mut self, id: ContactId) -> Self {
        self.embedded.contacts = Some([Part::Existing { id }]);
        self
    }

    /// Its company, which is created.
    pub fn new_company(mut self, company: NewCompany) -> Self {
        self.embedded.companies = Some([Part::New(Box::new(company))]);
        self
    }

    /// Its company, which exists.
    pub fn company(mut self, id: CompanyId) -> Self {
        self.embedded.companies = Some([Part::Existing { id }]);
        self
    }

    fn fields_mut(&mut self) -> &mut LeadFields {
        &mut self.fields
    }
}

quiet_debug!(ComplexLead);

/// What amoCRM stored for one [`ComplexLead`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CreatedComplex {
    /// The lead.
    #[serde(rename = "id")]
    pub lead_id: LeadId,
    /// Its contact.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub contact_id: Option<ContactId>,
    /// Its company.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub company_id: Option<CompanyId>,
    /// Whether the account's duplicate control folded it into something that was there.
    #[serde(default, deserialize_with = "de::flag")]
    pub merged: bool,
}

impl HasId for CreatedComplex {
    fn raw_id(&self) -> u64 {
        self.lead_id.get()
    }
}

/// Adds leads with their contacts and companies, 50 to a request: *n* in, *n* out, in the order of the input.
#[must_use = "nothing is created until it is awaited"]
pub struct CreateComplex {
    client: Client,
    leads: Vec<ComplexLead>,
}

impl CreateComplex {
    pub(super) fn new(client: Client, leads: impl IntoIterator<Item = ComplexLead>) -> Self {
        Self {
            client,
            leads: leads.into_iter().collect(),
        }
    }

    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when a value cannot be written.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        self.leads
            .chunks(MAX_BATCH)
            .map(|batch| Request::post(CREATE, PATH).json(&number_items(CREATE, batch)?))
            .collect()
    }

    async fn run(self) -> Result<Vec<CreatedComplex>> {
        let client = self.client.clone();
        let sizes: Vec<usize> = self.leads.chunks(MAX_BATCH).map(<[_]>::len).collect();
        // The one collection that answers with a bare list instead of HAL.
        create_in_batches(
            &client,
            CREATE,
            self.into_requests()?,
            sizes,
            |answers: Vec<_>| answers,
        )
        .await
    }
}

declare!(CreateComplex: CREATE);
awaited!(CreateComplex => Vec<CreatedComplex>);

impl fmt::Debug for CreateComplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateComplex")
            .field("leads", &self.leads.len())
            .finish_non_exhaustive()
    }
}
