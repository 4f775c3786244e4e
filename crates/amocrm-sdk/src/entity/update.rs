//! Changing entities. Only what was set travels: fields that are not mentioned keep their values.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::create::{Identified, in_input_order, numbered};
use super::page::Envelope;
use super::{Entity, HasId, Updatable, awaited};
use crate::batcher::{Destination, Verb};
use crate::client::Client;
use crate::de;
use crate::error::Result;
use crate::id::Id;
use crate::request::Request;

/// Changes one entity. Of a [batcher](crate::batcher) it travels in company.
#[must_use = "nothing is changed until it is awaited"]
pub struct Update<E: Updatable> {
    client: Client,
    path: String,
    patch: E::Patch,
    is_gathered: bool,
}

impl<E: Updatable> Update<E> {
    /// `path` is that of the entity itself.
    pub(crate) fn new(client: Client, path: String, patch: E::Patch) -> Self {
        Self {
            client,
            path,
            patch,
            is_gathered: false,
        }
    }

    /// For collections that take many changes at once: a [batcher](crate::batcher) may send this one in company.
    pub(crate) fn gathered(mut self, is_gathered: bool) -> Self {
        self.is_gathered = is_gathered;
        self
    }

    pub(crate) fn patch_mut(&mut self) -> &mut E::Patch {
        &mut self.patch
    }

    /// The request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the patch cannot be written as JSON.
    pub fn into_request(self) -> Result<Request> {
        Request::patch(E::UPDATE, self.path).json(&self.patch)
    }

    async fn run(self) -> Result<E::Updated> {
        let client = self.client.clone();
        if let (true, Some(batching)) = (self.is_gathered, client.batching()) {
            let collection = self.path.rsplit_once('/').map_or("", |(before, _)| before);
            let destination = Destination {
                verb: Verb::Update,
                path: collection.to_owned(),
                with: String::new(),
                operation: E::UPDATE,
                key: E::KEY,
                limit: E::BATCH,
            };
            let item = numbered(E::UPDATE, 0, &self.patch)?;
            let id = self.patch.raw_id();
            return batching.send(&client, destination, Some(id), item).await;
        }
        let answer: Single<E> = client.expect(self.into_request()?).await?;
        Ok(answer.0)
    }
}

/// The documentation shows the answer to a single change both bare and in a collection's envelope.
struct Single<E: Updatable>(E::Updated);

impl<'de, E: Updatable> Deserialize<'de> for Single<E> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;

        let mut value = Value::deserialize(deserializer)?;
        if value.get("id").is_none()
            && let Some(item) = value
                .get_mut("_embedded")
                .and_then(|embedded| embedded.get_mut(E::KEY)?.get_mut(0))
        {
            value = item.take();
        }
        serde_json::from_value(value)
            .map(Self)
            .map_err(D::Error::custom)
    }
}

/// Changes many entities: *n* in, *n* out, in the order of the input, 250 to a request.
#[must_use = "nothing is changed until it is awaited"]
pub struct UpdateMany<E: Updatable> {
    client: Client,
    path: String,
    patches: Vec<E::Patch>,
}

impl<E: Updatable> UpdateMany<E> {
    pub(crate) fn new(
        client: Client,
        path: impl Into<String>,
        patches: impl IntoIterator<Item = E::Patch>,
    ) -> Self {
        Self {
            client,
            path: path.into(),
            patches: patches.into_iter().collect(),
        }
    }

    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when a patch cannot be written as JSON.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        let item = |(index, patch): (usize, &E::Patch)| {
            let mut object = numbered(E::UPDATE, index, patch)?;
            object.insert("id".to_owned(), patch.raw_id().into());
            Ok(Value::Object(object))
        };
        self.patches
            .chunks(E::BATCH)
            .map(|batch| {
                let items = batch
                    .iter()
                    .enumerate()
                    .map(item)
                    .collect::<Result<Vec<_>>>()?;
                Request::patch(E::UPDATE, &self.path).json(&items)
            })
            .collect()
    }

    async fn run(self) -> Result<Vec<E::Updated>> {
        let client = self.client.clone();
        let batches: Vec<Vec<u64>> = self
            .patches
            .chunks(E::BATCH)
            .map(|batch| batch.iter().map(HasId::raw_id).collect())
            .collect();
        let mut updated = Vec::with_capacity(self.patches.len());
        for (request, ids) in self.into_requests()?.into_iter().zip(batches) {
            let offset = updated.len();
            let answer = client
                .expect(request)
                .await
                .map_err(|error| error.with_item_offset(offset))?;
            updated.extend(match_by_id::<E>(answer, &ids)?);
        }
        Ok(updated)
    }
}

/// Whether leads echo `request_id` in this answer is not documented; they do tell ids.
fn match_by_id<E: Updatable>(
    answer: Envelope<E, WithId<E::Updated>>,
    ids: &[u64],
) -> Result<Vec<E::Updated>> {
    let mut free: Vec<(usize, u64)> = ids.iter().copied().enumerate().rev().collect();
    let answers = answer
        .into_items()
        .into_iter()
        .map(|WithId { id, item }| {
            let by_id = free
                .iter()
                .rposition(|(_, wanted)| Some(*wanted) == id)
                .map(|at| free.remove(at).0);
            Identified {
                indexes: by_id.map_or(item.indexes, |index| vec![index]),
                value: item.value,
            }
        })
        .collect();
    in_input_order(E::UPDATE, answers, ids.len())
}

struct WithId<T> {
    id: Option<u64>,
    item: Identified<T>,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for WithId<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let id = value.get("id").and_then(Value::as_u64);
        let item = serde_json::from_value(value).map_err(serde::de::Error::custom)?;
        Ok(Self { id, item })
    }
}

/// What amoCRM tells of an entity it has just changed.
#[non_exhaustive]
pub struct Updated<E: Entity> {
    /// Its id.
    pub id: Id<E::Kind>,
    /// The time of the change, by amoCRM's clock. Some answers lack it.
    pub updated_at: Option<DateTime<Utc>>,
}

impl<'de, E: Entity> Deserialize<'de> for Updated<E> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(bound = "")]
        struct Wire<K> {
            id: Id<K>,
            #[serde(default, deserialize_with = "de::opt_time::deserialize")]
            updated_at: Option<DateTime<Utc>>,
        }
        Wire::deserialize(deserializer).map(|wire| Self {
            id: wire.id,
            updated_at: wire.updated_at,
        })
    }
}

// Written by hand, because derives would ask the same of the entity.
impl<E: Entity> Clone for Updated<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Entity> Copy for Updated<E> {}

impl<E: Entity> fmt::Debug for Updated<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updated")
            .field("id", &self.id)
            .field("updated_at", &self.updated_at)
            .finish()
    }
}

impl<E: Updatable> fmt::Debug for Update<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl<E: Updatable> fmt::Debug for UpdateMany<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateMany")
            .field("patches", &self.patches.len())
            .finish_non_exhaustive()
    }
}

awaited!(Update<E> => E::Updated where E: Updatable);
awaited!(UpdateMany<E> => Vec<E::Updated> where E: Updatable);
