//! Reading one entity.

use std::marker::PhantomData;

use super::{Entity, Listable, awaited};
use crate::client::Client;
use crate::error::{ErrorKind, Result};
use crate::request::Request;

/// Reads one entity; awaiting gives `None` when there is none.
///
/// amoCRM answers a missing entity with 204 here and with 404 there; both are `None`.
#[derive(Debug, Clone)]
#[must_use = "nothing is read until it is awaited"]
pub struct Get<E> {
    client: Client,
    path: String,
    with: Vec<String>,
    entity: PhantomData<fn() -> E>,
}

impl<E: Entity> Get<E> {
    pub(crate) fn new(client: Client, path: String) -> Self {
        Self {
            client,
            path,
            with: Vec::new(),
            entity: PhantomData,
        }
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
