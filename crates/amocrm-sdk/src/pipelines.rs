//! Pipelines of leads and their statuses (stages).
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/leads_pipelines>.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::entity::{HasId, Never, input, resource};
use crate::id::{AccountId, PipelineId, StatusId, kind};

mod statuses;

pub use self::statuses::{
    NewStatus, Status, StatusColor, StatusDescription, StatusLevel, StatusPatch, StatusWith,
    Statuses,
};

const PATH: &str = "/api/v4/leads/pipelines";

resource! {
    /// Pipelines of an account: [`Client::pipelines`].
    pub struct Pipelines of Pipeline: kind::Pipeline, "pipelines";
    /// Reads pipelines with their statuses. An account has at most 50.
    list_whole(with = Never, filter = Never, order = Never);
    /// Reads one pipeline with its statuses.
    get(PipelineId);
    /// Adds pipelines with their stages. Needs an administrator's token.
    create(NewPipeline => Pipeline);
    /// Changes a pipeline. Needs an administrator's token.
    update(PipelineId, PipelinePatch => Pipeline);
    /// Removes a pipeline. amoCRM refuses one that holds leads (422), and the last one.
    delete(PipelineId);
}

impl Client {
    /// Pipelines of leads.
    pub fn pipelines(&self) -> Pipelines {
        Pipelines::at(self, PATH)
    }
}

impl Pipelines {
    /// Statuses (stages) of a pipeline.
    pub fn statuses(&self, pipeline: PipelineId) -> Statuses {
        Statuses::new(self.client.clone(), format!("{PATH}/{pipeline}/statuses"))
    }
}

/// A pipeline as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Pipeline {
    /// Its id.
    pub id: PipelineId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its place among the pipelines.
    #[serde(default, deserialize_with = "de::number")]
    pub sort: i64,
    /// Whether it is the main one. Exactly one is.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_main: bool,
    /// Whether it takes incoming leads.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_unsorted_on: bool,
    /// Whether it is archived.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_archive: bool,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    embedded: Embedded,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Embedded {
    #[serde(default, deserialize_with = "de::list")]
    statuses: Vec<Status>,
}

impl Pipeline {
    /// Its statuses in order: incoming leads, the account's own stages, won, lost.
    pub fn statuses(&self) -> &[Status] {
        &self.embedded.statuses
    }

    /// The status of this name.
    pub fn status_named(&self, name: &str) -> Option<&Status> {
        self.statuses().iter().find(|status| status.name == name)
    }

    /// The first stage that a lead may stand in: where amoCRM puts new leads.
    pub fn first_stage(&self) -> Option<&Status> {
        self.statuses().iter().find(|status| !status.is_unsorted())
    }
}

impl HasId for Pipeline {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

/// A pipeline to be added.
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewPipeline {
    name: String,
    sort: i64,
    is_main: bool,
    is_unsorted_on: bool,
    #[serde(rename = "_embedded")]
    embedded: NewEmbedded,
}

#[derive(Debug, Clone, Serialize)]
struct NewEmbedded {
    statuses: Vec<StageInput>,
}

/// A stage of a new pipeline: an own one, or a name for one of the closing ones.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum StageInput {
    Own(NewStatus),
    Closing { id: StatusId, name: String },
}

impl NewPipeline {
    /// A pipeline that takes incoming leads and is not the main one. amoCRM wants at least one stage.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            sort: 100,
            is_main: false,
            is_unsorted_on: true,
            embedded: NewEmbedded {
                statuses: Vec::new(),
            },
        }
    }

    /// Sets its place among the pipelines.
    pub fn sort(mut self, sort: i64) -> Self {
        self.sort = sort;
        self
    }

    /// Makes it the main one.
    pub fn main(mut self) -> Self {
        self.is_main = true;
        self
    }

    /// Whether it takes incoming leads.
    pub fn unsorted(mut self, on: bool) -> Self {
        self.is_unsorted_on = on;
        self
    }

    /// Adds a stage after the ones before.
    pub fn status(mut self, status: NewStatus) -> Self {
        let stages = &mut self.embedded.statuses;
        // The first place is that of incoming leads.
        let place = i64::try_from(stages.len())
            .unwrap_or(i64::MAX)
            .saturating_add(2)
            .saturating_mul(10);
        stages.push(StageInput::Own(status.or_sort(place)));
        self
    }

    /// Names the status [`WON`](crate::leads::WON) in this pipeline.
    pub fn won_name(self, name: impl Into<String>) -> Self {
        self.closing(crate::leads::WON, name.into())
    }

    /// Names the status [`LOST`](crate::leads::LOST) in this pipeline.
    pub fn lost_name(self, name: impl Into<String>) -> Self {
        self.closing(crate::leads::LOST, name.into())
    }

    fn closing(mut self, id: StatusId, name: String) -> Self {
        self.embedded
            .statuses
            .push(StageInput::Closing { id, name });
        self
    }
}

input! {
    /// Changes to a pipeline. Its stages are changed one by one: [`Pipelines::statuses`].
    pub struct PipelinePatch(PipelineId) of Pipeline;
    fields PipelineFields;
    both {}
    new {}
    patch {
        /// Sets the name.
        text name "name";
        /// Sets its place among the pipelines.
        set sort "sort": i64;
        /// Whether it takes incoming leads.
        set unsorted "is_unsorted_on": bool;
        part is_main "is_main": bool;
    }
    also {
        /// Makes it the main one.
        pub fn main(mut self) -> Self {
            self.fields_mut().is_main = Some(true);
            self
        }
    }
}
