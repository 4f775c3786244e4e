//! How an incoming lead ends: accepted, declined, or linked.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::{UnsortedCategory, UnsortedEmbedded, UnsortedUid};
use crate::client::Client;
use crate::de;
use crate::entity::action;
use crate::id::{ContactId, PipelineId, StatusId, UserId};
use crate::links::{EntityRef, EntityType};
use crate::request::Operation;

// What has ended already is not found (404): after a lost answer, asking again would hide that it worked.
const ACCEPT: Operation = Operation::once("unsorted.accept");
const DECLINE: Operation = Operation::once("unsorted.decline");
const LINK: Operation = Operation::once("unsorted.link");

/// An incoming lead that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SortedLead {
    /// What it was known by.
    pub uid: UnsortedUid,
    /// Its pipeline.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub pipeline_id: Option<PipelineId>,
    /// What it came as.
    #[serde(default)]
    pub category: Option<UnsortedCategory>,
    /// When it came.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// What became of it. amoCRM does not always tell.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: UnsortedEmbedded,
}

action! {
    /// Accepts an incoming lead; awaiting gives what became of it. One that has ended is
    /// [`NotFound`](crate::ErrorKind::NotFound).
    pub struct AcceptUnsorted(AcceptBody) => SortedLead: POST ACCEPT;
}

/// A body of [`AcceptUnsorted`].
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
pub(crate) struct AcceptBody {
    user_id: Option<UserId>,
    status_id: Option<StatusId>,
}

impl AcceptUnsorted {
    pub(super) fn new(client: &Client, path: String) -> Self {
        Self::at(client, path, AcceptBody::default())
    }

    /// On whose behalf: the user becomes responsible; `0` is a robot.
    pub fn user(mut self, user: UserId) -> Self {
        self.body.user_id = Some(user);
        self
    }

    /// To which stage of its pipeline.
    pub fn status(mut self, status: StatusId) -> Self {
        self.body.status_id = Some(status);
        self
    }
}

action! {
    /// Declines an incoming lead; awaiting gives what became of it. One that has ended is
    /// [`NotFound`](crate::ErrorKind::NotFound).
    pub struct DeclineUnsorted(DeclineBody) => SortedLead: DELETE DECLINE;
}

/// A body of [`DeclineUnsorted`]; it travels although the method is DELETE.
#[skip_serializing_none]
#[derive(Clone, Default, Serialize)]
pub(crate) struct DeclineBody {
    user_id: Option<UserId>,
}

impl DeclineUnsorted {
    pub(super) fn new(client: &Client, path: String) -> Self {
        Self::at(client, path, DeclineBody::default())
    }

    /// On whose behalf; `0` is a robot.
    pub fn user(mut self, user: UserId) -> Self {
        self.body.user_id = Some(user);
        self
    }
}

action! {
    /// Gives an incoming chat or letter to an existing entity; awaiting gives what became of it.
    pub struct LinkUnsorted(LinkBody) => SortedLead: POST LINK;
}

/// A body of [`LinkUnsorted`].
#[skip_serializing_none]
#[derive(Clone, Serialize)]
pub(crate) struct LinkBody {
    link: Target,
    user_id: Option<UserId>,
}

#[skip_serializing_none]
#[derive(Clone, Serialize)]
struct Target {
    entity_id: u64,
    entity_type: EntityType,
    metadata: Option<TargetMetadata>,
}

#[derive(Clone, Serialize)]
struct TargetMetadata {
    contact_id: ContactId,
}

impl LinkUnsorted {
    pub(super) fn new(client: &Client, path: String, to: EntityRef) -> Self {
        let link = Target {
            entity_id: to.id,
            entity_type: to.entity_type,
            metadata: None,
        };
        let body = LinkBody {
            link,
            user_id: None,
        };
        Self::at(client, path, body)
    }

    /// Which contact of the entity gets the chat.
    pub fn contact(mut self, contact_id: ContactId) -> Self {
        self.body.link.metadata = Some(TargetMetadata { contact_id });
        self
    }

    /// On whose behalf.
    pub fn user(mut self, user: UserId) -> Self {
        self.body.user_id = Some(user);
        self
    }
}
