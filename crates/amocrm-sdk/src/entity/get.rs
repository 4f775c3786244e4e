//! Reading one entity.

use std::marker::PhantomData;

use serde_json::Map;

use super::{Entity, Listable, awaited};
use crate::batcher::{Destination, MAX_READ, Verb};
use crate::client::Client;
use crate::error::{ErrorKind, Result};
use crate::request::Request;

/// What only lists understand: there it gives the trash.
const ONLY_DELETED: &str = "only_deleted";

/// Reads one entity; awaiting gives `None` when there is none. Of a [batcher](crate::batcher) it travels in company.
///
/// amoCRM answers a missing entity with 204 here and with 404 there; both are `None`.
#[derive(Debug, Clone)]
#[must_use = "nothing is read until it is awaited"]
pub struct Get<E> {
    client: Client,
    path: String,
    with: Vec<String>,
    gathered_as: Option<u64>,
    entity: PhantomData<fn() -> E>,
}

impl<E: Entity> Get<E> {
    pub(crate) fn new(client: Client, path: String) -> Self {
        Self {
            client,
            path,
            with: Vec::new(),
            gathered_as: None,
            entity: PhantomData,
        }
    }

    /// For collections whose list can be filtered by id: a [batcher](crate::batcher) may ask for this one in company.
    pub(crate) fn gathered(mut self, id: u64) -> Self {
        self.gathered_as = Some(id);
        self
    }

    /// The request.
    pub fn into_request(self) -> Request {
        let request = Request::get(E::GET, self.path).host(E::HOST);
        if self.with.is_empty() {
            request
        } else {
            request.query("with", self.with.join(","))
        }
    }

    async fn run(self) -> Result<Option<E>> {
        let client = self.client.clone();
        if let (Some(id), Some(batching)) = (self.gathered_as, client.batching())
            && !self.with.iter().any(|word| word == ONLY_DELETED)
        {
            let collection = self.path.rsplit_once('/').map_or("", |(before, _)| before);
            // In one order, so that the same words are the same batch.
            let mut with = self.with;
            with.sort_unstable();
            with.dedup();
            let destination = Destination {
                verb: Verb::Read,
                path: collection.to_owned(),
                with: with.join(","),
                operation: E::GET,
                key: E::KEY,
                limit: MAX_READ,
            };
            let nothing = Map::new();
            return batching.send(&client, destination, Some(id), nothing).await;
        }
        match client.fetch(self.into_request()).await {
            Err(error) if error.kind() == ErrorKind::NotFound && error.status() == Some(404) => {
                Ok(None)
            }
            outcome => outcome,
        }
    }
}

impl<E: Listable> Get<E> {
    /// Embeds more into the entity.
    pub fn with(mut self, with: impl IntoIterator<Item = E::With>) -> Self {
        self.with
            .extend(with.into_iter().map(|word| word.to_string()));
        self
    }
}

awaited!(Get<E> => Option<E> where E: Entity);
