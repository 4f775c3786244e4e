//! Sources of leads: where an integration's leads come from.
//!
//! An integration sees and changes its own sources only, at most 100; it needs an uploaded widget with the location
//! `lead_sources`, and external integrations have none.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/sources-api>.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{HasId, Never, awaited, filter, input, resource};
use crate::error::Result;
use crate::id::{PipelineId, SourceId, kind};
use crate::request::{Operation, Request, declare};

/// Sources of one request.
const MAX_SOURCES: usize = 50;

const DELETE_MANY: Operation = Operation::idempotent("sources.delete_many");

resource! {
    /// Sources of the integration: [`Client::sources`].
    pub struct Sources of Source: kind::Source, "sources";
    /// Reads the sources.
    list_whole(with = Never, filter = SourceFilter, order = Never);
    /// Reads one source.
    get(SourceId);
    /// Adds sources.
    create(NewSource => Source, batch = 50);
    /// Changes a source.
    update(SourceId, SourcePatch => Source, batch = 50);
    /// Changes many sources.
    update_many(SourcePatch);
    /// Removes a source.
    delete(SourceId);
}

impl Client {
    /// Sources of leads.
    pub fn sources(&self) -> Sources {
        Sources::at(self, "/api/v4/sources")
    }
}

impl Sources {
    /// Removes many sources, 50 to a request: all of a request or, if one is not there, none.
    /// [`Error::validation_errors`](crate::Error::validation_errors) tells which.
    pub fn delete_many(&self, ids: impl IntoIterator<Item = SourceId>) -> DeleteSources {
        DeleteSources {
            client: self.client.clone(),
            path: self.path.clone().into_owned(),
            ids: ids.into_iter().collect(),
        }
    }
}

/// Removes many sources.
#[derive(Debug, Clone)]
#[must_use = "nothing is removed until it is awaited"]
pub struct DeleteSources {
    client: Client,
    path: String,
    ids: Vec<SourceId>,
}

declare!(DeleteSources: DELETE_MANY);

impl DeleteSources {
    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// None in practice: ids can always be written.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        #[derive(Serialize)]
        struct Item {
            id: SourceId,
        }
        let request = |batch: &[SourceId]| {
            let items: Vec<Item> = batch.iter().map(|id| Item { id: *id }).collect();
            Request::delete(DELETE_MANY, &self.path).json(&items)
        };
        self.ids.chunks(MAX_SOURCES).map(request).collect()
    }

    async fn run(self) -> Result<()> {
        let client = self.client.clone();
        for (batch, request) in self.into_requests()?.into_iter().enumerate() {
            let sent = client.send(request).await;
            sent.map_err(|error| error.with_item_offset(batch * MAX_SOURCES))?;
        }
        Ok(())
    }
}

awaited!(DeleteSources => ());

/// A source as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// The pipeline its leads enter.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub pipeline_id: Option<PipelineId>,
    /// Its id on the integration's side; it never changes.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub external_id: Option<String>,
    /// Whether it is the one that leads get if none is named.
    #[serde(default, deserialize_with = "de::flag")]
    pub default: bool,
    /// The code of its channel in the chat service.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub origin_code: Option<String>,
    /// What visitors of a site may write to.
    #[serde(default, deserialize_with = "de::list")]
    pub services: Vec<SourceService>,
}

impl HasId for Source {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

open_enum! {
    /// A messenger of a source.
    pub enum SourceServiceType {
        /// WhatsApp.
        Whatsapp = "whatsapp",
    }
}

/// A messenger of a source, as it is read and written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SourceService {
    /// Which one.
    #[serde(rename = "type")]
    pub service_type: SourceServiceType,
    /// What it can do.
    #[serde(default, deserialize_with = "de::object")]
    pub params: SourceServiceParams,
    /// Its numbers.
    #[serde(default, deserialize_with = "de::list")]
    pub pages: Vec<SourcePage>,
}

impl SourceService {
    /// A messenger with its numbers.
    pub fn new(
        service_type: SourceServiceType,
        pages: impl IntoIterator<Item = SourcePage>,
    ) -> Self {
        Self {
            service_type,
            params: SourceServiceParams::default(),
            pages: pages.into_iter().collect(),
        }
    }

    /// Sets whether it is WhatsApp's API for business.
    #[must_use]
    pub fn waba(mut self, waba: bool) -> Self {
        self.params.waba = Some(waba);
        self
    }

    /// Sets whether it can show lists to choose from.
    #[must_use]
    pub fn list_messages(mut self, supported: bool) -> Self {
        self.params.is_supports_list_message = Some(supported);
        self
    }
}

/// What a messenger can do.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SourceServiceParams {
    /// Whether it is WhatsApp's API for business.
    #[serde(deserialize_with = "de::opt_flag")]
    pub waba: Option<bool>,
    /// Whether it can show lists to choose from.
    #[serde(deserialize_with = "de::opt_flag")]
    pub is_supports_list_message: Option<bool>,
}

/// A number of a messenger. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SourcePage {
    /// Its id.
    #[serde(default, deserialize_with = "de::text")]
    pub id: String,
    /// How it is shown.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// The phone.
    #[serde(default, deserialize_with = "de::text")]
    pub link: String,
}

impl SourcePage {
    /// A number.
    pub fn new(id: impl Into<String>, name: impl Into<String>, link: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            link: link.into(),
        }
    }
}

impl fmt::Debug for SourcePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourcePage").finish_non_exhaustive()
    }
}

filter! {
    /// Which sources a list keeps.
    pub struct SourceFilter {
        /// With these ids on the integration's side.
        any external_ids "external_id": String,
    }
}

input! {
    /// A source to be added. Its id on the integration's side is at most 36 printable ASCII characters and never changes.
    pub struct NewSource(name: impl Into<String>, external_id: impl Into<String>);
    /// Changes to a source: only what is set travels.
    pub struct SourcePatch(SourceId) of Source;
    fields SourceFields;
    both {
        /// Sets the name.
        text name "name";
        /// Sets the pipeline its leads enter.
        set pipeline "pipeline_id": PipelineId;
        /// Sets whether it is the one that leads get if none is named.
        set default "default": bool;
        /// Sets the code of its channel in the chat service.
        nullable origin_code clear_origin_code "origin_code": String;
        /// Adds messengers that visitors of a site may write to; those named here are **all** then.
        list services "services": SourceService;
    }
    new {
        /// Sets its id on the integration's side.
        text external_id "external_id";
    }
    patch {}
}
