//! What a file is attached to.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::FileId;
use crate::client::Client;
use crate::de;
use crate::entity::awaited;
use crate::error::Result;
use crate::id::UserId;
use crate::links::{EntityRef, EntityType};
use crate::path::segment;
use crate::request::{Operation, Request};

pub(super) const LINKS: Operation = Operation::idempotent("files.links");

/// Reads what a file is attached to.
#[derive(Debug, Clone)]
#[must_use = "nothing is read until it is awaited"]
pub struct FileLinks {
    client: Client,
    path: String,
}

impl FileLinks {
    pub(super) fn new(client: Client, id: &FileId) -> Self {
        Self {
            client,
            path: format!("/api/v4/files/{}/links", segment(id.as_str())),
        }
    }

    /// The request.
    pub fn into_request(self) -> Request {
        Request::get(LINKS, self.path)
    }

    async fn run(self) -> Result<Vec<LinkedEntity>> {
        let client = self.client.clone();
        let answer: Option<Answer> = client.fetch(self.into_request()).await?;
        Ok(answer.map(|answer| answer.entities).unwrap_or_default())
    }
}

awaited!(FileLinks => Vec<LinkedEntity>);

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "de::list")]
    entities: Vec<LinkedEntity>,
}

/// An entity that a file is attached to, as amoCRM tells it here: in its older words. `Debug` does not show its name.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LinkedEntity {
    /// Its id.
    #[serde(deserialize_with = "de::number")]
    pub id: u64,
    /// Its type.
    #[serde(default)]
    pub entity_type: Option<EntityType>,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Who is responsible for it.
    #[serde(rename = "main_user_id", default, deserialize_with = "de::id_or_zero")]
    pub responsible_user_id: Option<UserId>,
    /// Who created it.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub created_by: Option<UserId>,
    /// Who changed it last.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub updated_by: Option<UserId>,
    /// When it was created.
    #[serde(
        rename = "date_create",
        default,
        deserialize_with = "de::opt_time::deserialize"
    )]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(
        rename = "date_update",
        default,
        deserialize_with = "de::opt_time::deserialize"
    )]
    pub updated_at: Option<DateTime<Utc>>,
}

impl LinkedEntity {
    /// Type and id.
    pub fn entity(&self) -> Option<EntityRef> {
        Some(EntityRef {
            entity_type: self.entity_type.clone()?,
            id: self.id,
        })
    }
}

impl fmt::Debug for LinkedEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkedEntity")
            .field("id", &self.id)
            .field("entity_type", &self.entity_type)
            .finish_non_exhaustive()
    }
}
