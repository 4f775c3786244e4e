//! Adding incoming leads.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::{Unsorted, UnsortedEmbedded, UnsortedUid};
use crate::client::Client;
use crate::companies::NewCompany;
use crate::contacts::NewContact;
use crate::de;
use crate::entity::{Entity, Envelope, HasId, MAX_BATCH, awaited, create_in_batches, number_items};
use crate::error::Result;
use crate::id::{AccountId, PipelineId};
use crate::leads::{CallMetadata, FormMetadata, NewLead};
use crate::request::{Request, declare};

/// An incoming lead to be added: from a form ([`FormMetadata`]) or a call ([`CallMetadata`]).
///
/// amoCRM does not recognise one that came before: it adds the same `source_uid` again.
#[skip_serializing_none]
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewUnsorted<M> {
    source_uid: String,
    source_name: String,
    metadata: M,
    pipeline_id: Option<PipelineId>,
    #[serde(with = "de::opt_time")]
    created_at: Option<DateTime<Utc>>,
    #[serde(rename = "_embedded")]
    embedded: Parts,
}

/// amoCRM takes one of each, in lists.
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
struct Parts {
    leads: Option<[Box<NewLead>; 1]>,
    contacts: Option<[Box<NewContact>; 1]>,
    companies: Option<[Box<NewCompany>; 1]>,
}

impl<M> NewUnsorted<M> {
    /// With its id and name on the side it comes from. The name becomes the lead's, if that has none.
    pub fn new(
        source_uid: impl Into<String>,
        source_name: impl Into<String>,
        metadata: impl Into<M>,
    ) -> Self {
        Self {
            source_uid: source_uid.into(),
            source_name: source_name.into(),
            metadata: metadata.into(),
            pipeline_id: None,
            created_at: None,
            embedded: Parts::default(),
        }
    }

    /// Sets the pipeline; without it: the main one. It must take incoming leads.
    pub fn pipeline(mut self, pipeline: PipelineId) -> Self {
        self.pipeline_id = Some(pipeline);
        self
    }

    /// Sets when it came, for imports.
    pub fn created_at(mut self, at: DateTime<Utc>) -> Self {
        self.created_at = Some(at);
        self
    }

    /// Says what its lead is like.
    pub fn lead(mut self, lead: NewLead) -> Self {
        self.embedded.leads = Some([Box::new(lead)]);
        self
    }

    /// Says who it is from.
    pub fn contact(mut self, contact: NewContact) -> Self {
        self.embedded.contacts = Some([Box::new(contact)]);
        self
    }

    /// Says which company it is from.
    pub fn company(mut self, company: NewCompany) -> Self {
        self.embedded.companies = Some([Box::new(company)]);
        self
    }
}

impl<M> fmt::Debug for NewUnsorted<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUnsorted").finish_non_exhaustive()
    }
}

/// What amoCRM tells of an incoming lead it has just stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CreatedUnsorted {
    /// What the operations know it by.
    pub uid: UnsortedUid,
    /// The account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// What was made of it: its lead, hidden until it is accepted, and perhaps a contact and a company.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: UnsortedEmbedded,
}

/// It has no number of its own: that of its lead.
impl HasId for CreatedUnsorted {
    fn raw_id(&self) -> u64 {
        self.embedded.leads.first().map_or(0, |lead| lead.id.get())
    }
}

/// Adds incoming leads: *n* in, *n* out, in the order of the input.
///
/// If a later request of several fails, [`Error::created_ids`](crate::Error::created_ids) has the **leads** of what the
/// earlier ones added.
#[must_use = "nothing is added until it is awaited"]
pub struct CreateUnsorted<M> {
    client: Client,
    path: String,
    leads: Vec<NewUnsorted<M>>,
}

declare!(CreateUnsorted<FormMetadata>: Unsorted::CREATE);

impl<M: Serialize> CreateUnsorted<M> {
    pub(super) fn new(
        client: Client,
        path: String,
        leads: impl IntoIterator<Item = NewUnsorted<M>>,
    ) -> Self {
        Self {
            client,
            path,
            leads: leads.into_iter().collect(),
        }
    }

    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when an item cannot be written as JSON.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        let operation = Unsorted::CREATE;
        self.leads
            .chunks(MAX_BATCH)
            .map(|batch| {
                Request::post(operation, &self.path).json(&number_items(operation, batch)?)
            })
            .collect()
    }

    async fn run(self) -> Result<Vec<CreatedUnsorted>> {
        let client = self.client.clone();
        let sizes: Vec<usize> = self.leads.chunks(MAX_BATCH).map(<[_]>::len).collect();
        let requests = self.into_requests()?;
        let items = Envelope::<Unsorted, _>::into_items;
        create_in_batches(&client, Unsorted::CREATE, requests, sizes, items).await
    }
}

awaited!(CreateUnsorted<FormMetadata> => Vec<CreatedUnsorted>);
awaited!(CreateUnsorted<CallMetadata> => Vec<CreatedUnsorted>);

impl<M> fmt::Debug for CreateUnsorted<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateUnsorted")
            .field("path", &self.path)
            .field("leads", &self.leads.len())
            .finish_non_exhaustive()
    }
}
