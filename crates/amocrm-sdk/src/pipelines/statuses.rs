//! Statuses (stages) of a pipeline.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/leads_pipelines>.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{
    Creatable, Create, Entity, Get, HasId, List, Listable, Never, Remove, Updatable, Update,
    entity, words,
};
use crate::id::{AccountId, PipelineId, StatusId, kind};
use crate::request::declare;

/// After every stage of an account's own and before won (10000).
const LAST_PLACE: i64 = 9_000;

/// Statuses of one pipeline: [`Pipelines::statuses`](super::Pipelines::statuses).
#[derive(Debug, Clone)]
pub struct Statuses {
    client: Client,
    path: String,
}

declare!(
    Statuses:
    Status::LIST,
    Status::GET,
    Status::CREATE,
    Status::UPDATE,
    Status::DELETE,
);

impl Statuses {
    pub(super) fn new(client: Client, path: String) -> Self {
        Self { client, path }
    }

    /// Reads the statuses in order. A pipeline has at most 100.
    pub fn list(&self) -> List<Status> {
        List::new(self.client.clone(), &self.path).unpaged()
    }

    /// Reads one status.
    pub fn get(&self, id: StatusId) -> Get<Status> {
        Get::new(self.client.clone(), format!("{}/{id}", self.path))
    }

    /// Adds statuses. Needs an administrator's token.
    pub fn create(&self, statuses: impl IntoIterator<Item = NewStatus>) -> Create<Status> {
        // amoCRM requires a place; without one the new stages stand last, in the order given.
        let placed = (LAST_PLACE..)
            .zip(statuses)
            .map(|(place, status)| status.or_sort(place));
        Create::new(self.client.clone(), &self.path, placed)
    }

    /// Changes a status. Needs an administrator's token.
    pub fn update(&self, id: StatusId) -> Update<Status> {
        Update::new(
            self.client.clone(),
            format!("{}/{id}", self.path),
            StatusPatch {
                id,
                changes: Changes::default(),
            },
        )
    }

    /// Removes a status; its leads move to the first stage. Needs an administrator's token.
    pub fn delete(&self, id: StatusId) -> Remove {
        Remove::new(
            self.client.clone(),
            Status::DELETE,
            format!("{}/{id}", self.path),
        )
    }
}

/// A status as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// Its id. [`WON`](crate::leads::WON) and [`LOST`](crate::leads::LOST) are in every pipeline.
    pub id: StatusId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its place in the pipeline. amoCRM renumbers what is sent.
    #[serde(default, deserialize_with = "de::number")]
    pub sort: i64,
    /// Whether it may be changed.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_editable: bool,
    /// Its pipeline.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub pipeline_id: Option<PipelineId>,
    /// Its colour, with `#`. amoCRM returns more colours than it accepts.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub color: Option<String>,
    #[serde(rename = "type", default, deserialize_with = "de::number")]
    kind: i64,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// Hints for users, with [`StatusWith::Descriptions`].
    #[serde(default, deserialize_with = "de::list")]
    pub descriptions: Vec<StatusDescription>,
}

impl Status {
    /// Whether it is the stage of incoming leads, where no lead may be put by an update.
    pub fn is_unsorted(&self) -> bool {
        self.kind == 1
    }
}

impl HasId for Status {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

words! {
    /// What a list or a read of statuses embeds on request.
    pub enum StatusWith {
        /// Hints for users: [`Status::descriptions`].
        Descriptions = "descriptions",
    }
}

impl Listable for Status {
    type With = StatusWith;
    type Filter = Never;
    type Order = Never;
}

/// What a user of a certain experience should do at this stage; at most 1,000 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatusDescription {
    /// Its id; none while it is new.
    #[serde(
        default,
        deserialize_with = "de::opt_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub id: Option<u64>,
    /// Whom it is for.
    pub level: StatusLevel,
    /// The text.
    #[serde(default, deserialize_with = "de::text")]
    pub description: String,
}

impl StatusDescription {
    /// A new hint.
    pub fn new(level: StatusLevel, text: impl Into<String>) -> Self {
        Self {
            id: None,
            level,
            description: text.into(),
        }
    }
}

open_enum! {
    /// Experience of a user.
    pub enum StatusLevel {
        /// New.
        Newbie = "newbie",
        /// Half-way.
        Candidate = "candidate",
        /// Experienced.
        Master = "master",
    }
}

/// A colour that amoCRM accepts for a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the colours")]
pub enum StatusColor {
    #[serde(rename = "#fffeb2")]
    PaleYellow,
    #[serde(rename = "#fffd7f")]
    LightYellow,
    #[serde(rename = "#fff000")]
    Yellow,
    #[serde(rename = "#ffeab2")]
    PaleOrange,
    #[serde(rename = "#ffdc7f")]
    LightOrange,
    #[serde(rename = "#ffce5a")]
    Orange,
    #[serde(rename = "#ffdbdb")]
    PaleRed,
    #[serde(rename = "#ffc8c8")]
    LightRed,
    #[serde(rename = "#ff8f92")]
    Red,
    #[serde(rename = "#d6eaff")]
    PaleBlue,
    #[serde(rename = "#c1e0ff")]
    LightBlue,
    #[serde(rename = "#98cbff")]
    Blue,
    #[serde(rename = "#ebffb1")]
    PaleGreen,
    #[serde(rename = "#deff81")]
    LightGreen,
    #[serde(rename = "#87f2c0")]
    Green,
    #[serde(rename = "#f9deff")]
    PalePink,
    #[serde(rename = "#f3beff")]
    LightPink,
    #[serde(rename = "#ccc8f9")]
    Lilac,
    #[serde(rename = "#eb93ff")]
    Pink,
    #[serde(rename = "#f2f3f4")]
    LightGrey,
    #[serde(rename = "#e6e8ea")]
    Grey,
}

#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize)]
struct Changes {
    name: Option<String>,
    sort: Option<i64>,
    color: Option<StatusColor>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    descriptions: Vec<StatusDescription>,
}

macro_rules! status_setters {
    () => {
        /// Sets its place: statuses stand in the order of these numbers.
        pub fn sort(mut self, sort: i64) -> Self {
            self.changes_mut().sort = Some(sort);
            self
        }

        /// Sets the colour.
        pub fn color(mut self, color: StatusColor) -> Self {
            self.changes_mut().color = Some(color);
            self
        }

        /// Adds a hint for users, one per level.
        pub fn description(mut self, level: StatusLevel, text: impl Into<String>) -> Self {
            self.changes_mut()
                .descriptions
                .push(StatusDescription::new(level, text));
            self
        }

        /// Adds hints for users; one that was read keeps its id and replaces what it was.
        pub fn descriptions(mut self, hints: impl IntoIterator<Item = StatusDescription>) -> Self {
            self.changes_mut().descriptions.extend(hints);
            self
        }
    };
}

/// A status to be added.
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewStatus {
    #[serde(flatten)]
    changes: Changes,
}

impl NewStatus {
    /// A status of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            changes: Changes {
                name: Some(name.into()),
                ..Changes::default()
            },
        }
    }

    status_setters!();

    pub(super) fn or_sort(mut self, sort: i64) -> Self {
        self.changes.sort.get_or_insert(sort);
        self
    }

    fn changes_mut(&mut self) -> &mut Changes {
        &mut self.changes
    }
}

/// Changes to a status.
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct StatusPatch {
    #[serde(skip)]
    id: StatusId,
    #[serde(flatten)]
    changes: Changes,
}

impl HasId for StatusPatch {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl Update<Status> {
    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.changes_mut().name = Some(name.into());
        self
    }

    status_setters!();

    fn changes_mut(&mut self) -> &mut Changes {
        &mut self.patch_mut().changes
    }
}

entity!(Status: kind::Status, "statuses");

impl Creatable for Status {
    type New = NewStatus;
    type Created = Status;
}

impl Updatable for Status {
    type Patch = StatusPatch;
    type Updated = Status;
}
